"""A source of what SpikeInterface saves."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.model.progress import ProgressCallback
from dashboard.model.references import SortingRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.analyzer.reader import read_analyzer
from dashboard.sources.analyzer.store import FolderStore, Store
from dashboard.sources.analyzer.zarr_store import ZarrStore, is_zarr
from dashboard.sources.base import Source
from dashboard.sources.places import Names, Place, PlacedSource, any_below


class AnalyzerSource(PlacedSource):
    """Folders of SortingAnalyzer, and of sortings alone."""

    kind = "SpikeInterface"
    suffix = "analyzer"
    sorter = "spikeinterface"
    last_changed = "spikeinterface_info.json"

    @staticmethod
    def is_one(path: str, names: Names) -> bool:
        """Return whether these are the names of an analyzer or of a sorting."""
        is_analyzer = {"spikeinterface_info.json", "sorting"} <= names
        is_sorting = {"numpysorting_info.json", "spikes.npy"} <= names or {
            "si_folder.json",
            "sorting_cached.npz",
        } <= names
        return is_analyzer or is_sorting or ("sorting" in names and is_zarr(Path(path)))

    def read(
        self,
        place: Place,
        ref: SortingRef,
        cache: Path | None,
        progress: ProgressCallback,
        cancel: threading.Event | None,
    ) -> SpikeSorting:
        """Read an analyzer or a sorting."""
        store: Store = ZarrStore(place.path) if is_zarr(place.path) else FolderStore(place.path)
        return read_analyzer(store, ref, cache, progress, cancel, self.sync_file)


def recognises(path: Path) -> bool:
    """Return whether a path holds what SpikeInterface saves."""
    return path.is_dir() and any_below(path, AnalyzerSource.is_one)


def at(path: Path, settings: Settings) -> Source:
    """Return the source of a path."""
    return AnalyzerSource(path, settings)
