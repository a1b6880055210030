"""The triage: one insertion of a list after the other, judged by people."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from dashboard.library.catalogue import Catalogue
from dashboard.library.userdata import Verdict
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.facets import read_query
from dashboard.model.texts import counted
from dashboard.page.core.state import ViewState
from dashboard.page.search.browser_list import BrowserList
from dashboard.page.search.list_cursor import ListCursor

logger = logging.getLogger(__name__)


class Triage:
    """Walks through a list, opens what stands there, loads the next one meanwhile, and says where it is.

    Parameters
    ----------
    state : ViewState
        ``triage`` is the query of the list, so that a link goes on with it.
    catalogue : Catalogue
    panel : BrowserList
        Shows it.
    open_insertion, prefetch : callable
        As for `dashboard.page.search.search.Search`.
    """

    def __init__(
        self,
        state: ViewState,
        catalogue: Catalogue,
        panel: BrowserList,
        open_insertion: Callable[[str], None],
        prefetch: Callable[[str, threading.Event], object],
    ) -> None:
        self._state, self._catalogue, self._panel = state, catalogue, panel
        self._open, self._prefetch = open_insertion, prefetch
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._cancel = threading.Event()
        self._words: Mapping[str, Sequence[Verdict]] = {}
        self._walk: ListCursor | None = None
        self._seen: dict[str, tuple[str, str]] = {}

    def begin(self, found: pd.DataFrame, query: str, at: int) -> None:
        """Go through the rows of a list, which `query` asked for, from the row `at` on."""
        if len(found):
            items = _items(found)
            self._walk = ListCursor(query, items, items[min(max(at, 0), len(items) - 1)][0])
            self._panel.shown = False
            self._state.param.update(triage=query, tab="Summary")
            self._snapshot()

    def goes_through(self, query: str) -> bool:
        """Tell whether this list is gone through already."""
        return self._walk is not None and self._walk.query == query

    def resume(self, query: str, insertion: str) -> None:
        """Go on with a list that a link names; `follow` brings it."""
        self._walk, self._state.triage = ListCursor(query, (), insertion, grows=True), query
        self._show()

    def follow(self, favourites: Collection[str], said: Mapping[str, str]) -> None:
        """Take what has come of the list of a triage that goes on from a link."""
        walk = self._walk
        if walk is None or not walk.grows:
            return
        facets = read_query(walk.query)
        here, at = walk.here, walk.at
        try:
            walk.items = items = _items(self._catalogue.narrow(facets, favourites, said))
        except BadRequest as error:
            walk.grows, self._panel.message = False, str(error)
            self._show()
            return
        if here is not None and here not in items:  # it has been judged since
            items.insert(min(at, len(items)), here)
        # whose favourites they are is said by the browser, later, and by the database what was judged
        walk.grows = facets.favourites or bool(facets.verdict) or self._catalogue.is_reading(facets)
        if not walk.place and walk.step(0):
            self._state.tab = "Summary"
            self._snapshot()
        elif here is None and walk.here is not None:
            self._load_next()
        self._show()

    def step(self, by: int) -> None:
        """Go on by so many insertions."""
        walk = self._walk
        if walk is not None and walk.step(by):
            walk.grows = walk.grows and self._catalogue.is_reading(read_query(walk.query))
            self._snapshot()

    def opened(self, key: str) -> None:
        """Stand where the page is, if the list has what it shows."""
        if self._walk is not None and self._walk.go(key):
            self._load_next()
        self._show()

    def show_sorting(self, key: str, sorter: str, revision: str) -> None:
        """Note that an insertion is on the screen, and which sorting of it."""
        self._seen[key] = (sorter, revision)
        self._show()

    def seen(self, key: str) -> tuple[str, str] | None:
        """Return sorter and revision that were on the screen last of an insertion; None where it never was."""
        return self._seen.get(key)

    def named(self) -> tuple[str, str] | None:
        """Return key and pid of what a verdict is of; None where nothing is, which the strip says."""
        return self._walk.here if self._walk is not None else None

    def take(self, words: Mapping[str, Sequence[Verdict]]) -> None:
        """Show what people say now, by insertion."""
        self._words = words
        self._show()

    def end(self) -> None:
        """Go through no list any more."""
        self._walk, self._state.triage = None, ""
        self._cancel.set()
        self._show()

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self._cancel.set()
        self._ahead.shutdown(wait=False, cancel_futures=True)

    def _snapshot(self) -> None:
        """Open the insertion whose turn it is, and load the next one meanwhile."""
        self._panel.message = ""
        self._show()
        if self._walk is not None and self._walk.here is not None:
            self._open(self._walk.here[0])
            self._load_next()

    def _load_next(self) -> None:
        self._cancel.set()
        self._cancel = cancel = threading.Event()
        if self._walk is not None and self._walk.following is not None:
            self._ahead.submit(self._load_ahead, self._walk.following, cancel)

    def _load_ahead(self, key: str, cancel: threading.Event) -> None:
        if cancel.is_set():
            return
        try:
            self._prefetch(key, cancel)
        except DashboardError as error:
            logger.info("%s was not loaded ahead: %s", key, error)

    def _show(self) -> None:
        walk = self._walk
        if walk is None:
            self._state.place, self._panel.triage = "", {"on": False}
            return
        key = walk.here[0] if walk.here is not None else ""
        self._state.place = key if key != self._state.insertion else ""
        said = [
            {"author": w.author, "verdict": w.verdict, "comment": w.comment, "time": w.time, "unseen": w.unseen}
            for w in self._words.get(key, [])
        ]
        place = f"{walk.at + 1} of {len(walk.items)}: {key}" if key else counted(len(walk.items), "insertion")
        # a verdict is one of what the strip names, which may not be what the page shows
        aside = "" if self._state.insertion == key else "not on the screen"
        if aside and key not in self._seen:
            aside += ": a verdict now is marked as unseen"
        if not key:
            is_coming = walk.grows and self._catalogue.is_reading(read_query(walk.query))
            nowhere = (
                "the open insertion is not in this list: J opens the first one of the list"
                if walk.items
                else "no insertion fits the link"
            )
            aside = "reading the list …" if is_coming else nowhere
        self._panel.triage = {"on": True, "text": place, "aside": aside, "said": said}


def _items(found: pd.DataFrame) -> list[tuple[str, str]]:
    return [(str(key), str(pid)) for key, pid in zip(found["key"], found["pid"], strict=True)]
