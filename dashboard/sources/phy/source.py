"""A source of Kilosort and phy folders."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from dashboard.config.settings import Settings
from dashboard.model.progress import ProgressCallback
from dashboard.model.raw import RawRecording
from dashboard.model.references import InsertionRef, SortingRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.phy.folder import is_kilosort4, read_folder
from dashboard.sources.phy.raw import open_dat
from dashboard.sources.places import Names, Place, PlacedSource, any_below
from dashboard.sources.sync import sync_at


class PhySource(PlacedSource):
    """Folders that hold ``spike_times.npy`` and the units of the spikes."""

    kind = "Kilosort, phy"
    suffix = "phy"
    sorter = "phy"
    last_changed = "spike_clusters.npy"

    @staticmethod
    def is_one(path: str, names: Names) -> bool:
        """Return whether these are the names of a Kilosort or phy folder."""
        return "spike_times.npy" in names and bool({"spike_clusters.npy", "spike_templates.npy", "params.py"} & names)

    def sorter_of(self, path: Path) -> str:
        """Return which sorter wrote a folder, by the files that only it writes."""
        if is_kilosort4(path):
            return "kilosort4"
        return "kilosort" if (path / "cluster_KSLabel.tsv").exists() else self.sorter

    def read(
        self,
        place: Place,
        ref: SortingRef,
        cache: Path | None,
        progress: ProgressCallback,
        cancel: threading.Event | None,
    ) -> SpikeSorting:
        """Read a folder."""
        sorting = read_folder(place.path, ref, cache, progress, cancel, self.sync_file, self.bit_uv)
        return replace(sorting, open_raw=partial(self._raw, place.path, sorting.channels))

    def raw(self, insertion: InsertionRef) -> RawRecording:
        """Return the raw recording that ``params.py`` names; see `dashboard.sources.base.Source.raw`."""
        return self.open(insertion).raw

    def _raw(self, folder: Path, channels: pd.DataFrame) -> RawRecording:
        given = self.of_only_one(self._settings.raw, "--raw")
        return open_dat(folder, channels, sync_at(folder, self.sync_file), self.bit_uv, given, self.roots)


def recognises(path: Path) -> bool:
    """Return whether a path holds a Kilosort or phy folder."""
    return path.is_dir() and any_below(path, PhySource.is_one)


def at(path: Path, settings: Settings) -> Source:
    """Return the source of a path."""
    return PhySource(path, settings)
