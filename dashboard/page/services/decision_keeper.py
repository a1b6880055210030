"""Decisions of a page on their way to the database and back, in one thread: in the order in which they were made."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from dashboard.analysis.curation.splits import split_text
from dashboard.analysis.curation.subject import Subject, merged_units
from dashboard.library.database import UserDataUnavailable
from dashboard.library.store import OpenInsertion
from dashboard.library.userdata import UserSession
from dashboard.model.curation import WITHDRAWN, Decision
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.page.core.document_queue import DocumentQueue

logger = logging.getLogger(__name__)

RETRY_S = 1.0
"""Pause before a decision that the database did not take is written again."""


@dataclass(slots=True, eq=False)
class KeptDecisions:
    """Decisions of one opened sorting, as they are in the database.

    Attributes
    ----------
    opened : OpenInsertion
    subject : Subject or None
        None while nobody has decided about its insertion.
    rows : list of Decision
        Oldest first.
    """

    opened: OpenInsertion
    subject: Subject | None = None
    rows: list[Decision] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Key of the insertion."""
        return self.opened.sorting.ref.insertion.key

    @property
    def last(self) -> int:
        """Id of the last row; 0 without rows."""
        return self.rows[-1].id if self.rows else 0


class DecisionKeeper:
    """Writes what is decided, again and again where the database does not take it, and reads what is new.

    Parameters
    ----------
    user_session : UserSession
    queue : DocumentQueue
        What follows is called in its turns.
    take : callable (KeptDecisions, str) -> None
        Told of new rows, with what was kept in words.
    refuse, not_kept : callable (DashboardError) -> None
        Told what could not be read, and what was not kept.
    say : callable (str, is_bad=bool) -> None
        Told what is not kept yet.
    subject_of : callable (SpikeSorting) -> Subject
    """

    def __init__(
        self,
        user_session: UserSession,
        queue: DocumentQueue,
        take: Callable[[KeptDecisions, str], None],
        refuse: Callable[[DashboardError], None],
        not_kept: Callable[[DashboardError], None],
        say: Callable[..., None],
        subject_of: Callable[[SpikeSorting], Subject],
    ) -> None:
        self._subject_of = subject_of
        self._user_data, self._queue = user_session.user_data, queue
        self._take, self._refuse, self._not_kept, self._say = take, refuse, not_kept, say
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decide")
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._waiting: deque[tuple[KeptDecisions, Callable[[Subject], list[Decision]]]] = deque()

    @property
    def n_waiting(self) -> int:
        """Steps that are not kept yet."""
        return len(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether the browser has gone."""
        return self._closed.is_set()

    def keep(self, kept: KeptDecisions, decide: Callable[[Subject], list[Decision]]) -> None:
        """Have a step written after all that wait; `decide` is called in the thread, and may raise."""
        with self._lock:
            self._waiting.append((kept, decide))
        self._threads.submit(self._write)

    def read(self, kept: KeptDecisions) -> None:
        """Have what is new in the database read."""
        self._threads.submit(self._read, kept)

    def read_first(self, kept: KeptDecisions) -> None:
        """Read what was decided, in the thread that calls.

        Raises
        ------
        DashboardError
            The database does not answer.
        """
        kept.rows = self._user_data.decisions.read(kept.key)
        if kept.rows:
            kept.subject = self._subject_of(kept.opened.sorting)

    def submit(self, work: Callable[[], None]) -> None:
        """Have something else done in the thread."""
        self._threads.submit(work)

    def close(self) -> None:
        """Write what waits, and stop."""
        self._closed.set()
        self._threads.shutdown(wait=False)

    # -- in the thread ---------------------------------------------------------------------------

    def _write(self) -> None:
        """Write the oldest step that waits."""
        kept, decide = self._waiting[0]
        try:
            if kept.subject is None:
                kept.subject = self._subject_of(kept.opened.sorting)
            rows = decide(kept.subject)
            if not self._is_added(rows, kept.key):
                return
        except DashboardError as error:
            self._queue.later(partial(self._not_kept, error))
            return
        except Exception as error:  # the file went away under the memory map, for one
            logger.exception("a decision about %s was not kept", kept.key)
            self._queue.later(partial(self._not_kept, DashboardError("Not kept", type(error).__name__, "Decide again")))
            return
        finally:
            with self._lock:
                self._waiting.popleft()
        self._read(kept, _said(rows))
        self._user_data.tell_decided(kept.key)

    def _is_added(self, rows: list[Decision], insertion: str) -> bool:
        """Add rows, however often it takes; False where the page closed before the database took them."""
        while True:
            try:
                self._user_data.decisions.add(rows)
                return True
            except UserDataUnavailable as error:
                logger.warning("%s", error)
                if self._closed.is_set():
                    logger.error("%d decisions of %s about %s are lost", len(rows), rows[0].author, insertion)
                    return False
                self._queue.later(partial(self._say, f"Not kept yet, tried again: {error}", is_bad=True))
                self._closed.wait(RETRY_S)

    def _read(self, kept: KeptDecisions, said: str = "") -> None:
        """Take what is new in the database: one's own, and what others have decided meanwhile."""
        try:
            new = self._user_data.decisions.read(kept.key, kept.last)
            if new and kept.subject is None:
                kept.subject = self._subject_of(kept.opened.sorting)
        except Exception as error:
            logger.exception("decisions about %s could not be read", kept.key)
            known = error if isinstance(error, DashboardError) else None
            what = known or DashboardError("Decisions could not be read", type(error).__name__)
            self._queue.later(partial(self._refuse, what))
            return
        if new:
            kept.rows = [*kept.rows, *new]
        if new or said:
            self._queue.later(partial(self._take, kept, said))


def _said(rows: Sequence[Decision]) -> str:
    """Return what was kept, in words."""
    one = rows[0]
    if one.kind == WITHDRAWN:
        return "Kept: undone or redone"
    what = one.value.replace("\n", ", ") or f"no {one.kind}"
    what = {"1": "flagged"}.get(what, what) if one.kind == "flag" else what
    if one.imported_by:
        return f"Kept: {counted(len(rows), 'decision')} of {one.author}, brought in by {one.imported_by}"
    if one.kind == "merge":
        return f"Kept: units {' + '.join(merged_units(one))} are one"
    if one.kind == "split":
        return f"Kept: unit {one.unit} is {split_text(one.value)}"
    if one.kind == "span":
        return f"Kept: bad from {one.value.replace(',', ' to ')} s"
    about = f"unit {one.unit}" if len(rows) == 1 else counted(len(rows), "unit")
    return f"Kept: {about}: {what}"
