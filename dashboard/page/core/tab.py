"""What every tab of the dock has in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any, Generic, Protocol, TypeVar

import panel as pn
from bokeh.plotting import figure
from tornado.ioloop import IOLoop

from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import Scene

WAIT_S = 0.2
"""Shorter waits show nothing: two changes of the page cost as much as they would tell."""

WORDS = '<div class="unit busy" role="status">computing …</div>'


class Tab(Protocol):
    """One tab of the dock.

    Attributes
    ----------
    title : str
        One of `dashboard.page.core.state.TABS`.
    panel : Viewable
    follows_hidden : bool
        Whether it takes a new scene even while another tab is open.
    """

    title: str
    follows_hidden: bool

    @property
    def panel(self) -> Any:
        """What the dock shows."""

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""

    def close(self) -> None:
        """Stop what runs: the browser has gone."""


Made = TypeVar("Made", bound=Tab)


class LateTab(Generic[Made]):
    """A tab that is put together when it is first looked at: most tabs of most sessions never are.

    Parameters
    ----------
    title : str
    make : callable () -> Tab

    Attributes
    ----------
    made : Tab or None
    panel : Column
    """

    follows_hidden = False

    def __init__(self, title: str, make: Callable[[], Made]) -> None:
        self.title, self._make = title, make
        self.made: Made | None = None
        self.panel = pn.Column(sizing_mode="stretch_both", margin=0)

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""
        if self.made is None:
            self.made = self._make()
            self.made.open(scene)
            self.panel.append(self.made.panel)
        else:
            self.made.open(scene)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        if self.made is not None:
            self.made.close()


def refusal_line(css: list[str]) -> Any:
    """Return where a tab says why it cannot draw what was asked for; in view wherever the tab is scrolled to."""
    styles = {"position": "sticky", "top": "0", "z-index": "3"}
    return pn.pane.HTML("", stylesheets=css, margin=0, sizing_mode="stretch_width", styles=styles)


def pane(plot: figure) -> pn.pane.Bokeh:
    """Return a figure as an object of the page, sized as the figure itself."""
    options = {"height": plot.height} if plot.sizing_mode == "stretch_width" else {}
    return pn.pane.Bokeh(plot, sizing_mode=plot.sizing_mode, margin=0, **options)


def refusal_text(error: Exception) -> str:
    """Return why what was asked for cannot be drawn."""
    return f'<div class="unit refused" role="alert"><p>{escape(str(error))}</p></div>'


class BusyIndicator:
    """Stands over a tab's upper right corner, and takes no room.

    Parameters
    ----------
    queue : DocumentQueue
    css : list of str
        Style sheets, with ``busy``.
    """

    def __init__(self, queue: DocumentQueue, css: list[str]) -> None:
        self._queue = queue
        self._n = 0
        self.panel = pn.pane.HTML("", stylesheets=css, margin=0, height=0, sizing_mode="stretch_width")

    def begin(self) -> None:
        """Something is being computed."""
        self._n += 1
        IOLoop.current().call_later(WAIT_S, self._queue.later, partial(self._show, self._n))

    def end(self) -> None:
        """It is done, or no longer wanted."""
        self._n += 1
        if self.panel.object:
            self.panel.object = ""

    def _show(self, number: int) -> None:
        if number == self._n:
            self.panel.object = WORDS
