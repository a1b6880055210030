"""One trial after the other in the raster: its window, and lines at its events."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import Span
from bokeh.plotting import figure

from dashboard.analysis.events.trials import LINE_COLORS, TrialView, trial_view
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting, Trials
from dashboard.page.core.numbers import whole_number
from dashboard.page.core.panes import html_pane
from dashboard.page.core.state import PageState
from dashboard.page.core.tab import refusal_text
from dashboard.page.widgets.fields import number, number_field


class TrialState(param.Parameterized):
    """Which trial is shown."""

    trial = param.Integer(None, allow_None=True, bounds=(0, None), doc="Row of the trial shown in the raster.")


class TrialLines:
    """Lines at the events of the trial that is shown, over figures whose x axis is time.

    Parameters
    ----------
    figures : figure
    """

    def __init__(self, *figures: figure) -> None:
        self.spans = {
            name: [
                Span(dimension="height", line_color=colour, line_width=2, visible=False, name=f"{plot.name}-{name}")
                for plot in figures
            ]
            for name, colour in LINE_COLORS.items()
        }
        for spans in self.spans.values():
            for plot, span in zip(figures, spans, strict=True):
                plot.add_layout(span)

    def show(self, lines: tuple[tuple[str, float, str], ...]) -> None:
        """Draw these, and no others."""
        times = {name: time_s for name, time_s, _ in lines}
        for name, spans in self.spans.items():
            for span in spans:
                span.update(location=times.get(name, 0.0), visible=name in times)


class TrialBrowser:
    """Buttons that step through the trials and move the raster there; `TrialState` draws its lines.

    Parameters
    ----------
    states : PageState
    lines : TrialLines
    """

    def __init__(self, states: PageState, lines: TrialLines) -> None:
        self._view_state, self._state, self._lines = states.view, states[TrialState], lines
        self._trials: Trials | None = None
        self._before: tuple[float, float] | None = None
        self._view: TrialView | None = None
        self._is_moving = False
        button: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (10, 3)}
        self.previous = pmui.Button(label="Previous", **button)
        self.next = pmui.Button(label="Next", **button)
        self.number = number_field("Trial", 0, width=130, margin=(6, 4))
        self.back = pmui.Button(label="Back", disabled=True, **button)
        self.words = html_pane("", "unit", margin=(0, 10))  # fmt: skip
        self.previous.on_click(lambda event: self._step(-1))
        self.next.on_click(lambda event: self._step(1))
        self.back.on_click(lambda event: self._go_back())
        self.number.param.watch(self._typed, "value")
        self.panel = pn.Column(
            pn.Row(self.previous, self.number, self.next, self.back, margin=(0, 6)),
            self.words,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._state.param.watch(self._show, "trial")

    def open(self, trials: Trials | None) -> None:
        """Take the trials of another insertion; the same ones change nothing."""
        if trials is self._trials:
            return
        self._trials, self._before = trials, None
        if trials is not None:
            self.number.label = f"Trial (of {len(trials):,})"
        self._show()

    def open_shown(self, trials: Trials | None) -> None:
        """Take the trials of an insertion that opens with one of them shown: its lines are drawn at once."""
        if self._state.trial is not None:
            self.open(trials)

    def go(self, row: int | None) -> None:
        """Show a trial in the raster; None shows none, and stays."""
        self._state.trial = row
        if row is None or self._trials is None or self._view is None:
            return
        if self._before is None:
            self._before = self._view_state.time_range
        self._view_state.time_range = (self._view.start_s, self._view.end_s)

    def _step(self, step: int) -> None:
        if self._trials is None or not len(self._trials):
            return
        current = self._state.trial
        wanted = (0 if step > 0 else len(self._trials) - 1) if current is None else current + step
        self.go(min(max(wanted, 0), len(self._trials) - 1))

    def _typed(self, event: Any) -> None:
        if not self._is_moving and self._trials is not None:
            wanted = int(number(self.number, 0, 0, len(self._trials)))
            if not self.number.error_state:
                self.go(wanted - 1 if wanted else None)

    def _go_back(self) -> None:
        before, self._before = self._before, None
        self._state.trial = None
        if before is not None:
            self._view_state.time_range = before

    def _show(self, *events: object) -> None:
        row = self._state.trial
        self._is_moving = True
        try:
            self.number.value = "" if row is None else str(row + 1)
        finally:
            self._is_moving = False
        self.back.disabled = row is None
        self._view = None
        if row is None or self._trials is None or row >= len(self._trials):
            self._lines.show(())
            self.words.object = ""
            return
        try:
            self._view = view = trial_view(self._trials.table, row)
        except BadRequest as error:
            self._lines.show(())
            self.words.object = refusal_text(error)
            return
        self._lines.show(view.lines)
        self.words.object = trial_text(self._trials.table, row, view)


def trial_words(trials: pd.DataFrame, row: int) -> str:
    """Return what happened in a trial: stimulus, choice, outcome, reaction time; what is missing is left out."""
    values = trials.iloc[row]

    def value(name: str) -> float:
        return float(values[name]) if name in trials.columns and pd.notna(values[name]) else float("nan")

    parts = []
    for side, name in (("left", "contrastLeft"), ("right", "contrastRight")):
        if np.isfinite(value(name)):
            parts.append(f"contrast {100 * value(name):g} % {side}")
            break
    choices = {1.0: "choice left", -1.0: "choice right", 0.0: "no go"}
    outcomes = {1.0: "correct", -1.0: "incorrect"}
    parts += [words[value(name)] for name, words in (("choice", choices), ("feedbackType", outcomes))
              if value(name) in words]  # fmt: skip
    if np.isfinite(value("probabilityLeft")):
        parts.append(f"block {value('probabilityLeft'):g}")
    reaction = value("firstMovement_times") - value("stimOn_times")
    if np.isfinite(reaction):
        parts.append(f"first movement {reaction:.2f} s after stimulus")
    return ", ".join(parts)


def trial_text(trials: pd.DataFrame, row: int, view: TrialView) -> str:
    """Return what happened in a trial, and the colours of its lines in the raster."""
    lines = "".join(
        f'<span class="chip"><i style="background:{colour}"></i>{escape(name)} {time_s:,.3f} s</span>'
        for name, time_s, colour in view.lines
    )
    return f'<div class="unit"><p>{escape(trial_words(trials, row))}</p><p class="chips">{lines}</p></div>'


def read_trial(text: str) -> int:
    """Return the row of a trial as links count them, from 1.

    Raises
    ------
    ValueError
        It is no such number.
    """
    number = whole_number(text)
    if number < 1:
        raise ValueError("trials count from 1")
    return number - 1


def write_trial(row: int) -> str:
    """Return a row as `read_trial` takes it."""
    return str(row + 1)


def gone_trial(row: int, sorting: SpikeSorting, level: str) -> str:
    """Return that a session has no such trial; ``''`` where it has."""
    n_trials = 0 if sorting.trials is None else len(sorting.trials)
    return f"There is no trial {row + 1} in this session." if row >= n_trials else ""
