"""One file from a data server: attempts, what each answer means, and when to give up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

from dashboard.config.throttling import MAX_ASKED_S, is_patient
from dashboard.model.errors import Cancelled, DownloadFailed
from dashboard.model.references import DatasetRef
from dashboard.model.texts import counted
from dashboard.sources.download.partial import PartialFile
from dashboard.sources.download.transport import Transport, retry_after

log = logging.getLogger(__name__)

# In a row and without one new byte; with the waits between them some 8 s.
ATTEMPTS = 5
BACK_OFF_S, MAX_BACK_OFF_S = 0.5, 30.0
# A server that asks for more is given up on: the user sees it and decides.
MAX_RETRY_AFTER_S = 120.0
# Once is bad luck on the wire; the same wrong bytes twice are wrong on the server.
WRONG_BYTES_ALLOWED = 2
_BLOCK = 1 << 18
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
ASK = "Ask the data managers"


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be fetched.

    Attributes
    ----------
    dataset : DatasetRef
        With `url`; `size` and `md5` are checked where they are known.
    target : Path
        Where it goes.
    """

    dataset: DatasetRef
    target: Path


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to try, and how to wait between attempts.

    Attributes
    ----------
    attempts : int
        In a row without one new byte.
    wait : callable
        Sleeps until the event or for some seconds, and returns whether it was the event.
    jitter : callable
        Returns a number from 0 to 1.
    """

    attempts: int
    wait: Callable[[threading.Event, float], bool]
    jitter: Callable[[], float]


class _Transient(Exception):
    """An attempt failed in a way that may pass."""

    def __init__(self, why: str, wait_s: float = 0.0, unreachable: bool = False) -> None:
        self.why = why
        self.wait_s = wait_s
        self.unreachable = unreachable
        super().__init__(why)


class Transfer:
    """Brings one file into the cache.

    Parameters
    ----------
    item : Item
    transport : Transport
    retry : RetryPolicy
    stop : threading.Event
        Ends it as soon as the read that is under way returns.
    tell : callable
        Called with the partial file's path and length whenever bytes have come.
    unreachable : dict of str to str
        Servers that could not be reached, and why: shared with the other files of the same call, so
        that not each of them has to find out.
    """

    def __init__(
        self,
        item: Item,
        transport: Transport,
        retry: RetryPolicy,
        stop: threading.Event,
        tell: Callable[[Path, int], None],
        unreachable: dict[str, str],
    ) -> None:
        self.dataset = item.dataset
        self.url = item.dataset.url or ""
        self.host = urlsplit(self.url).netloc
        self._part = PartialFile(item.dataset, item.target)
        self._transport, self._retry = transport, retry
        self._stop, self._tell, self._unreachable = stop, tell, unreachable

    def run(self) -> Path:
        """Attempt until the file is whole and right, and return where it is.

        Raises
        ------
        DownloadFailed
            The server will not give it, gives it wrong, or nothing new came for several attempts.
        Cancelled
            The event was set; the bytes that have come are kept.
        CacheUnusable
        """
        failed = wrong = furthest = 0
        part = self._part
        with part.opened():
            while True:
                if self._stop.is_set():
                    raise Cancelled
                try:
                    if not part.is_whole:
                        self._attempt()
                except _Transient as error:
                    if self._stop.is_set():
                        raise Cancelled from error
                    if not (error.wait_s and is_patient()):  # with a wait it is an answer, and no failure
                        failed = 1 if part.length > furthest else failed + 1
                    furthest = max(furthest, part.length)
                    self._back_off(failed, error)
                    continue
                if part.is_right:
                    return part.settle()
                part.restart()
                wrong += 1
                log.warning("%s came with another MD5 than the one on record", self.dataset.relative_path)
                if wrong >= WRONG_BYTES_ALLOWED:
                    raise self._failure(f"its MD5 is not the one on record, {wrong} times", f"Try again later. {ASK}")

    def _failure(self, why: str, remedy: str = "Try again", *, may_pass: bool = True) -> DownloadFailed:
        return DownloadFailed(self.dataset.relative_path, why, remedy, may_pass=may_pass)

    def _back_off(self, failed: int, error: _Transient) -> None:
        if error.unreachable and self.host in self._unreachable:
            raise self._failure(error.why) from error
        if failed >= self._retry.attempts:
            if error.unreachable:
                self._unreachable[self.host] = error.why
            raise self._failure(f"{error.why}, {failed} times") from error
        if error.wait_s > (MAX_ASKED_S if is_patient() else MAX_RETRY_AFTER_S):
            raise self._failure(f"{error.why} and asks to wait {error.wait_s:.0f} s", "Try again then") from error
        back_off = min(MAX_BACK_OFF_S, BACK_OFF_S * 2 ** max(0, failed - 1)) * (0.5 + self._retry.jitter())
        log.info("%s: %s; attempt %d follows", self.dataset.relative_path, error.why, failed + 1)
        if self._retry.wait(self._stop, max(error.wait_s, back_off)):
            raise Cancelled

    def _attempt(self) -> None:
        """Send one request and take in what comes."""
        part = self._part
        headers = {"Accept-Encoding": "identity"}
        if part.length:
            headers["Range"] = f"bytes={part.length}-"
            if part.validator:
                headers["If-Range"] = part.validator
        try:
            response = self._transport.get(self.url, headers)
        except (requests.RequestException, ValueError) as error:
            if isinstance(error, ValueError):  # not an address, or not one of the web
                raise self._failure(why_not(error), ASK, may_pass=False) from error
            raise _Transient(why_not(error), unreachable=isinstance(error, requests.ConnectionError)) from error
        with response:
            self._check_status(response)
            etag = response.headers.get("ETag", "")
            part.validator = etag if etag.startswith('"') else ""  # a weak one must not be sent with a range
            self._read(response)

    def _check_status(self, response: requests.Response) -> None:
        status, part = response.status_code, self._part
        if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {part.length}-"):
            return
        if status in (206, 416) or (status == 200 and part.length):
            part.restart()  # the server has other bytes, or does not know of ranges
        if status in (206, 416):
            raise _Transient("the server has another part of it than asked for")
        if status == 200:
            return
        if status in TRANSIENT_STATUS:
            wait_s = retry_after(response.headers.get("Retry-After", ""))
            raise _Transient(f"the data server answered {status}", wait_s)
        if status in (401, 403):
            raise self._failure(
                f"the data server refused ({status})",
                "Set SPIKE_DASHBOARD_DATA_USER and SPIKE_DASHBOARD_DATA_PASSWORD, if it has a login",
            )
        if status in (404, 410):
            raise self._failure(f"the data server does not have it ({status})", ASK, may_pass=False)
        raise self._failure(f"the data server answered {status}")

    def _read(self, response: requests.Response) -> None:
        part, size = self._part, self.dataset.size
        length = response.headers.get("Content-Length", "")
        expected = size if size is not None else part.length + int(length) if length.isdigit() else None
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        if expected is None and part.md5 is None and not chunked:
            # the end of the connection would pass for the end of the file
            raise self._failure("neither the database nor the server says how long it is", ASK, may_pass=False)
        while True:
            try:
                block = response.raw.read1(_BLOCK)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _Transient(why_not(error)) from error
            if not block:
                break
            part.write(block)
            self._tell(part.path, part.length)
            if self._stop.is_set():
                raise Cancelled
            if size is not None and part.length > size:
                part.restart()
                raise _Transient(f"more came than the {counted(size, 'byte')} on record")
        if expected is not None and part.length < expected:
            raise _Transient(f"only {part.length:,} of {counted(expected, 'byte')} came")


def why_not(error: Exception) -> str:
    """Return a clause for the page; the exceptions' own texts name objects in memory, and addresses."""
    if isinstance(error, requests.ConnectTimeout):
        return "the data server did not answer in time"
    if isinstance(error, requests.Timeout | urllib3.exceptions.ReadTimeoutError | TimeoutError):
        return "the data server stopped sending"
    if isinstance(error, requests.exceptions.SSLError):
        return "the data server's certificate is not trusted"
    if isinstance(error, requests.TooManyRedirects):
        return "the data server redirects in a circle"
    if isinstance(error, requests.ConnectionError):
        return "the data server cannot be reached"
    if isinstance(error, requests.RequestException | ValueError):
        return f"the address cannot be used ({type(error).__name__})"
    return "the connection broke"
