"""Files that wait for the browser that asked for them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

FOLDER = "exports"


STALE_S = 24 * 3600.0
"""What a process that was killed left behind is removed once it is this old."""


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
    """

    path: Path
    name: str
    user: str | None


class Downloads:
    """The files that all sessions of the process offer, by tokens that nobody can guess.

    Parameters
    ----------
    cache : Path
        A folder is made below it when the first file is.
    prefix : str
        Path that every address of the server begins with.
    """

    def __init__(self, cache: Path, prefix: str = "") -> None:
        self._root = cache / FOLDER
        self._prefix = prefix
        self._folder: Path | None = None
        self._offers: dict[str, Offer] = {}
        self._lock = threading.Lock()
        self.n_sending = 0
        """Files that are on their way to browsers."""

    def of_session(self, user: str | None = None) -> SessionDownloads:
        """Return where one session puts its files."""
        return SessionDownloads(self, user)

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

    def offer(self, path: Path, name: str, user: str | None) -> tuple[str, str]:
        """Return token and address under which a file can be fetched."""
        token = secrets.token_urlsafe(32)
        self._offers[token] = Offer(path, name, user)
        return token, f"{self._prefix}/download/{token}/{quote(name)}"

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count a file as on its way."""
        self.n_sending += 1
        try:
            yield
        finally:
            self.n_sending -= 1

    def withdraw(self, token: str) -> None:
        """Offer a file no longer, and remove it."""
        offer = self._offers.pop(token, None)
        if offer is not None:
            offer.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        for token in tuple(self._offers):
            self.withdraw(token)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class SessionDownloads:
    """The files of one session; the oldest go when there are too many, all when the tab is closed."""

    MOST = 12

    def __init__(self, downloads: Downloads, user: str | None) -> None:
        self._downloads = downloads
        self._user = user
        self._tokens: list[str] = []
        self._is_open = True

    def new_path(self, name: str) -> Path:
        """Return the path of a file to be written."""
        return self._downloads.new_path(name)

    def put(self, path: Path, name: str) -> str:
        """Offer a file that is whole, and return its address."""
        token, address = self._downloads.offer(path, name, self._user)
        self._tokens.append(token)
        while len(self._tokens) > (self.MOST if self._is_open else 0):
            self._downloads.withdraw(self._tokens.pop(0))
        return address

    def close(self) -> None:
        """Remove the files: the browser has gone."""
        self._is_open = False
        while self._tokens:
            self._downloads.withdraw(self._tokens.pop())
