"""The page: where everything stands, and its empty, loading and error states."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui

from dashboard.page.core.assets import asset
from dashboard.page.core.state import ViewState
from dashboard.page.core.theme import THEME
from dashboard.page.plot.centre import Centre

RAIL_PX = 280


HEADER_PX = 48
DENSE = {
    "& .MuiToolbar-root": {"minHeight": f"{HEADER_PX}px !important", "height": f"{HEADER_PX}px"},
    "& header .MuiTypography-root.title": {"fontSize": "1.25rem", "whiteSpace": "nowrap"},
    "& header .MuiBox-root:has(> .child-wrapper), & header .child-wrapper:first-of-type": {"minWidth": 0},
    # The same in both themes: the primary colour of the dark one is too bright for a bar.
    "& header.MuiAppBar-root": {"backgroundColor": "#283593", "color": "#ffffff", "backgroundImage": "none"},
    "& main": {"padding": 0},
}


WHOLE: dict[str, Any] = {"sizing_mode": "stretch_both", "margin": 0}


def work_row(centre: Centre, dock: Any) -> pn.Row:
    """Return the pictures and the dock beside them, out of sight until something is open."""
    return pn.Row(centre.column, dock.panel, visible=False, stylesheets=[asset("page/work.css")], **WHOLE)


def page(rail: list[Any], header: list[Any], main: list[Any], *, dark: bool, title: str = "Spike dashboard") -> Any:
    """Return the page itself; `main` stands below the header, one above the other."""
    made = pmui.Page(  # type: ignore[attr-defined]
        title=title,
        site_url=".",
        favicon="data:image/svg+xml," + quote(asset("page/favicon.svg").strip()),
        header=header,
        sidebar=rail,
        sidebar_width=RAIL_PX,
        sidebar_resizable=False,
        main=[pn.Column(*main, styles={"height": "calc(100vh - 48px)"}, **WHOLE)],
        dark_theme=dark,
        theme_config=THEME,
        busy_indicator=None,
        sx=DENSE,
        meta_viewport="width=device-width, initial-scale=1.0",
        raw_css=[asset("page/document.css")],
    )
    # It follows whether any session is busy, by which Panel's state would keep every page that there ever was.
    made.param._update_ref("busy", False)
    return made


class SidebarFold:
    """Makes room for the Summary in a triage: the dock stands beside the raster, however narrow the window is.

    Parameters
    ----------
    state : ViewState
    whole : Page
        Its rail folds away where a browser says that the room is needed.
    work : Row
        Raster and dock.
    """

    def __init__(self, state: ViewState, whole: Any, work: Any) -> None:
        self._page, self._work = whole, work
        self._is_made = False
        state.param.watch(self._arrange, "triage")

    def _arrange(self, event: Any) -> None:
        self._work.css_classes = ["triage"] if event.new else []

    def make(self, is_needed: bool) -> None:
        """Fold the rail; unfold it where that is why it is folded."""
        if is_needed and self._page.sidebar_open:
            self._is_made, self._page.sidebar_open = True, False
        elif not is_needed and self._is_made:
            self._is_made, self._page.sidebar_open = False, True
