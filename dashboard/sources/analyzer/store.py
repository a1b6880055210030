"""What SpikeInterface saves, as a folder: arrays and JSON by their paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.json_files import read_json
from dashboard.model.raw import MAX_HZ
from dashboard.model.sorting import Missing
from dashboard.sources.alf.arrays import map_array, read_archive, read_table
from dashboard.sources.alf.clusters import MAX_UNITS
from dashboard.sources.alf.names import scan
from dashboard.sources.readers import native

_AGAIN = "Copy the folder again, or save the analyzer again"
MAX_SEGMENTS = 100_000
_ARCHIVE = "sorting_cached.npz"
_OF_ARCHIVE = ("unit_ids", "sampling_frequency", "num_segment")


class Store(Protocol):
    """What is read of an analyzer, whatever it was saved as.

    Attributes
    ----------
    path : Path
    used : list of Path
        Files that spikes and units were read from.
    """

    path: Path
    used: list[Path]

    def json(self, name: str) -> dict[str, Any]:
        """Return a small object by name, empty where there is none."""
        ...

    def array(self, name: str) -> npt.NDArray[Any] | None:
        """Return an array by its path; None where there is none."""
        ...

    def spikes(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Return sample, row of the unit and segment of each spike."""
        ...

    def sorting(self) -> tuple[list[Any], float, int]:
        """Return ids of units, sampling rate in Hz, and number of segments."""
        ...

    def properties(self, missing: list[Missing]) -> dict[str, npt.NDArray[Any]]:
        """Return what the sorting says of units, by name; say which of it cannot be read."""
        ...

    def metrics(self, missing: list[Missing]) -> list[tuple[str, pd.DataFrame]]:
        """Return tables of metrics with their names, one row per unit; say which cannot be read."""
        ...


class FolderStore:
    """A folder: SortingAnalyzer as ``binary_folder``, or a sorting alone.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: list[Path] = []
        below = path / "sorting"
        self._sorting = below if below.is_dir() else path

    def json(self, name: str) -> dict[str, Any]:
        """Return what a JSON file holds, empty where there is none."""
        path = self.path / f"{name}.json"
        return self._json(path) if path.exists() else {}

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            content = read_json(path)
        except FileNotFoundError as error:
            raise DatasetMissing(path.name, path, _AGAIN) from error
        except (OSError, ValueError) as error:
            raise DatasetInvalid("Not readable as JSON", [path], _AGAIN) from error
        if not isinstance(content, dict):
            raise DatasetInvalid("Holds something else than SpikeInterface writes", [path], _AGAIN)
        return content

    def array(self, name: str) -> npt.NDArray[Any] | None:
        """Map an array; None where there is none."""
        path = self.path / f"{name}.npy"
        return map_array(path) if path.exists() else None

    def spikes(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Return sample, row of the unit and segment of each spike."""
        if (self._sorting / _ARCHIVE).exists():
            return self._archived()
        path = self._sorting / "spikes.npy"
        spikes = map_array(path)
        self.used.append(path)
        names = spikes.dtype.names or ()
        wanted = ("sample_index", "unit_index", "segment_index")
        if lost := [name for name in wanted[:2] if name not in names]:
            raise DatasetInvalid(f"Has no field {lost[0]}", [path], _AGAIN)
        columns = [spikes[name] if name in names else np.zeros(len(spikes), np.int64) for name in wanted]
        if bad := next(
            (name for name, column in zip(wanted, columns, strict=True) if column.dtype.kind not in "iu"), ""
        ):
            raise DatasetInvalid(f"{bad} should be whole numbers", [path], _AGAIN)
        return columns[0], columns[1], columns[2]

    def _archived(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        path = self._sorting / _ARCHIVE
        arrays, (ids, _, n_segments) = read_archive(path), self.sorting()
        self.used.append(path)
        rows = {unit: row for row, unit in enumerate(ids)}
        samples, units, segments = [], [], []
        for k in range(n_segments):
            index, labels = arrays.get(f"spike_indexes_seg{k}"), arrays.get(f"spike_labels_seg{k}")
            if index is None or labels is None or index.dtype.kind not in "iu" or not index.shape == labels.shape[:1]:
                raise DatasetInvalid(f"Has no whole segment {k}", [path], _AGAIN)
            try:
                units.append(np.array([rows[label] for label in labels.tolist()], np.int64))
            except (KeyError, TypeError) as error:
                raise DatasetInvalid(f"A spike is of unit {error!s:.40}, which is not listed", [path], _AGAIN) from None
            samples.append(index.astype(np.int64))
            segments.append(np.full(len(index), k))
        return np.concatenate(samples), np.concatenate(units), np.concatenate(segments)

    def sorting(self) -> tuple[list[Any], float, int]:
        """Return ids of units, sampling rate in Hz, and number of segments."""
        path = self._sorting / _ARCHIVE
        if path.exists():
            arrays = read_archive(path)
            lists = {name: np.ravel(arrays[name]).tolist() for name in _OF_ARCHIVE if name in arrays}
            rate, n = (lists.get(name, [None])[0] for name in _OF_ARCHIVE[1:])
            found = {"unit_ids": lists.get("unit_ids"), "sampling_frequency": rate, "num_segments": n}
        else:
            path = self._sorting / "numpysorting_info.json"
            found = self._json(path)
            self.used.append(path)
        return checked_info(found, path)

    def properties(self, missing: list[Missing]) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of ``sorting/properties``; say which cannot be read."""
        found = {}
        for entry in scan(self._sorting / "properties") if (self._sorting / "properties").is_dir() else []:
            if entry.name.endswith(".npy"):
                try:
                    found[entry.name.removesuffix(".npy")] = native(np.asarray(map_array(Path(entry.path))))
                except DatasetInvalid as error:
                    missing.append(Missing(entry.name, str(error)))
        return found

    def metrics(self, missing: list[Missing]) -> list[tuple[str, pd.DataFrame]]:
        """Return the tables of the extensions of metrics; say of which cannot be read."""
        found = []
        for name in ("quality_metrics", "template_metrics"):
            path = self.path / "extensions" / name / "metrics.csv"
            if path.exists():
                try:
                    found.append((name, read_table(path).iloc[:, 1:]))
                except DatasetInvalid as error:
                    missing.append(Missing(name, str(error)))
        return found


def checked_info(found: dict[str, Any], path: Path) -> tuple[list[Any], float, int]:
    """Return ids of units, sampling rate and number of segments, checked.

    Raises
    ------
    DatasetInvalid
        One of them is not there, or cannot be what it is called.
    """
    ids, rate, n_segments = found.get("unit_ids"), found.get("sampling_frequency"), found.get("num_segments", 1)
    if not isinstance(ids, list) or not all(isinstance(unit, int | str) and unit != "" for unit in ids):
        raise DatasetInvalid("Has no list of ids of units", [path], _AGAIN)
    if len(ids) > MAX_UNITS or any(isinstance(unit, int) and abs(unit) >= 1 << 63 for unit in ids):
        raise DatasetInvalid("Has more units than tables hold, or ids that are no numbers of 64 bits", [path], _AGAIN)
    if len(set(map(str, ids))) < len(ids):
        raise DatasetInvalid("Two units have one id", [path], _AGAIN)
    if not isinstance(rate, int | float) or not 0 < rate < MAX_HZ:
        raise DatasetInvalid(f"sampling_frequency is {str(rate)[:40]}, no rate in Hz", [path], _AGAIN)
    if not isinstance(n_segments, int) or not 1 <= n_segments <= MAX_SEGMENTS:
        raise DatasetInvalid(f"num_segments is {str(n_segments)[:40]}", [path], _AGAIN)
    return ids, float(rate), n_segments
