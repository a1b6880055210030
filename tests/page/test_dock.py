"""Tabs that are made when they are first looked at."""

from __future__ import annotations

from typing import Any

import panel as pn
import pytest
from bokeh.document import Document

from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.state import ViewState
from dashboard.page.core.tab import TabSlot
from dashboard.page.dock import Dock

TABS = ("Summary", "Clusters")


class Plain:
    """A tab that writes down what happens to it."""

    for_export = None

    def __init__(self, title: str, happened: list[str]) -> None:
        self.title, self._happened = title, happened
        self.panel = pn.Column()
        happened.append(f"{title} made")

    def open(self, scene: Any) -> None:
        self._happened.append(f"{self.title} opens {scene}")

    def press(self, key: str) -> None:
        self._happened.append(f"{self.title} is told of {key}")

    def close(self) -> None:
        self._happened.append(f"{self.title} closes")


def test_a_tab_is_made_when_it_is_looked_at_and_only_once() -> None:
    happened: list[str] = []
    state = ViewState(tab=TABS[0])
    dock = Dock(
        state,
        {title: TabSlot(title, lambda title=title: Plain(title, happened)) for title in TABS},
        DocumentQueue(Document()),
    )
    assert happened == [] and [len(tab.panel) for tab in dock._tabs] == [0, 0]
    dock.open("a")  # type: ignore[arg-type]
    assert happened == [f"{TABS[0]} made", f"{TABS[0]} opens a"]
    dock.open("b")  # type: ignore[arg-type]
    state.tab = TABS[1]
    state.tab = TABS[0]
    state.tab = TABS[1]
    assert happened[2:] == [f"{TABS[0]} opens b", f"{TABS[1]} made", f"{TABS[1]} opens b"]
    assert [len(tab.panel) for tab in dock._tabs] == [1, 1]
    dock.close()
    assert happened[-2:] == [f"{TABS[0]} closes", f"{TABS[1]} closes"]


def test_a_tab_that_was_never_looked_at_closes() -> None:
    late = TabSlot("Unit", lambda: Plain("Unit", []))
    late.close()
    assert late.made is None


def test_a_tab_comes_to_the_browser_with_what_it_holds() -> None:
    state = ViewState(tab=TABS[0])
    dock = Dock(
        state,
        {title: TabSlot(title, lambda title=title: Plain(title, [])) for title in TABS},
        DocumentQueue(Document()),
    )
    dock.open("a")  # type: ignore[arg-type]
    shown: list[int] = []
    # What Panel does when a tab is turned to: it draws the tab as it is at that moment.
    dock.panel.param.watch(lambda event: shown.append(len(dock._tabs[1].panel)), "objects", onlychanged=False)
    dock.panel.active = 1
    assert shown and set(shown) == {1}


def test_a_key_makes_the_tab_that_it_belongs_to_and_opens_nothing() -> None:
    happened: list[str] = []
    slot = TabSlot("Unit", lambda: Plain("Unit", happened))
    slot.press("u")
    slot.press("u")
    assert happened == ["Unit made", "Unit is told of u", "Unit is told of u"]
    assert len(slot.panel) == 0
    slot.open("a")  # type: ignore[arg-type]
    assert (happened[-1], len(slot.panel)) == ("Unit opens a", 1)


def test_a_tab_that_cannot_be_made_says_so_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Plain:
        raise ZeroDivisionError("x")

    slot = TabSlot("Unit", make)
    slot.open("a")  # type: ignore[arg-type]
    assert "This tab cannot be shown" in slot.panel[0].object
    assert "Traceback" not in slot.panel[0].object
    assert caplog.records[0].exc_info
