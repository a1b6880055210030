"""Sortings that are a folder or a file each, below a folder of the user: found, named, and grouped to insertions.

Only names of files are looked at. Where folders are named as IBL's are (``subject/date/number``), an insertion is named
so; elsewhere it is named after its folders. Sortings whose folders differ only in the name of a sorter
(``kilosort4``, ``ks25_curated``) are sortings of one insertion.
"""

from __future__ import annotations

import logging
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dashboard.config.settings import Settings
from dashboard.model.arrival import ArrivedCallback, ignore_arrived
from dashboard.model.errors import (
    BadRequest,
    Cancelled,
    DatasetInvalid,
    DatasetMissing,
    InsertionAmbiguous,
    InsertionNotFound,
)
from dashboard.model.identity import FileState
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.references import Choice, InsertionRef, Offer, SortingRef, SortingRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.names import scan
from dashboard.sources.base import DEFAULT, SORTINGS, Source, chosen, normal_key
from dashboard.sources.events import events_beside, with_events
from dashboard.sources.links import OutwardLinks

log = logging.getLogger(__name__)

# As deep as folders of ALF data are searched.
_MAX_DEPTH = 10
_SESSION = re.compile(r"(?P<subject>[^/]+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<number>\d{1,3})(?:/|$)")
_PROBE = re.compile(r"(?:^|_)(?P<probe>probe(?:[\d_-][\w-]*|[a-z])?|imec\d+[a-z]?)$", re.IGNORECASE)
_SORTER = re.compile(
    r"(?:spike_?sort(?:ing|ers?)|sorter_output|sorting|"
    r"(?:py|ibl)?(?:kilosort|sorter|ks)[\d._]*|phy|spykingcircus\d?|mountainsort\d?|tridesclous\d?)"
    r"(?:[-_. ]?(?:output|results?|matlab|phy|curated|curation|auto|manual|final|raw|copy|[ab\d.]+))*",
    re.IGNORECASE,
)
# Folders around those of sorters that say nothing.
_AROUND = re.compile(r"spike_?sort(?:ing|ers?)|sorter_output|sorting|alf", re.IGNORECASE)
_DEFAULT_PROBE = "probe"

Names = set[str] | frozenset[str]
IsOne = Callable[[str, Names], bool]
"""Whether a folder, by the names in it, or a file (no names) is a sorting of one kind."""
_OF_FILE: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """One sorting where it lies.

    Attributes
    ----------
    path : Path
        Folder or file.
    sorter : str
    part : str
        Which of several sortings of a file it is; empty for the only one.
    """

    path: Path
    sorter: str
    part: str = ""


class PlacedSource(Source):
    """Sortings of one kind at and below a path; a class that derives from it says which they are and reads them.

    Folders that are links to somewhere outside of the root are not entered.

    Parameters
    ----------
    root : Path
    settings : Settings

    Raises
    ------
    InsertionNotFound
        There is no such path.
    """

    #: What an insertion is told from one in ALF by, where a session has both: ``probe00-phy``.
    suffix = ""
    #: What the name of the sorter is where no folder says one.
    sorter = ""
    #: File whose last change tells the sorting that was worked on last.
    last_changed = ""

    def __init__(self, root: Path, settings: Settings | None = None) -> None:
        root = Path(root)
        if not root.exists():
            raise InsertionNotFound("No such folder", root, "Check the path")
        self.root = root.resolve()
        self.name = self.root.name or str(self.root)
        self._settings = settings if settings is not None else Settings()
        self._links = OutwardLinks(self.root, self._settings.data)
        self._places: dict[str, tuple[InsertionRef, tuple[Place, ...]]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"

    @staticmethod
    @abstractmethod
    def is_one(path: str, names: Names) -> bool:
        """Return whether a folder, by the names in it, or a file (no names) is a sorting of this kind."""

    @abstractmethod
    def read(
        self,
        place: Place,
        ref: SortingRef,
        cache: Path | None,
        progress: ProgressCallback,
        cancel: threading.Event | None,
    ) -> SpikeSorting:
        """Read a sorting; what it is named and offered with is filled in."""

    def parts(self, path: Path) -> Sequence[tuple[str, str]]:
        """Return part and probe of each sorting that a path holds; an empty probe is taken of the folders."""
        return [("", "")]

    @property
    def left_out(self) -> str:
        """Links that are not followed, of those that the last list came upon."""
        return self._links.said

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield the insertions, in the order of their paths."""
        found: dict[str, tuple[InsertionRef, list[Place]]] = {}
        for path in _sortings(self.root, self._links, self.is_one):
            for part, probe in self._parts(path):
                insertion, sorter = self._named(path, probe)
                known = found.setdefault(insertion.key, (insertion, []))[1]
                if any(place.sorter == sorter for place in known):
                    sorter = f"{sorter} ({path.relative_to(self.root).as_posix()})"
                known.append(Place(path, sorter, part))
        with self._lock:
            self._places = {key: (ref, self._ordered(places)) for key, (ref, places) in found.items()}
        yield from (insertion for insertion, _ in found.values())

    def _parts(self, path: Path) -> Sequence[tuple[str, str]]:
        try:
            return self.parts(path)
        except (DatasetInvalid, DatasetMissing) as error:
            log.warning("%s", error)
            return [("", "")]

    def find(self, text: str) -> InsertionRef | None:
        """Return the listed insertion that `text` names; see `dashboard.sources.base.Source.find`."""
        wanted = normal_key(text)
        if not wanted:
            return None
        with self._lock:
            known = self._places.get(wanted)
        if known is not None and all(place.path.exists() for place in known[1]):
            return known[0]
        listed = list(self.insertions())
        if found := next((insertion for insertion in listed if insertion.key == wanted), None):
            return found
        matches = [insertion for insertion in listed if wanted in (insertion.session, self.name)]
        if len(matches) > 1:
            raise InsertionAmbiguous(text, [insertion.key for insertion in matches])
        return matches[0] if matches else None

    def place(self, insertion: InsertionRef) -> str:
        """Return the folder or file of the sorting that is opened by default."""
        return str(self._placed(insertion)[0].path)

    def sortings(self, insertion: InsertionRef) -> tuple[Offer, ...]:
        """Return the sortings of an insertion, the one that was changed last first."""
        return tuple(
            Offer(place.sorter, "", n_bytes=_size(place.path), is_default=k == 0)
            for k, place in enumerate(self._placed(insertion))
        )

    def state(self, insertion: InsertionRef, request: SortingRequest = DEFAULT) -> dict[str, object]:
        """Return size and time of change of each file; see `dashboard.sources.base.Source.state`."""
        place, _ = self._chosen(insertion, request)
        paths = [place.path] if place.path.is_file() else [Path(e.path) for e in scan(place.path) if e.is_file()]
        states = {path.name: tuple(FileState.of(path)) for path in paths}
        return {**states, SORTINGS: tuple(sorted(offer.sorter for offer in self.sortings(insertion)))}

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
        if cancel is not None and cancel.is_set():
            raise Cancelled("Opening was cancelled")
        place, ref = self._chosen(insertion, request)
        events = self.of_only_one(self._settings.events, "--events") or events_beside(place.path)
        sorting = replace(self.read(place, ref, cache, progress, cancel), offers=self.sortings(insertion))
        return with_events(sorting, events, place.path, self.roots)

    def _chosen(self, insertion: InsertionRef, request: SortingRequest) -> tuple[Place, SortingRef]:
        offers = self.sortings(insertion)
        offer = chosen(insertion, request, offers)
        place = next(place for place in self._placed(insertion) if place.sorter == offer.sorter)
        others = tuple(offer.sorter for offer in offers)
        why = "the only sorting" if len(offers) == 1 else "the one that was changed last"
        why = "asked for" if request.sorter is not None else why
        sorter, revision = Choice(offer.sorter, why, others), Choice("", "the only revision", ("",))
        return place, SortingRef(insertion, place.path.name, sorter, revision)

    def _placed(self, insertion: InsertionRef) -> tuple[Place, ...]:
        with self._lock:
            known = self._places.get(insertion.key)
        if known is None and self.find(insertion.key) is not None:
            with self._lock:
                known = self._places.get(insertion.key)
        if known is None:
            raise InsertionNotFound("No such insertion", f"{insertion.key} in {self.name}", "Look it up in the list")
        return known[1]

    def _ordered(self, places: Sequence[Place]) -> tuple[Place, ...]:
        def changed(place: Place) -> int:
            path = place.path / self.last_changed if place.path.is_dir() else place.path
            return path.stat().st_mtime_ns if path.exists() else 0

        if len(places) == 1:
            return tuple(places)
        by_name = sorted(places, key=lambda place: place.sorter)
        return tuple(sorted(by_name, key=changed, reverse=True))

    def _named(self, path: Path, probe: str) -> tuple[InsertionRef, str]:
        """Return the insertion that a path belongs to, and the name of the sorter."""
        session = _SESSION.search(path.as_posix())
        if session:
            below = list(Path(path.as_posix()[session.end() :]).parts)
        else:
            below = list(path.relative_to(self.root).parts) if path != self.root else []
            if not below or all(_SORTER.fullmatch(part) for part in below):  # the names around say more
                around = self.root.parts[1:] if path == self.root else (*self.root.parts[1:], *below)
                first = next((k for k in range(len(around) - 1, -1, -1) if not _is_of_sorter(around[k])), 0)
                below = list(around[first:])
        if path.is_file() and below:
            below[-1:] = [] if session else [path.stem]
        of_probe = "" if probe else next((part for part in reversed(below) if _PROBE.search(part)), "")
        named = _PROBE.search(of_probe)
        probe = probe or (named["probe"] if named else _DEFAULT_PROBE)
        sorters = [part for part in below if _SORTER.fullmatch(part) and not _AROUND.fullmatch(part)]
        rest = [part for part in below if not _is_of_sorter(part) and part != of_probe]
        if session:
            alf = Path(path.as_posix()[: session.end()]) / "alf" / probe
            probe = "-".join([probe, *rest, *([self.suffix] if alf.is_dir() else [])])
            date, number = session["date"], int(session["number"])
            ref = InsertionRef(session["subject"], date, number, probe, source=self.name)
        else:
            subject = "-".join(rest) or self.root.name or "data"
            ref = InsertionRef(subject, "", 0, probe, source=self.name)
        return ref, sorters[-1] if sorters else self.sorter_of(path)

    def sorter_of(self, path: Path) -> str:
        """Return what made a sorting, where no folder's name says it."""
        return self.sorter

    @property
    def roots(self) -> list[Path]:
        """Folders of data: what is looked for around a sorting lies in one of them."""
        return [self.root, *(path.resolve() for path in self._settings.data)]

    @property
    def sync_file(self) -> Path | None:
        """The table of two clocks that the settings name."""
        return self.of_only_one(self._settings.sync, "--sync")

    @property
    def bit_uv(self) -> float | None:
        """Microvolts per bit of the raw files, by the settings."""
        return self._settings.bit_uv

    def of_only_one(self, given: Path | None, flag: str) -> Path | None:
        """Return a file that the settings name for one insertion.

        Raises
        ------
        BadRequest
            There are several insertions.
        """
        if given is not None and len(self._places) > 1:
            raise BadRequest(f"{flag} is for one insertion", self.root, "Put the file into the folder of its sorting")
        return given


def _is_of_sorter(part: str) -> bool:
    return bool(_SORTER.fullmatch(part) or _AROUND.fullmatch(part))


def _sortings(root: Path, links: OutwardLinks, is_one: IsOne) -> Iterator[Path]:
    """Return the sortings at and below a path; what lies inside of one is not looked at."""
    if root.is_dir():
        return map(Path, _walk(str(root), links, is_one, 0))
    return iter([root] if is_one(str(root), _OF_FILE) else [])


def _walk(folder: str, links: OutwardLinks, is_one: IsOne, depth: int) -> Iterator[str]:
    """Yield the sortings at and below a folder: as texts, since of ten thousand folders each would be a `Path`."""
    entries = scan(folder)
    if is_one(folder, {entry.name for entry in entries}):
        yield folder
        return
    for entry in entries:
        if entry.is_dir():
            if depth < _MAX_DEPTH and links.may_enter(entry):
                yield from _walk(entry.path, links, is_one, depth + 1)
        elif is_one(entry.path, _OF_FILE):
            yield entry.path


def any_below(path: Path, is_one: IsOne) -> bool:
    """Return whether there is a sorting of a kind at or below a path."""
    root = path.resolve()
    return next(_sortings(root, OutwardLinks(root), is_one), None) is not None


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in scan(path) if entry.is_file())
