"""Insertions of an Alyx database, their files from its data servers."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd

from dashboard.config.settings import Settings
from dashboard.model.errors import (
    DatasetMissing,
    DownloadFailed,
    InsertionAmbiguous,
    InsertionNotFound,
    SourceUnavailable,
)
from dashboard.model.facets import Facets
from dashboard.model.progress import PartialCallback, Progress, ProgressCallback, ignore_partial, ignore_progress
from dashboard.model.raw import RawRecording
from dashboard.model.references import UUID, DatasetRef, Histology, InsertionRecord, InsertionRef, SortingRequest
from dashboard.sources.alf.source import AlfSource
from dashboard.sources.alyx.cache import CachedRecords
from dashboard.sources.alyx.client import Client, default_address, stored_parameters
from dashboard.sources.alyx.records import (
    PROVENANCE,
    concerns,
    dataset_from_record,
    insertion_from_record,
    locations_from_channels,
    needs_revision_names,
    record_from_insertion,
)
from dashboard.sources.alyx.search import PAGE, rows, rows_of
from dashboard.sources.base import DEFAULT, Row, Source
from dashboard.sources.download.checksums import is_known, is_known_other, is_verified, record_path
from dashboard.sources.download.downloader import Downloader, Fetched
from dashboard.sources.download.partial import is_complete
from dashboard.sources.download.ranges import RangeReader, RemoteFile, shared_reader
from dashboard.sources.download.transfer import ASK, Item
from dashboard.sources.raw.recording import holds_samples, is_of_recording, is_of_samples, open_recording

log = logging.getLogger(__name__)

_KEY = re.compile(
    r"(?:.*/)?(?P<subject>[^/]+)/(?P<date>\d{4}-\d{2}-\d{2})/(?P<number>\d{1,3})(?:/(?:alf/)?(?P<probe>[^/]+))?(?:/.*)?$"
)
_PROBE_AFTER_EID = re.compile(r"^/(?P<probe>[\w.-]+)$")
# What Alyx calls a session and an insertion in its addresses, those of the admin pages included.
_SESSION_WORDS = ("sessions", "session", "ephyssession", "eid")
_ATTEMPTS_OFFLINE = 2
_OTHER_VERSION = "{path} is another version of the file than the one on record and is not used"


class AlyxSource(AlfSource):
    """Insertions known to an Alyx server.

    Parameters
    ----------
    url : str
        Address of the server.
    cache : Path
        Answers of the server go into ``alyx/<host>``, data into ``one/<host>``, laid out as ONE does.
    user, password, token : str or None
        For Alyx; else ONE's parameters for this server.
    data_user, data_password : str or None
        For the data server, where it asks (basic authentication); else ONE's parameters.
    one_cache : Path or None
        A folder that ONE downloaded into, used as it is and never written to. None: the one that ONE's
        parameters name for this server.
    offline : bool
        Ask no server.
    client, downloader : or None
        Instead of those made from the other parameters.
    ranges : RangeReader or None
        Reads parts of raw data; None: raw data are those on the disk.
    """

    is_remote = True

    def __init__(
        self,
        url: str,
        *,
        cache: Path,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        data_user: str | None = None,
        data_password: str | None = None,
        one_cache: Path | None = None,
        offline: bool = False,
        client: Client | None = None,
        downloader: Downloader | None = None,
        ranges: RangeReader | None = None,
    ) -> None:
        self.client = client or Client(url, user, password, token)
        self.name = self.client.host
        folder = re.sub(r"[^\w.-]", "_", self.name)
        self.records = CachedRecords(self.client, Path(cache) / "alyx" / folder, offline)
        self.data_root: Path = Path(cache) / "one" / folder
        stored = stored_parameters(self.client.base_url)
        known = one_cache or stored.get("CACHE_DIR")
        self.one_cache = Path(known) if known else None
        self.ranges = ranges
        self._recordings: dict[str, RawRecording] = {}
        self.downloader = downloader or Downloader(
            self.data_root / ".locks",
            user=data_user or stored.get("HTTP_DATA_SERVER_LOGIN"),
            password=data_password or stored.get("HTTP_DATA_SERVER_PWD"),
        )

    def __repr__(self) -> str:
        return f"AlyxSource({self.client.base_url!r})"

    @property
    def notice(self) -> str:
        """A sentence for the page while answers come from the disk (offline); empty otherwise."""
        return self.records.notice

    def insertions(self) -> Iterator[InsertionRef]:
        """Yield the insertions of the server's list, page by page as they are read.

        Raises
        ------
        SourceUnavailable
            The server does not answer, and nothing was ever fetched from it.
        """
        seen = set()
        try:
            for page in self.records.pages("/insertions", {"limit": PAGE}):
                for row in page:
                    insertion = insertion_from_record(row, self.name)
                    if insertion is not None:
                        seen.add(insertion.pid)
                        yield insertion
        except SourceUnavailable:
            known = [i for i in self._remembered() if i.pid not in seen]
            if not known and not seen:
                raise
            yield from known

    def find(self, text: str) -> InsertionRef | None:
        """Return the insertion that `text` names, None where the server has none such.

        Parameters
        ----------
        text : str
            A pid; ``eid/probe``, or an eid where the session has one probe; ``subject/date/number/probe``,
            also with the lab before or a file behind; an address of Alyx that holds one of these.

        Raises
        ------
        InsertionAmbiguous
            The session has several probes.
        SourceUnavailable
            The server does not answer, and the insertion was not fetched before.
        """
        text = text.strip()
        found = UUID.search(text)
        if found is not None:
            return self._by_id(text, found[0].lower(), _PROBE_AFTER_EID.match(unquote(text[found.end() :].rstrip("/"))))
        match = _KEY.match(unquote(urlsplit(text).path) if text.startswith("http") else text.strip("/"))
        if match is None:
            return None
        on_day = self._listed({"subject": match["subject"], "date": match["date"]})
        candidates = [i for i in on_day if i.number == int(match["number"])]
        return self._only(text, [i for i in candidates if match["probe"] in (None, i.probe)])

    def look_again(self) -> None:
        """Ask the server at the next question; see `CachedRecords.look_again`."""
        self.records.look_again()
        self._recordings.clear()

    def datasets(self, insertion: InsertionRef) -> Sequence[DatasetRef]:
        """Return every dataset of the insertion and of its session; see `AlfSource.datasets`.

        Those that are in the cache already have their `path`.

        Raises
        ------
        SourceUnavailable
        InsertionNotFound
            The server no longer has it.
        """
        insertion = self._complete(insertion)
        found = self._listed_datasets(insertion)
        base = (d.collection.split("/") for d in found.values() if d.object in ("spikes", "passingSpikes"))
        sorted_probes = {parts[1] for parts in base if parts[0] == "alf" and len(parts) > 1}
        wanted = [d for d in found.values() if concerns(d, insertion.probe, sorted_probes)]
        return [self._with_path(insertion, dataset) for dataset in wanted]

    def _listed_datasets(self, insertion: InsertionRef) -> dict[str, DatasetRef]:
        """Return every dataset that the session's record names, by its path."""
        session = self.records.read(f"/sessions/{insertion.eid}")
        rows = session.get("data_dataset_session_related") if session else None
        if rows is None:
            # some databases show an insertion to those who may not see its session
            record = self.records.read(f"/insertions/{insertion.pid}") or {}
            rows = [row for row in record.get("datasets") or () if isinstance(row, dict)]
        names = self._revision_names() if needs_revision_names(rows) else {}
        return {d.relative_path: d for row in rows if (d := dataset_from_record(row, names)) is not None}

    def fetch_files(
        self,
        insertion: InsertionRef,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
    ) -> Fetched:
        """Return a file for each dataset, fetched where it is not in a cache yet; see `Downloader.fetch`.

        Parameters
        ----------
        insertion : InsertionRef
        datasets : sequence of DatasetRef
        progress : callable
        cancel : threading.Event or None
        on_partial : callable
            Told of bytes as they arrive, for a picture before the last one.

        Returns
        -------
        Fetched
            Paths by `DatasetRef.relative_path`; `failures` says why others are absent.

        Raises
        ------
        DownloadFailed
            None came through.
        Cancelled, CacheUnusable
        """
        fetched, items = Fetched(), []
        for number, dataset in enumerate(datasets):
            target = self._target(self.data_root, insertion, dataset)
            if target is None:
                fetched.failures[dataset.relative_path] = DownloadFailed(
                    dataset.relative_path, "its name in the database cannot be a file's", ASK, may_pass=False
                )
                continue
            here = None
            for path, record in self._copies(insertion, dataset, target):
                if not is_known(path, record):
                    progress(Progress(f"checking {dataset.name}", number, len(datasets), "files"))
                if is_verified(path, dataset, record, cancel):
                    here = path
                    break
                if path != target and path.is_file():
                    fetched.notes.append(_OTHER_VERSION.format(path=path))
            if here is not None:
                fetched[dataset.relative_path] = here
                on_partial(dataset, here, here.stat().st_size)
            elif self.records.offline:
                why = (
                    "it was not fetched before" if not target.exists() else "the file in the cache is an older version"
                )
                fetched.failures[dataset.relative_path] = DownloadFailed(
                    dataset.relative_path, f"{why}, and this is offline", "Go online"
                )
            else:
                items.append(Item(dataset, target))
        # the data server may answer where the database does not, but is given less time to
        attempts = _ATTEMPTS_OFFLINE if self.notice else None
        came = self.downloader.fetch(items, progress, cancel, on_partial, attempts)
        fetched.update(came)
        fetched.failures.update(came.failures)
        if fetched.failures and not fetched:
            raise next(iter(fetched.failures.values()))
        return fetched

    def asked(self, facets: Facets) -> Facets:
        """Return what of a search the server can narrow by: not words, nor states of histology other than resolved."""
        is_resolved = facets.histology == Histology.RESOLVED
        return replace(
            facets, text="", level=Facets().level, favourites=False, verdict="",
            histology=facets.histology if is_resolved else "",
        )  # fmt: skip

    def search(self, facets: Facets) -> Iterator[list[Row]]:
        """Yield the insertions that the server lists for a search; see `dashboard.sources.base.Source.search`.

        Raises
        ------
        SourceUnavailable
            The server does not answer, and this list was never read from it. Where everything was asked for, what
            other answers on disk tell of has been yielded by then.
        """
        try:
            yield from rows(self.records, facets, self.name)
        except SourceUnavailable:
            if self.asked(facets) == Facets():
                yield rows_of(self.records.remembered("insertions"), self.name, set())
            raise

    def tags(self) -> set[str]:
        """Return the tags that the server has.

        Raises
        ------
        SourceUnavailable
            The server does not answer, and they were never read from it.
        """
        return {str(record["name"]) for record in self.records.listed("/tags", {"limit": PAGE}) if record.get("name")}

    def record(self, insertion: InsertionRef) -> InsertionRecord | None:
        """Return what the insertion's record says; None where the server no longer has it."""
        insertion = self._complete(insertion)
        record = self.records.read(f"/insertions/{insertion.pid}")
        return record_from_insertion(record) if record is not None else None

    def state(self, insertion: InsertionRef, request: SortingRequest = DEFAULT) -> Mapping[str, object]:
        """Return what tells one state from another; see `AlfSource.state`.

        Raises
        ------
        InsertionNotFound
            The server no longer has the insertion, whose session it may have.
        """
        if self.record(insertion) is None:
            raise InsertionNotFound(
                "No such insertion any more", f"{insertion} on {self.name}", "Look it up in the list"
            )
        return super().state(insertion, request)

    def brain_locations(self, insertion: InsertionRef, histology: Histology) -> pd.DataFrame | None:
        """Return the channels' brain locations; see `AlfSource.brain_locations`.

        They are those of the trajectory that belongs to the histology state, and of no other.
        """
        provenance = PROVENANCE.get(histology)
        if provenance is None:
            return None
        pid = self._complete(insertion).pid or ""
        tracks = self.records.listed("/trajectories", {"probe_insertion": pid, "provenance": provenance})
        if not tracks:
            log.warning("%s is %s and has no %r", insertion, histology, provenance)
            return None
        channels = self.records.listed("/channels", {"django": f"trajectory_estimate,{tracks[0]['id']}"})
        return locations_from_channels(channels) if channels else None

    def _by_id(self, text: str, uuid: str, behind: re.Match[str] | None) -> InsertionRef | None:
        address = urlsplit(text) if text.startswith("http") else None
        if address is not None:
            words = {*address.path.lower().split("/"), *parse_qs(address.query)}
            is_session = not words.isdisjoint(_SESSION_WORDS)
            behind = behind if is_session and behind and behind["probe"] != "change" else None
        else:
            is_session = behind is not None
        if not is_session:
            insertion = self._by_pid(uuid)
            if insertion is not None:
                return insertion
        filters = {"session": uuid, **({"name": behind["probe"]} if behind else {})}
        return self._only(text, self._listed(filters))

    def _by_pid(self, pid: str) -> InsertionRef | None:
        try:
            record = self.records.read(f"/insertions/{pid}")
        except SourceUnavailable:
            known = next((i for i in self._remembered() if i.pid == pid), None)
            if known is None and not any(i.eid == pid for i in self._remembered()):
                raise
            return known
        return insertion_from_record(record, self.name) if record else None

    def _listed(self, filters: Mapping[str, str]) -> list[InsertionRef]:
        """Return the insertions that pass filters; offline also those that came with another answer."""
        try:
            found = [insertion_from_record(row, self.name) for row in self.records.listed("/insertions", filters)]
            return [insertion for insertion in found if insertion is not None]
        except SourceUnavailable:
            ours = {"session": "eid", "name": "probe", "subject": "subject", "date": "date"}
            known = [i for i in self._remembered() if all(getattr(i, ours[k]) == v for k, v in filters.items())]
            if not known:
                raise
            return known

    def _remembered(self) -> Iterator[InsertionRef]:
        for row in self.records.remembered("insertions"):
            insertion = insertion_from_record(row, self.name)
            if insertion is not None:
                yield insertion

    def _only(self, text: str, found: Sequence[InsertionRef]) -> InsertionRef | None:
        if len(found) > 1:
            raise InsertionAmbiguous(text, [insertion.key for insertion in found])
        return found[0] if found else None

    def _complete(self, insertion: InsertionRef) -> InsertionRef:
        """Return the insertion with its ids, which those from another source lack."""
        if insertion.pid is not None and insertion.eid is not None:
            return insertion
        found = self.find(insertion.pid or insertion.key)
        if found is None:
            raise InsertionNotFound("No such insertion", f"{insertion} on {self.name}", "Look it up in the list")
        return found

    def raw(self, insertion: InsertionRef) -> RawRecording:
        """Return the raw recording: from one of the caches, where ONE or a person has put it, else by parts.

        Of a recording on the data server the small files are fetched, and of the samples nothing: the chunks that a
        window needs come when it is looked at.

        Raises
        ------
        DatasetMissing
            The database lists none.
        DownloadFailed
            A file that describes it does not come, or its server may not be asked.
        """
        home = f"raw_ephys_data/{insertion.probe}"
        targets = (
            self._target(root, insertion, DatasetRef("raw", "samples", "cbin", home))
            for root in (self.one_cache, self.data_root)
            if root is not None
        )
        folders = [target.parent for target in targets if target is not None]
        if here := next((folder for folder in folders if holds_samples(folder)), None):
            return open_recording(here, pid=insertion.pid)
        if self.records.offline or self.ranges is None:
            return open_recording(folders[0]) if folders else super().raw(insertion)
        if (known := self._recordings.get(insertion.key)) is not None:
            return known
        complete = self._complete(insertion)
        listed = [d for d in self._listed_datasets(complete).values() if d.collection == home]
        named = [d for d in listed if is_of_recording(d.file_name)]
        samples = [d for d in named if is_of_samples(d.file_name)]
        if not samples:
            raise DatasetMissing("Raw data", insertion.key, "The database lists no .cbin or .bin of this probe")
        small = [d for d in named if d not in samples]
        paths = self.fetch_files(complete, small) if small else Fetched()
        for error in paths.failures.values():
            raise error
        remote = [self.ranges.open(d.url or "", d.size, d.md5) for d in samples]
        folder = next((path.parent for path in paths.values()), folders[0])
        self._recordings[insertion.key] = recording = open_recording(folder, remote=remote)
        return recording

    def part_of(self, dataset: DatasetRef) -> Path | RemoteFile:
        """Return a large file of which parts are read: from a cache, else on the data server."""
        if dataset.path is not None and dataset.path.is_file():
            return dataset.path
        if self.ranges is None or self.records.offline or not dataset.url:
            return super().part_of(dataset)
        return self.ranges.open(dataset.url, dataset.size, dataset.md5)

    def _revision_names(self) -> dict[str, str]:
        return {str(row.get("id")): str(row.get("name")) for row in self.records.listed("/revisions", {})}

    def _with_path(self, insertion: InsertionRef, dataset: DatasetRef) -> DatasetRef:
        here = self._here(insertion, dataset)
        return replace(dataset, path=here) if here is not None else dataset

    def _here(self, insertion: InsertionRef, dataset: DatasetRef) -> Path | None:
        """Return the dataset's file where one of the caches has it whole; no file is read."""
        target = self._target(self.data_root, insertion, dataset)
        for path, record in self._copies(insertion, dataset, target) if target is not None else ():
            if is_complete(path, dataset) and not is_known_other(path, dataset, record):
                return path
        return None

    def _copies(self, insertion: InsertionRef, dataset: DatasetRef, target: Path) -> Iterator[tuple[Path, Path]]:
        """Yield where the dataset's file may be, ONE's own cache first, and where its MD5 is remembered."""
        theirs = self._target(self.one_cache, insertion, dataset) if self.one_cache is not None else None
        if theirs is not None:
            yield theirs, record_path(target, "one")
        yield target, record_path(target)

    def _target(self, root: Path, insertion: InsertionRef, dataset: DatasetRef) -> Path | None:
        """Return where the file is in a cache laid out as ONE does; None where a name would lead out of it."""
        lab = (insertion.lab, "Subjects") if insertion.lab else ()
        parts = (*lab, *insertion.session.split("/"), *PurePosixPath(dataset.relative_path).parts)
        if any(part in ("", ".", "..") or "/" in part or "\\" in part or "\0" in part for part in parts):
            return None
        return root.joinpath(*parts)


@lru_cache(maxsize=8)
def shared_client(url: str, user: str | None, password: str | None, token: str | None) -> Client:
    """Return the one client of the process for a server and an account: all its sources share one login."""
    return Client(url, user, password, token)


def configured(settings: Settings, default: bool) -> list[Source]:
    """Return the Alyx server that the settings name; where they name none and `default` is True, ONE's default one."""
    address = settings.alyx_url or (default_address() if default else None)
    if address is None:
        return []
    stored = stored_parameters(address)
    with_login = replace(
        settings,
        data_user=settings.data_user or stored.get("HTTP_DATA_SERVER_LOGIN"),
        data_password=settings.data_password or stored.get("HTTP_DATA_SERVER_PWD"),
    )
    return [
        AlyxSource(
            address,
            cache=settings.cache,
            user=settings.alyx_user,
            password=settings.alyx_password,
            token=settings.alyx_token,
            data_user=settings.data_user,
            data_password=settings.data_password,
            one_cache=settings.one_cache,
            offline=settings.offline,
            ranges=shared_reader(with_login),
            client=shared_client(address, settings.alyx_user, settings.alyx_password, settings.alyx_token),
        )
    ]
