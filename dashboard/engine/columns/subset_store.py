"""Spikes that a filter keeps, set apart and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import NO_ORDER
from dashboard.engine.columns.ranks import ranks_before
from dashboard.engine.searches import find_bounds

#: A code, a row and a share of the stored ranks.
BYTES_PER_SPIKE = 8


#: Of so many rows of a part one is kept apart, to search from.
MARK_STRIDE = 512


@dataclass(slots=True, eq=False)
class SpikeSubset:
    """Depth codes of some spikes, in order of time.

    Attributes
    ----------
    codes : ndarray, shape (n,), uint16
    order : ndarray, shape (n,), uint32
        Row in the columns of each; empty where the part is everything.
    marks : ndarray, uint32
        Every `MARK_STRIDE`-th of `order`.
    """

    codes: npt.NDArray[np.uint16]
    order: npt.NDArray[np.uint32]
    marks: npt.NDArray[np.uint32]
    _before: npt.NDArray[np.uint32] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def nbytes(self) -> int:
        """Bytes held, with the ranks that may be made."""
        return BYTES_PER_SPIKE * int(self.codes.shape[0])

    def before(self, n_codes: int) -> npt.NDArray[np.uint32]:
        """Return the cumulative counts of `dashboard.engine.columns.ranks.RankIndex`; made on first use."""
        with self._lock:
            if self._before is None:
                self._before = ranks_before(self.codes, n_codes)
                self._before.flags.writeable = False
            return self._before

    def bounds(self, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the place in this part of the first spike at or after each row of the columns."""
        if self.order is NO_ORDER:
            return bounds
        found = np.empty_like(bounds)
        find_bounds(self.order, self.marks, MARK_STRIDE, bounds, found)
        return found


@dataclass(slots=True, eq=False)
class SubsetStore:
    """Parts of one sorting, those used least recently dropped first; safe to use from several threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    parts: OrderedDict[object, SpikeSubset] = field(default_factory=OrderedDict)
    spent: OrderedDict[object, int] = field(default_factory=OrderedDict)
    making: dict[object, threading.Lock] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        with self.lock:
            return sum(part.nbytes for part in self.parts.values())
