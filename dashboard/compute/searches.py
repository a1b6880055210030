"""Binary searches: of pixel edges among times, and of rows among the rows of a cluster or a part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import inlined, kernel

F64 = npt.NDArray[np.float64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]


#: Edges that are looked for side by side, so that the processor fetches the times for all of them at once.
LANES = 32
#: Spikes looked at one after another on either side of a guess, before the search goes by halves.
NEAR = 16


@inlined
def first_not_below(times: F64, low: int, high: int, edge: float) -> int:
    """Return the first of ascending ``times[low:high]`` that is not below `edge`; `high` where all are."""
    while low < high:
        middle = (low + high) >> 1
        if times[np.uint64(middle)] < edge:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def settle_bound(times: F64, low: int, high: int, guess: int, edge: float) -> int:
    """`first_not_below` where `guess` is nearly always a few places off."""
    place = guess
    if place < high and times[np.uint64(place)] < edge:
        place += 1
        limit = min(place + NEAR, high)
        while place < limit and times[np.uint64(place)] < edge:
            place += 1
        return place if place < limit else first_not_below(times, place, high, edge)
    limit = max(place - NEAR, low)
    while place > limit and times[np.uint64(place - 1)] >= edge:
        place -= 1
    return place if place > limit else first_not_below(times, low, place, edge)


@kernel
def column_bounds(times: F64, marks: F64, stride: int, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each of the ascending edges; with `closed`, after the last one.

    `marks` is every `stride`-th time: the search reads the file only within one stride. There it guesses, by the
    mean rate in that stride, and once more by what it found: half the memory is touched that a search by halves takes.
    """
    n, n_marks, n_edges = times.shape[0], marks.shape[0], edges.shape[0]
    sought, rates = np.empty(LANES, dtype=np.float64), np.empty(LANES, dtype=np.float64)
    lows, highs = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    mark = 0
    if n == 0:
        bounds[:] = 0
        return
    for left in range(0, n_edges, LANES):
        lanes = min(LANES, n_edges - left)
        found = bounds[left : left + lanes]
        for j in range(lanes):
            edge = edges[left + j]
            if closed and left + j == n_edges - 1:
                edge = np.nextafter(edge, np.inf)  # below which are all times up to the edge itself
            step = 1
            while mark + step < n_marks and marks[mark + step] < edge:
                mark += step
                step *= 2
            after = first_not_below(marks, mark, min(mark + step, n_marks), edge)
            mark = max(after - 1, 0)
            low, high = mark * stride, min(after * stride, n)
            lasts = (marks[after] if after < n_marks else times[n - 1]) - marks[mark]
            sought[j], lows[j], highs[j], found[j] = edge, low, high, low
            rates[j] = (high - low) / lasts if lasts > 0.0 else 0.0
        for attempt in range(2):
            for j in range(lanes):
                beyond = (sought[j] - (marks[lows[j] // stride] if attempt == 0 else times[found[j]])) * rates[j]
                # What is not a number, or far out, stays within the stride.
                ahead = int(min(max(beyond, -stride * 1.0), stride * 1.0)) if np.isfinite(beyond) else 0
                found[j] = max(min(found[j] + ahead, highs[j] - 1), lows[j])
        for j in range(lanes):
            found[j] = settle_bound(times, lows[j], highs[j], found[j], sought[j])


@inlined
def first_at(order: U32, start: int, stop: int, row: int) -> int:
    """Return where, in ascending ``order[start:stop]``, the rows from `row` on begin."""
    while start < stop:
        middle = (start + stop) >> 1
        if order[middle] < row:
            start = middle + 1
        else:
            stop = middle
    return start


@kernel
def find_bounds(order: U32, marks: U32, stride: int, bounds: I64, found: I64) -> None:
    """Write where in `order`, all of it ascending, the rows from each bound on begin.

    `marks` is every `stride`-th row of it, which the processor's cache holds.
    """
    for k in range(bounds.shape[0]):
        after = first_at(marks, 0, marks.shape[0], bounds[k])
        start = max((after - 1) * stride, 0)
        found[k] = first_at(order, start, min(after * stride, order.shape[0]), bounds[k])
