"""A source of Kilosort and phy folders."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.model.progress import ProgressCallback
from dashboard.model.references import SortingRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.phy.folder import is_kilosort4, read_folder
from dashboard.sources.places import Place, PlacedSource, any_below


class PhySource(PlacedSource):
    """Folders that hold ``spike_times.npy`` and the units of the spikes."""

    suffix = "phy"
    sorter = "phy"
    last_changed = "spike_clusters.npy"

    @staticmethod
    def is_one(path: Path, names: set[str]) -> bool:
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
        return read_folder(place.path, ref, cache, progress, cancel, self.sync_file, self.bit_uv)


def recognises(path: Path) -> bool:
    """Return whether a path holds a Kilosort or phy folder."""
    return path.is_dir() and any_below(path, PhySource.is_one)


def at(path: Path, settings: Settings) -> Source:
    """Return the source of a path."""
    return PhySource(path, settings)
