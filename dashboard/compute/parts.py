"""The spikes that a filter keeps, set apart: while a filter stays, panning costs what it costs without one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from dashboard.compute.columns import SpikeColumns
from dashboard.compute.kernels import Filter, SpikeArrays, find_bounds
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import default_threads, run
from dashboard.compute.ranks import ranks_before
from dashboard.compute.selections import Kept, spike_arrays

#: Parts kept by the columns of one sorting hold at most this share of its bytes.
SHARE_OF_COLUMNS = 1 / 4
#: Filters whose use is remembered: a part is made when a filter comes back, for it then tends to stay.
REMEMBERED = 64
#: Spikes per task while a part is made.
STRETCH = 1 << 19
#: In place of the rows of a part that is everything.
NO_ORDER: npt.NDArray[np.uint32] = np.empty(0, dtype=np.uint32)
NO_ORDER.flags.writeable = False


@dataclass(slots=True, eq=False)
class Part:
    """Depth codes of some spikes, in order of time.

    Attributes
    ----------
    codes : ndarray, shape (n,), uint16
    order : ndarray, shape (n,), uint32
        Row in the columns of each; empty where the part is everything.
    """

    codes: npt.NDArray[np.uint16]
    order: npt.NDArray[np.uint32]
    _before: npt.NDArray[np.uint32] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def nbytes(self) -> int:
        """Bytes held, with the ranks that may be made."""
        return self.codes.nbytes + self.order.nbytes + 2 * self.codes.shape[0]

    def before(self, n_codes: int) -> npt.NDArray[np.uint32]:
        """Return the cumulative counts of `dashboard.compute.ranks.RankIndex`; made on first use."""
        with self._lock:
            if self._before is None:
                self._before = ranks_before(self.codes, n_codes)
            return self._before

    def bounds(self, bounds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the place in this part of the first spike at or after each row of the columns."""
        if self.order is NO_ORDER:
            return bounds
        found = np.empty_like(bounds)
        find_bounds(self.order, bounds, found)
        return found


@dataclass(slots=True, eq=False)
class PartStore:
    """Parts of one sorting, those used least recently dropped first; safe to use from several threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    parts: OrderedDict[object, Part] = field(default_factory=OrderedDict)
    seen: OrderedDict[object, None] = field(default_factory=OrderedDict)
    making: dict[object, threading.Lock] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        with self.lock:
            return sum(part.nbytes for part in self.parts.values())


@kernel
def count_kept(spikes: SpikeArrays, chosen: Filter, start: int, stop: int) -> int:
    """Return how many of the spikes ``start..stop`` a filter keeps."""
    _, _, clusters, amps = spikes
    keep, _, by_amp, amp_low, amp_high = chosen
    n = 0
    for i in range(start, stop):
        kept = int(keep[clusters[i]])
        if by_amp:
            amp = np.float64(amps[i])
            kept &= int((amp >= amp_low) & (amp < amp_high))
        n += kept
    return n


@kernel
def _gather_kept(
    spikes: SpikeArrays,
    chosen: Filter,
    start: int,
    stop: int,
    first: int,
    codes: npt.NDArray[np.uint16],
    order: npt.NDArray[np.uint32],
) -> None:
    all_codes, _, clusters, amps = spikes
    keep, _, by_amp, amp_low, amp_high = chosen
    block = 1024
    places = np.empty(block + 1, dtype=np.uint32)
    k = first
    for begin in range(start, stop, block):
        n = 0
        # Without a branch that the data decide: a place is written and then kept or written over.
        for i in range(begin, min(begin + block, stop)):
            kept = int(keep[clusters[i]])
            if by_amp:
                amp = np.float64(amps[i])
                kept &= int((amp >= amp_low) & (amp < amp_high))
            places[n] = i
            n += kept
        for j in range(n):
            order[k + j] = places[j]
            codes[k + j] = all_codes[places[j]]
        k += n


def make_part(columns: SpikeColumns, kept: Kept) -> Part:
    """Return the part that a filter keeps; counts first, so that nothing is allocated twice."""
    spikes, chosen = spike_arrays(columns), kept.chosen
    starts = range(0, columns.n_spikes, STRETCH)
    sizes = np.zeros(len(starts), dtype=np.int64)
    threads = default_threads()

    def count(k: int) -> None:
        sizes[k] = count_kept(spikes, chosen, starts[k], min(starts[k] + STRETCH, columns.n_spikes))

    run([partial(count, k) for k in range(len(starts))], threads)
    firsts = np.cumsum(sizes) - sizes
    codes = np.empty(int(sizes.sum()), dtype=np.uint16)
    order = np.empty(codes.shape[0], dtype=np.uint32)

    def gather(k: int) -> None:
        stop = min(starts[k] + STRETCH, columns.n_spikes)
        _gather_kept(spikes, chosen, starts[k], stop, int(firsts[k]), codes, order)

    run([partial(gather, k) for k in range(len(starts))], threads)
    codes.flags.writeable = order.flags.writeable = False
    return Part(codes, order)


def find_part(columns: SpikeColumns, kept: Kept) -> Part | None:
    """Return the part that a filter keeps, or None where it is not worth having.

    A part is made the second time that a filter is used, and kept for as long as there is room.
    """
    if kept.everything:
        return Part(columns.depth_codes, NO_ORDER, columns.rank_index.before)
    store = columns.parts
    key = kept.key
    with store.lock:
        part = store.parts.get(key)
        if part is not None:
            store.parts.move_to_end(key)
            return part
        if key not in store.seen:
            store.seen[key] = None
            while len(store.seen) > REMEMBERED:
                store.seen.popitem(last=False)
            return None
        making = store.making.setdefault(key, threading.Lock())
    room = columns.nbytes * SHARE_OF_COLUMNS
    if kept.share(columns, columns.n_spikes) * 8 > room:
        return None
    with making:
        with store.lock:
            part = store.parts.get(key)
        if part is None:
            part = make_part(columns, kept)
            with store.lock:
                store.parts[key] = part
                store.making.pop(key, None)
                held = sum(other.nbytes for other in store.parts.values())
                while held > room and len(store.parts) > 1:
                    held -= store.parts.popitem(last=False)[1].nbytes
    return part
