"""Parts of large files on servers, by HTTP ranges: what comes is exactly what was asked for, or an error in one line.

Only servers of a list are asked, over https unless they are this machine, and each redirect is held against the same
list. A part that has come is kept, in memory and on disk, both bounded. How much one person may have fetched in an hour
is bounded, too. Nothing here ever takes a file whole that it did not ask for whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import itertools
import logging
import os
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest, Cancelled, DatasetInvalid, DownloadFailed
from dashboard.model.files import write_file
from dashboard.model.progress import Progress
from dashboard.model.requester import requester
from dashboard.model.texts import counted
from dashboard.sources.download.transfer import (
    ASK,
    BACK_OFF_S,
    MAX_RETRY_AFTER_S,
    TRANSIENT_STATUS,
    RetryPolicy,
    why_not,
)
from dashboard.sources.download.transport import Sockets, Transport, origin_of, origins, retry_after

log = logging.getLogger(__name__)

KEPT = "ranges"
"""Folder of the cache for parts of files."""

ATTEMPTS = 3
CONNECT_S, READ_S = 10.0, 30.0
HOUR_S = 3600.0
MAX_MEMORY_BYTES = 32 << 20
"""Of parts in memory: what HDF5 asks for again and again; decoded chunks of raw data have a cache of their own."""

MAX_FREE_LINES = 4
"""Connections to a server that wait for a next request."""

_BLOCK = 1 << 18
_POLL_S = 0.05
_DIGEST_BYTES = 32
_TRUST = "Add its server with --range-host, if you trust it"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server, of which parts are read.

    Attributes
    ----------
    url : str
    size : int
        In bytes.
    version : str
        MD5 or ETag; parts of another version are never mixed with these.
    reader : RangeReader
    """

    url: str
    size: int
    version: str
    reader: RangeReader = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    @property
    def key(self) -> str:
        """What its parts are kept by."""
        return hashlib.sha256(f"{self.url} {self.size} {self.version}".encode()).hexdigest()[:32]

    def __call__(self, first: int, end: int) -> bytes:
        """Return the bytes from `first` up to and without `end`; see `pieces`."""
        return self.pieces([first, end])[0]

    def pieces(self, bounds: Sequence[int]) -> list[bytes]:
        """Return the bytes between each two of `bounds`; those that are not kept come, each run of them in one request.

        Raises
        ------
        BadRequest
            The file has no such bytes; or the person has had as many as an hour may bring.
        DownloadFailed
            The server does not give them, or gives something else.
        DatasetInvalid
            The file on the server is another one by now.
        Cancelled
        """
        return self.reader.pieces(self, bounds)

    def forget(self, bounds: Sequence[int]) -> bool:
        """Forget parts that turned out to be wrong; others may come in their place."""
        self.reader.forget(self, bounds)
        return True


class RangeReader:
    """Reads parts of files on servers; safe to call from several threads and several processes.

    Parameters
    ----------
    folder : Path or None
        Where parts are kept; None: in memory only.
    hosts : collection of str
        ``host`` or ``host:port`` of the servers that may be asked.
    user, password : str or None
        For data servers with basic authentication: shown to the server of a file's own address, never to one that a
        redirect leads to, nor to public S3.
    max_disk_bytes, max_memory_bytes : int
        Of the parts that are kept.
    budget_bytes : int
        What one person may have fetched in an hour.
    connect_s, read_s : float
        Time-outs, in s; `read_s` is that between two arrivals of bytes.
    retry : RetryPolicy
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        folder: Path | None,
        hosts: Collection[str],
        *,
        user: str | None = None,
        password: str | None = None,
        max_disk_bytes: int = 8 << 30,
        max_memory_bytes: int = MAX_MEMORY_BYTES,
        budget_bytes: int = 16 << 30,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        retry: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = frozenset(origin for host in hosts for origin in origins(host))
        self._user, self._password = user, password
        self._connect_s, self._read_s = connect_s, read_s
        self._retry = retry or RetryPolicy(ATTEMPTS, threading.Event.wait, lambda: 0.5)
        self._kept = KeptParts(folder, max_disk_bytes, max_memory_bytes)
        self._budget = Budget(budget_bytes, clock)
        self._free: defaultdict[tuple[str, int], list[_Line]] = defaultdict(list)
        self._lock = threading.Lock()

    def open(self, url: str, size: int | None = None, md5: str | None = None) -> RemoteFile:
        """Return a file; where a list does not say its size, its server is asked for its first byte.

        Raises
        ------
        DownloadFailed
            The server may not be asked, or does not answer with a part and the size of the whole.
        """
        self.check(url)
        if size is not None and md5:
            return RemoteFile(url, size, md5, self)
        _, total, etag = self._fetch(url, 0, 1, None)
        if size not in (None, total):
            what = f"it has {counted(total, 'byte')}, its record says {size:,}"
            raise DownloadFailed(_name(url), what, ASK, may_pass=False)
        return RemoteFile(url, total, md5 or etag, self)

    def check(self, url: str) -> None:
        """Refuse an address that is not one of a server of the list, by https unless it is this machine.

        Raises
        ------
        DownloadFailed
        """
        parts = urlsplit(url)
        try:
            origin = origin_of(url)
        except ValueError:
            origin = ("", 0)
        if not origin[0] or parts.scheme not in ("http", "https") or parts.username or parts.password:
            raise DownloadFailed(_name(url), "this is no address of a file on a server", ASK, may_pass=False)
        if origin not in self._hosts:
            why = f"parts of files are not read from {parts.hostname}"
            raise DownloadFailed(_name(url), why, _TRUST, may_pass=False)
        if parts.scheme == "http" and not _is_this_machine(origin[0]):
            raise DownloadFailed(_name(url), f"{parts.hostname} is asked by https only", ASK, may_pass=False)

    def pieces(self, file: RemoteFile, bounds: Sequence[int]) -> list[bytes]:
        """Return the bytes between each two bounds; see `RemoteFile.pieces`."""
        if (
            len(bounds) < 2
            or bounds[0] < 0
            or bounds[-1] > file.size
            or any(b < a for a, b in itertools.pairwise(bounds))
        ):
            raise BadRequest(f"Bytes {bounds[0]:,} to {bounds[-1]:,} are not in the file", file.name,
                             f"It has {counted(file.size, 'byte')}")  # fmt: skip
        found = [b"" if a == b else self._kept.get(file.key, a, b) for a, b in itertools.pairwise(bounds)]
        k = 0
        while k < len(found):
            if found[k] is not None:
                k += 1
                continue
            end = next((i for i in range(k, len(found)) if found[i] is not None), len(found))
            content, _, _ = self._fetch(file.url, bounds[k], bounds[end], file)
            for i in range(k, end):
                part = content[bounds[i] - bounds[k] : bounds[i + 1] - bounds[k]]
                self._kept.put(file.key, bounds[i], bounds[i + 1], part)
                found[i] = part
            k = end
        return [part for part in found if part is not None]

    def forget(self, file: RemoteFile, bounds: Sequence[int]) -> None:
        """Forget parts."""
        for first, end in itertools.pairwise(bounds):
            self._kept.forget(file.key, first, end)

    @contextlib.contextmanager
    def _line(self, url: str) -> Iterator[_Line]:
        """Lend a connection to the server of an address; one over which something went wrong is not used again."""
        origin = origin_of(url)
        with self._lock:
            free = self._free[origin]
            line = free.pop() if free else None
        if line is None:
            shown_to = [] if origin[0].endswith("amazonaws.com") else [urlsplit(url).netloc]
            line = _Line(self._user, self._password, shown_to, self._connect_s, self._read_s)
        try:
            yield line
        except BaseException:
            line.close()
            raise
        with self._lock:
            if is_kept := len(self._free[origin]) < MAX_FREE_LINES:
                self._free[origin].append(line)
        if not is_kept:
            line.close()

    def _fetch(self, url: str, first: int, end: int, file: RemoteFile | None) -> tuple[bytes, int, str]:
        """Return the bytes, the size of the whole file and its ETag; attempts follow what may pass."""
        asker = requester()
        for attempt in range(1, self._retry.attempts + 1):
            asker.check()
            self._budget.take(asker.user, end - first)
            try:
                with self._line(url) as line, line.cut_by(asker.cancel):
                    return self._attempt(line, url, first, end, file)
            except _MayPass as error:
                asker.check()
                if attempt == self._retry.attempts:
                    raise DownloadFailed(_name(url), f"{error.why}, {attempt} times") from error
                if error.wait_s > MAX_RETRY_AFTER_S:
                    why = f"{error.why} and asks to wait {error.wait_s:.0f} s"
                    raise DownloadFailed(_name(url), why, "Try again then") from error
                log.info("bytes %d to %d of %s: %s; attempt %d follows", first, end, _name(url), error.why, attempt + 1)
                seconds = max(error.wait_s, BACK_OFF_S * 2 ** (attempt - 1) * (0.5 + self._retry.jitter()))
                if self._retry.wait(asker.cancel or threading.Event(), seconds):
                    raise Cancelled from error
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, line: _Line, url: str, first: int, end: int, file: RemoteFile | None) -> tuple[bytes, int, str]:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={first}-{end - 1}"}
        try:
            response = line.transport.get(url, headers, self.check)
        except ValueError as error:
            if isinstance(error, requests.RequestException):
                raise DownloadFailed(_name(url), why_not(error), ASK, may_pass=False) from error
            raise
        except requests.RequestException as error:
            raise _MayPass(why_not(error)) from error
        try:
            total, etag = _checked(response, url, first, end, file)
            return _body(response, end - first, _name(url)), total, etag
        except BaseException:
            response.close()  # with its connection: nothing more of the body is taken
            raise


class _MayPass(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        self.why, self.wait_s = why, wait_s
        super().__init__(why)


class _Line:
    """A connection to one server, which can be cut from another thread."""

    def __init__(
        self, user: str | None, password: str | None, shown_to: Collection[str], connect_s: float, read_s: float
    ) -> None:
        self._sockets = Sockets()
        self.transport = Transport(self._sockets, user, password, shown_to, connect_s, read_s, 1)

    def close(self) -> None:
        """Close the connection."""
        self._sockets.cut()
        self.transport.close()

    @contextlib.contextmanager
    def cut_by(self, cancel: threading.Event | None) -> Iterator[None]:
        """Cut the connection as soon as an event is set within the block.

        Raises
        ------
        Cancelled
        """
        if cancel is None:
            yield
            return
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_S):
                if cancel.is_set():
                    self._sockets.cut()
                    return

        threading.Thread(target=watch, name="cut", daemon=True).start()
        try:
            yield
        finally:
            done.set()
        if cancel.is_set():
            raise Cancelled


def _checked(response: requests.Response, url: str, first: int, end: int, file: RemoteFile | None) -> tuple[int, str]:
    """Return the size of the whole file and its ETag, when the answer is the part that was asked for."""
    status, name = response.status_code, _name(url)
    if status == 200:
        why = "its server sends the whole file where a part was asked for"
        raise DownloadFailed(name, why, "Fetch the file, and open it from the disk", may_pass=False)
    if status in TRANSIENT_STATUS:
        wait_s = retry_after(response.headers.get("Retry-After", ""))
        raise _MayPass(f"the data server answered {status}", wait_s)
    if status in (401, 403):
        raise DownloadFailed(
            name, f"the data server refused ({status})",
            "Set SPIKE_DASHBOARD_DATA_USER and SPIKE_DASHBOARD_DATA_PASSWORD, if it has a login",
        )  # fmt: skip
    if status in (404, 410):
        raise DownloadFailed(name, f"the data server does not have it ({status})", ASK, may_pass=False)
    if status == 416:
        raise DatasetInvalid("The file on the server is shorter than its record", [Path(name)], ASK)
    if status != 206:
        raise DownloadFailed(name, f"the data server answered {status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadFailed(name, "the data server packs parts of files", ASK, may_pass=False)
    unit, _, said = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = said.partition("/")
    if unit != "bytes" or span != f"{first}-{end - 1}" or not total.isdigit():
        raise _MayPass("the server sent another part than asked for")
    etag = response.headers.get("ETag", "")
    if file is not None and int(total) != file.size:
        what = f"The file on the server has {counted(int(total), 'byte')}, and had {file.size:,}"
        raise DatasetInvalid(what, [Path(name)], "Open the insertion again")
    if file is not None and file.version.startswith('"') and etag.startswith('"') and etag != file.version:
        raise DatasetInvalid("The file on the server has changed", [Path(name)], "Open the insertion again")
    length = response.headers.get("Content-Length", "")
    if length and length != str(end - first):
        raise _MayPass(f"the server sent {length} bytes for {end - first}")
    return int(total), etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _body(response: requests.Response, n_bytes: int, name: str) -> bytes:
    """Return the body, which has to have `n_bytes`; a longer one is not read on."""
    asker, parts, n = requester(), [], 0
    server = urlsplit(response.url).hostname or ""
    while n <= n_bytes:
        asker.check()
        try:
            block = response.raw.read1(min(_BLOCK, n_bytes + 1 - n))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _MayPass(why_not(error)) from error
        if not block:
            break
        parts.append(block)
        n += len(block)
        asker.progress(Progress(f"{name} from {server}", n, n_bytes, "B"))
    if n != n_bytes:
        amount = "more than" if n > n_bytes else "only"
        raise _MayPass(f"{amount} {min(n, n_bytes):,} of {counted(n_bytes, 'byte')} came")
    FETCHED.add(n)
    return b"".join(parts)


class Budget:
    """How many bytes each person has had in the last hour.

    Parameters
    ----------
    max_bytes : int
    clock : callable
        Seconds.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._taken: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._lock = threading.Lock()

    def take(self, user: str, n_bytes: int) -> None:
        """Count bytes that are to be fetched for somebody.

        Raises
        ------
        BadRequest
            They would be more than an hour may bring.
        """
        with self._lock:
            now, taken = self._clock(), self._taken[user]
            while taken and taken[0][0] < now - HOUR_S:
                taken.popleft()
            used = sum(n for _, n in taken)
            if used + n_bytes <= self._max_bytes:
                taken.append((now, n_bytes))
                return
            wait_s = taken[0][0] + HOUR_S - now if taken else HOUR_S
        raise BadRequest(
            f"{used / 1e9:,.1f} GB of parts of files have been fetched for you in this hour, and "
            f"{self._max_bytes / 1e9:,.1f} GB are the most (--range-budget)",
            "", f"Go on in {max(1, round(wait_s / 60))} minutes, or look at what was shown before",
        )  # fmt: skip


class KeptParts:
    """Parts of files that have come, in memory and on disk; those that were used last stay.

    Each file on disk begins with a digest of the rest, so that a damaged one is fetched again.

    Parameters
    ----------
    folder : Path or None
    max_disk_bytes, max_memory_bytes : int
    """

    def __init__(self, folder: Path | None, max_disk_bytes: int, max_memory_bytes: int) -> None:
        self._folder, self._max_disk, self._max_memory = folder, max_disk_bytes, max_memory_bytes
        self._memory: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._n_memory = 0
        self._n_disk: int | None = None
        self._lock = threading.Lock()

    def get(self, key: str, first: int, end: int) -> bytes | None:
        """Return a part, None where it is not kept."""
        with self._lock:
            if (part := self._memory.get((key, first, end))) is not None:
                self._memory.move_to_end((key, first, end))
                return part
        path = self._path(key, first, end)
        if path is None:
            return None
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        part = content[_DIGEST_BYTES:]
        if len(part) != end - first or _digest(part) != content[:_DIGEST_BYTES]:
            log.warning("%s in the cache is damaged, and is fetched again", path)
            path.unlink(missing_ok=True)
            return None
        self._remember((key, first, end), part)
        return part

    def put(self, key: str, first: int, end: int, part: bytes) -> None:
        """Keep a part; a disk that is full or read-only is no reason to fail."""
        self._remember((key, first, end), part)
        path = self._path(key, first, end)
        if path is None or len(part) > self._max_disk:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, _digest(part) + part)
        except OSError as error:
            log.warning("parts of files are not kept on disk: %s", error)
            return
        with self._lock:
            self._n_disk = self._measure() if self._n_disk is None else self._n_disk + len(part)
            if self._n_disk > self._max_disk:
                self._n_disk = self._evict()

    def forget(self, key: str, first: int, end: int) -> None:
        """Forget a part."""
        with self._lock:
            if (part := self._memory.pop((key, first, end), None)) is not None:
                self._n_memory -= len(part)
        if (path := self._path(key, first, end)) is not None:
            path.unlink(missing_ok=True)

    def _path(self, key: str, first: int, end: int) -> Path | None:
        return None if self._folder is None else self._folder / key / f"{first}-{end}"

    def _remember(self, name: tuple[str, int, int], part: bytes) -> None:
        if len(part) > self._max_memory:
            return
        with self._lock:
            self._n_memory += len(part) - len(self._memory.pop(name, b""))
            self._memory[name] = part
            while self._n_memory > self._max_memory:
                self._n_memory -= len(self._memory.popitem(last=False)[1])

    def _files(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._folder.glob("*/*") if self._folder is not None else ():
            with contextlib.suppress(OSError):
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
        return sorted(found)

    def _measure(self) -> int:
        return sum(n for _, n, _ in self._files())

    def _evict(self) -> int:
        """Remove what was used longest ago, down to nine tenths of the limit; return what is left."""
        files = self._files()
        left = sum(n for _, n, _ in files)
        for _, n, path in files:
            if left <= self._max_disk * 0.9:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                left -= n
        return left


class _Counter:
    """Counts bytes; may be told from any thread."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._lock = threading.Lock()

    def add(self, n_bytes: int) -> None:
        """Count."""
        with self._lock:
            self.n_bytes += n_bytes


FETCHED = _Counter()
"""Bytes of parts of files that came to this process."""

_readers: dict[Settings, RangeReader] = {}
_readers_lock = threading.Lock()


def shared_reader(settings: Settings) -> RangeReader:
    """Return the one reader of the process for what the settings say of servers, caches and budgets."""
    key = Settings(
        cache=settings.cache, range_host=settings.range_host, range_disk=settings.range_disk,
        range_budget=settings.range_budget, data_user=settings.data_user, data_password=settings.data_password,
    )  # fmt: skip
    with _readers_lock:
        if key not in _readers:
            _readers[key] = RangeReader(
                settings.cache / KEPT, settings.range_host, user=settings.data_user, password=settings.data_password,
                max_disk_bytes=settings.range_disk, budget_bytes=settings.range_budget,
            )  # fmt: skip
        return _readers[key]


def _name(url: str) -> str:
    parts = urlsplit(url)
    return unquote(parts.path).rpartition("/")[2] or parts.hostname or "the file"


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
