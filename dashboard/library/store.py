"""Opened insertions of the process: loaded once, shared, immutable, evicted least recently used."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakValueDictionary

from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.library.changes import said_of_changes
from dashboard.library.completion import completed
from dashboard.library.disk_limit import DiskLimit
from dashboard.library.open import open_insertion
from dashboard.library.thumbnails import keep_thumbnail
from dashboard.model.arrival import Arrived, ArrivedCallback, ignore_arrived
from dashboard.model.errors import Cancelled, DashboardError, InsertionNotFound, NoSpikeSorting, SourceUnavailable
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress, telling
from dashboard.model.references import InsertionRef, SortingRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.download.meter import ALL_FILES
from dashboard.sources.locate import find

logger = logging.getLogger(__name__)

DEFAULT_LIMIT_BYTES = 8 * 2**30
"""Bytes of columns held; most are memory-mapped pages that the system can drop by itself."""


@dataclass(frozen=True, slots=True)
class StoreKey:
    """What makes two requests the same: insertion, sorter and revision as asked for, and how far it is made."""

    source: str
    insertion: str
    sorter: str | None
    revision: str | None
    stage: str = "opened"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class OpenInsertion:
    """A sorting with the columns that the views draw from.

    Attributes
    ----------
    key : StoreKey
    sorting : SpikeSorting
    columns : SpikeColumns
    source : Source
    load_s : float
        Time the load took, in s.
    state : mapping of str to object
        What its files and its record were before it was opened; see `Source.state`.
    """

    key: StoreKey
    sorting: SpikeSorting
    columns: SpikeColumns
    source: Source
    load_s: float
    state: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Load:
    """One load under way, with everyone who waits for it."""

    future: Future[OpenInsertion] = field(default_factory=Future)
    cancel: threading.Event = field(default_factory=threading.Event)
    listeners: list[ProgressCallback] = field(default_factory=list)
    watchers: list[ArrivedCallback] = field(default_factory=list)
    n_waiting: int = 0
    n_fetched: int = 0
    is_fetching: bool = False

    def came(self, spikes: Callable[[], Arrived | None]) -> None:
        for watcher in tuple(self.watchers):
            watcher(spikes)

    def report(self, progress: Progress) -> None:
        self.is_fetching = progress.unit == "B"
        if progress.stage == ALL_FILES:
            self.n_fetched = int(progress.done)
        for listener in tuple(self.listeners):
            listener(progress)


class InsertionStore:
    """Loads each insertion once however many ask, and keeps those used last.

    Parameters
    ----------
    sources : sequence of Source
        What may be opened is what these list.
    cache : Path
        Folder for everything that is written.
    limit_bytes : int
    disk : DiskLimit or None
        Keeps the cache below a size.
    refresh_s : float
        What is held is compared with its source when it is opened and was looked at longer ago, in s; 0: never.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        cache: Path,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        disk: DiskLimit | None = None,
        *,
        refresh_s: float = 0.0,
    ) -> None:
        self._disk = disk
        self.refresh_s = refresh_s
        self._looked: dict[StoreKey, float] = {}
        self.is_listed: Callable[[str], object] = lambda text: False
        self.sources = tuple(sources)
        self.cache = cache
        self.limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[StoreKey, OpenInsertion] = OrderedDict()
        self._in_use: WeakValueDictionary[StoreKey, OpenInsertion] = WeakValueDictionary()
        self._loads: dict[StoreKey, _Load] = {}
        self.observe: Callable[[float], object] = lambda seconds: None
        self._n_fetched = 0

    def find(self, text: str) -> tuple[Source, InsertionRef]:
        """Return the source and insertion that `text` names.

        Raises
        ------
        InsertionNotFound
            No source knows it.
        """
        try:
            return find(text, self.sources)
        except InsertionNotFound as error:
            if self.is_listed(text):
                what = "A list names the insertion, but no source has its files"
                raise InsertionNotFound(what, error.where, f"{error.remedy}; --data or --alyx adds one") from error
            error.remedy += "; pick one from the list"
            raise

    def look_again(self) -> None:
        """Have the sources ask their servers anew, whatever failed a moment ago: a person asks for it."""
        for source in self.sources:
            source.look_again()

    def recovered(self, opened: OpenInsertion) -> bool:
        """Tell whether the database answers now of an insertion whose histology was not known; asks it."""
        try:
            opened.source.ask_anatomy(opened.sorting.ref.insertion)
        except (SourceUnavailable, InsertionNotFound) as error:
            logger.info("%s", error)
            return False
        return True

    def forget(self, opened: OpenInsertion) -> None:
        """Let the next request load the insertion anew, and ask its source anew; who shows it keeps it."""
        opened.source.look_again()
        with self._lock:
            for key in [held for held in self._in_use if replace(held, stage="") == replace(opened.key, stage="")]:
                self._held.pop(key, None)
                self._in_use.pop(key, None)

    def open(
        self,
        text: str,
        sorter: str | None = None,
        revision: str | None = None,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        arrived: ArrivedCallback = ignore_arrived,
    ) -> OpenInsertion:
        """Return the insertion, loading it where nobody has; blocks, so call it from a thread.

        Raises
        ------
        Cancelled
            `cancel` was set; the load itself stops when nobody else waits for it.
        DashboardError
            What finding, fetching or loading raises.
        """
        source, insertion = self._found(text, progress, cancel)
        key = StoreKey(source.name, insertion.key, sorter, revision)
        self._forget_old(key, progress)
        return self._once(key, lambda load: self._load(key, source, insertion, load), progress, cancel, arrived)

    def _found(
        self, text: str, progress: ProgressCallback, cancel: threading.Event | None
    ) -> tuple[Source, InsertionRef]:
        """Return what `find` returns, in a thread of its own: a server that hangs cannot be interrupted."""
        found: Future[tuple[Source, InsertionRef]] = Future()

        def run() -> None:
            try:
                with telling(progress):
                    found.set_result(self.find(text))
            except BaseException as error:  # raised by who waits  # noqa: BLE001
                found.set_exception(error)

        threading.Thread(target=copy_context().run, args=(run,), name="find", daemon=True).start()
        while not wait([found], 0.05).done:
            if cancel is not None and cancel.is_set():
                raise Cancelled("Loading was cancelled")
        return found.result()

    def changes(self, opened: OpenInsertion) -> str:
        """Return what changed of an insertion since it was opened, in words; empty where nothing did, or is known."""
        with self._lock:
            self._looked[replace(opened.key, stage="opened")] = time.monotonic()
        if not opened.state:
            return ""
        try:
            ref = opened.sorting.ref
            now = opened.source.state(ref.insertion, SortingRequest(opened.key.sorter, opened.key.revision))
        except (InsertionNotFound, NoSpikeSorting) as error:
            logger.info("%s", error)
            return "the insertion is no longer there"
        except DashboardError as error:
            logger.info("%s", error)
            return ""
        return said_of_changes(opened.state, now)

    def _forget_old(self, key: StoreKey, progress: ProgressCallback) -> None:
        """Have an insertion loaded anew that is held, was not looked at for a while, and has changed."""
        with self._lock:
            held = self._held.get(key) or self._in_use.get(key)
            is_old = time.monotonic() - self._looked.get(key, -float("inf")) > self.refresh_s
        if held is not None and self.refresh_s and is_old:
            with telling(progress):
                what = self.changes(held)
            if what:
                logger.info("%s is loaded anew: %s", key.insertion, what)
                self.forget(held)

    def complete(
        self,
        opened: OpenInsertion,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        *,
        with_tests: bool = False,
    ) -> OpenInsertion:
        """Return the insertion with what it lacks: what its source can compute, and metrics; blocks.

        However many ask at once, it is computed once; the store then holds the result. `with_tests`: also the IBL tests
        that nobody waits for by default, see `dashboard.library.completion.titles`.

        Raises
        ------
        Cancelled
            `cancel` was set; the work itself stops when nobody else waits for it.
        """
        key = replace(opened.key, stage="complete with tests" if with_tests else "complete")
        return self._once(key, lambda load: self._complete(opened, load, with_tests), progress, cancel)

    def _once(
        self,
        key: StoreKey,
        make: Callable[[_Load], OpenInsertion],
        progress: ProgressCallback,
        cancel: threading.Event | None,
        arrived: ArrivedCallback = ignore_arrived,
    ) -> OpenInsertion:
        with self._lock:
            if (held := self._held.get(key) or self._in_use.get(key)) is not None:
                self._held[key] = held
                self._held.move_to_end(key)
                self._evict()
                return held
            load = self._loads.get(key)
            is_mine = load is None or load.cancel.is_set()  # one that stops brings nobody anything
            if load is None or is_mine:
                load = self._loads[key] = _Load()
            load.listeners.append(progress)
            load.watchers.append(arrived)
            load.n_waiting += 1
        if is_mine:
            # Its log lines are those of the session that asked first.
            threading.Thread(target=copy_context().run, args=(self._make, key, make, load), daemon=True).start()
        return self._wait(load, progress, cancel, arrived)

    def _wait(
        self,
        load: _Load,
        progress: ProgressCallback,
        cancel: threading.Event | None,
        arrived: ArrivedCallback,
    ) -> OpenInsertion:
        try:
            while True:
                try:
                    return load.future.result(timeout=0.05)
                except TimeoutError:
                    if load.future.done():
                        raise
                    if cancel is not None and cancel.is_set():
                        raise Cancelled("Loading was cancelled") from None
        finally:
            with self._lock:
                load.n_waiting -= 1
                load.listeners.remove(progress)
                load.watchers.remove(arrived)
                if load.n_waiting == 0 and not load.future.done():
                    load.cancel.set()

    def _make(self, key: StoreKey, make: Callable[[_Load], OpenInsertion], load: _Load) -> None:
        try:
            opened = make(load)
        except BaseException as error:  # handed to every waiter, who raises it  # noqa: BLE001
            with self._lock:
                self._forget_load(key, load)
            load.future.set_exception(error)
            return
        with self._lock:
            self._forget_load(key, load)
            if opened.sorting.incomplete:
                # counted while somebody shows it, and found by nobody: the next request asks the server again
                self._in_use[replace(opened.key, stage=f"incomplete {id(opened)}")] = opened
            else:
                self._held[opened.key] = self._in_use[opened.key] = opened
            self._evict()
        load.future.set_result(opened)
        if not opened.sorting.incomplete:  # nobody waits for it
            keep_thumbnail(self.cache, opened.sorting.ref.insertion.key, opened.columns)

    def _forget_load(self, key: StoreKey, load: _Load) -> None:
        """Count what a load has fetched, and let go of it where no other has taken its place."""
        self._n_fetched += load.n_fetched
        if self._loads.get(key) is load:
            del self._loads[key]

    def _load(self, key: StoreKey, source: Source, insertion: InsertionRef, load: _Load) -> OpenInsertion:
        started = time.perf_counter()
        with telling(load.report):
            # before it is read: what is replaced meanwhile is then seen as new, and not taken for what was read
            state = self._state(key, source, insertion)
        sorting = open_insertion(
            insertion,
            sorter=key.sorter,
            revision=key.revision,
            source=source,
            cache=self.cache,
            lazy=True,
            progress=load.report,
            cancel=load.cancel,
            arrived=load.came,
        )
        columns = self._columns(sorting, load)
        opened = OpenInsertion(key, sorting, columns, source, time.perf_counter() - started, state)
        with self._lock:
            self._looked[key] = time.monotonic()
        self.observe(opened.load_s)
        logger.info("loaded %s: %d spikes in %.2f s", insertion.key, columns.n_spikes, opened.load_s)
        return opened

    def _state(self, key: StoreKey, source: Source, insertion: InsertionRef) -> Mapping[str, object]:
        try:
            return source.state(insertion, SortingRequest(key.sorter, key.revision))
        except DashboardError as error:
            logger.info("%s", error)
            return {}

    def _complete(self, opened: OpenInsertion, load: _Load, with_tests: bool) -> OpenInsertion:
        sorting = completed(opened.sorting, self.cache, load.report, load.cancel, with_tests=with_tests)
        if sorting.spikes is opened.sorting.spikes:
            return replace(opened, sorting=sorting)
        return replace(opened, sorting=sorting, columns=self._columns(sorting, load))

    def _columns(self, sorting: SpikeSorting, load: _Load) -> SpikeColumns:
        columns = build_columns(sorting, self.cache, load.report, load.cancel)
        if self._disk is not None:
            self._disk.use(columns, sorting)
            self._disk.keep()
        return columns

    def _evict(self) -> None:
        """Let go of those used longest ago; one that a session shows stays alive, and is found again, through it."""
        while len(self._held) > 1 and _n_bytes(list(self._held.values())) > self.limit_bytes:
            key, _ = self._held.popitem(last=False)
            logger.info("evicted %s", key.insertion)

    def close(self, timeout_s: float = 10.0) -> None:
        """Stop all loads; what they had fetched is kept, and the next run goes on from there."""
        with self._lock:
            loads = list(self._loads.values())
        for load in loads:
            load.cancel.set()
        wait([load.future for load in loads], timeout=timeout_s)

    @property
    def n_loading(self) -> int:
        """Loads under way."""
        return len(self._loads)

    @property
    def n_fetching(self) -> int:
        """Loads that fetch files from a server now."""
        with self._lock:
            return sum(load.is_fetching for load in self._loads.values())

    @property
    def bytes_fetched(self) -> int:
        """Bytes of files that loads have brought in, those that an earlier start had left parked included."""
        with self._lock:
            return self._n_fetched + sum(load.n_fetched for load in self._loads.values())

    @property
    def bytes_held(self) -> int:
        """Bytes of the columns of the insertions held by the store or shown by a session."""
        return _n_bytes(self._alive())

    def _alive(self) -> list[OpenInsertion]:
        return [opened for reference in self._in_use.valuerefs() if (opened := reference()) is not None]

    def __len__(self) -> int:
        return len(self._alive())


def _n_bytes(insertions: list[OpenInsertion]) -> int:
    """Return the bytes of their columns; those that share columns count once."""
    return sum({id(opened.columns): opened.columns.nbytes for opened in insertions}.values())
