"""For whom a thread reads: whose bytes are counted, and what stops it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from dashboard.model.errors import Cancelled
from dashboard.model.progress import ProgressCallback, ignore_progress


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked.

    Attributes
    ----------
    user : str
        Login; empty where nobody has to log in.
    cancel : threading.Event or None
        Set when what is read is no longer wanted.
    progress : callable
        Told how far a transfer has come.
    """

    user: str = ""
    cancel: threading.Event | None = None
    progress: ProgressCallback = ignore_progress

    def check(self) -> None:
        """Stop where it is no longer wanted.

        Raises
        ------
        Cancelled
        """
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled


NOBODY = Requester()
_REQUESTER: ContextVar[Requester | None] = ContextVar("requester", default=None)


def requester() -> Requester:
    """Return for whom this thread reads."""
    return _REQUESTER.get() or NOBODY


@contextmanager
def reading_for(
    user: str | None = None, cancel: threading.Event | None = None, progress: ProgressCallback | None = None
) -> Iterator[None]:
    """Read for somebody within the block; what is not given stays as it was."""
    now = requester()
    given = Requester(now.user if user is None else user, cancel or now.cancel, progress or now.progress)
    before = _REQUESTER.set(given)
    try:
        yield
    finally:
        _REQUESTER.reset(before)
