"""Events that a person brings into the open page: in place of trials, in memory, for whoever has the page's link."""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import param

from dashboard.library.store import OpenInsertion
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import SpikeSorting, Trials
from dashboard.page.core.job import Job
from dashboard.sources.events import read_uploaded, with_trials

if TYPE_CHECKING:
    from dashboard.page.services.page_services import PageServices

MAX_KEPT = 4
"""Insertions whose events a page remembers; those of the one that was longest ago go."""
MAX_BYTES = 64 * 2**20
"""Of events that the process keeps for links; those that were shown longest ago go."""
_NAME = re.compile(r"[\w-]{22}")


class OwnEventsState(param.Parameterized):
    """Which events of one's own are shown."""

    own_events = param.String("", doc="Events that were brought in on the page, by the name that the server gave them.")


class KeptEvents:
    """Events by names that nobody can guess, each of one insertion.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[str, Trials, int]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: str, trials: Trials, name: str = "") -> str:
        """Keep events of an insertion, and return their name."""
        name = name or secrets.token_urlsafe(16)
        with self._lock:
            self._kept[name] = key, trials, int(trials.table.memory_usage(deep=True).sum())
            while sum(size for _, _, size in self._kept.values()) > self._max_bytes:
                self._kept.popitem(last=False)
        return name

    def get(self, key: str, name: str) -> Trials | None:
        """Return the events of that name, None where they are not kept, or are of another insertion."""
        with self._lock:
            found = self._kept.get(name)
            if found is None or found[0] != key:
                return None
            self._kept.move_to_end(name)
            return found[1]


KEPT = KeptEvents()
"""Of the process."""


def read_name(text: str) -> str:
    """Return the name of events as links have it.

    Raises
    ------
    ValueError
        It is none.
    """
    if not _NAME.fullmatch(text):
        raise ValueError("is no name of events")
    return text


def gone(name: str, sorting: SpikeSorting, level: str) -> str:
    """Return that events are not kept any more; empty where they are."""
    if not name or KEPT.get(sorting.ref.insertion.key, name) is not None:
        return ""
    return "The events that were brought in are not kept any more: bring them in again, in the tab Events."


class OwnEvents:
    """Reads files that a browser sends, and has the page show them in place of the trials.

    Parameters
    ----------
    services : PageServices
        Of the page.

    Attributes
    ----------
    refused : DashboardError or None
        Why the last file was not taken.
    """

    def __init__(self, services: PageServices) -> None:
        self._curation, self._response_test = services.curation, services.response_test
        self._take, self._state = services.take, services.states[OwnEventsState]
        self._job: Job[Trials] = Job(services.queue, "events", self.refuse)
        self._of: dict[str, tuple[Trials, str]] = {}
        self._listeners: list[Callable[[], None]] = []
        self.refused: DashboardError | None = None

    def of(self, opened: OpenInsertion) -> Trials | None:
        """Return the events that were brought in for an insertion."""
        found = self._of.get(opened.sorting.ref.insertion.key)
        return None if found is None else found[0]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the document's turn, when a file was taken, refused or left."""
        self._listeners.append(listener)

    def dress(self, opened: OpenInsertion, taken: dict[str, Any] | None = None) -> OpenInsertion:
        """Return an insertion with the events that were brought in for it, or with its own trials again.

        Parameters
        ----------
        opened : OpenInsertion
        taken : dict, optional
            State that is taken with one that was just opened: it may name events, and names those that are shown.
        """
        key = opened.sorting.ref.insertion.key
        if taken is not None:
            name = str(taken.get("own_events") or "")
            if (found := KEPT.get(key, name)) is not None:
                self._remember(key, (found, name))
            if key in self._of:
                taken["own_events"] = KEPT.put(key, *self._of[key])
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
        self._remember(key, None if trials is None else (trials, KEPT.put(key, trials)))
        self.refused = None
        loaded = self._curation.loaded
        if loaded is not None and loaded.sorting.ref.insertion.key == key:
            self._state.own_events = "" if trials is None else self._of[key][1]
            self._response_test.forget()
            self._take(loaded)
        self._tell()

    def _remember(self, key: str, found: tuple[Trials, str] | None) -> None:
        self._of.pop(key, None)
        if found is not None:
            self._of[key] = found
            for oldest in list(self._of)[:-MAX_KEPT]:
                del self._of[oldest]

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
