"""Memory of pictures, used again: the system clears fresh pages, which takes longer than drawing into them."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

#: Smaller arrays come from memory that the allocator keeps anyway.
SMALLEST_BYTES = 1 << 20
#: Bytes that wait to be used again: a few pictures of the largest screens.
WAITING_BYTES = 64 << 20
#: Memory is handed out in whole multiples of this, for pictures of about the same size to share.
GRAIN_BYTES = 1 << 20
#: A picture does not hold memory of more than so many times its size.
SPARE = 4

_Buffer = npt.NDArray[np.uint8]
# Its operations are atomic: a lock could not be taken by a finaliser that runs inside of one.
_waiting: deque[_Buffer] = deque()


class _Lease:
    """Holds memory for one array and its views; when the last of them is gone the memory waits again."""

    def __init__(self, buffer: _Buffer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._buffer = buffer
        self.__array_interface__ = {
            "shape": shape,
            "typestr": dtype.str,
            "data": (buffer.ctypes.data, False),
            "version": 3,
        }

    def __del__(self, waiting: deque[_Buffer] = _waiting) -> None:
        if sum(buffer.nbytes for buffer in tuple(waiting)) + self._buffer.nbytes <= WAITING_BYTES:
            waiting.append(self._buffer)


def new_image(shape: tuple[int, ...], dtype: npt.DTypeLike, fill: float | None = None) -> npt.NDArray[Any]:
    """Return a C-contiguous array of any content, or filled with `fill`.

    It is an array as any other; its memory is used again once no view of it is left.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    fill : float or None
    """
    kind = np.dtype(dtype)
    n_bytes = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if n_bytes < SMALLEST_BYTES:
        image: npt.NDArray[Any] = np.empty(shape, dtype=kind)
    else:
        image = np.asarray(_Lease(_find_buffer(n_bytes), shape, kind))
    if fill is not None:
        image.fill(fill)
    return image


def _find_buffer(n_bytes: int) -> _Buffer:
    for _ in range(len(_waiting)):
        try:
            buffer = _waiting.pop()
        except IndexError:  # another thread was quicker
            break
        if n_bytes <= buffer.nbytes <= SPARE * n_bytes:
            return buffer
        _waiting.appendleft(buffer)
    return np.empty(-(-n_bytes // GRAIN_BYTES) * GRAIN_BYTES, dtype=np.uint8)
