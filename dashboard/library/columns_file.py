"""A column of spikes written to a file in blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import Cancelled
from dashboard.model.progress import Progress, ProgressCallback

BLOCK = 1 << 20
"""Spikes at a time: 8 MB of float64."""


def write_column(
    path: Path,
    n: int,
    dtype: npt.DTypeLike,
    values: Callable[[slice], npt.NDArray[Any]],
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> None:
    """Write ``path``, an array of shape (n,) whose rows `values` gives block by block.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=(n,))
    for start in range(0, n, BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Writing was cancelled")
        rows = slice(start, min(start + BLOCK, n))
        array[rows] = values(rows)
        progress(Progress(f"writing {path.stem}", rows.stop, n, "spikes"))
    array.flush()
