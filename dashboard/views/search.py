"""The search page and the triage of what it lists."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import panel_material_ui as pmui
import param
from panel.custom import JSComponent

from dashboard.assets import assets_folder
from dashboard.catalogue import Catalogue
from dashboard.compute.insertion_lists import FACETS, facet_counts
from dashboard.keeping import Desk, Verdict, standing
from dashboard.locating import recognise
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.facets import Facets
from dashboard.views.state import ViewState
from dashboard.views.turns import Turns

logger = logging.getLogger(__name__)

WINDOW = 120
"""Rows that go to the browser at a time: some screens full."""

COLUMNS = {
    "subject": ("subject", "120px"),
    "date": ("date", "96px"),
    "number": ("no.", "44px"),
    "probe": ("probe", "84px"),
    "lab": ("lab", "146px"),
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

KEY_LENGTH = 400
"""As long as the database takes one."""
_TEXTS = {field.name for field in fields(Facets) if field.name != "favourites"}


class Finder(JSComponent):
    """The list and the triage bar in the browser; `assets/search.js` says what a message may hold.

    Parameters
    ----------
    acted : callable
        Called with what the user did: ``kind``, and more.
    """

    view = param.Dict({}, doc="Rows in sight: first, rows, n, total, columns, widths.")
    options = param.Dict({}, doc="Values of the facets, with how many insertions have each.")
    cannot = param.Dict({}, doc="Facets that cannot be used here, and why.")
    recent = param.List([], doc="Keys opened lately.")
    note = param.String("", doc="What the lists say of themselves.")
    failed = param.Boolean(False, doc="Whether reading again may help.")
    message = param.String("", doc="What went wrong in the triage.")
    triage = param.Dict({}, doc="on, text, said.")
    open_key = param.String("", doc="Key of the insertion in the page.")
    shown = param.Boolean(False, doc="Whether the list is over the page.")
    preset = param.String("", doc="Text to search for.")
    login = param.String("", doc="Who has logged in; empty where nobody has to.")
    dark = param.Boolean(False)
    download = param.Dict({}, doc="name and text of a file to save.")

    _esm = Path(assets_folder()) / "search.js"

    def __init__(self, acted: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**{"margin": 0, "sizing_mode": "stretch_width", **params})
        self._acted = acted

    def _handle_msg(self, data: Any) -> None:
        # A message, not a parameter: of two changes soon after each other Panel keeps the later one.
        if isinstance(data, dict):
            self._acted(data)


class Search:
    """Finds insertions, opens them, and takes verdicts.

    Parameters
    ----------
    state : ViewState
    catalogue : Catalogue
    desk : Desk
    turns : Turns
    open_insertion : callable (text) -> None
    prefetch : callable (key, cancel) -> object
        Loads an insertion into the store; blocks.
    """

    def __init__(
        self,
        state: ViewState,
        catalogue: Catalogue,
        desk: Desk,
        turns: Turns,
        open_insertion: Callable[[str], None],
        prefetch: Callable[[str, threading.Event], object],
    ) -> None:
        self._state, self._catalogue, self._desk, self._turns = state, catalogue, desk, turns
        self._open, self._prefetch = open_insertion, prefetch
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keep")
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._cancel = threading.Event()
        self._facets = Facets()
        self._problem = ""
        self._found: pd.DataFrame = catalogue.table
        self._favourites: set[str] = set()
        self._nameless: set[str] = set()
        self._words: dict[str, list[Verdict]] = {}
        self._queue: list[tuple[str, str]] = []
        self._at = -1
        self._first = 0
        self._is_stale = self._is_closed = False
        login = desk.login
        self.panel = Finder(self._acted, dark=state.dark, login=login, cannot=dict(catalogue.off))
        self.button = _button("Find insertions…")
        self.empty_button = _button("Find insertions…")
        self.empty_button.margin = (6, 0)  # in line with what stands above it
        for button in (self.button, self.empty_button):
            button.on_click(lambda event: self.show())
        state.param.watch(self._opened, "insertion")
        state.param.watch(lambda event: self.panel.param.update(dark=event.new), "dark")
        desk.listen(self._reload)
        catalogue.listen(self._changed)
        catalogue.start()
        self._reload()
        self._refresh()

    def show(self, text: str | None = None) -> None:
        """Lay the list over the page, with `text` to search for."""
        if text is not None:
            self.panel.preset = text
        self.panel.shown = True

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        self._is_closed = True
        self._catalogue.forget(self._changed)
        self._cancel.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._ahead.shutdown(wait=False, cancel_futures=True)

    # -- what the user did -----------------------------------------------------------------------

    def _acted(self, action: dict[str, Any]) -> None:
        # somebody may be quicker than the page, which takes changes only once it stands
        self._turns.later(partial(self._act, action))

    def _act(self, action: dict[str, Any]) -> None:
        match action.get("kind"):
            case "show":
                self.show()
            case "hide":
                self.panel.shown = False
            case "narrow":
                self._narrow(action.get("facets"))
            case "window":
                self._first = max(0, _whole(action.get("first")))
                self._send_rows()
            case "open":
                self.panel.shown = False
                self._open(_key(action))
            case "paste":
                self._paste(str(action.get("text") or ""))
            case "star":
                key, on = _key(action), bool(action.get("on"))
                (self._nameless.add if on and not self._desk.author else self._nameless.discard)(key)
                self._keep(partial(self._desk.keeper.star, self._desk.author, key, on=on), self._reload)
            case "author":
                self._say(str(action.get("author") or ""))
            case "retry":
                self._catalogue.start(again=True)
                self._ask()
                self._reload()
            case "export":
                self._keep(self._desk.keeper.csv, self._save)
            case "triage":
                self._begin(_whole(action.get("at")))
            case "step":
                self._step(_whole(action.get("by")))
            case "judge":
                self._judge(action)
            case "end":
                self._at = -1
                self._show_triage()

    def _narrow(self, asked: Any) -> None:
        asked = asked if isinstance(asked, dict) else {}
        values: dict[str, Any] = {name: str(asked.get(name) or "").strip()[:200] for name in _TEXTS & asked.keys()}
        values["level"] = "beryl" if values.get("level") == "beryl" else "allen"
        self._facets = Facets(**values, favourites=bool(asked.get("favourites")))
        self._first = 0
        self._ask()
        self._refresh()

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
            self._turns.later(self._refresh)

    def _refresh(self) -> None:
        self._is_stale = False
        self._problem = ""
        said, has_failed = "", False
        try:
            self._found = self._catalogue.narrow(self._facets, self._favourites)
            said, has_failed = self._catalogue.note_of(self._facets)
            said = " · ".join(text for text in (self._catalogue.finer_note(self._facets), said) if text)
        except BadRequest as error:
            # half a word while somebody types; what was found before stays
            self._problem = str(error)
        note = " · ".join(text for text in (self._problem, said) if text)
        table = self._catalogue.table
        options = {name: facet_counts(table, name) for name in FACETS}
        self.panel.param.update(note=note, failed=has_failed, options=options, cannot=dict(self._catalogue.off))
        self._send_rows()

    def _send_rows(self) -> None:
        table, found = self._catalogue.table, self._found
        shown = [name for name in COLUMNS if name == "verdicts" or name == "number" or (table[name] != "").any()]
        part = found.iloc[self._first : self._first + WINDOW]
        rows = []
        for row in part.to_dict("records"):
            key = str(row["key"])
            words = self._words.get(key, [])
            row["verdicts"] = ", ".join(f"{w.author}: {w.verdict}" for w in words if w.verdict != "comment")
            rows.append({"key": key, "star": key in self._favourites, "cells": [str(row[name]) for name in shown]})
        self.panel.view = {
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
        future.add_done_callback(lambda done: self._turns.later(partial(self._kept, done, then)))

    def _kept(self, done: Future[Any], then: Callable[[Any], None]) -> None:
        try:
            answer = done.result()
        except DashboardError as error:
            logger.warning("%s", error)
            self.panel.param.update(message=str(error), note=str(error), failed=True)
            return
        self.panel.message = ""
        then(answer)

    def _reload(self, answer: object = None) -> None:
        author, keeper = self._desk.author, self._desk.keeper
        self._keep(lambda: (keeper.favourites(author), keeper.recent(author), keeper.verdicts()), self._take)

    def _take(self, kept: tuple[set[str], list[str], list[Verdict]]) -> None:
        self._favourites, recent, verdicts = kept
        self._words = {}
        for word in verdicts:
            self._words.setdefault(word.insertion, []).append(word)
        self._words = {key: standing(words) for key, words in self._words.items()}
        self.panel.recent = recent
        self._refresh()
        self._show_triage()

    def _opened(self, event: Any) -> None:
        self.panel.open_key = event.new
        self._show_triage()
        if event.new:
            self._keep(partial(self._desk.keeper.remember, self._desk.author, event.new), self._reload)

    def _save(self, text: str) -> None:
        self.panel.download = {"name": "verdicts.csv", "text": text}

    # -- triage ----------------------------------------------------------------------------------

    def _begin(self, at: int) -> None:
        self._queue = [(str(key), str(pid)) for key, pid in zip(self._found["key"], self._found["pid"], strict=True)]
        if self._queue:
            self._at = min(max(at, 0), len(self._queue) - 1)
            self.panel.shown = False
            self._state.tab = "Summary"
            self._look()

    def _step(self, by: int) -> None:
        at = min(max(self._at + by, 0), len(self._queue) - 1)
        if self._at >= 0 and at != self._at:
            self._at = at
            self._look()

    def _look(self) -> None:
        """Open the insertion whose turn it is, and load the next one meanwhile."""
        self.panel.message = ""
        self._show_triage()
        self._open(self._queue[self._at][0])
        self._cancel.set()
        self._cancel = cancel = threading.Event()
        if self._at + 1 < len(self._queue):
            self._ahead.submit(self._load_ahead, self._queue[self._at + 1][0], cancel)

    def _load_ahead(self, key: str, cancel: threading.Event) -> None:
        if cancel.is_set():
            return
        try:
            self._prefetch(key, cancel)
        except DashboardError as error:
            logger.info("%s was not loaded ahead: %s", key, error)

    def _judge(self, action: dict[str, Any]) -> None:
        if self._at < 0:
            return
        key, pid = self._queue[self._at]
        verdict, comment = str(action.get("verdict") or ""), str(action.get("comment") or "")[:2000]
        self._say(str(action.get("author") or ""))
        self._keep(partial(self._desk.keeper.judge, key, self._desk.author, verdict, comment, pid), self._judged)

    def _say(self, author: str) -> None:
        """Take the name of who works here; what was starred here before it was said is theirs."""
        self._desk.say(author)
        if self._desk.author and self._nameless:
            for key in self._nameless:
                self._keep(partial(self._desk.keeper.star, self._desk.author, key, on=True), lambda answer: None)
            self._nameless = set()
            self._reload()

    def _judged(self, said: Verdict) -> None:
        self._desk.tell()

    def _show_triage(self) -> None:
        if self._at < 0:
            self.panel.triage = {"on": False}
            return
        key = self._queue[self._at][0]
        said = [
            {"author": w.author, "verdict": w.verdict, "comment": w.comment, "time": w.time}
            for w in self._words.get(key, [])
        ]
        text = f"{self._at + 1} of {len(self._queue)}: {key}"
        # a verdict is one of what the strip names, which may not be what the page shows
        aside = "" if self._state.insertion == key else "not on the screen"
        self.panel.triage = {"on": True, "text": text, "aside": aside, "said": said}


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
