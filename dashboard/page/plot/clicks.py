"""Clicks that pick a unit, at once; a double click, which resets, gives back what its first half took."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bokeh.events import DoubleTap, Tap
from bokeh.plotting import figure
from tornado.ioloop import IOLoop

from dashboard.model.unit_ids import UnitId
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.sent import finite
from dashboard.page.core.state import ViewState

DOUBLE_CLICK_S = 1.0
"""A double click belongs to clicks that came in this time before it; on a busy server they come late."""


class Clicks:
    """Joins clicks on some figures to the selection; with Shift or Ctrl they add a unit, or take it out again.

    Parameters
    ----------
    state : ViewState
    queue : DocumentQueue
    find : callable (Tap) -> list of ids, or None
        The unit that is meant, empty where none is, None where a click means nothing.
    """

    def __init__(self, state: ViewState, queue: DocumentQueue, find: Callable[[Tap], list[UnitId] | None]) -> None:
        self._state = state
        self._queue = queue
        self._find = find
        self._clicked: list[tuple[float, list[UnitId]]] = []

    def follow(self, plot: figure) -> None:
        """Listen to a figure."""
        plot.on_event(Tap, self._tapped)
        plot.on_event(DoubleTap, self._double_tapped)

    def _tapped(self, event: Tap) -> None:
        found = None if finite(event.x, event.y) is None else self._find(event)
        if found is None:
            return
        adds = bool(event.modifiers and (event.modifiers.get("shift") or event.modifiers.get("ctrl")))
        self._queue.later(partial(self._pick, IOLoop.current().time(), found, adds))

    def _double_tapped(self, event: DoubleTap) -> None:
        self._queue.later(partial(self._give_back, IOLoop.current().time()))

    def _pick(self, now: float, found: list[UnitId], adds: bool) -> None:
        before = list(self._state.selected)
        # A double click has no more than two halves.
        self._clicked = [*self._recent(now)[-1:], (now, before)]
        if adds:
            # A second click with the key held takes the unit out again.
            found = [unit for unit in before if unit not in found] + [unit for unit in found if unit not in before]
        self._state.selected = found

    def _give_back(self, now: float) -> None:
        recent, self._clicked = self._recent(now), []
        if recent:
            self._state.selected = recent[0][1]

    def _recent(self, now: float) -> list[tuple[float, list[UnitId]]]:
        return [click for click in self._clicked if now - click[0] < DOUBLE_CLICK_S]
