"""Panes of HTML in the style of the page."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import panel as pn

from dashboard.page.core.assets import asset


def style_sheets(*more: str) -> list[str]:
    """Return the style sheet of the page and those of assets/page/core that are named."""
    return [asset(f"page/core/{name}.css") for name in ("page", *more)]


def html_pane(text: str = "", *sheets: str, **params: Any) -> pn.pane.HTML:
    """Return a pane as wide as what it stands in, with the style sheets of `style_sheets`."""
    return pn.pane.HTML(text, **{"stylesheets": style_sheets(*sheets), "sizing_mode": "stretch_width", **params})


def picture_address(png: bytes | None) -> str:
    """Return a PNG as an address that needs no request; empty for none."""
    return "" if png is None else f"data:image/png;base64,{b64encode(png).decode()}"


def caption(text: str) -> str:
    """Return a heading over a figure, below the headline of its tab; `text` is HTML."""
    return f'<div class="unit"><h3>{text}</h3></div>'


def place(box: Any, *items: Any) -> None:
    """Have a box hold just these; one that does already is left alone: the browser would lay out the whole tab anew."""
    if list(box) != list(items):
        box[:] = list(items)
