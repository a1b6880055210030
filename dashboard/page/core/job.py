"""One piece of work at a time, in a thread of its own; the newest wins, and results come in the document's turn."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

from dashboard.config.logs import SessionThread
from dashboard.model.errors import Cancelled, DashboardError
from dashboard.model.progress import Progress, ProgressCallback
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.slices import wait_for

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[ProgressCallback, threading.Event], Result]
"""Takes where it reports to, and the event that cancels it; runs in the thread, and changes no page."""


def _nothing(*arguments: object) -> None:
    """Do nothing."""


class Job(Generic[Result]):
    """Work that takes longer than a picture: opening, metrics, tests, matching.

    Everything that it calls runs in a turn of the document, and nothing of work that is no longer the newest.

    Parameters
    ----------
    queue : DocumentQueue
    name : str
        Of the thread, and of the work in the log.
    failed : callable (DashboardError) -> None
        Where `start` is told of no other. What is no `DashboardError` is logged with its trace, and said in one line.
    progressed : callable (Progress) -> None
    cancelled : callable () -> None
        The work has stopped because `cancel` asked for it.
    threads : SessionThread, optional
        Does the work; one of its own where absent.
    """

    def __init__(
        self,
        queue: DocumentQueue,
        name: str,
        failed: Callable[[DashboardError], None],
        progressed: Callable[[Progress], None] = _nothing,
        cancelled: Callable[[], None] = _nothing,
        threads: SessionThread | None = None,
    ) -> None:
        self._queue, self._name = queue, name
        self._failed, self._progressed, self._cancelled = failed, progressed, cancelled
        self._threads = threads if threads is not None else SessionThread(name)
        self._cancel = threading.Event()
        self._future: Future[Any] | None = None
        self._is_running = False
        self._done: Callable[[Any], None] = _nothing

    @property
    def is_running(self) -> bool:
        """Whether the newest work has not ended, for whoever asked for it."""
        return self._is_running

    def start(self, work: Work[Result], done: Callable[[Result], None]) -> None:
        """Do this, and no longer what was asked for before; `done` takes what comes of it."""
        self.drop()
        self._cancel = cancel = threading.Event()
        self._done, self._is_running = done, True
        self._future = future = self._threads.submit(work, partial(self._report, cancel), cancel)
        future.add_done_callback(partial(self._ended, cancel))

    def cancel(self) -> None:
        """Have the work stop; `cancelled` is called when it has."""
        self._cancel.set()

    def drop(self) -> None:
        """Have the work stop, and hear no more of it."""
        future, self._future, self._is_running = self._future, None, False
        self._cancel.set()
        if future is not None:
            future.cancel()  # where it has not begun

    def settle(self, seconds: float) -> None:
        """Wait so long for the work, and take what it brings at once."""
        future = self._future
        if future is not None and wait_for(future, seconds):
            self._take(self._cancel, future)

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self.drop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _report(self, cancel: threading.Event, progress: Progress) -> None:
        if not cancel.is_set():
            self._queue.later(partial(self._show, cancel, progress))

    def _show(self, cancel: threading.Event, progress: Progress) -> None:
        if cancel is self._cancel and self._is_running and not cancel.is_set():
            self._progressed(progress)

    def _ended(self, cancel: threading.Event, future: Future[Any]) -> None:
        self._queue.later(partial(self._take, cancel, future))

    def _take(self, cancel: threading.Event, future: Future[Any]) -> None:
        if cancel is not self._cancel or not self._is_running or future.cancelled():
            return
        self._future, self._is_running = None, False  # before what comes of it, which may start the next
        try:
            self._done(future.result())
        except Cancelled:
            self._cancelled()
        except Exception as error:  # noqa: BLE001 - whatever it was, whoever waits is told
            self._failed(said(error, self._name))


def said(error: BaseException, name: str) -> DashboardError:
    """Return an error for people; one that nobody foresaw is logged with its trace."""
    if isinstance(error, DashboardError):
        return error
    logger.error("%s failed", name, exc_info=error)
    return DashboardError("This could not be computed", type(error).__name__, "The log has the details")
