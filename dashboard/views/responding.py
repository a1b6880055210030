"""Which units respond: the test of every unit at once, whose values become columns of the cluster table."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from html import escape

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboard.compute.event_maps import span_of
from dashboard.compute.events import Range, usable_events
from dashboard.compute.responses import BASELINE_S, RESPONSE_S, response_test
from dashboard.compute.trial_groups import brainwide_mask, event_times, split_trials
from dashboard.model.errors import BadRequest, Cancelled, DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.protocol import Progress, ProgressCallback
from dashboard.store import OpenInsertion
from dashboard.views.fields import number, number_field
from dashboard.views.figures import asset
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState
from dashboard.views.turns import Turns
from dashboard.views.working import WorkingLine

PREFIX = "resp_"
"""Of the columns that the test adds."""

Q_MAX = 0.05
"""False discovery rate at which a unit is counted as responding in the summary of a test."""


def suffix_of(label: str) -> str:
    """Return a group's label as the end of a column's name, which expressions can hold: ``_6_25``."""
    return "_" + re.sub(r"\W+", "_", label.replace("%", "")).strip("_")


def run_test(
    opened: OpenInsertion,
    event: str,
    split: str,
    *,
    is_masked: bool,
    baseline_s: Range,
    response_s: Range,
    progress: ProgressCallback,
    cancel: threading.Event,
) -> tuple[pd.DataFrame, str]:
    """Test every unit, in each group of a split.

    Returns
    -------
    DataFrame, one row per cluster id
        The columns to add.
    str
        What was tested, for a reader of the columns.

    Raises
    ------
    BadRequest
        No trial can be used, or a window makes no sense.
    Cancelled
    """
    columns, trials = opened.columns, opened.sorting.trials
    if trials is None:
        raise BadRequest("There are no trials to test responses with")
    mask = brainwide_mask(trials.table) if is_masked else None
    times = event_times(trials.table, event)
    groups = split_trials(trials.table, split, mask)
    tables, words = [], []
    for index, group in enumerate(groups):
        events = usable_events(times, span_of(baseline_s, response_s), columns.time_range_s, group.mask)
        if not len(events):
            continue

        test = response_test(
            columns.times_s, columns.clusters, columns.n_clusters, events, baseline_s=baseline_s, response_s=response_s,
            progress=partial(_report_group, progress, index, len(groups)), cancel=cancel,
        )  # fmt: skip
        tables.append(test.table(suffix_of(group.label) if split != "none" else ""))
        name = f"{group.label}: " if split != "none" else ""
        n_tested, n_responding = int(np.isfinite(test.q).sum()), int(np.count_nonzero(test.q < Q_MAX))
        words.append(f"{name}{n_responding:,} of {n_tested:,} units with q < {Q_MAX:g} in {test.n_trials:,} trials")
    if not tables:
        raise BadRequest("No trial can be used for this test", event, "Switch the mask off, or choose another event")
    windows = f"baseline {baseline_s[0]:g} to {baseline_s[1]:g} s, response {response_s[0]:g} to {response_s[1]:g} s"
    return pd.concat(tables, axis=1), f"{event}, {windows}. " + "; ".join(words)


def _report_group(progress: ProgressCallback, index: int, n_groups: int, step: Progress) -> None:
    progress(replace(step, done=step.done + index * step.total, total=n_groups * step.total))


def with_responses(sorting: SpikeSorting, table: pd.DataFrame) -> SpikeSorting:
    """Return the sorting with the columns of a test in its clusters, those of the test before left out.

    Parameters
    ----------
    sorting : SpikeSorting
    table : DataFrame, index = cluster id
        May have more ids than the sorting has clusters.
    """
    clusters = sorting.clusters.drop(columns=response_columns(sorting))
    return replace(sorting, clusters=clusters.join(table.reindex(clusters.index)))


def response_columns(sorting: SpikeSorting) -> list[str]:
    """Return the names of the columns that a test has added."""
    return [str(name) for name in sorting.clusters if str(name).startswith(PREFIX)]


def carry(before: SpikeSorting, after: SpikeSorting) -> SpikeSorting:
    """Return `after`, which was loaded anew, with the columns of a test that `before` has."""
    names = response_columns(before)
    return with_responses(after, before.clusters[names]) if names else after


class Responding:
    """Windows, a button, and the progress of the test.

    Parameters
    ----------
    state : ViewState
        ``event`` and ``split`` are the tab's.
    turns : Turns
    tested : callable (OpenInsertion) -> None
        Given the insertion with the columns.

    Attributes
    ----------
    is_masked : callable () -> bool
        Whether only trials of the brain-wide map are used.
    """

    def __init__(
        self,
        state: ViewState,
        turns: Turns,
        tested: Callable[[OpenInsertion], None],
    ) -> None:
        self._state, self._turns, self._tested = state, turns, tested
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="responses")
        self._cancel = threading.Event()
        self._opened: OpenInsertion | None = None
        self.is_masked: Callable[[], bool] = lambda: True
        labels = ("Baseline (s)", "to (s)", "Response (s)", "to (s)")
        self.windows = [
            number_field(label, value) for label, value in zip(labels, (*BASELINE_S, *RESPONSE_S), strict=True)
        ]
        self.button = pmui.Button(label="Test response", size="small", variant="contained", margin=(6, 3))
        self.button.on_click(lambda event: self._start())
        self.line = WorkingLine(self._start, self._stop)
        self.words = pn.pane.HTML(
            "", stylesheets=[asset("page.css"), asset("unit.css")], margin=(2, 4), sizing_mode="stretch_width"
        )
        self.panel = pn.Column(
            pn.FlexBox(*self.windows, self.button, sizing_mode="stretch_width", margin=0),
            self.line.panel,
            self.words,
            sizing_mode="stretch_width",
            margin=0,
        )

    def open(self, scene: Scene) -> None:
        """Take another insertion; a test of the one before stops."""
        if self._opened is None or scene.opened.columns is not self._opened.columns:
            self._cancel.set()
            self.line.hide()
            self.words.object = ""
        self._opened = scene.opened

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._cancel.set()
        self._threads.shutdown(wait=False)

    def _start(self) -> None:
        if self._opened is None:
            return
        self._cancel.set()
        self._cancel = cancel = threading.Event()
        values = [number(*pair) for pair in zip(self.windows, (*BASELINE_S, *RESPONSE_S), strict=True)]
        self.line.run(Progress("testing responses"))
        self.button.disabled = True
        future = self._threads.submit(
            run_test,
            self._opened,
            self._state.event,
            self._state.split,
            is_masked=self.is_masked(),
            baseline_s=(values[0], values[1]),
            response_s=(values[2], values[3]),
            progress=partial(self._report, cancel),
            cancel=cancel,
        )
        future.add_done_callback(lambda done: self._turns.later(partial(self._finished, cancel, done)))

    def _stop(self) -> None:
        self._cancel.set()
        self.button.disabled = False
        self.line.halt("The test was cancelled; the table has the columns of the one before.", "Test again")

    def _report(self, cancel: threading.Event, progress: Progress) -> None:
        if not cancel.is_set():
            self._turns.later(partial(self._show, cancel, progress))

    def _show(self, cancel: threading.Event, progress: Progress) -> None:
        if cancel is self._cancel and not cancel.is_set():
            self.line.run(progress)

    def _finished(self, cancel: threading.Event, done: Future[tuple[pd.DataFrame, str]]) -> None:
        if cancel is not self._cancel or cancel.is_set() or self._opened is None:
            return
        self.button.disabled = False
        try:
            table, words = done.result()
        except Cancelled:
            self._stop()
        except DashboardError as error:
            self.line.halt(str(error), "Try again")
        else:
            cancel.set()  # reports that are still under way come too late
            self.line.hide()
            opened = self._opened
            self.words.object = (
                f'<div class="unit"><p>{escape(words)}. The columns resp_* stand in the cluster table, and in '
                '"Any metric" and expressions of the filters.</p></div>'
            )
            self._tested(replace(opened, sorting=with_responses(opened.sorting, table)))
