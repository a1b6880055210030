"""Renders one after the other: the newest request wins, and what stands beside the pictures is paced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dashboard.page.core.render_loop import COALESCE_S, RenderLoop


class DocumentQueue:
    """Runs every change on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def later(self, change: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(change)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self._loop.call_later(seconds, call)


def drawn_of(pause_s: float) -> tuple[list[int], list[int]]:
    """Ask for 0 to 40, one every 5 ms; return what was rendered and what was shown."""
    rendered: list[int] = []
    shown: list[int] = []

    def render(request: int, cancel: threading.Event) -> int:
        rendered.append(request)
        return request

    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            queue: Any = DocumentQueue()
            loop: RenderLoop[int, int] = RenderLoop(
                queue, pool, render, lambda request, result: shown.append(result), lambda error: None, pause_s
            )
            for k in range(41):
                loop.request(k)
                await asyncio.sleep(0.005)
            while not shown or shown[-1] != 40:
                await asyncio.sleep(0.01)
            loop.close()

    # The browser's tests leave a running loop in their thread.
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), f"the last request was not shown: {shown[-5:]}"
    return rendered, shown


@pytest.mark.parametrize("pause_s", [0.0, COALESCE_S, 0.03])
def test_the_newest_request_is_always_shown_and_in_order(pause_s: float) -> None:
    rendered, shown = drawn_of(pause_s)
    assert shown == rendered == sorted(rendered) and shown[-1] == 40


def test_a_pause_spares_renders() -> None:
    # 41 requests in at least 0.2 s: the first one after a pause, and one for each pause since, however slow we are.
    rendered, _ = drawn_of(0.1)
    assert len(rendered) < 41 / 2


def test_a_picture_that_cannot_be_shown_is_refused_in_one_line() -> None:
    refused: list[str] = []

    def show(request: int, result: int) -> None:
        raise IndexError("index -1 is out of bounds")

    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            queue: Any = DocumentQueue()
            loop: RenderLoop[int, int] = RenderLoop(
                queue, pool, lambda request, cancel: request, show, lambda error: refused.append(str(error)), 0.0
            )
            for k in range(2):  # the second one is asked for after the first has failed
                loop.request(k)
                while len(refused) <= k:
                    await asyncio.sleep(0.01)
            loop.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "nobody was told that the picture cannot be shown"
    assert refused == ["This view could not be drawn: IndexError. The log has the details"] * 2


def test_parts_of_one_gesture_are_gathered() -> None:
    rendered: list[int] = []

    async def run() -> None:
        with ThreadPoolExecutor(1) as pool:
            queue: Any = DocumentQueue()
            shown: list[int] = []
            loop: RenderLoop[int, int] = RenderLoop(
                queue,
                pool,
                lambda request, cancel: rendered.append(request) or request,  # type: ignore[func-returns-value]
                lambda request, result: shown.append(result),
                lambda error: None,
            )
            for k in range(4):  # start and end of two axes, in turns of the loop that follow each other
                loop.request(k)
                await asyncio.sleep(0)
            while not shown:
                await asyncio.sleep(0.001)
            loop.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    assert rendered == [3]
