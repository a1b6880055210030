"""Binary searches: of pixel edges among times, and of rows among the rows of a cluster or a part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import inlined, kernel

F64 = npt.NDArray[np.float64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]


#: Spikes that a column is looked for in without the marks: some pages of the file.
NEAR = 1024


@inlined
def first_not_below(times: F64, low: int, high: int, edge: float) -> int:
    """Return the first of ascending ``times[low:high]`` that is not below `edge`; `high` where all are.

    Without a branch that the data decide: half of those would be guessed wrongly.
    """
    n = high - low
    while n > 1:
        half = n >> 1
        low += half if times[np.uint64(low + half - 1)] < edge else 0
        n -= half
    if n == 1 and times[np.uint64(low)] < edge:
        low += 1
    return low


@kernel
def column_bounds(times: F64, marks: F64, stride: int, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each of the ascending edges; with `closed`, after the last one.

    `marks` is every `stride`-th time: the search reads the file only within one stride. An edge is first looked for
    within twice the spikes of the column before, as columns hold about as many as their neighbours.
    """
    n, n_marks = times.shape[0], marks.shape[0]
    last, previous, mark = 0, 0, 0
    for k in range(edges.shape[0]):
        edge = edges[k]
        if closed and k == edges.shape[0] - 1:
            edge = np.nextafter(edge, np.inf)  # below which are all times up to the edge itself
        reach = last + 2 * (last - previous) + 8
        if k > 0 and reach - last <= NEAR and reach < n and times[reach] >= edge:
            found = first_not_below(times, last, reach, edge)
        else:
            step = 1
            while mark + step < n_marks and marks[mark + step] < edge:
                mark += step
                step *= 2
            after = first_not_below(marks, mark, min(mark + step, n_marks), edge)
            found = first_not_below(times, max((after - 1) * stride, last), min(after * stride, n), edge)
            mark = max(after - 1, 0)
        bounds[k] = found
        previous, last = (found if k == 0 else last), found


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
