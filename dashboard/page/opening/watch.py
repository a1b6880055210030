"""Looks at the source of the open insertion again, in the background, while its page stands."""

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
    """Asks again for what a database did not say when the insertion was opened, and for what has changed since.

    Parameters
    ----------
    store : InsertionStore
    queue : DocumentQueue
    recovered : callable () -> None
        Called in a turn of the document when the database answers that did not before.
    changed : callable (str) -> None
        Called in a turn of the document with what has changed, in words, once.
    """

    def __init__(
        self,
        store: InsertionStore,
        queue: DocumentQueue,
        recovered: Callable[[], None],
        changed: Callable[[str], None],
    ) -> None:
        self._store, self._queue, self._recovered, self._changed = store, queue, recovered, changed
        self._cancel, self._look = threading.Event(), threading.Event()

    def open(self, opened: OpenInsertion) -> None:
        """Watch another insertion in place of the one before."""
        self.close()
        self._cancel, self._look = threading.Event(), threading.Event()
        # not of a pool: the process would wait for it at its end
        run = partial(copy_context().run, self._run, opened, self._cancel, self._look)
        threading.Thread(target=run, name="watch", daemon=True).start()

    def look(self) -> None:
        """Look now: a person asks for it."""
        self._look.set()

    def close(self) -> None:
        """Stop: something else is open, or the browser has gone."""
        self._cancel.set()
        self._look.set()

    def _run(self, opened: OpenInsertion, cancel: threading.Event, look: threading.Event) -> None:
        is_unknown = HISTOLOGY in opened.sorting.incomplete
        while not cancel.is_set():
            pause_s = RETRY_S if is_unknown else self._store.refresh_s
            is_asked_to = look.wait(pause_s or None)
            look.clear()
            if cancel.is_set():
                return
            if is_asked_to:
                opened.source.look_again()
            if is_unknown and self._store.recovered(opened):
                self._queue.later(partial(self._tell, cancel, self._recovered))
                return
            if not is_unknown and (what := self._store.changes(opened)):
                self._queue.later(partial(self._tell, cancel, partial(self._changed, what)))
                return

    def _tell(self, cancel: threading.Event, say: Callable[[], None]) -> None:
        if not cancel.is_set():
            say()
