"""Computes in the background what an opened insertion lacks, for one browser session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from dashboard.config.logs import SessionThread
from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.errors import Cancelled, DashboardError
from dashboard.model.progress import Progress
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.widgets.working import WorkingLine

WORK = "computing metrics"


class MetricsJob:
    """Has metrics computed that are missing or not as long as the clusters; nothing waits for them.

    Parameters
    ----------
    store : InsertionStore
    queue : DocumentQueue
    completed : callable (OpenInsertion) -> None
        Given the same insertion with metrics.
    failed : callable (DashboardError) -> None

    Attributes
    ----------
    line : WorkingLine
        Shows the progress.
    """

    def __init__(
        self,
        store: InsertionStore,
        queue: DocumentQueue,
        completed: Callable[[OpenInsertion], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._store = store
        self._queue = queue
        self._completed = completed
        self._failed = failed
        self._threads = SessionThread("complete")
        self._cancel = threading.Event()
        self._opened: OpenInsertion | None = None
        self.line = WorkingLine(self._start, self._stop)

    def open(self, opened: OpenInsertion) -> None:
        """Take another insertion; the work for the one before stops."""
        self._cancel.set()
        self._opened = opened
        if opened.sorting.metrics_wanted:
            self._start()
        else:
            self.line.hide()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._cancel.set()
        self._threads.shutdown(wait=False)

    def _start(self) -> None:
        if self._opened is None:
            return
        self._cancel = cancel = threading.Event()
        self.line.run(Progress(WORK))
        future = self._threads.submit(self._store.complete, self._opened, partial(self._report, cancel), cancel)
        future.add_done_callback(lambda done: self._queue.later(partial(self._finished, cancel, done)))

    def _stop(self) -> None:
        self._cancel.set()
        self.line.halt("Metrics are not computed: cancelled.", "Compute metrics")

    def _report(self, cancel: threading.Event, progress: Progress) -> None:
        if not cancel.is_set():
            self._queue.later(partial(self._show, cancel, progress))

    def _show(self, cancel: threading.Event, progress: Progress) -> None:
        if cancel is self._cancel and not cancel.is_set():
            self.line.run(progress)

    def _finished(self, cancel: threading.Event, done: Future[OpenInsertion]) -> None:
        if cancel is not self._cancel or cancel.is_set():
            return
        try:
            opened = done.result()
        except Cancelled:
            self.line.halt("Metrics are not computed: cancelled.", "Compute metrics")
        except DashboardError as error:
            self.line.halt("Metrics could not be computed.", "Try again")
            self._failed(error)
        else:
            self.line.hide()
            self._opened = opened
            self._completed(opened)
