"""The page: where everything stands, and its empty, loading and error states."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui

from dashboard.page.core.assets import asset
from dashboard.page.core.theme import THEME
from dashboard.page.dock import Dock
from dashboard.page.plot.centre import Centre
from dashboard.page.rail.rail import Rail

HEADER_PX = 40
DENSE = {
    "& .MuiToolbar-root": {"minHeight": f"{HEADER_PX}px !important", "height": f"{HEADER_PX}px"},
    "& header .MuiTypography-root.title": {"fontSize": "1.1rem", "whiteSpace": "nowrap"},
    "& header .MuiBox-root:has(> .child-wrapper), & header .child-wrapper:first-of-type": {"minWidth": 0},
    # The same in both themes: the primary colour of the dark one is too bright for a bar.
    "& header.MuiAppBar-root": {"backgroundColor": "#283593", "color": "#ffffff", "backgroundImage": "none"},
    "& header .Mui-focusVisible": {"outlineColor": "#ffffff !important"},
    "& main": {"padding": 0},
    "& main .MuiToolbar-root": {"margin": "0 !important"},
    "& header .MuiLinearProgress-root": {"display": "none"},
}


WHOLE: dict[str, Any] = {"sizing_mode": "stretch_both", "margin": 0}


def work_row(centre: Centre, dock: Dock) -> pn.Row:
    """Return the pictures, the dock and its tabs, out of sight until something is open."""
    sheets = [asset("page/work.css")]
    return pn.Row(
        centre.column, dock.panel, dock.tabs, visible=False, css_classes=["work"], stylesheets=sheets, **WHOLE
    )


def page(rail: Rail | None, header: list[Any], main: list[Any], *, dark: bool, title: str = "Spike dashboard") -> Any:
    """Return the page itself; `main` stands below the header and beside the rail, one above the other."""
    at_left = [rail.icons, *rail.panels.values()] if rail is not None else []
    look: dict[str, Any] = {
        "styles": {"height": f"calc(100vh - {HEADER_PX}px)"},
        "stylesheets": [asset("page/frame.css")],
    }
    made = pmui.Page(  # type: ignore[attr-defined]
        title=title,
        site_url=".",
        favicon="data:image/svg+xml," + quote(asset("page/favicon.svg").strip()),
        header=header,
        main=[pn.Row(*at_left, pn.Column(*main, styles={"min-width": "0"}, **WHOLE), **look, **WHOLE)],
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
