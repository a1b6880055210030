"""Clicks that pick a unit: a moment later, for the first half of a double click picks nothing."""

from __future__ import annotations

from collections.abc import Callable

from bokeh.events import DoubleTap, Tap
from bokeh.plotting import figure
from tornado.ioloop import IOLoop

from dashboard.views.state import ViewState
from dashboard.views.turns import Turns

DOUBLE_CLICK_S = 0.28
"""A click waits this long to see whether it is the first half of a double click, which resets."""


class Clicks:
    """Joins clicks on some figures to the selection; with Shift or Ctrl they add a unit, or take it out again.

    Parameters
    ----------
    state : ViewState
    turns : Turns
    find : callable (Tap) -> list of int, or None
        The unit that is meant, empty where none is, None where a click means nothing; asked at once, for the figure
        may have moved when the wait is over.
    """

    def __init__(self, state: ViewState, turns: Turns, find: Callable[[Tap], list[int] | None]) -> None:
        self._state = state
        self._turns = turns
        self._find = find
        self._click: object | None = None

    def follow(self, plot: figure) -> None:
        """Listen to a figure."""
        plot.on_event(Tap, self._tapped)
        plot.on_event(DoubleTap, self._double_tapped)

    def _tapped(self, event: Tap) -> None:
        found = None if event.x is None or event.y is None else self._find(event)
        if found is None:
            return
        adds = bool(event.modifiers and (event.modifiers.get("shift") or event.modifiers.get("ctrl")))
        self._click = click = object()
        IOLoop.current().call_later(DOUBLE_CLICK_S, lambda: self._turns.later(lambda: self._pick(click, found, adds)))

    def _double_tapped(self, event: DoubleTap) -> None:
        self._click = None

    def _pick(self, click: object, found: list[int], adds: bool) -> None:
        if click is not self._click:
            return
        if adds:
            before = self._state.selected
            # A second click with the key held takes the unit out again.
            found = [unit for unit in before if unit not in found] + [unit for unit in found if unit not in before]
        self._state.selected = found
