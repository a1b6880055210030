"""The spikes that a filter keeps, set apart: while a filter stays, panning costs what it costs without one."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np

from dashboard.engine.columns.arrays import BLOCK, NO_ORDER, U16, U32, Filter, SpikeArrays
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, spike_arrays
from dashboard.engine.columns.subset_store import BYTES_PER_SPIKE, MARK_STRIDE, SpikeSubset
from dashboard.engine.compile import kernel
from dashboard.engine.threads import default_threads, run

#: Parts kept by the columns of one sorting hold at most this share of its bytes.
SHARE_OF_COLUMNS = 1 / 4
#: Filters whose use is remembered.
REMEMBERED = 64
#: Share of all spikes below which a picture does not have a part made.
MIN_SHARE = 1 / 16
#: Spikes per task while a part is made.
STRETCH = 1 << 19


@kernel
def count_kept(spikes: SpikeArrays, chosen: Filter, start: int, stop: int) -> int:
    """Return how many of the spikes ``start..stop`` a filter keeps."""
    clusters, keep = spikes.clusters[start:stop], chosen.keep
    n = 0
    if chosen.by_amp:
        amps = spikes.amps[start:stop]
        for i in range(clusters.shape[0]):
            n += int(keep[clusters[i]] & np.uint8((amps[i] >= chosen.amp_low) & (amps[i] < chosen.amp_high)))
    else:
        for i in range(clusters.shape[0]):
            n += int(keep[clusters[i]])
    return n


@kernel
def _gather_kept(spikes: SpikeArrays, chosen: Filter, start: int, stop: int, codes: U16, order: U32) -> None:
    """Write the kept spikes among ``start..stop``, of which there are as many as `codes` is long."""
    mask = np.empty(BLOCK, dtype=np.uint8)
    which = np.empty(BLOCK, dtype=np.uint16)
    first = 0
    for begin in range(start, stop, BLOCK):
        clusters = spikes.clusters[begin : min(begin + BLOCK, stop)]
        mask[:] = np.uint8(1)
        if chosen.by_amp:
            amps = spikes.amps[begin : min(begin + BLOCK, stop)]
            for i in range(amps.shape[0]):
                mask[i] = np.uint8((amps[i] >= chosen.amp_low) & (amps[i] < chosen.amp_high))
        n = 0
        # Without a branch that the data decide: a place is written, then kept or written over.
        for i in range(clusters.shape[0]):
            which[n] = i
            n += int(chosen.keep[clusters[i]] & mask[i])
        for j in range(n):
            order[first + j] = begin + which[j]
            codes[first + j] = spikes.codes[begin + which[j]]
        first += n


def make_subset(columns: SpikeColumns, kept: Kept) -> SpikeSubset:
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
        own = slice(int(firsts[k]), int(firsts[k] + sizes[k]))
        _gather_kept(spikes, chosen, starts[k], stop, codes[own], order[own])

    run([partial(gather, k) for k in range(len(starts))], threads)
    marks = order[::MARK_STRIDE].copy()
    codes.flags.writeable = order.flags.writeable = marks.flags.writeable = False
    return SpikeSubset(codes, order, marks)


def find_subset(columns: SpikeColumns, kept: Kept, n_spikes: int) -> SpikeSubset | None:
    """Return the part that a filter keeps, or None where it is not worth having yet.

    A part is made once pictures with its filter have looked at as many spikes as there are, which
    is what making it costs, and for a picture of many spikes: one of few is quicker without. It is
    kept for as long as there is room.

    Parameters
    ----------
    columns : SpikeColumns
    kept : Kept
    n_spikes : int
        Spikes that the caller will look at where it gets no part.
    """
    if kept.everything:
        return SpikeSubset(columns.depth_codes, NO_ORDER, NO_ORDER, columns.rank_index.before)
    store, key = columns.parts, kept.key
    with store.lock:
        part = store.parts.get(key)
        if part is not None:
            store.parts.move_to_end(key)
            return part
        spent = store.spent.pop(key, 0)
        store.spent[key] = spent + n_spikes
        while len(store.spent) > REMEMBERED:
            store.spent.popitem(last=False)
        if spent < columns.n_spikes or n_spikes < MIN_SHARE * columns.n_spikes:
            return None
    room = columns.nbytes * SHARE_OF_COLUMNS
    if kept.share(columns, columns.n_spikes) * BYTES_PER_SPIKE > room:
        return None
    with store.lock:
        making = store.making.setdefault(key, threading.Lock())
    with making:
        with store.lock:
            part = store.parts.get(key)
        if part is None:
            part = make_subset(columns, kept)
            with store.lock:
                store.parts[key] = part
                store.making.pop(key, None)
                held = sum(other.nbytes for other in store.parts.values())
                while held > room and len(store.parts) > 1:
                    held -= store.parts.popitem(last=False)[1].nbytes
    return part
