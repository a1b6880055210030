"""Two spans of the session, before and after: drawn on the overview, or taken from the window in view."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import param
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from dashboard.model.texts import span_text
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.sent import finite
from dashboard.page.core.state import PageState
from dashboard.page.widgets.chips import Chips

SPANS = {"before": ("[", "#009e73"), "after": ("]", "#d55e00")}
"""Parameter of `SpanState`, and word on the page -> key that marks it, colour (Okabe-Ito)."""

WIDTH_PX = 132


class SpanState(param.Parameterized):
    """The two spans that are compared."""

    before = param.Range(default=None, allow_None=True, doc="The span before, in s.")
    after = param.Range(default=None, allow_None=True, doc="The span after, in s, that is compared with it.")


class SpanMarks:
    """Bands over the overview, and a chip for each in its colour: it marks the window in view, or clears a span.

    Parameters
    ----------
    states : PageState
    overview : figure
        Bokeh's, whose x axis is the session's time in s.
    queue : DocumentQueue

    Attributes
    ----------
    panel : Chips
        For the free corner beside the overview.
    """

    def __init__(self, states: PageState, overview: figure, queue: DocumentQueue) -> None:
        self._states, self._state = states, states[SpanState]
        self._queue = queue
        self._overview = overview
        self.bands = ColumnDataSource({"start": [], "end": [], "name": [], "colour": []}, name="spans")
        overview.vstrip(
            x0="start", x1="end", source=self.bands, fill_color="colour", fill_alpha=0.22,
            line_color="colour", line_alpha=0.9,
        )  # fmt: skip
        self.panel = Chips(
            self._pressed,
            about="Spans to compare",
            width=WIDTH_PX,
            margin=(3, 4, 0, 4),
            sizing_mode="fixed",
            height=36,
            css_classes=["small"],
        )
        self._state.param.watch(self._follow, list(SPANS))
        states.view.param.watch(self._follow, "insertion")
        self._follow()

    def _pressed(self, name: str) -> None:
        self._queue.later(partial(self._change, name))

    def _change(self, name: str) -> None:
        if getattr(self._state, name) is None:
            mark_span(self._states, name)
        else:
            self._state.param.update(**{name: None})

    def draw(self, drawn: Mapping[str, Any]) -> None:
        """Mark what was drawn on the overview; see `drawn_span`."""
        limits = self._overview.x_range
        if (found := drawn_span(drawn, (limits.start, limits.end))) is not None:
            mark_span(self._states, *found)

    def _follow(self, *events: object) -> None:
        marked = {name: getattr(self._state, name) for name in SPANS}
        there = {name: span for name, span in marked.items() if span is not None}
        self.bands.data = {
            "start": [span[0] for span in there.values()],
            "end": [span[1] for span in there.values()],
            "name": list(there),
            "colour": [SPANS[name][1] for name in there],
        }
        self.panel.chips = [_chip(name, span) for name, span in marked.items()] if self._states.view.insertion else []


def mark_span(states: PageState, name: str, span: tuple[float, float] | None = None) -> None:
    """Mark a span, ``before`` or ``after``; with the second one their comparison is shown.

    Parameters
    ----------
    states : PageState
    name : {'before', 'after'}
    span : (float, float) or None
        In s; None takes the window in view.
    """
    view = states.view
    span = span or view.time_range
    if not view.insertion or span is None:
        return
    values: dict[str, Any] = {name: span}
    if all(states.get(other) is not None for other in SPANS if other != name):
        values["tab"] = "Change"  # where the answer is, or why there is none
    states.update(**values)


def drawn_span(drawn: Mapping[str, Any], limits: tuple[float, float]) -> tuple[str, tuple[float, float]] | None:
    """Return which span was drawn on the overview, and from where to where, to a tenth of a second.

    Parameters
    ----------
    drawn : mapping
        ``span``, ``start``, ``end`` as the browser sends them.
    limits : (float, float)
        First and last time of the session, in s; what lies beyond is cut off.

    Returns
    -------
    tuple or None
        None where nothing of a span is left.
    """
    name, ends = drawn.get("span"), finite(drawn.get("start"), drawn.get("end"))
    if not isinstance(name, str) or name not in SPANS or ends is None:
        return None
    start, end = (min(max(round(end, 1), limits[0]), limits[1]) for end in ends)
    return (name, (start, end)) if start < end else None


def _chip(name: str, span: tuple[float, float] | None) -> tuple[str, str, str, str]:
    key, colour = SPANS[name]
    if span is not None:
        return name, f"{name} {span_text(span)} ✕", f"Clear the span {name}", colour
    words = f"Mark the window in view as the span {name} (key {key}); Shift and a drag on the overview draws it"
    return name, name.capitalize(), words, colour
