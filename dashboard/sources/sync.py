"""From the probe's own clock to the session's, by a table of times on both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid
from dashboard.sources.alf.arrays import map_array, read_table
from dashboard.sources.alf.names import scan

#: Names by which a table is found in the folder of a sorting; the last is IBL's.
NAMES = ("sync.csv", "sync.tsv", "sync.npy")
IBL_ENDING = ".sync.npy"
_REMEDY = "Give two columns in seconds: the probe's clock and the session's, both rising"


@dataclass(frozen=True, slots=True, eq=False)
class Sync:
    """A relation of two clocks.

    Attributes
    ----------
    path : Path
    probe_s, session_s : ndarray, shape (n,), float64, rising
    """

    path: Path
    probe_s: npt.NDArray[np.float64]
    session_s: npt.NDArray[np.float64]

    @property
    def key(self) -> str:
        """What tells one state of the table from another."""
        status = self.path.stat()
        return f"{self.path} {status.st_size} {status.st_mtime_ns}"

    def to_session(self, times_s: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return times of the session; beyond the table's ends along its first and last pieces."""
        x, y = self.probe_s, self.session_s
        found: npt.NDArray[np.float64] = np.interp(times_s, x, y)
        for end, inner, outside in ((0, 1, times_s < x[0]), (-1, -2, times_s > x[-1])):
            slope = (y[end] - y[inner]) / (x[end] - x[inner])
            found = np.where(outside, y[end] + slope * (times_s - x[end]), found)
        return found


def sync_at(folder: Path, given: Path | None = None) -> Sync | None:
    """Return the table of a sorting: the one given, else the one in its folder; None without any.

    Raises
    ------
    DatasetInvalid
        It holds something else, or there are several.
    """
    if given is not None:
        return read_sync(given)
    if not folder.is_dir():
        return None
    found = [Path(e.path) for e in scan(folder) if e.name in NAMES or e.name.endswith(IBL_ENDING)]
    if len(found) > 1:
        raise DatasetInvalid("Several tables of clocks", found, "Keep one of them")
    return read_sync(found[0]) if found else None


def read_sync(path: Path) -> Sync:
    """Read a table of two columns: the probe's clock and the session's, in seconds.

    Raises
    ------
    DatasetInvalid
    DatasetMissing
        There is no such file.
    """
    if path.suffix == ".npy":
        values = np.asarray(map_array(path))
    else:
        table = read_table(path)
        first = pd.to_numeric(pd.Series(table.columns.astype(str)), errors="coerce").to_numpy(np.float64)
        values = table.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if np.isfinite(first).all():  # without a line of names
            values = np.vstack([first, values])
    if values.ndim != 2 or values.shape[1] != 2 or len(values) < 2 or values.dtype.kind not in "iuf":
        raise DatasetInvalid(f"No table of two clocks: it is of shape {values.shape}", [path], _REMEDY)
    values = values.astype(np.float64)
    if not np.isfinite(values).all() or (np.diff(values, axis=0) <= 0).any():
        raise DatasetInvalid("The two clocks do not both rise", [path], _REMEDY)
    return Sync(path, values[:, 0].copy(), values[:, 1].copy())
