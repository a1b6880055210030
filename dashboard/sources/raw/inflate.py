"""Chunks as mtscomp packs them: inflated, and sums made of differences, where they lie in memory."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from dashboard.sources import readers
from dashboard.sources.compile import kernel

deflate: Any = None
with suppress(ImportError):  # a platform that it has no wheel for has zlib
    import deflate


def inflate(content: bytes | memoryview, n_bytes: int) -> bytearray:
    """Return what was packed, whose Adler-32 is compared; libdeflate takes half of the time that zlib does.

    Parameters
    ----------
    content : bytes-like
    n_bytes : int
        That should come out.

    Raises
    ------
    ValueError
        It is damaged, or holds more.
    """
    if deflate is not None:
        try:
            return cast(bytearray, deflate.zlib_decompress(content, n_bytes))
        except deflate.DeflateError as error:
            raise ValueError(str(error)) from error
    try:
        return bytearray(readers.inflate(content, n_bytes))
    except zlib.error as error:
        raise ValueError(str(error)) from error


@kernel
def undo_differences(counts: npt.NDArray[np.int16]) -> None:
    """Make sums along the second axis of what are differences; in int16, as they were taken: sums wrap around."""
    n_rows, n = counts.shape
    for row in range(n_rows):
        total = counts[row, 0]
        for i in range(1, n):
            total = np.int16(total + counts[row, i])
            counts[row, i] = total


def warm_up() -> None:
    """Compile what nobody should wait for; a second start has it from numba's cache."""
    undo_differences(np.frombuffer(bytearray(8), "<i2").reshape(2, 2))
