"""Dataset files from a data server into the cache: in parallel, resumed, verified, once for everybody."""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import logging
import random
import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.model.errors import CacheUnusable, Cancelled, DownloadFailed
from dashboard.model.progress import PartialCallback, ProgressCallback, ignore_partial, ignore_progress
from dashboard.sources.download.checksums import is_verified, record_path, remember
from dashboard.sources.download.locks import file_lock
from dashboard.sources.download.meter import Meter
from dashboard.sources.download.partial import partial_path, plain_md5
from dashboard.sources.download.transfer import ASK, ATTEMPTS, Item, RetryPolicy, Transfer
from dashboard.sources.download.transport import Sockets, Transport

log = logging.getLogger(__name__)

#: Fetched in this order, everything else after them: a raster needs times and depths, and no more.
FIRST = ("spikes.times", "spikes.depths", "spikes.clusters", "spikes.amps")

# Four connections fill the lines of most labs; the public server asks for no more.
WORKERS = 4
CONNECT_S, READ_S = 10.0, 30.0
# How long `fetch` waits for its workers to put things away after a cancel.
_SETTLE_S = 1.0
_POLL_S = 0.05


class Fetched(dict[str, Path]):
    """Files by `DatasetRef.relative_path`, and why the others are not among them.

    Attributes
    ----------
    failures : dict of str to DownloadFailed
        By `DatasetRef.relative_path`.
    notes : list of str
        What a reader of the plot should know of the files.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, DownloadFailed] = {}
        self.notes: list[str] = []


@dataclass(slots=True)
class _Job:
    """One call of `Downloader.fetch`, as its workers share it."""

    transport: Transport
    retry: RetryPolicy
    meter: Meter
    on_partial: PartialCallback
    stop: threading.Event
    unreachable: dict[str, str] = field(default_factory=dict)


class Downloader:
    """Fetches dataset files; safe to call from several threads and several processes.

    Parameters
    ----------
    locks : Path
        Folder for the locks that keep two from fetching the same file; shared by all who share a cache.
    user, password : str or None
        For data servers with basic authentication.
    hosts : collection of str, or None
        The servers (``host`` or ``host:port``) that may see them; None: those named in the datasets'
        addresses, except public S3. Never those that a redirect leads to.
    workers, attempts : int
    connect_s, read_s : float
        Time-outs, in s.
    wait : callable
        Sleeps until the event or for some seconds, and returns whether it was the event.
    jitter : callable
        Returns a number from 0 to 1.
    """

    def __init__(
        self,
        locks: Path,
        *,
        user: str | None = None,
        password: str | None = None,
        hosts: Collection[str] | None = None,
        workers: int = WORKERS,
        attempts: int = ATTEMPTS,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.locks = locks
        self.workers = workers
        self._retry = RetryPolicy(attempts, wait, jitter)
        self._user, self._password, self._hosts = user, password, hosts
        self._connect_s, self._read_s = connect_s, read_s

    def fetch(
        self,
        items: Sequence[Item],
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
        on_partial: PartialCallback = ignore_partial,
        attempts: int | None = None,
    ) -> Fetched:
        """Fetch files, those of `FIRST` first, and return where they are.

        What is there already, with the size and MD5 on record, is not asked for. A file appears under
        its name only when both are right; until then it is a hidden file beside it, from which a later
        call goes on.

        Parameters
        ----------
        items : sequence of Item
        progress : callable
            Told about each file by its name and about all of them as `meter.ALL_FILES`, in bytes.
        cancel : threading.Event or None
        on_partial : callable
        attempts : int or None
            Fewer than the downloader's own, where there is little hope.

        Returns
        -------
        Fetched
            Its `failures` names the files that did not come, and why.

        Raises
        ------
        Cancelled
            `cancel` was set; what is complete stays, and the rest goes on from where it was.
        CacheUnusable
            The disk is full or read-only.
        """
        fetched = Fetched()
        wanted = []
        for item in items:
            if is_verified(item.target, item.dataset, cancel=cancel):
                fetched[item.dataset.relative_path] = item.target
                on_partial(item.dataset, item.target, item.target.stat().st_size)
            else:
                wanted.append(item)
        if not wanted:
            return fetched
        if cancel is not None and cancel.is_set():
            raise Cancelled
        _check_space(wanted)
        wanted.sort(key=_priority)
        retry = self._retry if attempts is None else replace(self._retry, attempts=attempts)
        started = time.perf_counter()
        self._run(wanted, fetched, progress, cancel or threading.Event(), on_partial, retry)
        seconds = time.perf_counter() - started
        log.info("fetched %d of %d files in %.1f s", len(wanted) - len(fetched.failures), len(wanted), seconds)
        return fetched

    def _run(
        self,
        items: Sequence[Item],
        fetched: Fetched,
        progress: ProgressCallback,
        cancel: threading.Event,
        on_partial: PartialCallback,
        retry: RetryPolicy,
    ) -> None:
        sockets = Sockets()
        transport = Transport(
            sockets, self._user, self._password, self._allowed(items), self._connect_s, self._read_s, self.workers
        )
        meter = Meter([item.dataset for item in items], progress)
        job = _Job(transport, retry, meter, on_partial, threading.Event())
        pool = concurrent.futures.ThreadPoolExecutor(self.workers, thread_name_prefix="download")
        try:
            pending = {pool.submit(self._one, item, job): item for item in items}
            while pending:
                done, _ = concurrent.futures.wait(pending, _POLL_S, concurrent.futures.FIRST_COMPLETED)
                if cancel.is_set():
                    raise Cancelled
                meter.tick()
                for future in done:
                    item = pending.pop(future)
                    try:
                        fetched[item.dataset.relative_path] = future.result()
                    except DownloadFailed as error:
                        log.warning("%s", error)
                        meter.end(item.dataset)
                        fetched.failures[item.dataset.relative_path] = error
        except BaseException:
            job.stop.set()
            sockets.cut()
            pool.shutdown(wait=False, cancel_futures=True)
            concurrent.futures.wait(pending, _SETTLE_S)
            raise
        finally:
            pool.shutdown(wait=False)
            transport.close()

    def _allowed(self, items: Sequence[Item]) -> Collection[str]:
        if self._hosts is not None:
            return self._hosts
        hosts = {urlsplit(item.dataset.url or "").netloc for item in items}
        return {host for host in hosts if host and not host.endswith("amazonaws.com")}

    def _one(self, item: Item, job: _Job) -> Path:
        """Fetch one file, or wait until whoever fetches it is done."""
        dataset, target = item.dataset, item.target
        if not dataset.url:
            raise DownloadFailed(dataset.relative_path, "the database has no address for it", ASK, may_pass=False)
        part = partial_path(dataset, target)
        job.meter.begin(dataset)

        def watch() -> None:
            try:
                n_bytes = part.stat().st_size
            except OSError:
                return
            self._tell(item, job, part, n_bytes)

        name = hashlib.sha1(str(target).encode(), usedforsecurity=False).hexdigest()
        with file_lock(self.locks / f"{name}.lock", job.stop, watch):
            if is_verified(target, dataset, cancel=job.stop):
                log.debug("%s was fetched by somebody else", target)
            else:
                tell = functools.partial(self._tell, item, job)
                Transfer(item, job.transport, job.retry, job.stop, tell, job.unreachable).run()
                if (md5 := plain_md5(dataset.md5)) is not None:
                    remember(target, record_path(target), md5)
        size = target.stat().st_size
        job.meter.finish(dataset, size)
        job.on_partial(dataset, target, size)
        return target

    def _tell(self, item: Item, job: _Job, part: Path, n_bytes: int) -> None:
        if job.meter.update(item.dataset, n_bytes):
            job.on_partial(item.dataset, part, n_bytes)


def _priority(item: Item) -> tuple[int, int]:
    name = item.dataset.name
    return FIRST.index(name) if name in FIRST else len(FIRST), item.dataset.size or 0


def _check_space(items: Sequence[Item]) -> None:
    """Refuse what cannot fit before the first byte of it is fetched."""
    needed = 0
    for item in items:
        part = partial_path(item.dataset, item.target)
        needed += max(0, (item.dataset.size or 0) - (part.stat().st_size if part.exists() else 0))
    folder = items[0].target.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # no figure, no verdict: writing will tell
    if needed > free:
        raise CacheUnusable(
            f"The disk of the cache is too full: {needed / 1e6:,.0f} MB to fetch, {free / 1e6:,.0f} MB free",
            folder,
            "Free some space, or choose another cache folder",
        )
