"""NWB files on a server, read by parts: what HDF5 asks for, in whole blocks, and nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.config.settings import Settings
from dashboard.model.arrival import ArrivedCallback, ignore_arrived
from dashboard.model.errors import BadRequest, DashboardError, SourceUnavailable
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.references import Choice, InsertionRef, Offer, SortingRef, SortingRequest
from dashboard.model.requester import reading_for
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import DEFAULT, SORTINGS, Source, chosen, normal_key
from dashboard.sources.download.ranges import RangeReader, RemoteFile, shared_reader
from dashboard.sources.events import with_events
from dashboard.sources.nwb.reader import probes_of, read_units, subject_of

_SORTER, _PROBE = "nwb", "probe"
_ADDRESS = re.compile(r"https?://\S+(\.nwb|/download/?)(\?\S*)?", re.IGNORECASE)


class RemoteNwbSource(Source):
    """The units of one NWB file on a server; those of several probes are as many insertions.

    Parameters
    ----------
    url : str
        Told by whoever runs the program, never by a link or a page.
    settings : Settings
    ranges : RangeReader or None
        In place of that of the settings.
    """

    kind = "NWB, a server"

    def __init__(self, url: str, settings: Settings, ranges: RangeReader | None = None) -> None:
        self._url, self._settings = url, settings
        self._ranges = ranges if ranges is not None else shared_reader(settings)
        self.name = _named(url)
        self._remote: RemoteFile | None = None
        self._listed: dict[str, tuple[InsertionRef, str]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RemoteNwbSource({self.name!r})"

    def _file(self) -> RemoteFile:
        with self._lock:
            if self._remote is None:
                self._remote = self._ranges.open(self._url)
            return self._remote

    def look_again(self) -> None:
        """Ask the server at the next question."""
        with self._lock:
            self._remote, self._listed = None, {}

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield an insertion for each probe of the file.

        Raises
        ------
        SourceUnavailable
            The file cannot be read.
        """
        if not self._listed:
            try:
                remote = self._file()
                subject = subject_of(remote) or Path(self.name).stem
                probes = probes_of(remote)
            except BadRequest:
                raise
            except DashboardError as error:
                raise SourceUnavailable("The NWB file cannot be read", self.name, str(error)) from error
            refs = [
                (InsertionRef(subject, "", 0, probe or _PROBE, source=self.name), probe) for probe in probes or [""]
            ]
            self._listed = {ref.key: (ref, probe) for ref, probe in refs}
        yield from (ref for ref, _ in self._listed.values())

    def find(self, text: str) -> InsertionRef | None:
        """Return the listed insertion that `text` names; see `dashboard.sources.base.Source.find`."""
        wanted = normal_key(text)
        return next((ref for ref in self.insertions() if wanted in (ref.key, ref.session)), None) if wanted else None

    def place(self, insertion: InsertionRef) -> str:
        """Return the name of the file."""
        return self.name

    def sortings(self, insertion: InsertionRef) -> tuple[Offer, ...]:
        """Return the one sorting of the file."""
        return (Offer(_SORTER, "", n_bytes=self._file().size, is_default=True),)

    def state(self, insertion: InsertionRef, request: SortingRequest = DEFAULT) -> dict[str, object]:
        """Return size and version of the file as the server told them."""
        remote = self._file()
        return {remote.name: (remote.size, remote.version), SORTINGS: (_SORTER,)}

    def fetch(
        self,
        insertion: InsertionRef,
        request: SortingRequest = DEFAULT,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> SortingRef:
        """Bring nothing: the file stays where it is; see `dashboard.sources.base.Source.fetch`."""
        return self._chosen(insertion, request)

    def open(
        self,
        insertion: InsertionRef,
        request: SortingRequest = DEFAULT,
        *,
        cache: Path | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        arrived: ArrivedCallback = ignore_arrived,
    ) -> SpikeSorting:
        """Open a sorting; see `dashboard.sources.base.Source.open`."""
        ref = self._chosen(insertion, request)
        with reading_for(cancel=cancel, progress=progress):
            part = next(
                (probe for known, probe in self._listed.values() if known.key == insertion.key), insertion.probe
            )
            sorting = read_units(self._file(), part, ref, cache, progress, cancel)
        return with_events(sorting, self._settings.events)

    def _chosen(self, insertion: InsertionRef, request: SortingRequest) -> SortingRef:
        offers = self.sortings(insertion)
        chosen(insertion, request, offers)
        sorter, revision = Choice(_SORTER, "the only sorting", (_SORTER,)), Choice("", "the only revision", ("",))
        return SortingRef(insertion, self.name, sorter, revision)


def _named(url: str) -> str:
    """Return the last part of an address that is a name."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    if len(parts) > 1 and parts[-1] == "download":
        parts.pop()
    return parts[-1] if parts else urlsplit(url).netloc


def at_address(text: str, settings: Settings) -> Source | None:
    """Return the source of an address that somebody typed, None where it is none of an NWB file."""
    return RemoteNwbSource(text, settings) if _ADDRESS.fullmatch(text) else None


def configured(settings: Settings, default: bool) -> list[Source]:
    """Return a source for each file that the settings name."""
    return [RemoteNwbSource(url, settings) for url in settings.nwb]
