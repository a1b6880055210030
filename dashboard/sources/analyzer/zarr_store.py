"""A SortingAnalyzer saved as zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.sorting import Missing
from dashboard.sources.alf.clusters import MAX_UNITS
from dashboard.sources.analyzer.store import checked_info
from dashboard.sources.analyzer.zarr_arrays import ZarrFolder
from dashboard.sources.readers import FREE_BYTES

_AGAIN = "Copy the folder again, or save the analyzer again"
_SPIKES = "sorting/spikes"


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a group of zarr."""
    return (path / ".zgroup").is_file() or (path / "zarr.json").is_file()


class ZarrStore:
    """A SortingAnalyzer in the format ``zarr``; see `dashboard.sources.analyzer.store.Store`.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: list[Path] = []
        self._zarr = ZarrFolder(path)

    def json(self, name: str) -> dict[str, Any]:
        """Return a small object by name: an attribute of a group."""
        group, _, attribute = name.rpartition("/")
        found = self._zarr.attributes(group).get(attribute)
        return found if isinstance(found, dict) else {}

    def array(self, name: str) -> npt.NDArray[Any] | None:
        """Return an array by its path; None where there is none."""
        return self._zarr.array(name)

    def _needed(self, name: str) -> npt.NDArray[Any]:
        found = self._zarr.array(name)
        if found is None:
            raise DatasetMissing(name, self.path / name, _AGAIN)
        self.used += self._zarr.files(name)
        return found

    def spikes(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Return sample, row of the unit and segment of each spike."""
        samples, units = self._needed(f"{_SPIKES}/sample_index"), self._needed(f"{_SPIKES}/unit_index")
        slices = self._zarr.array(f"{_SPIKES}/segment_slices")
        for name, column in (("sample_index", samples), ("unit_index", units), ("segment_slices", slices)):
            if column is not None and (column.ndim != 1 + (column is slices) or column.dtype.kind not in "iu"):
                raise DatasetInvalid("Should be whole numbers", [self.path / _SPIKES / name], _AGAIN)
        segments = np.zeros(len(samples), np.int64)
        if slices is not None and slices.size:
            ends = slices[:, -1].astype(np.int64)
            if (np.diff(ends, prepend=0) < 0).any() or not np.array_equal(slices[1:, 0].astype(np.int64), ends[:-1]):
                what = "Segments do not follow one another"
                raise DatasetInvalid(what, [self.path / _SPIKES / "segment_slices"], _AGAIN)
            segments = np.searchsorted(ends, np.arange(len(samples)), side="right")
        return samples, units, segments

    def sorting(self) -> tuple[list[Any], float, int]:
        """Return ids of units, sampling rate in Hz, and number of segments."""
        about = self._zarr.attributes("sorting")
        ids = np.ravel(self._needed("sorting/unit_ids"))[: MAX_UNITS + 1].tolist()
        return checked_info({**about, "unit_ids": ids}, self.path / "sorting")

    def properties(self, missing: list[Missing]) -> dict[str, npt.NDArray[Any]]:
        """Return what the sorting says of units, by name; say which of it cannot be read, such as objects."""
        return self._arrays("sorting/properties", missing)

    def metrics(self, missing: list[Missing]) -> list[tuple[str, pd.DataFrame]]:
        """Return the tables of the extensions of metrics; say of which columns cannot be read."""
        found = []
        for name in ("quality_metrics", "template_metrics"):
            columns = self._arrays(f"extensions/{name}/metrics", missing)
            columns.pop("index", None)
            if columns and len({len(values) for values in columns.values()}) == 1:
                found.append((name, pd.DataFrame(columns)))
        return found

    def _arrays(self, group: str, missing: list[Missing]) -> dict[str, npt.NDArray[Any]]:
        found: dict[str, npt.NDArray[Any]] = {}
        for name in self._zarr.names(group):
            try:
                values = self._zarr.array(f"{group}/{name}")
            except DatasetInvalid as error:
                missing.append(Missing(name, str(error)))
                continue
            if values is not None and values.ndim == 1:
                if values.nbytes + sum(array.nbytes for array in found.values()) > FREE_BYTES:
                    missing.append(Missing(group, f"the arrays of it claim more than {FREE_BYTES >> 20} MiB"))
                    break
                found[name] = values
        return found
