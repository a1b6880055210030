"""When Python looks for garbage: it stops everybody for as long as it takes, and a page is forty thousand objects.

Python looks through all of them whenever they have grown by a quarter, which is after a page or two: 0.3 s in mid-zoom.
What is there before any page stays until the end, and is left out; the rest is looked through when pages have ended and
nobody draws.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from panel.io import document

NEVER = 1_000_000_000
MAX_ENDED = 16
"""Pages that have ended before garbage is looked for beside others who draw: some 160 MB."""

EVERY_S, SHARE = 60.0, 0.001
"""Beside others who draw, for what no page has left: so often, and for no more than a thousandth of the time."""


class GarbageCollection:
    """Looks for garbage in place of Python; made once in a process.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at, self._took_s = clock(), 0.0
        self._n_ended = 0
        self._is_warm = self._has_worked = False
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, NEVER)
        self._leave_out()
        if not callable(document._garbage_collect):
            raise TypeError("Panel has another way of looking for garbage")
        document._garbage_collect = self.page_ended

    def page_ended(self) -> None:
        """Know of a page whose objects are garbage now."""
        self._n_ended += 1

    def look(self, n_pages: int, *, is_idle: bool) -> None:
        """Look for garbage where it is time to; asked for every second or so.

        Parameters
        ----------
        n_pages : int
            That are open.
        is_idle : bool
            Whether nothing has been drawn or loaded since the last time.
        """
        self._has_worked |= not is_idle
        if is_idle and n_pages == 0 and self._has_worked and not self._is_warm:
            self._is_warm = True
            self._leave_out()  # what the first work has loaded
        elif (
            (is_idle and self._n_ended)
            or self._n_ended >= MAX_ENDED
            or (self._has_worked and self._clock() - self._at >= max(EVERY_S, self._took_s / SHARE))
        ):
            self._collect()

    def _collect(self) -> None:
        self._n_ended, self._has_worked = 0, False
        self._search()

    def _leave_out(self) -> None:
        self._search()
        gc.freeze()

    def _search(self) -> None:
        began = self._clock()
        gc.collect()
        self._at = self._clock()
        self._took_s = self._at - began
