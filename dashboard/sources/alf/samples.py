"""Rows of ``spikes.samples``: those that are asked for, and nothing else of 8 bytes a spike."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import map_array
from dashboard.sources.download.ranges import RemoteFile
from dashboard.sources.readers import DAMAGED, read_npy_header

NAME = "spikes.samples"
MAX_ROWS = 200_000
"""Between the first and the last row that a server is asked for at once: 1.6 MB."""

_HEADER_BYTES = 256


def read_samples(file: Path | RemoteFile, rows: npt.NDArray[np.int64], n_spikes: int) -> npt.NDArray[np.int64] | None:
    """Return the samples of some spikes, by one read of a range; None where a server has them too far apart for one.

    Parameters
    ----------
    file : Path or RemoteFile
    rows : ndarray, shape (n,), int64
        Not empty.
    n_spikes : int
        Rows of ``spikes.times``.

    Raises
    ------
    DatasetInvalid
        The file is no list of so many whole numbers.
    DownloadFailed
        The server does not give them.
    """
    if isinstance(file, Path):
        values = map_array(file)
        _check(file, values.shape, values.dtype, n_spikes)
        return np.asarray(values.reshape(-1)[rows], np.int64)
    first, end = int(rows.min()), int(rows.max()) + 1
    if end - first > MAX_ROWS:
        return None
    path, head = Path(file.name), io.BytesIO(file.pieces([0, min(_HEADER_BYTES, file.size)])[0])
    try:
        shape, _, dtype = read_npy_header(head)
    except DAMAGED as error:
        raise DatasetInvalid("Not an array", [path], "Fetch it again") from error
    _check(path, shape, dtype, n_spikes)
    content = file.pieces([head.tell() + dtype.itemsize * row for row in (first, end)])[0]
    return np.frombuffer(content, dtype).astype(np.int64)[rows - first]


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], n_spikes: int) -> None:
    if shape not in ((n_spikes,), (n_spikes, 1)) or dtype.kind not in "iu":
        raise DatasetInvalid(f"Is {dtype} of shape {shape}, for {counted(n_spikes, 'spike')}", [path], "Fetch it again")
