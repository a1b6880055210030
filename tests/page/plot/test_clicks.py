"""Clicks pick at once, and a double click gives back what its halves took."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from bokeh.events import DoubleTap, Tap
from bokeh.plotting import figure

from dashboard.page.core.state import ViewState
from dashboard.page.plot import clicks
from dashboard.page.plot.clicks import Clicks


class DocumentQueue:
    """Runs every change at once."""

    def later(self, change: Callable[[], None]) -> None:
        change()


def tap(plot: Any, unit: float, *, shift: bool = False) -> Tap:
    return Tap(plot, x=unit, y=0.0, modifiers={"shift": shift, "ctrl": False, "alt": False})


def selections(act: Callable[[Clicks, figure], None], selected: list[int]) -> list[list[int]]:
    """Return the selections that came one after the other."""
    state, plot = ViewState(selected=selected), figure()
    seen: list[list[int]] = []
    state.param.watch(lambda event: seen.append(list(event.new)), "selected")
    queue: Any = DocumentQueue()

    async def run() -> None:
        act(Clicks(state, queue, lambda event: [int(event.x or 0)] if (event.x or 0) >= 0 else None), plot)

    # The browser's tests leave a running loop in their thread.
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    return seen


def test_a_click_picks_at_once() -> None:
    assert selections(lambda clicks, plot: clicks._tapped(tap(plot, 7)), [1]) == [[7]]


def test_a_click_on_nothing_that_counts_leaves_the_selection() -> None:
    assert selections(lambda clicks, plot: clicks._tapped(tap(plot, -1)), [1]) == []


def test_shift_adds_and_takes_out_again() -> None:
    def act(clicks: Clicks, plot: figure) -> None:
        for unit in (7, 1, 7):
            clicks._tapped(tap(plot, unit, shift=True))

    assert selections(act, [1]) == [[1, 7], [7], []]


@pytest.mark.parametrize("n_taps", [1, 2, 3])
def test_a_double_click_gives_back_the_selection(n_taps: int) -> None:
    def act(clicks: Clicks, plot: figure) -> None:
        for unit in range(7, 7 + n_taps):
            clicks._tapped(tap(plot, unit))
        clicks._double_tapped(DoubleTap(plot, x=7.0, y=0.0))

    # Browsers send one or two taps for the halves; a click before them stands.
    assert selections(act, [1, 2])[-1] == ([1, 2] if n_taps < 3 else [7])


def test_a_click_of_long_ago_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clicks, "DOUBLE_CLICK_S", 0.0)

    def act(clicks: Clicks, plot: figure) -> None:
        clicks._tapped(tap(plot, 7))
        clicks._double_tapped(DoubleTap(plot, x=7.0, y=0.0))

    assert selections(act, [1]) == [[7]]
