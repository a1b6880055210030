"""Looks at the database of the open insertion again, in the background, while its page stands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from dashboard.library.store import InsertionStore, OpenInsertion
from dashboard.model.sorting import HISTOLOGY
from dashboard.page.core.document_queue import DocumentQueue

RETRY_S = 30.0
"""A database that did not answer is asked again so often; longer than its failure is remembered by the source."""


class OpenedWatch:
    """Asks again for what a database did not say when the insertion was opened.

    Parameters
    ----------
    store : InsertionStore
    queue : DocumentQueue
    recovered : callable () -> None
        Called in a turn of the document when the database answers.
    """

    def __init__(self, store: InsertionStore, queue: DocumentQueue, recovered: Callable[[], None]) -> None:
        self._store, self._queue, self._recovered = store, queue, recovered
        self._cancel = threading.Event()

    def open(self, opened: OpenInsertion) -> None:
        """Watch another insertion in place of the one before."""
        self._cancel.set()
        self._cancel = cancel = threading.Event()
        if HISTOLOGY in opened.sorting.incomplete:
            # not of a pool: the process would wait for it at its end
            run = partial(copy_context().run, self._run, opened, cancel)
            threading.Thread(target=run, name="watch", daemon=True).start()

    def close(self) -> None:
        """Stop for good: the browser has gone."""
        self._cancel.set()

    def _run(self, opened: OpenInsertion, cancel: threading.Event) -> None:
        while not cancel.wait(RETRY_S):
            if self._store.recovered(opened):
                self._queue.later(partial(self._tell, cancel))
                return

    def _tell(self, cancel: threading.Event) -> None:
        if not cancel.is_set():
            self._recovered()
