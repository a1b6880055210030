"""Computes in the background what an opened insertion lacks, for one browser session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.errors import DashboardError
from dashboard.model.progress import Progress
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
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
        self._store, self._completed, self._failed = store, completed, failed
        self._opened: OpenInsertion | None = None
        self.line = WorkingLine(self._start, self._stop)
        self._job: Job[OpenInsertion] = Job(queue, "metrics", self._refused, self.line.run)

    def open(self, opened: OpenInsertion) -> None:
        """Take another insertion; the work for the one before stops."""
        self._job.drop()
        self._opened = opened
        if opened.sorting.metrics_wanted:
            self._start()
        else:
            self.line.hide()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._job.close()

    def _start(self) -> None:
        if self._opened is not None:
            self.line.run(Progress(WORK))
            self._job.start(partial(self._store.complete, self._opened), self._done)

    def _stop(self) -> None:
        self._job.drop()
        self.line.halt("Metrics are not computed: cancelled.", "Compute metrics")

    def _refused(self, error: DashboardError) -> None:
        self.line.halt("Metrics could not be computed.", "Try again")
        self._failed(error)

    def _done(self, opened: OpenInsertion) -> None:
        self.line.hide()
        self._opened = opened
        self._completed(opened)
