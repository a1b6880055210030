"""ALF data in a folder: a ONE cache, a subject, a session, a probe, or loose files.

Only `os.scandir` is used, nothing is opened, and nothing is ever written. What `find` returns is always
an insertion that the scan of the folder listed: text from a user is compared with names and never
becomes a path.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest, DatasetMissing, InsertionAmbiguous, InsertionNotFound, SourceUnavailable
from dashboard.model.progress import PartialCallback, Progress, ProgressCallback, ignore_partial, ignore_progress
from dashboard.model.raw import RawRecording
from dashboard.model.references import DatasetRef, InsertionRef, SortingRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.names import (
    REVISION,
    SPIKES,
    any_spikes,
    files,
    holds_spikes,
    parse_file_name,
    scan,
    tree,
    without_labels,
    without_twins,
)
from dashboard.sources.alf.source import AlfSource
from dashboard.sources.base import DEFAULT, Source, normal_key
from dashboard.sources.events import with_events
from dashboard.sources.links import OutwardLinks
from dashboard.sources.raw.recording import holds_samples, open_recording

__all__ = ["FolderSource", "parse_file_name"]

log = logging.getLogger(__name__)


# Deep enough for lab/Subjects/subject/date/number below some folders of the lab's own.
_MAX_DEPTH = 10
# subject/date/number/alf
_OF_SUBJECT = 3
_SESSION = re.compile(r"(?P<subject>[^/]+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<number>\d{1,3})$")
_LAB = re.compile(r"(?P<lab>[^/]+)/Subjects$")
_PROBE = re.compile(r"probe[\w-]*$")
# What the dashboard can show of a session besides its sorting.
_QC_PREFIX = "_iblqc_"
# Of a session without a folder per probe.
_WITHOUT_PROBE = "probe"
_OF_SESSION = ("trials", "passivePeriods")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an insertion is on disk.

    ``collection`` is the one that the source's folder restricts it to, ``''`` for all of them;
    ``loose`` folders hold their files directly instead of below ``alf/``.
    """

    session: Path
    collection: str = ""
    loose: bool = False


class FolderSource(AlfSource):
    """Insertions found in a folder of ALF data.

    Folders that are symbolic links to somewhere outside of the root are not entered; give their
    target as a source of its own. Files that are links are read (git-annex keeps its files that way).

    Parameters
    ----------
    root : Path
        A ONE cache root, any folder above or below the subjects, a session, a probe folder, the
        folder of one sorting, or a folder of loose ALF files.
    name : str or None
        Shown to users; by default the name of the folder.
    events : Path or None
        Table of events of the one insertion, in place of its trials.
    others : sequence of Path
        Further folders of data, to which links may lead without a word.

    Raises
    ------
    InsertionNotFound
        The folder does not exist.
    BadRequest
        It is not a folder.
    """

    kind = "ALF files"

    def __init__(
        self, root: Path, name: str | None = None, events: Path | None = None, others: Sequence[Path] = ()
    ) -> None:
        root = Path(root)
        if not root.exists():
            raise InsertionNotFound("No such folder", root, "Check the path")
        if not root.is_dir():
            raise BadRequest("Not a folder", root, "Give the folder that holds the ALF files")
        self.root = root.resolve()
        self.name = name or self.root.name or str(self.root)
        self._events = events
        self._links = OutwardLinks(self.root, others)
        self._places: dict[str, tuple[InsertionRef, _Place]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FolderSource({str(self.root)!r}, name={self.name!r})"

    @property
    def left_out(self) -> str:
        """Links that are not followed, of those that the last list came upon."""
        return self._links.said

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield the insertions that hold spikes, in the order of their paths, as they are found.

        Raises
        ------
        SourceUnavailable
            The folder itself is not there any more.
        """
        self._check()
        seen: set[str] = set()
        for place in self._sessions():
            for insertion, where in self._probes(place):
                if insertion.key in seen:
                    log.warning("%s is there twice; the one in %s is ignored", insertion.key, where.session)
                    continue
                seen.add(insertion.key)
                with self._lock:
                    self._places[insertion.key] = (insertion, where)
                yield insertion

    def find(self, text: str) -> InsertionRef | None:
        """Return the listed insertion that `text` names.

        Parameters
        ----------
        text : str
            ``subject/date/number/probe`` (the number with or without zeros), or without the probe
            where the session has one. The source's name, where it holds a single insertion.

        Raises
        ------
        InsertionAmbiguous
            The session has several probes.
        """
        wanted = normal_key(text)
        if not wanted:
            return None
        with self._lock:
            known = self._places.get(wanted)
        if known is not None and known[1].session.is_dir():
            return known[0]
        matches = []
        for insertion in self.insertions():
            if insertion.key == wanted:
                return insertion
            if wanted in (insertion.session, self.name):
                matches.append(insertion)
        if len(matches) > 1:
            raise InsertionAmbiguous(text, [insertion.key for insertion in matches])
        return matches[0] if matches else None

    def open(self, insertion: InsertionRef, request: SortingRequest = DEFAULT, **options: Any) -> SpikeSorting:
        """Open a sorting, with the events that were given; see `dashboard.sources.base.Source.open`."""
        if self._events is not None and len(list(islice(self.insertions(), 2))) > 1:
            raise BadRequest("--events is for one insertion", self.root, "Give the folder of one insertion with --data")
        return with_events(super().open(insertion, request, **options), self._events)

    def datasets(self, insertion: InsertionRef) -> Sequence[DatasetRef]:
        """Return every dataset of the insertion and of its session, with its path and size.

        Raises
        ------
        InsertionNotFound
            The folder no longer lists the insertion.
        SourceUnavailable
            The folder itself is not there any more.
        """
        self._check()
        place = self._place(insertion)
        if not place.session.is_dir():
            raise InsertionNotFound("The folder is not there any more", place.session, "Check that its disk is mounted")
        if place.loose:
            found = list(files(place.session, f"alf/{insertion.probe}", self._links.may_enter))
            if place.session.name == "alf":  # the session's own lie beside the spikes
                found += [d for d in files(place.session, "alf", self._links.may_enter) if d.object in _OF_SESSION]
        else:
            found = list(self._session_datasets(place, insertion.probe))
        return without_twins(without_labels(found))

    def fetch_files(
        self,
        insertion: InsertionRef,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
    ) -> Mapping[str, Path]:
        """Return the paths of `datasets`, by `DatasetRef.relative_path`; files are used where they lie.

        Raises
        ------
        DatasetMissing
            None of them is there any more.
        """
        paths = {d.relative_path: d.path for d in datasets if d.path is not None and d.path.is_file()}
        if datasets and not paths:
            raise DatasetMissing(datasets[0].name, datasets[0].path or insertion.key, "Check that the disk is mounted")
        progress(Progress("files", len(paths), len(datasets), "files"))
        return paths

    def raw(self, insertion: InsertionRef) -> RawRecording:
        """Return the raw recording of the session's folder ``raw_ephys_data``, or of the folder of loose files."""
        place = self._place(insertion)
        session = place.session.parent if place.loose and place.session.name == "alf" else place.session
        home = session / "raw_ephys_data"
        folders = [home / insertion.probe, home, *([place.session] if place.loose else [])]
        inside = [folder for folder in folders if folder.resolve().is_relative_to(session)]
        folder = next((folder for folder in inside if holds_samples(folder)), folders[0])
        return open_recording(folder, pid=insertion.pid)

    def place(self, insertion: InsertionRef) -> str:
        """Return the folder of a listed insertion.

        Raises
        ------
        InsertionNotFound
            The folder does not list it.
        """
        place = self._place(insertion)
        return str(place.session if place.loose else place.session / "alf" / insertion.probe)

    def _place(self, insertion: InsertionRef) -> _Place:
        with self._lock:
            known = self._places.get(insertion.key)
        if known is None and self.find(insertion.key) is not None:
            with self._lock:
                known = self._places.get(insertion.key)
        if known is None:
            raise InsertionNotFound("No such insertion", f"{insertion.key} in {self.name}", "Look it up in the list")
        return known[1]

    def _check(self) -> None:
        if not self.root.is_dir():
            raise SourceUnavailable("The folder is not there any more", self.root, "Check that its disk is mounted")

    def _sessions(self) -> Iterator[_Place]:
        place = self._around()
        if place is not None:
            yield place
            return
        yield from self._walk(str(self.root), 0)

    def _around(self) -> _Place | None:
        """Return the session that the root lies inside of, where it is the ``alf`` folder of one or below it."""
        parts = self.root.parts
        if "alf" not in parts[1:]:
            return None
        at = len(parts) - 1 - parts[::-1].index("alf")
        session, below = Path(*parts[:at]), len(parts) - 1 - at
        # a folder of many subjects may be called alf as well
        is_alf = any_spikes(self.root, self._links.may_enter, below) and not _holds_alf(self.root)
        if not _SESSION.search(session.as_posix()) and not is_alf:
            return None
        collection = "/".join(part for part in parts[at:] if not REVISION.match(part))
        return _Place(session, collection if below else "")

    def _walk(self, folder: str, depth: int) -> Iterator[_Place]:
        folders, has_spikes = [], False
        for entry in scan(folder):
            if entry.is_dir():
                folders.append(entry)
            elif SPIKES.match(entry.name):
                has_spikes = True
        names = {entry.name for entry in folders}
        is_session = folder[-1:].isdigit() and _SESSION.search(folder) is not None
        if "alf" in names and (is_session or self._is_of_spikes(Path(folder))):
            yield _Place(Path(folder))
        elif has_spikes or any(REVISION.match(e.name) and holds_spikes(Path(e.path)) for e in folders):
            yield _Place(Path(folder), loose=True)
        elif not is_session and depth < _MAX_DEPTH:  # a folder of many subjects may be called alf as well
            for entry in folders:
                if self._links.may_enter(entry):
                    yield from self._walk(entry.path, depth + 1)

    def _is_of_spikes(self, session: Path) -> bool:
        """Return whether the folder ``alf`` in one is that of a session: it holds spikes, and no other sessions."""
        return not _holds_alf(session / "alf") and next(self._probes(_Place(session)), None) is not None

    def _probes(self, place: _Place) -> Iterator[tuple[InsertionRef, _Place]]:
        session = place.session
        match = _SESSION.search(session.as_posix())
        lab = _LAB.search(session.parents[2].as_posix()) if match and len(session.parents) > 2 else None
        if place.loose:
            yield self._loose(session), place
            return
        named: dict[str, Any] = {
            "subject": match["subject"] if match else session.name,
            "date": match["date"] if match else "",
            "number": int(match["number"]) if match else 0,
            "source": self.name,
            "lab": lab["lab"] if lab else None,
        }
        if holds_spikes(session / "alf") and place.collection in ("", "alf"):
            yield InsertionRef(probe=_WITHOUT_PROBE, **named), _Place(session / "alf", loose=True)
        for entry in scan(session / "alf"):
            if (
                not entry.is_dir()
                or not self._may_enter(place, f"alf/{entry.name}")
                or not self._links.may_enter(entry)
            ):
                continue
            if not any_spikes(Path(entry.path), self._links.may_enter):
                continue
            yield InsertionRef(probe=entry.name, **named), place

    def _loose(self, folder: Path) -> InsertionRef:
        """Name an insertion after its folder; where that is a probe or sorter, after the one above too."""
        below = folder.relative_to(self.root).parts
        probe = next((part for part in reversed(folder.parts) if _PROBE.match(part)), "probe")
        named = [part for part in below if part != probe] or [self.root.name or "data"]
        return InsertionRef(subject="-".join(named), date="", number=0, probe=probe, source=self.name)

    def _may_enter(self, place: _Place, collection: str) -> bool:
        only = place.collection
        return not only or f"{collection}/".startswith(f"{only}/") or f"{only}/".startswith(f"{collection}/")

    def _session_datasets(self, place: _Place, probe: str) -> Iterator[DatasetRef]:
        alf = place.session / "alf"
        base = f"alf/{probe}"
        yield from files(alf, "alf", self._links.may_enter)
        for entry in scan(alf):
            if not entry.is_dir() or REVISION.match(entry.name) or not self._links.may_enter(entry):
                continue
            collection = f"alf/{entry.name}"
            if collection == base:
                for dataset in tree(Path(entry.path), collection, self._links.may_enter):
                    # electrode sites hold for every sorting of the probe
                    if self._may_enter_dataset(place, dataset):
                        yield dataset
            elif not any_spikes(Path(entry.path), self._links.may_enter):
                yield from files(Path(entry.path), collection, self._links.may_enter)
        raw = f"raw_ephys_data/{probe}"
        if (place.session / raw).is_dir():
            for dataset in files(place.session / raw, raw, self._links.may_enter):
                if dataset.file_name.startswith(_QC_PREFIX):
                    yield dataset

    def _may_enter_dataset(self, place: _Place, dataset: DatasetRef) -> bool:
        only = place.collection
        within = not only or f"{dataset.collection}/".startswith(f"{only}/")
        return within or dataset.object == "electrodeSites"


def _holds_alf(folder: Path, depth: int = 0) -> bool:
    """Return whether there is another folder called alf below one, as deep as it is below that of a subject."""
    return any(
        entry.is_dir() and (entry.name == "alf" or (depth < _OF_SUBJECT and _holds_alf(Path(entry.path), depth + 1)))
        for entry in scan(folder)
    )


def recognises(path: Path) -> bool:
    """Return whether a path is a folder with an insertion in ALF's layout."""
    return path.is_dir() and next(FolderSource(path).insertions(), None) is not None


def at(path: Path, settings: Settings) -> Source:
    """Return the source of a folder of ALF data."""
    return FolderSource(path, events=settings.events, others=settings.data)
