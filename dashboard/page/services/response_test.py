"""Which units respond: the test of every unit at once, whose values become columns of the cluster table."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from html import escape
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from dashboard.analysis.events.responses import (
    BASELINE_EVENT,
    MIN_SPIKES,
    baseline_event,
    default_windows,
    paired_events,
    response_test,
)
from dashboard.analysis.events.trials import brainwide_mask, has_mask, split_trials
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.model.unit_ids import read_ids, write_ids
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
from dashboard.page.core.numbers import number_text, wrong_ends
from dashboard.page.core.panes import html_pane
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import PageState
from dashboard.page.core.theme import apply_theme
from dashboard.page.services.alignment import AlignmentState, is_name
from dashboard.page.widgets.chips import Chips
from dashboard.page.widgets.fields import number, number_field, refuse
from dashboard.page.widgets.progress_line import ProgressLine

TAB = "Events"
"""Tab in which it is asked for."""

PREFIX = "resp_"
"""Of the columns that the test adds."""

HINT = (
    '<div class="unit"><p class="absent">Tests the response of every unit, with the event, the split and the trials '
    "chosen above: Wilcoxon's signed-rank test of each trial's response against its baseline; windows of different "
    "lengths are compared by their rates. "
    f"The baseline is relative to {BASELINE_EVENT} of the same trial, the response to the event. Windows are "
    "those of the brain-wide map until others are typed.</p></div>"
)

TEST_NAME = "Wilcoxon's signed-rank test"
N_TOP = 6
"""Units that are offered of those that respond most."""

Q_MAX = 0.05
"""False discovery rate at which a unit is counted as responding in the summary of a test."""


_MASKS = {"mask": True, "all": False}


@dataclass(frozen=True, slots=True)
class ResponseTestRequest:
    """Parameters of the test of responses, from which its columns can be had again.

    Attributes
    ----------
    event, split : str
        Of `dashboard.analysis.events.trials`.
    is_masked : bool
        Whether only trials of the brain-wide map are used.
    baseline_s, response_s : (float, float)
        Windows, in s: the baseline's relative to stimOn of the same trial, the response's to the event.
    """

    event: str
    split: str
    is_masked: bool
    baseline_s: tuple[float, float]
    response_s: tuple[float, float]

    def write(self) -> str:
        """Return it as `read_test` takes it: ``stimOn,none,mask,-0.1,0,0,0.1``."""
        mask = next(word for word, is_masked in _MASKS.items() if is_masked == self.is_masked)
        return ",".join([self.event, self.split, mask, *map(number_text, (*self.baseline_s, *self.response_s))])

    @property
    def words(self) -> str:
        """The test in words, for the origin of an export."""
        split = f", split by {self.split}" if self.split != "none" else ""
        trials = "trials of the brain-wide map" if self.is_masked else "all trials"
        return f"{self.event}{split}, {trials}, {self.windows}"

    @property
    def windows(self) -> str:
        """Both windows in words."""
        (b0, b1), (r0, r1) = self.baseline_s, self.response_s
        return (
            f"baseline {b0:g} to {b1:g} s of {baseline_event(self.event)}, response {r0:g} to {r1:g} s of {self.event}"
        )


def read_test(text: str) -> ResponseTestRequest:
    """Return the test of responses that a word of the link names.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    example = "stimOn,none,mask,-0.1,0,0,0.1"
    parts = text.split(",")
    if len(parts) != 7 or not is_name(parts[0]) or not is_name(parts[1]) or parts[2] not in _MASKS:
        raise BadRequest("test wants event, split, mask or all, baseline, response", text[:60], example)
    try:
        b0, b1, r0, r1 = map(float, parts[3:])
    except ValueError as error:
        raise BadRequest("test has windows that are not numbers", text[:60], example) from error
    if not all(map(math.isfinite, (b0, b1, r0, r1))):
        raise BadRequest("test has windows that are not numbers", text[:60], example)
    return ResponseTestRequest(parts[0], parts[1], _MASKS[parts[2]], (b0, b1), (r0, r1))


def normalise_test(text: str) -> str:
    """Return a word of the link as it is written.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    return read_test(text).write()


class ResponseTestState(param.Parameterized):
    """Which test the clusters have columns of."""

    test = param.String("", doc="Test of responses whose columns are there, as `read_test` reads it; empty: none.")


def suffix_of(label: str) -> str:
    """Return a group's label as the end of a column's name, which expressions can hold: ``_6_25``."""
    return "_" + re.sub(r"\W+", "_", label.replace("%", "")).strip("_")


def run_test(
    opened: OpenInsertion, choice: ResponseTestRequest, progress: ProgressCallback, cancel: threading.Event
) -> tuple[pd.DataFrame, str]:
    """Test every unit, in each group of a split.

    Returns
    -------
    DataFrame, index = that of the clusters
        The columns to add.
    str
        What was tested, for a reader of the columns.

    Raises
    ------
    BadRequest
        No trial can be used, or a window makes no sense.
    Cancelled
    """
    columns, trials, ids = opened.columns, opened.sorting.trials, opened.sorting.clusters.index
    if trials is None:
        raise BadRequest("There are no trials to test responses with")
    baseline_s, response_s, event, split = choice.baseline_s, choice.response_s, choice.event, choice.split
    mask = brainwide_mask(trials.table) if choice.is_masked and has_mask(trials.table) else None
    groups = split_trials(trials.table, split, mask)
    tables, words = [], []
    for index, group in enumerate(groups):
        before, events = paired_events(trials.table, event, baseline_s, response_s, columns.time_range_s, group.mask)
        if not len(events):
            continue

        test = response_test(
            columns.times_s, columns.clusters, columns.n_clusters, events,
            baseline_events=before, baseline_s=baseline_s, response_s=response_s,
            progress=partial(_report_group, progress, index, len(groups)), cancel=cancel,
        )  # fmt: skip
        tables.append(test.table(ids, suffix_of(group.label) if split != "none" else ""))
        name = f"{group.label}: " if split != "none" else ""
        n_tested, n_responding = int(np.isfinite(test.q).sum()), int(np.count_nonzero(test.q < Q_MAX))
        units, in_trials = counted(n_tested, "unit"), counted(test.n_trials, "trial")
        words.append(f"{name}{n_responding:,} of {units} with q < {Q_MAX:g} in {in_trials}")
    if not tables:
        raise BadRequest("No trial can be used for this test", event, "Switch the mask off, or choose another event")
    among = f"q is over units with at least {MIN_SPIKES} spikes in the two windows"
    return pd.concat(tables, axis=1), f"{TEST_NAME}: {event}, {choice.windows}. {'; '.join(words)}; {among}"


def _report_group(progress: ProgressCallback, index: int, n_groups: int, step: Progress) -> None:
    progress(replace(step, done=step.done + index * step.total, total=n_groups * step.total))


def with_responses(sorting: SpikeSorting, table: pd.DataFrame) -> SpikeSorting:
    """Return the sorting with the columns of a test in its clusters, those of the test before left out.

    Parameters
    ----------
    sorting : SpikeSorting
    table : DataFrame, index = id of the unit
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


def top_units(scene: Scene) -> list[tuple[str, str, str]]:
    """Return chips of the units that pass the filters and whose rates change most, those with a small q first.

    Of a split the group with the largest change counts.
    """
    table = scene.sorting.clusters
    if scene.mask is not None:
        table = table[scene.mask[: len(table)]]
    found: dict[Any, tuple[bool, float, float]] = {}
    for name in (name for name in response_columns(scene.sorting) if name.startswith(f"{PREFIX}change_hz")):
        for unit, change, q in zip(table.index, table[name], table[name.replace("change_hz", "q", 1)], strict=True):
            if math.isfinite(change):
                one = (bool(q < Q_MAX), float(change), float(q))
                found[unit] = max(found.get(unit, one), one, key=lambda it: (it[0], abs(it[1])))
    first = sorted(found, key=lambda unit: (not found[unit][0], -abs(found[unit][1])))[:N_TOP]
    regions = table.get("acronym")
    chips = []
    for unit in first:
        _, change, q = found[unit]
        where = "" if regions is None else f" {regions[unit]}"
        size = f"{change:+.3g} Hz, {f'q {q:.2g}' if math.isfinite(q) else 'few spikes'}"
        chips.append((write_ids([unit]), f"{unit}{where}: {size}", "Select the unit"))
    return chips


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What the last test found; by itself it keeps no insertion alive."""

    columns: ref[SpikeColumns]
    test: str
    table: pd.DataFrame
    words: str

    def is_of(self, columns: SpikeColumns, test: str) -> bool:
        """Whether it is that test, of these spikes."""
        return self.columns() is columns and self.test == test


def _defaults(event: str) -> tuple[float, ...]:
    """Return the four ends of the windows of an event, baseline first."""
    baseline_s, response_s = default_windows(event)
    return (*baseline_s, *response_s)


class _Form:
    """What the Events tab shows of it: a button, progress, what was found, and the windows."""

    def __init__(
        self,
        values: tuple[float, ...],
        start: Callable[[], None],
        stop: Callable[[], None],
        pick: Callable[[str], None],
    ) -> None:
        labels = ("Baseline (s)", "to (s)", "Response (s)", "to (s)")
        self.windows = [number_field(label, value) for label, value in zip(labels, values, strict=True)]
        self.button = pmui.Button(label="Test response", size="small", variant="contained", margin=(9, 4), width=120)
        self.button.on_click(lambda event: start())
        self.line = ProgressLine(start, stop)
        self.words = html_pane("", "unit", margin=(0, 10))
        self.top = Chips(pick, about="Units that change most", sizing_mode="stretch_width", margin=(2, 10))
        self.panel = pn.Column(self.line.panel, self.words, self.top, sizing_mode="stretch_width", margin=0)
        hint = html_pane(HINT, "unit", margin=(2, 4))
        self.settings = pn.Column(
            pn.FlexBox(*self.windows, sizing_mode="stretch_width", margin=0), hint, sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip


class ResponseTester:
    """Windows, a button, and the progress of the test.

    Parameters
    ----------
    states : PageState
        `AlignmentState` says what is tested, `ResponseTestState` names the test whose columns are there.
    queue : DocumentQueue
    tested : callable (OpenInsertion) -> None
        Given the insertion with the columns.

    Attributes
    ----------
    aside : Column
        Progress of a test that a link or a step asks for while Events is out of sight; stands in the rail.
    """

    def __init__(
        self,
        states: PageState,
        queue: DocumentQueue,
        tested: Callable[[OpenInsertion], None],
    ) -> None:
        self._view_state, self._alignment, self._state = states.view, states[AlignmentState], states[ResponseTestState]
        self._queue, self._tested = queue, tested
        self._job: Job[tuple[pd.DataFrame, str]] = Job(
            queue, "responses", lambda error: self._halt(str(error), "Try again"), self._progress, self._stop
        )
        self._opened: OpenInsertion | None = None
        self._shown = self._said = ""
        self._is_by_hand = False
        self._wish: ResponseTestRequest | None = None
        self._found: _Found | None = None
        self._aside: ProgressLine | None = None
        self.aside = pn.Column(visible=False, sizing_mode="stretch_width", margin=0)
        states.view.param.watch(self._turned, "tab")
        self._alignment.param.watch(self._another_event, "event")

    @cached_property
    def _form(self) -> _Form:
        """What is seen of it; made with the tab."""
        choice = read_test(self._state.test) if self._state.test else None
        values = _defaults(self._alignment.event) if choice is None else (*choice.baseline_s, *choice.response_s)
        form = _Form(values, self._start, self._stop, self._pick)
        form.button.disabled = self._job.is_running
        return form

    @property
    def button(self) -> Any:
        """What starts a test."""
        return self._form.button

    @property
    def panel(self) -> Any:
        """How far a test is, what it found, and the units that respond most."""
        return self._form.panel

    @property
    def settings(self) -> Any:
        """The windows, and what is tested."""
        return self._form.settings

    def open(self, scene: Scene) -> None:
        """Take another insertion, or the same one through other filters; a test of the one before stops."""
        self._take(scene.opened)
        self._form.top.chips = top_units(scene)

    def _pick(self, name: str) -> None:
        """Select the unit whose chip was clicked."""
        self._queue.later(partial(self._view_state.param.update, selected=read_ids(name)))

    def step(self, opened: OpenInsertion) -> None:
        """Have the columns that the state names after a step through the history, and none where it names none."""
        self._take(opened)
        if self._state.test:
            self.resume(opened)
            return
        if not (self._job.is_running and self._is_by_hand):  # who has just asked for a test wants it in any view
            self._rest()
        self._shown = ""
        self._say("")
        names = response_columns(opened.sorting)
        if names:
            bare = replace(opened.sorting, clusters=opened.sorting.clusters.drop(columns=names))
            self._tested(replace(opened, sorting=bare))

    def forget(self) -> None:
        """Have no test, and know of none: what it was aligned to is no longer there."""
        self._rest()
        self._found, self._shown, self._state.test = None, "", ""
        self._say("")

    def _take(self, opened: OpenInsertion) -> None:
        if self._opened is None or opened.columns is not self._opened.columns:
            self._rest()
            self._shown = ""
            self._say("")
        self._opened = opened

    def resume(self, opened: OpenInsertion) -> None:
        """Have the columns of the test that the state names, of a link or a step back; those of another stay till then.

        Where it names none, columns that are there stay.
        """
        self._take(opened)
        if not response_columns(opened.sorting):
            self._shown = ""
        if not self._state.test:
            self._state.test = self._shown
        elif self._state.test != self._shown:
            choice = read_test(self._state.test)
            self._write_windows((*choice.baseline_s, *choice.response_s))
            if self._found is not None and self._found.is_of(opened.columns, self._state.test):
                self._rest()
                self._put(self._found)
            else:
                self._is_by_hand = False
                self._run(choice)

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._job.close()

    def _start(self) -> None:
        chosen, self._is_by_hand = self._alignment, True
        values = self._read_windows(chosen.event)
        if not self._are_windows(values):
            return
        b0, b1, r0, r1 = values
        trials = self._opened.sorting.trials if self._opened is not None else None
        is_masked = chosen.masked and trials is not None and has_mask(trials.table)
        self._run(ResponseTestRequest(chosen.event, chosen.split, is_masked, (b0, b1), (r0, r1)))

    def _run(self, choice: ResponseTestRequest) -> None:
        if self._opened is None:
            return
        self._wish = choice
        self._progress(Progress("testing responses"))
        self._job.start(partial(run_test, self._opened, choice), partial(self._finished, choice))
        self._set_running()

    @property
    def _is_made(self) -> bool:
        return "_form" in self.__dict__

    @property
    def _windows(self) -> list[Any]:
        return self._form.windows if self._is_made else []

    def _read_windows(self, event: str) -> tuple[float, ...]:
        return tuple(number(*pair) for pair in zip(self._windows, _defaults(event), strict=False))

    def _are_windows(self, values: tuple[float, ...]) -> bool:
        """Tell whether windows can be tested; what is wrong with one stands under its fields."""
        wrong = wrong_ends(dict(enumerate(values)), (0, 1), (2, 3))
        for k, field in enumerate(self._windows):
            if not field.error_state:
                refuse(field, wrong.get(k, ""))
        return not any(field.error_state for field in self._windows)

    def _write_windows(self, values: tuple[float, ...]) -> None:
        for field, value in zip(self._windows, values, strict=False):
            if number(field, value) != value:
                field.value = number_text(value)

    def _another_event(self, event: Any) -> None:
        """Take the windows of another event, unless others than those of the one before were typed."""
        if self._read_windows(event.old) == _defaults(event.old):
            self._write_windows(_defaults(event.new))

    def _set_running(self) -> None:
        if self._is_made:
            self._form.button.disabled = self._job.is_running

    def _rest(self) -> None:
        """Nothing runs, and nothing is to be said of it."""
        self._job.drop()
        self._set_running()
        if self._is_made:
            self._form.line.hide()
        self.aside.visible = False

    def _stop(self) -> None:
        self._job.drop()
        self._halt("The test was cancelled; the table has the columns of the one before.", "Test again")

    def _halt(self, words: str, again: str) -> None:
        self._set_running()
        if self._is_made:
            self._form.line.halt(words, again)
        if self.aside.visible and self._aside is not None:
            self._aside.halt(words, again)
        self._state.test = self._shown

    def _progress(self, progress: Progress) -> None:
        if self._is_seen:
            self._form.line.run(progress)
            return
        if self._aside is None:
            self._aside = ProgressLine(self._again, self._stop)
            apply_theme(self._aside.panel, dark=self._view_state.dark)
            self.aside[:] = [self._aside.panel]
        self._aside.run(progress)
        self.aside.visible = True

    def _again(self) -> None:
        """Start the test that was stopped aside, of the windows that it had."""
        if self._wish is not None:
            self._run(self._wish)

    def _say(self, words: str) -> None:
        self._said = words
        self._tell()

    def _turned(self, event: object) -> None:
        """In Events the tab's own line goes on."""
        if self._is_seen:
            self.aside.visible = False
        self._tell()

    def _tell(self) -> None:
        words = self._said
        if self._is_seen and self._form.words.object != words:
            self._form.words.object = words

    @property
    def _is_seen(self) -> bool:
        """Whether the tab is open: changes to what is out of sight can make the browser complain."""
        return bool(self._view_state.tab == TAB)

    def _finished(self, choice: ResponseTestRequest, result: tuple[pd.DataFrame, str]) -> None:
        if self._opened is not None:
            self._rest()
            self._found = _Found(ref(self._opened.columns), choice.write(), *result)
            self._put(self._found)

    def _put(self, found: _Found) -> None:
        """Give the columns to the clusters, and say what was tested."""
        opened = self._opened
        assert opened is not None, "a test is of an insertion"
        self._say(
            f'<div class="unit"><p>{escape(found.words)}. Every spike of a unit counts, whatever the filters. The '
            "table of units has the values (in expressions of the filters: resp_*). Units that pass the filters and "
            f"change most, those with q &lt; {Q_MAX:g} first:</p></div>"
        )
        self._shown = self._state.test = found.test
        self._tested(replace(opened, sorting=with_responses(opened.sorting, found.table)))
