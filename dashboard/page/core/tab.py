"""What every tab of the dock has in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, Generic, Protocol, TypeVar

import panel as pn
from bokeh.plotting import figure

from dashboard.model.errors import DashboardError
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import entitle
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import html_pane, style_sheets
from dashboard.page.core.render_loop import COALESCE_S, RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.slices import give_way
from dashboard.page.core.state import PageState, ViewState

logger = logging.getLogger(__name__)

LOG_SAYS = "The log has the details"
WAIT_S = 0.2
"""Shorter waits show nothing: two changes of the page cost as much as they would tell."""

BUSY = '<div class="unit busy" role="status">{}</div>'
WORDS = BUSY.format("computing …")


@dataclass
class TabServices:
    """What a tab is handed by whoever makes it.

    Attributes
    ----------
    states : PageState
    axes : Axes
        The raster's window.
    pool : ThreadPoolExecutor
        Threads that compute.
    queue : DocumentQueue
    """

    states: PageState
    axes: Axes
    pool: ThreadPoolExecutor
    queue: DocumentQueue

    @property
    def state(self) -> ViewState:
        """The state that views share."""
        return self.states.view

    def walked(self, ids: list[UnitId]) -> list[UnitId]:
        """Return those of some units that J and K stop at."""
        return ids


class Tab(Protocol):
    """One tab of the dock; its class is called with services and the title of its entry."""

    @property
    def panel(self) -> Any:
        """What the dock shows."""

    @property
    def for_export(self) -> Any:
        """What an export needs of it beside the state; None where there is nothing."""

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""

    def press(self, key: str) -> None:
        """Act on a key that its entry names."""

    def close(self) -> None:
        """Stop what runs: the browser has gone."""


Request = TypeVar("Request")
Result = TypeVar("Result")
Services = TypeVar("Services", bound=TabServices)


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a tab draws: what it is called, where a failure is said, and what is hidden then."""

    title: str
    caption: Any
    pane: Any = None


class BaseTab(Generic[Services]):
    """A tab that computes away from the page, and says in one line why it cannot.

    Parameters
    ----------
    services : TabServices
    title : str
        Of its entry.
    sheets : tuple of str
        Names of style sheets beside that of the page.

    Attributes
    ----------
    busy : BusyIndicator
    refusal : HTML
        Why what was asked for cannot be drawn; empty where it can.
    parts : dict of str to Part
        Everything that the tab draws, by name; a figure by the name of its Bokeh figure.
    """

    for_export: Any = None

    def __init__(self, services: Services, title: str, sheets: tuple[str, ...] = ("unit",)) -> None:
        self.title = title
        self._services, self._state, self._queue = services, services.state, services.queue
        self._scene: Scene | None = None
        self._css = style_sheets(*sheets)
        self._loops: list[RenderLoop[Any, Any]] = []
        self.parts: dict[str, Part] = {}
        self._refused: dict[str, str] = {}
        self.busy, self.refusal = BusyIndicator(self._queue, self._css), refusal_line(self._css)

    @property
    def is_seen(self) -> bool:
        """Whether the tab is open: changes to what is out of sight can make the browser complain."""
        return bool(self._state.tab == self.title)

    def html(self, text: str = "", **options: Any) -> Any:
        """Return a piece of text of the tab."""
        return pn.pane.HTML(text, stylesheets=self._css, margin=(2, 10), sizing_mode="stretch_width", **options)

    def loop(
        self,
        render: Callable[[Request, Any], Result],
        apply: Callable[[Request, Result], None],
        refuse: Callable[[DashboardError], None] | None = None,
        pause_s: float = COALESCE_S,
        pool: Any = None,
    ) -> RenderLoop[Request, Result]:
        """Return what computes requests of the tab, and stops with it; `refuse` of the tab takes errors unless told.

        It runs on the threads that render, or on those of `pool`.
        """
        made = RenderLoop(self._queue, pool or self._services.pool, render, apply, refuse or self.refuse, pause_s)
        self._loops.append(made)
        return made

    def refuse(self, error: DashboardError) -> None:
        """Say it in the tab; what was drawn stays."""
        self.busy.end()
        self.refusal.object = refusal_text(error)

    def part(self, name: str, title: str, caption: Any, pane: Any = None) -> None:
        """Say what the tab draws: `draw` takes the name.

        Parameters
        ----------
        name : str
            Of the Bokeh figure, where it is one: every figure of a tab is a part of it.
        title : str
            With a capital, in the line that says that it could not be drawn.
        caption : HTML
            Over it; takes that line.
        pane : Viewable or None
            What holds the figure: hidden where it could not be drawn, since it may show something else still.
        """
        self.parts[name] = Part(title, caption, pane)
        if isinstance(plot := getattr(pane, "object", None), figure):
            entitle(plot, title)

    def draw(self, name: str, show: Callable[..., object], *arguments: Any) -> None:
        """Draw one part, its caption included: where that fails, its caption is one line, and the log has the trace."""
        give_way()
        part = self.parts[name]
        if part.pane is not None and name in self._refused:
            part.pane.visible = True
        try:
            run_part(self, name, partial(show, *arguments))
        except Exception as error:
            logger.exception("%s of the tab %s failed", name, self.title)
            if part.pane is not None:
                part.pane.visible = False
            reason = error if isinstance(error, DashboardError) else DashboardError(type(error).__name__, "", LOG_SAYS)
            self._refused[name] = text = refusal_text(DashboardError(f"{part.title} could not be drawn", str(reason)))
            part.caption.object = text
        else:
            before, caption = self._refused.pop(name, None), part.caption
            if before is not None and caption.object == before:  # what it draws has no caption of its own
                caption.object = ""

    def answered(self) -> None:
        """What was asked for is drawn, or no longer wanted."""
        self.busy.end()
        self.refusal.object = ""

    def press(self, key: str) -> None:
        """Act on a key that its entry names."""

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        for loop in self._loops:
            loop.close()


def run_part(tab: BaseTab[Any], name: str, show: Callable[[], object]) -> None:
    """Draw a part of a tab; tests have each one fail here."""
    show()


class TabSlot:
    """A tab's place in the dock: most tabs of most sessions are never looked at, and are not made before.

    Parameters
    ----------
    title : str
    make : callable () -> Tab
    is_late : bool
        Whether it is made when it is first looked at.
    follows_hidden : bool
        Whether it takes a new scene even while another tab is open.

    Attributes
    ----------
    made : Tab or None
    panel : Viewable
    """

    def __init__(
        self, title: str, make: Callable[[], Tab], *, is_late: bool = True, follows_hidden: bool = False
    ) -> None:
        self.title, self.follows_hidden, self._make = title, follows_hidden, make
        self.made: Tab | None = None if is_late else make()
        self.panel: Any = pn.Column(sizing_mode="stretch_both", margin=0) if self.made is None else self.made.panel
        self._is_shown = not is_late

    def _get(self) -> Tab:
        if self.made is None:
            self.made = self._make()
        return self.made

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters; say it on the tab where that fails."""
        try:
            made = self._get()
            made.open(scene)
            if not self._is_shown:
                self.panel[:] = [made.panel]
                self._is_shown = True
        except Exception as error:
            logger.exception("the tab %s failed", self.title)
            if self._is_shown:  # it has a line of its own, and its picture may be of use
                raise
            self.panel[:] = [html_pane(refusal_text(_unexpected(error)), "unit")]

    @property
    def for_export(self) -> Any:
        """What an export needs of the tab beside the state; None where there is nothing."""
        return None if self.made is None else self.made.for_export

    def press(self, key: str) -> None:
        """Tell the tab of a key of its own."""
        self._get().press(key)

    def close(self) -> None:
        """Stop what runs: the browser has gone."""
        if self.made is not None:
            self.made.close()


def _unexpected(error: Exception) -> DashboardError:
    if isinstance(error, DashboardError):
        return error
    return DashboardError("This tab cannot be shown", type(error).__name__, LOG_SAYS)


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
        self._queue.after(WAIT_S, partial(self._queue.later, partial(self._show, self._n)))

    def tell(self, text: str) -> None:
        """Say how far it has come, where it still goes on."""
        if self.panel.object:
            self.panel.object = BUSY.format(escape(text))

    def end(self) -> None:
        """It is done, or no longer wanted."""
        self._n += 1
        if self.panel.object:
            self.panel.object = ""

    def _show(self, number: int) -> None:
        if number == self._n:
            self.panel.object = WORDS
