"""A source of NWB files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.references import SortingRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.nwb.reader import probes_of, read_units
from dashboard.sources.places import Names, Place, PlacedSource, any_below

ENDING = ".nwb"


class NwbSource(PlacedSource):
    """NWB files; one with the units of several probes holds as many insertions."""

    kind = "NWB"
    suffix = "nwb"
    sorter = "nwb"

    @staticmethod
    def is_one(path: str, names: Names) -> bool:
        """Return whether this is an NWB file, by its name."""
        return not names and path.endswith(ENDING) and Path(path).is_file()

    def parts(self, path: Path) -> Sequence[tuple[str, str]]:
        """Return the probes of a file."""
        try:
            found = probes_of(path)
        except BadRequest:  # said when it is opened
            found = []
        return [(probe, probe) for probe in found] or [("", "")]

    def read(
        self,
        place: Place,
        ref: SortingRef,
        cache: Path | None,
        progress: ProgressCallback,
        cancel: threading.Event | None,
    ) -> SpikeSorting:
        """Read the units of a probe."""
        return read_units(place.path, place.part, ref, cache, progress, cancel)


def recognises(path: Path) -> bool:
    """Return whether a path is an NWB file, or holds one."""
    return any_below(path, NwbSource.is_one)


def at(path: Path, settings: Settings) -> Source:
    """Return the source of a path."""
    return NwbSource(path, settings)
