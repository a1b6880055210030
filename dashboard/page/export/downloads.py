"""Files that wait for the browser that asked for them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

if TYPE_CHECKING:
    from dashboard.export.process import ExportProcess

Result = TypeVar("Result")

FOLDER = "exports"


STALE_S = 24 * 3600.0
"""What a process that was killed left behind is removed once it is this old."""


MAX_EXPORTS = 2
"""Of one person at the same time, whatever the number of tabs: each holds a thread and reads all spikes."""

MAX_SENDING = 4
"""Files of one person on their way at the same time."""

MAX_OFFERED_BYTES = 32 << 30
"""Of one person's files that wait; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that may be fetched.

    Attributes
    ----------
    path : Path
    name : str
        What the browser is to call it.
    user : str or None
        Who may fetch it, where there are logins.
    owner : str
        In whose share it is counted.
    n_bytes : int
    """

    path: Path
    name: str
    user: str | None
    owner: str = ""
    n_bytes: int = 0


class Budget(Protocol):
    """What each person may use of something beside others."""

    def spend(self, owner: str, amount: float) -> None:
        """Count what somebody has used."""

    def wait_s(self, owner: str) -> float:
        """Return how long somebody has to wait before using more, in s."""


class Downloads:
    """The files that all sessions of the process offer, by tokens that nobody can guess.

    Parameters
    ----------
    cache : Path
        A folder is made below it when the first file is.
    budget : Budget, optional
        Of seconds of the processor that exports take; any where absent.
    process : ExportProcess, optional
        Takes the work that `run` is given; done here where absent.
    """

    def __init__(self, cache: Path, budget: Budget | None = None, process: ExportProcess | None = None) -> None:
        self._budget, self._process = budget, process
        self._root = cache / FOLDER
        self._folder: Path | None = None
        self._offers: dict[str, Offer] = {}
        self._lock = threading.Lock()
        self.n_sending = 0
        """Files that are on their way to browsers."""
        self._sending: Counter[str] = Counter()
        self._exporting: Counter[str] = Counter()

    def of_session(self, user: str | None = None, owner: str = "") -> SessionDownloads:
        """Return where one session of a user puts its files; `owner` is in whose share they are counted."""
        return SessionDownloads(self, user, owner)

    def find(self, token: str, user: str | None) -> Offer | None:
        """Return the file of a token; None where there is none, or it is another user's."""
        offer = self._offers.get(token)
        return offer if offer is not None and offer.user == user and offer.path.is_file() else None

    def new_path(self, name: str) -> Path:
        """Return the path of a file to be written, in a folder that is this process's own."""
        with self._lock:
            if self._folder is None or not self._folder.is_dir():
                self._root.mkdir(parents=True, exist_ok=True)
                for old in self._root.iterdir():
                    if time.time() - old.stat().st_mtime > STALE_S:
                        shutil.rmtree(old, ignore_errors=True)
                self._folder = Path(tempfile.mkdtemp(dir=self._root))
            return self._folder / f"{secrets.token_hex(8)}{Path(name).suffix}"

    def offer(self, path: Path, name: str, user: str | None, owner: str = "") -> tuple[str, str]:
        """Return token and address under which a file can be fetched, relative to that of the page.

        A proxy may take a prefix off that the server knows nothing of, as JupyterHub's does.

        Raises
        ------
        BadRequest
            It is larger than all that one person may have waiting.
        """
        n_bytes = path.stat().st_size
        if n_bytes > MAX_OFFERED_BYTES:
            path.unlink(missing_ok=True)
            raise BadRequest(
                "The file is larger than one person may have", counted(n_bytes, "byte"), "Choose a shorter window"
            )  # fmt: skip
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._offers[token] = Offer(path, name, user, owner, n_bytes)
            mine = [known for known, offer in self._offers.items() if offer.owner == owner]
            total = sum(self._offers[known].n_bytes for known in mine)
        while total > MAX_OFFERED_BYTES:
            total -= self._offers[mine[0]].n_bytes
            self.withdraw(mine.pop(0))
        return token, f"download/{token}/{quote(name)}"

    def may_send(self, owner: str) -> bool:
        """Whether another file may go to somebody now."""
        return self._sending[owner] < MAX_SENDING

    @contextmanager
    def sending(self, owner: str = "") -> Iterator[None]:
        """Count a file as on its way."""
        self.n_sending += 1
        self._sending[owner] += 1
        try:
            yield
        finally:
            self.n_sending -= 1
            self._sending[owner] -= 1

    @contextmanager
    def exporting(self, owner: str) -> Iterator[None]:
        """Count an export as running.

        Raises
        ------
        BadRequest
            Somebody has as many running as one person may, or has had others wait for long enough.
        """
        if self._budget is not None and (wait_s := self._budget.wait_s(owner)):
            raise BadRequest(
                "You have made as many exports as one person may while others work", f"{wait_s:.0f} s to wait",
                "Wait so long, then export again",
            )  # fmt: skip
        with self._lock:
            if self._exporting[owner] >= MAX_EXPORTS:
                raise BadRequest(
                    "You have as many exports running as one person may", str(MAX_EXPORTS), "Wait for one to end"
                )  # fmt: skip
            self._exporting[owner] += 1
        began = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._exporting[owner] -= 1
            if self._budget is not None:
                self._budget.spend(owner, time.thread_time() - began)

    def run(self, work: Callable[[], Result], is_off: Callable[[], bool], owner: str) -> Result:
        """Return what `work` returns, of which the process of exports does the work; see `ExportProcess.run`."""
        if self._process is None:
            return work()

        def spend(seconds: float) -> None:
            if self._budget is not None:
                self._budget.spend(owner, seconds)

        return self._process.run(work, is_off, spend)

    def withdraw(self, token: str) -> None:
        """Offer a file no longer, and remove it."""
        offer = self._offers.pop(token, None)
        if offer is not None:
            offer.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything, and do no more work."""
        if self._process is not None:
            self._process.close()
        for token in tuple(self._offers):
            self.withdraw(token)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class SessionDownloads:
    """The files of one session; the oldest go when there are too many, all when the tab is closed."""

    MOST = 12

    def __init__(self, downloads: Downloads, user: str | None, owner: str = "") -> None:
        self._downloads = downloads
        self._user, self._owner = user, owner
        self._tokens: list[str] = []
        self._is_open = True

    def new_path(self, name: str) -> Path:
        """Return the path of a file to be written."""
        return self._downloads.new_path(name)

    def exporting(self) -> AbstractContextManager[None]:
        """Count an export as running; raises BadRequest where this person has as many as one may."""
        return self._downloads.exporting(self._owner)

    def run(self, work: Callable[[], Result], is_off: Callable[[], bool]) -> Result:
        """Return what `work` returns, of which the process of exports does the work; see `ExportProcess.run`."""
        return self._downloads.run(work, is_off, self._owner)

    def put(self, path: Path, name: str) -> str:
        """Offer a file that is whole, and return its address."""
        token, address = self._downloads.offer(path, name, self._user, self._owner)
        self._tokens.append(token)
        while len(self._tokens) > (self.MOST if self._is_open else 0):
            self._downloads.withdraw(self._tokens.pop(0))
        return address

    def close(self) -> None:
        """Remove the files: the browser has gone."""
        self._is_open = False
        while self._tokens:
            self._downloads.withdraw(self._tokens.pop())
