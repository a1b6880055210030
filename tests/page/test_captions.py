"""Words that follow pictures: the last ones, and not one after the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from dashboard.page.captions import Throttle


class DocumentQueue:
    """Runs every change at once."""

    def __init__(self, *, is_building: bool) -> None:
        self.is_building = is_building

    def later(self, change: Callable[[], None]) -> None:
        change()


def said(queue: Any, pause_s: float, gap_s: float) -> list[int]:
    """Ask for 0 to 20, one every `gap_s`; return what was said."""
    words: list[int] = []

    async def run() -> None:
        paced = Throttle(queue, pause_s)
        for k in range(21):
            paced.run(partial(words.append, k))
            await asyncio.sleep(gap_s)
        while 20 not in words:
            await asyncio.sleep(0.005)

    # The browser's tests leave a running loop in their thread.
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), f"the last words were not said: {words}"
    return words


def test_words_of_pictures_that_are_gone_are_not_said() -> None:
    words = said(DocumentQueue(is_building=False), pause_s=0.1, gap_s=0.01)
    assert words[-1] == 20 and words == sorted(words)
    assert len(words) < 21 / 2  # 0.2 s at the least: one for each pause, however slow we are


def test_they_are_said_at_once_while_the_page_is_built() -> None:
    assert said(DocumentQueue(is_building=True), pause_s=60, gap_s=0) == list(range(21))
