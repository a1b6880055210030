"""Events that a person brings into the open page: in place of trials, in memory, for this page and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dashboard.library.store import OpenInsertion
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import Trials
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.job import Job
from dashboard.page.services.curation import CurationService
from dashboard.page.services.response_test import ResponseTester
from dashboard.sources.events import read_uploaded, with_trials

MAX_KEPT = 4
"""Insertions whose events a page remembers; those of the one that was longest ago go."""


class OwnEvents:
    """Reads files that a browser sends, and has the page show them in place of the trials.

    Parameters
    ----------
    queue : DocumentQueue
    curation : CurationService
        Knows the insertion as it was opened.
    response_test : ResponseTester
        Whose columns are of the events of before.
    take : callable (OpenInsertion) -> None
        Has the page show it.

    Attributes
    ----------
    refused : DashboardError or None
        Why the last file was not taken.
    """

    def __init__(
        self,
        queue: DocumentQueue,
        curation: CurationService,
        response_test: ResponseTester,
        take: Callable[[OpenInsertion], None],
    ) -> None:
        self._curation, self._response_test, self._take = curation, response_test, take
        self._job: Job[Trials] = Job(queue, "events", self.refuse)
        self._of: dict[str, Trials] = {}
        self._listeners: list[Callable[[], None]] = []
        self.refused: DashboardError | None = None

    def of(self, opened: OpenInsertion) -> Trials | None:
        """Return the events that were brought in for an insertion."""
        return self._of.get(opened.sorting.ref.insertion.key)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the document's turn, when a file was taken, refused or left."""
        self._listeners.append(listener)

    def dress(self, opened: OpenInsertion) -> OpenInsertion:
        """Return an insertion with the events that were brought in for it, or with its own trials again."""
        loaded, own = self._curation.loaded, self.of(opened)
        if loaded is None:
            return opened
        trials = own if own is not None else loaded.sorting.trials
        if opened.sorting.trials is trials:
            return opened
        missing = () if own is not None else loaded.sorting.missing
        return replace(opened, sorting=with_trials(opened.sorting, trials, missing))

    def bring(self, name: str, content: bytes, opened: OpenInsertion) -> None:
        """Read a file in a thread, and show its events.

        Parameters
        ----------
        name : str
            Of the file; its ending says the format.
        content : bytes
        opened : OpenInsertion
            What it is for.
        """
        key = opened.sorting.ref.insertion.key
        self._job.start(lambda progress, cancel: read_uploaded(name, content), partial(self._keep, key))

    def leave(self, opened: OpenInsertion) -> None:
        """Show the trials of the session again."""
        self._keep(opened.sorting.ref.insertion.key, None)

    def refuse(self, error: DashboardError) -> None:
        """Say why a file was not taken."""
        self.refused = error
        self._tell()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._job.close()

    def _keep(self, key: str, trials: Trials | None) -> None:
        self._of.pop(key, None)
        if trials is not None:
            self._of[key] = trials
            for oldest in list(self._of)[:-MAX_KEPT]:
                del self._of[oldest]
        self.refused = None
        loaded = self._curation.loaded
        if loaded is not None and loaded.sorting.ref.insertion.key == key:
            self._response_test.forget()
            self._take(loaded)
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
