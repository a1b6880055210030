"""The search page and the triage of what it lists."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields
from functools import partial
from typing import Any

import pandas as pd
import panel_material_ui as pmui

from dashboard.library.catalogue import Catalogue
from dashboard.library.userdata import UserSession, Verdict, standing, together
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.facets import VERDICTS, Facets, read_query, write_query
from dashboard.model.texts import counted
from dashboard.page.core.assets import assets_folder
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import html_pane, picture_address
from dashboard.page.core.state import ViewState
from dashboard.page.search.browser_list import BrowserList
from dashboard.page.search.triage import Triage
from dashboard.page.widgets.chips import Chips
from dashboard.sources.demo.source import DEMO_KEY
from dashboard.sources.locate import recognise

logger = logging.getLogger(__name__)

WINDOW, MAX_ROWS = 120, 1000
"""Rows that go to the browser unasked, some screens full; and when it asks for more."""

COLUMNS = {
    "subject": ("subject", "120px"),
    "date": ("date", "96px"),
    "number": ("no.", "44px"),
    "probe": ("probe", "84px"),
    "lab": ("lab", "146px"),
    "opens": ("opens from", "104px"),
    "histology": ("histology", "94px"),
    "qc": ("QC", "80px"),
    "verdicts": ("verdicts", "150px"),
    "model": ("model", "68px"),
    "projects": ("projects", "minmax(150px, 1fr)"),
    "task": ("task protocol", "minmax(200px, 1fr)"),
    "pid": ("pid", "300px"),
    "source": ("source", "minmax(120px, 1fr)"),
}
"""Title and width of each; what one judges by stands first, as a narrow window shows no more."""

EXAMPLE_PICTURE = picture_address((assets_folder() / "page/search/demo.png").read_bytes())
"""The demo as it looks where it was never opened."""

N_LATELY = 6
"""Insertions opened lately that the page offers where none is open."""

KEY_LENGTH = 400
"""As long as the database takes one."""
_TEXTS = {field.name for field in fields(Facets) if field.name != "favourites"}


class Search:
    """Finds insertions, opens them, and takes verdicts.

    Parameters
    ----------
    state : ViewState
    catalogue : Catalogue
    user_session : UserSession
    queue : DocumentQueue
    open_insertion : callable (text) -> None
    prefetch : callable (key, cancel) -> object
        Loads an insertion into the store; blocks.
    picture : callable (key) -> bytes or None
        Reads the small picture of an insertion, a PNG; None where there is none. Blocks.
    """

    def __init__(
        self,
        state: ViewState,
        catalogue: Catalogue,
        user_session: UserSession,
        queue: DocumentQueue,
        open_insertion: Callable[[str], None],
        prefetch: Callable[[str, threading.Event], object],
        picture: Callable[[str], bytes | None] = lambda key: None,
    ) -> None:
        self._picture = picture
        self._state, self._catalogue, self._user_session, self._queue = state, catalogue, user_session, queue
        self._open = open_insertion
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keep")
        self._facets = self._found_by = Facets()
        self._found: pd.DataFrame = catalogue.table
        self._favourites: set[str] = set()
        self._nameless: set[str] = set()
        self._words: dict[str, list[Verdict]] = {}
        self._said: dict[str, str] = {}
        self._first = self._n_asked = self._n_lists = 0
        self._is_stale = self._is_closed = False
        self._waiting: list[Callable[[str], Verdict]] = []
        login = user_session.login
        self.panel = BrowserList(self._acted, dark=state.dark, login=login, cannot=dict(catalogue.off))
        self.triage = Triage(state, catalogue, self.panel, open_insertion, prefetch)
        self.button = _button("Find insertions…")
        self.empty_button = _button("Find insertions…")
        self.empty_button.margin = (6, 0)  # in line with what stands above it
        pick = lambda key: queue.later(partial(open_insertion, key))  # noqa: E731
        self._recent = Chips(pick, about="Opened lately", sizing_mode="stretch_width", margin=0)
        #: The demo, for the page where nothing is open.
        self.example = Chips(pick, about="Example", sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self._offer_example("")
        #: Insertions opened lately, likewise.
        self.lately = (html_pane("", margin=(14, 0, 4, 0)), self._recent)
        for button in (self.button, self.empty_button):
            button.on_click(lambda event: self.show())
        state.param.watch(self._opened, "insertion")
        state.param.watch(lambda event: self.panel.param.update(dark=event.new), "dark")
        user_session.listen(self._reload)
        catalogue.listen(self._changed)
        catalogue.start()
        self._reload()
        self._refresh()

    def show(self, text: str | None = None) -> None:
        """Lay the list over the page, with `text` to search for."""
        if text is not None:
            self._look_for(Facets(text=text))
        self.panel.shown = True

    def resume(self, query: str, insertion: str) -> None:
        """Go through the list that a link names.

        Parameters
        ----------
        query : str
            As `dashboard.model.facets.read_query` reads it; an empty one ends the triage.
        insertion : str
            Whose turn it is; the first's, where it is empty. It may be a pid.
        """
        if not query:
            self.triage.end()
        elif self.triage.goes_through(query):
            self.triage.opened(insertion)
        else:
            self.triage.resume(query, insertion)
            self._look_for(read_query(query))

    def show_sorting(self, key: str, sorter: str, revision: str) -> None:
        """Note which sorting of which insertion is on the screen, for verdicts."""
        self.triage.show_sorting(key, sorter, revision)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self._is_closed = True
        self._user_session.close()
        self._catalogue.forget(self._changed)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.triage.close()

    # -- what the user did -----------------------------------------------------------------------

    def _acted(self, action: dict[str, Any]) -> None:
        # somebody may be quicker than the page, which takes changes only once it stands
        self._queue.later(partial(self._act, action))

    def _act(self, action: dict[str, Any]) -> None:
        match action.get("kind"):
            case "narrow":
                self._narrow(action.get("facets"))
            case "window":
                self._first = max(0, _whole(action.get("first")))
                self._send_rows(min(max(_whole(action.get("many")), 0), MAX_ROWS))
            case "open":
                self.panel.shown = False
                self._open(_key(action))
            case "paste":
                self._paste(str(action.get("text") or ""))
            case "star":
                key, on = _key(action), bool(action.get("on"))
                (self._nameless.add if on and not self._user_session.author else self._nameless.discard)(key)
                self._keep(
                    partial(self._user_session.user_data.star, self._user_session.author, key, on=on), self._reload
                )
            case "author":
                self._say(str(action.get("author") or ""))
            case "retry":
                self._catalogue.start(again=True)
                self._ask()
                self._reload()
            case "export":
                self._keep(self._user_session.user_data.csv, self._save)
            case "triage":
                self.triage.begin(self._found, write_query(self._found_by), _whole(action.get("at")))
            case "step":
                self.triage.step(_whole(action.get("by")))
            case "judge":
                self._judge(action)
            case "end":
                self.triage.end()

    def _narrow(self, asked: Any) -> None:
        asked = asked if isinstance(asked, dict) else {}
        values: dict[str, Any] = {name: str(asked.get(name) or "").strip()[:200] for name in _TEXTS & asked.keys()}
        values["level"] = "beryl" if values.get("level") == "beryl" else "allen"
        self._narrow_to(Facets(**values, favourites=bool(asked.get("favourites"))))

    def _narrow_to(self, facets: Facets) -> None:
        self._facets, self._first = facets, 0
        self._ask()
        self._refresh()

    def _look_for(self, facets: Facets) -> None:
        """Search for what somebody else than the fields asks for; they are told."""
        self._n_asked += 1
        self.panel.asked = {"n": self._n_asked, "facets": asdict(facets)}
        self._narrow_to(facets)

    def _ask(self) -> None:
        """Ask the servers; not whenever rows come, or a question that is refused would be asked for ever."""
        with contextlib.suppress(BadRequest):  # half a word; said by what narrows
            self._catalogue.ask(self._facets)

    def _paste(self, text: str) -> None:
        name = recognise(text)
        if name is None:
            return
        known = self._catalogue.matching(name)
        if len(known) > 1:
            self.show(known[0].rpartition("/")[0])
            return
        self.panel.shown = False
        self._open(known[0] if known else name)

    # -- the list --------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Take what the lists have gained; called from any thread, refreshed once for many calls."""
        if not self._is_stale:
            self._is_stale = True
            self._queue.later(self._refresh)

    def _refresh(self) -> None:
        self._is_stale = False
        problem = wrong = ""
        said, has_failed = "", False
        try:
            self._found = self._catalogue.narrow(self._facets, self._favourites, self._said)
            self._found_by = self._facets
            said, has_failed = self._catalogue.note_of(self._facets)
            said = " · ".join(text for text in (self._catalogue.finer_note(self._facets), said) if text)
        except BadRequest as error:
            # half a word while somebody types; what was found before stays
            if self._facets.region and self._facets.region[:40] == error.where:
                wrong = str(error)
            else:
                problem = str(error)
        note = " · ".join(text for text in (problem, said) if text)
        options, cannot = self._catalogue.options, dict(self._catalogue.off)
        counts = Counter(self._said.get(key, "none") for key in self._catalogue.table["key"])
        options["verdict"] = {word: counts[word] for word in VERDICTS if counts[word]}
        self.panel.param.update(note=note, wrong=wrong, failed=has_failed, options=options, cannot=cannot)
        self._n_lists += 1
        self._send_rows(WINDOW)
        self.triage.follow(self._favourites, self._said)

    def _send_rows(self, many: int) -> None:
        table, found = self._catalogue.table, self._found
        known = self._catalogue.known_columns
        shown = [name for name in COLUMNS if name in ("verdicts", "number") or name in known]
        part = found.iloc[self._first : self._first + many]
        rows = []
        for row in part.to_dict("records"):
            key = str(row["key"])
            words = self._words.get(key, [])
            row["verdicts"] = ", ".join(f"{w.author}: {w.verdict}" for w in words if w.verdict != "comment")
            rows.append({"key": key, "star": key in self._favourites, "cells": [str(row[name]) for name in shown]})
        self.panel.view = {
            "list": self._n_lists,
            "first": self._first,
            "rows": rows,
            "n": len(found),
            "total": len(table),
            "columns": [COLUMNS[name][0] for name in shown],
            "widths": [COLUMNS[name][1] for name in shown],
        }

    # -- what is kept ----------------------------------------------------------------------------

    def _keep(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Read or write the database in a thread, as another program may hold it, and go on with the answer."""
        if self._is_closed:
            return
        future = self._threads.submit(work)
        future.add_done_callback(lambda done: self._queue.later(partial(self._kept, done, then)))

    def _kept(self, done: Future[Any], then: Callable[[Any], None]) -> None:
        try:
            answer = done.result()
        except DashboardError as error:
            logger.warning("%s", error)
            self.panel.param.update(message=str(error), note=str(error), failed=True)
            return
        then(answer)

    def _reload(self, answer: object = None) -> None:
        author, user_data = self._user_session.author, self._user_session.user_data
        self.panel.author = author

        def read() -> tuple[set[str], list[str], list[Verdict], list[str]]:
            recent = user_data.recent(author)
            shown = () if self._state.insertion else (DEMO_KEY, *recent[:N_LATELY])
            pictures = [picture_address(self._picture(key)) for key in shown]
            return user_data.favourites(author), recent, user_data.verdicts(), pictures

        self._keep(read, self._take)

    def _take(self, kept: tuple[set[str], list[str], list[Verdict], list[str]]) -> None:
        self._favourites, recent, verdicts, pictures = kept
        self._words = {}
        for word in verdicts:
            self._words.setdefault(word.insertion, []).append(word)
        self._words = {key: standing(words) for key, words in self._words.items()}
        self._said = {key: together(words) for key, words in self._words.items()}
        self.panel.recent = recent
        if not self._state.insertion:
            self.lately[0].object = '<div class="empty"><p>Opened lately</p></div>' if recent else ""
            named = zip(recent[:N_LATELY], pictures[1:], strict=False)
            self._recent.chips = [(key, key, f"Open {key}", "", picture) for key, picture in named]
            self._offer_example(pictures[0] if pictures else "")
        self._refresh()
        self.triage.take(self._words)

    def _offer_example(self, picture: str) -> None:
        words = "Synthetic spikes, events and voltage: to see what this page does"
        self.example.chips = [("demo", "Open the demo insertion", words, "", picture or EXAMPLE_PICTURE)]

    def _opened(self, event: Any) -> None:
        self.panel.open_key = event.new
        self.triage.opened(event.new)
        if event.new:
            self._keep(
                partial(self._user_session.user_data.remember, self._user_session.author, event.new), self._reload
            )

    def _save(self, text: str) -> None:
        self.panel.download = {"name": "verdicts.csv", "text": text}

    def _judge(self, action: dict[str, Any]) -> None:
        verdict, comment = str(action.get("verdict") or ""), str(action.get("comment") or "")[:2000]
        if (named := self.triage.named()) is None:
            return
        key, pid = named
        seen = self.triage.seen(key)
        sorter, revision = seen or ("", "")

        def judge(author: str) -> Verdict:
            return self._user_session.user_data.judge(
                key, author, verdict, comment, pid, sorter, revision, unseen=seen is None
            )

        self._waiting.append(judge)
        self._say(str(action.get("author") or ""))
        if action.get("goes_on"):
            self.triage.step(1)
        self._keep_waiting()

    def _keep_waiting(self) -> None:
        """Keep the verdicts that waited for the name of their author; without one they go on waiting."""
        author = self._user_session.author
        if not author:
            many = len(self._waiting)
            self.panel.message = f"{counted(many, 'verdict')} kept until you write your name" if many else ""
            return
        waiting, self._waiting = self._waiting, []
        for judge in waiting:
            self._keep(partial(judge, author), self._judged)

    def _say(self, author: str) -> None:
        """Take the name of who works here; what was starred here before it was said is theirs."""
        self._user_session.say(author)
        self._keep_waiting()
        if self._user_session.author and self._nameless:
            for key in self._nameless:
                self._keep(
                    partial(self._user_session.user_data.star, self._user_session.author, key, on=True),
                    lambda answer: None,
                )
            self._nameless = set()
            self._reload()

    def _judged(self, said: Verdict) -> None:
        unseen = ", unseen" if said.unseen else ""
        self.panel.message = f"Kept: {said.verdict}{unseen}, of {said.insertion}"
        self._user_session.user_data.tell()  # whoever has the same insertion before them sees it, too


def _whole(value: object) -> int:
    """Return a whole number that a browser sent, 0 for anything else."""
    return int(value) if isinstance(value, int | float) and abs(value) < 1e9 else 0


def _key(action: dict[str, Any]) -> str:
    return str(action.get("key") or "")[:KEY_LENGTH]


def _button(label: str) -> pmui.Button:
    return pmui.Button(
        label=label, variant="outlined", size="small", sizing_mode="stretch_width", margin=(6, 12),
        description="Ctrl+K, or /",
    )  # fmt: skip
