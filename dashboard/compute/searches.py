"""Binary searches: of pixel edges among times, and of rows among the rows of a cluster or a part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import inlined, kernel

F64 = npt.NDArray[np.float64]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]


@kernel
def column_bounds(times: F64, marks: F64, stride: int, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each edge; with `closed`, after the last one.

    `marks` is every `stride`-th time: the search reads the file only within one stride.
    """
    n = times.shape[0]
    for k in range(edges.shape[0]):
        edge = edges[k]
        after = closed and k == edges.shape[0] - 1
        low, high = 0, marks.shape[0]
        while low < high:
            middle = (low + high) >> 1
            if marks[middle] < edge or (after and marks[middle] == edge):
                low = middle + 1
            else:
                high = middle
        high = min(low * stride, n)
        low = max((low - 1) * stride, 0)
        while low < high:
            middle = (low + high) >> 1
            if times[middle] < edge or (after and times[middle] == edge):
                low = middle + 1
            else:
                high = middle
        bounds[k] = low


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
