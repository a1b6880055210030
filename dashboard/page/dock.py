"""The dock beside the raster: tabs of which only the open one computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import panel_material_ui as pmui

from dashboard.page.core.assets import asset
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.core.tab import TabSlot
from dashboard.page.widgets.panels import DockTabs


class Dock:
    """Tabs in the order of reading; one is opened when it is first looked at.

    Parameters
    ----------
    state : ViewState
        ``tab`` names the open one.
    tabs : mapping of str to TabSlot
        By the names of their entries, in order.
    queue : DocumentQueue

    Attributes
    ----------
    panel : Tabs
        What the open tab shows.
    tabs : DockTabs
        Their titles, upright, which stay on the page where the dock is closed.
    """

    def __init__(self, state: ViewState, tabs: Mapping[str, TabSlot], queue: DocumentQueue) -> None:
        self._state = state
        self.slots = tabs
        self._tabs = tuple(tabs.values())
        self._titles = [tab.title for tab in self._tabs]
        self._scene: Scene | None = None
        self._stale: set[str] = set()
        self.panel = pmui.Tabs(
            *((tab.title, tab.panel) for tab in self._tabs),
            active=self._active(),
            sizing_mode="stretch_both",
            dynamic=True,
            margin=0,
            css_classes=["dock"],
            sx={"& .MuiTabs-root": {"display": "none"}},
            stylesheets=[asset("page/dock.css")],
        )
        self.tabs = DockTabs(
            lambda title: queue.later(lambda: self._clicked(title)), titles=list(self._titles), active=self._title
        )
        # Before Panel shows the tab, which it does at -1: what the tab holds by then comes with it.
        self.panel.param._watch(self._turned, "active", precedence=-2)
        state.param.watch(self._asked, "tab")
        state.param.watch(self._selected, "selected")

    def open(self, scene: Scene) -> None:
        """Give every tab another scene; those out of sight take it when they are turned to."""
        self._scene = scene
        self._stale = set(self._titles)
        for tab in self._tabs:
            if tab.follows_hidden:
                self._take(tab)
        self._refresh()

    @property
    def for_export(self) -> dict[str, Any]:
        """Return what an export needs of each tab beside the state, by the name of its entry."""
        return {name: slot.for_export for name, slot in self.slots.items()}

    def close(self) -> None:
        """Stop what runs in any tab."""
        for tab in self._tabs:
            tab.close()

    @property
    def _title(self) -> str:
        return self._titles[self._active()]

    def _clicked(self, title: str) -> None:
        if title in self._titles:
            self._state.tab = title

    def _selected(self, event: Any) -> None:
        """Have the dock opened with the first unit of a selection: the table has its row."""
        if event.new and not event.old:
            self.tabs.calls += 1

    def _active(self) -> int:
        return self._titles.index(self._state.tab) if self._state.tab in self._titles else 0

    def _turned(self, event: Any) -> None:
        self._state.tab = self._titles[event.new]
        self._refresh()

    def _asked(self, event: Any) -> None:
        self.panel.active = self._active()
        self.tabs.active = self._title

    def _refresh(self) -> None:
        self._take(self._tabs[self.panel.active])

    def _take(self, tab: TabSlot) -> None:
        if self._scene is not None and tab.title in self._stale:
            self._stale.discard(tab.title)
            tab.open(self._scene)
