"""The line to a browser: how fast bytes arrive there, how many are on their way, and pictures made small for it."""

from __future__ import annotations

import time
import zlib
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from bokeh.document import Document

NEAR_S = 0.003
"""A browser that answers within this, while no rate is known, is on this machine or beside it."""

FAST = 30e6
"""Bytes per s above which compressing a picture takes longer than it saves."""

WIDE = 8e6
"""Bytes per s above which a picture arrives as soon as it is drawn: it is not made coarser while the hand moves."""

MIN_MEASURED = 16_000
"""Bytes of which the time of arrival tells a rate."""

N_RATES = 4
"""The best of so many rates counts: a browser that is busy reads late, and no line is faster than it is."""

MAX_SHARE = 3.0
"""A message takes at least a third of the time until its receipt to arrive: round trips are seen only with what else
the line carries, and may be shorter."""

MIN_BUDGET, MAX_BUDGET = 20_000, 100_000
"""Bytes of one picture while the hand moves."""

FRAME_S = 0.025
"""So long one picture may take to arrive while the hand moves."""

MAX_BUSY_S = 0.5
"""A line that is busy for longer is measured meanwhile."""

MAX_WAIT_S = 2.0
"""Longer than this nothing waits for a receipt: a browser may have gone without one."""


class Line:
    """What is known of the way to one browser, from when it answered what it was sent.

    Attributes
    ----------
    round_trip_s : float or None
        The shortest that was seen.
    on_the_way : int
        Bytes that were sent and of whose arrival nothing has been heard.
    """

    def __init__(self) -> None:
        self.round_trip_s: float | None = None
        self.on_the_way = 0
        self._rates: deque[float] = deque(maxlen=N_RATES)
        self._sent: deque[tuple[int, int, float]] = deque()
        self._n = 0
        self._busy_s, self._carried, self._is_first = 0.0, 0, True

    @property
    def rate(self) -> float | None:
        """Bytes per s; None while no message was long enough to tell."""
        return max(self._rates, default=None)

    @property
    def is_fast(self) -> bool:
        """Whether compressing costs more time than it saves."""
        if self.rate is None:
            return self.round_trip_s is not None and self.round_trip_s < NEAR_S
        return self.rate > FAST

    @property
    def budget(self) -> int | None:
        """Most bytes of a picture while the hand moves; None on a line that carries any picture at once."""
        if self.rate is None or self.rate > WIDE:
            return None
        return int(min(MAX_BUDGET, max(MIN_BUDGET, self.rate * FRAME_S)))

    @property
    def is_full(self) -> bool:
        """Whether a picture that was sent now would wait behind others."""
        budget = self.budget
        is_waited_for = bool(self._sent) and time.monotonic() - self._sent[0][2] < MAX_WAIT_S
        return budget is not None and self.on_the_way > budget and is_waited_for

    def send(self, n_bytes: int, now: float | None = None) -> int:
        """Note bytes that leave, and return the number that their receipt is to carry."""
        now = time.monotonic() if now is None else now
        if not self._sent:
            self._busy_s, self._carried, self._is_first = now, 0, True
        self._n += 1
        self._sent.append((self._n, n_bytes, now))
        self.on_the_way += n_bytes
        return self._n

    def receive(self, number: int, now: float | None = None) -> None:
        """Note that what was sent with a number, and before, has arrived."""
        now = time.monotonic() if now is None else now
        took = 0.0
        while self._sent and self._sent[0][0] <= number:
            _, n_bytes, sent_s = self._sent.popleft()
            self.on_the_way -= n_bytes
            self._carried += n_bytes
            took = now - sent_s
        busy = now - self._busy_s
        if self._carried >= MIN_MEASURED and (not self._sent or busy > MAX_BUSY_S):
            # What is sent while more is on its way arrives behind that: all of it together tells the rate.
            trip = (self.round_trip_s or 0.0) if self._is_first else 0.0
            self._rates.append(self._carried / max(busy - trip, busy / MAX_SHARE, 1e-4))
            self._busy_s, self._carried, self._is_first = now, 0, False
        if took:
            self.round_trip_s = took if self.round_trip_s is None else min(self.round_trip_s, took)


_LINES: WeakKeyDictionary[Document, Line] = WeakKeyDictionary()


def line_of(document: Document) -> Line:
    """Return the line to the browser that shows a document."""
    return _LINES.setdefault(document, Line())


def set_line(document: Document, line: Line) -> None:
    """Say which line leads to the browser that shows a document: that of its last websocket."""
    _LINES[document] = line


def deflate(data: Any, *, is_picture: bool = False) -> bytes:
    """Return data in the raw DEFLATE format.

    Parameters
    ----------
    data : bytes or buffer
    is_picture : bool
        Levels of pixels, a byte each, repeat in runs and seldom otherwise: looking for no more takes half of the time,
        and gives fewer bytes (1.08 MB of a whole session: 605 kB in 9 ms, with zlib's fastest level 629 kB in 16 ms).
    """
    has_runs = is_picture and memoryview(data).itemsize == 1
    strategy, level = (zlib.Z_RLE, 1) if has_runs else (zlib.Z_DEFAULT_STRATEGY, 1 if is_picture else 3)
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return packer.compress(data) + packer.flush()


class PackedImage(np.ndarray[Any, np.dtype[Any]]):
    """An image that knows its compressed form, for whoever sends it.

    Attributes
    ----------
    deflated : bytes or None
        None where there is none, or it was sent.
    """

    deflated: bytes | None = None


def packed(image: npt.NDArray[Any], deflated: bytes | None) -> npt.NDArray[Any]:
    """Return an image that carries its compressed form along."""
    if deflated is None:
        return image
    view = np.ascontiguousarray(image).view(PackedImage)
    view.deflated = deflated
    return view
