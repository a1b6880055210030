"""Binary searches of rows among the rows of a cluster or a part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import inlined, kernel

U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]


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
