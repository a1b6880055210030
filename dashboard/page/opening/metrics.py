"""Computes in the background what an opened insertion lacks, for one browser session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dashboard.library.completion import titles
from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.errors import DashboardError
from dashboard.model.progress import Progress
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
from dashboard.page.widgets.progress_line import ProgressLine


class MetricsJob:
    """Has what is missing computed, by the source or metrics from the spikes; nothing waits for it.

    Parameters
    ----------
    store : InsertionStore
    queue : DocumentQueue
    completed : callable (before: OpenInsertion, after: OpenInsertion) -> None
        Given the same insertion with what it lacked.
    failed : callable (DashboardError) -> None

    Attributes
    ----------
    line : ProgressLine
        Shows the progress.
    """

    def __init__(
        self,
        store: InsertionStore,
        queue: DocumentQueue,
        completed: Callable[[OpenInsertion, OpenInsertion], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._store, self._completed, self._failed = store, completed, failed
        self._opened: OpenInsertion | None = None
        self.line = ProgressLine(partial(self._start, is_asked=True), self._stop)
        self._job: Job[OpenInsertion] = Job(queue, "metrics", self._refused, self.line.run)

    def open(self, opened: OpenInsertion) -> None:
        """Take another insertion; the work for the one before stops."""
        self._job.drop()
        self._opened = opened
        if titles(opened.sorting):
            self._start()
        elif opened.sorting.tests_can_be_made:
            self.line.halt("The IBL tests are not in the file.", "Compute metrics")
        else:
            self.line.hide()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._job.close()

    @property
    def _named(self) -> str:
        """What is computed: ``metrics``, ``depths``."""
        found = titles(self._opened.sorting, with_tests=True) if self._opened is not None else []
        return " and ".join(title.removeprefix("computing ") for title in found)

    def _start(self, *, is_asked: bool = False) -> None:
        if self._opened is not None:
            self.line.run(Progress(titles(self._opened.sorting, with_tests=is_asked)[0]))
            make = partial(self._store.complete, self._opened, with_tests=is_asked)
            self._job.start(make, partial(self._done, self._opened))

    def _stop(self) -> None:
        self._job.drop()
        self.line.halt(f"{self._named.capitalize()} are not computed: cancelled.", f"Compute {self._named}")

    def _refused(self, error: DashboardError) -> None:
        self.line.halt(f"{self._named.capitalize()} could not be computed.", "Try again")
        self._failed(error)

    def _done(self, before: OpenInsertion, opened: OpenInsertion) -> None:
        self.line.hide()
        self._opened = opened
        self._completed(before, opened)
