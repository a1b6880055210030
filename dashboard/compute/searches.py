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


@kernel
def column_bounds(times: F64, marks: F64, stride: int, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each of the ascending edges; with `closed`, after the last one.

    `marks` is every `stride`-th time: the search reads the file only within one stride. No branch depends on a time.
    """
    n, n_marks, n_edges = times.shape[0], marks.shape[0], edges.shape[0]
    sought, ends = np.empty(LANES, dtype=np.float64), np.empty(LANES, dtype=np.int64)
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
            low, high = mark, min(mark + step, n_marks)
            while low < high:
                middle = (low + high) >> 1
                if marks[middle] < edge:
                    low = middle + 1
                else:
                    high = middle
            mark = max(low - 1, 0)
            sought[j], ends[j], found[j] = edge, min(low * stride, n), mark * stride
        size = stride
        while size > 0:
            half = (size + 1) >> 1
            for j in range(lanes):
                place = found[j] + half - 1
                is_before = (place < ends[j]) & (times[np.uint64(min(place, n - 1))] < sought[j])
                found[j] += half if is_before else 0
            size = size - half if size > 1 else 0


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
