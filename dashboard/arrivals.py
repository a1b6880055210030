"""Draws the spikes of a download that is under way, for one browser session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dashboard.compute.arrivals import ArrivalCounts
from dashboard.model.references import DatasetRef
from dashboard.sources.arriving import ArrivingSpikes
from dashboard.views.arriving import ArrivalPicture, draw

REDRAW_S = 0.4


class Arrivals:
    """Told of bytes by the threads that download; draws now and then, one picture at a time.

    Parameters
    ----------
    drawn : callable (ArrivalPicture) -> None
        Called from a worker thread.
    """

    def __init__(self, drawn: Callable[[ArrivalPicture], None]) -> None:
        self._spikes = ArrivingSpikes()
        self._counts = ArrivalCounts()
        self._drawn = drawn
        self._lock = threading.Lock()
        self._drawn_at = 0.0

    def __call__(self, dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        """Take the news of more bytes."""
        self._spikes(dataset, part, n_bytes)
        if time.monotonic() - self._drawn_at < REDRAW_S or not self._lock.acquire(blocking=False):
            return
        try:
            arrived = self._spikes.spikes()
            # What is there whole before the first picture needs none: the raster itself is about to come.
            if arrived is None or (arrived.is_complete and not self._counts.n_spikes):
                return
            self._drawn_at = time.monotonic()
            self._counts.update(arrived.times_s, arrived.depths_um, arrived.n_total)
            self._drawn(draw(self._counts))
        finally:
            self._lock.release()
