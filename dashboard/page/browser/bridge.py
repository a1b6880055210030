"""What only the browser knows or can do: keys, address bar, pixel ratio, clipboard."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import JSComponent

from dashboard.page.core.assets import asset, assets_folder


def mends() -> str:
    """Return the script that mends those of Bokeh and Panel, a file for each fault; docs/decisions/0007 lists them."""
    files = sorted((assets_folder() / "page" / "browser" / "mends").glob("*.js"))
    return "\n".join([asset("page/browser/mend.js"), *(f"{{\n{file.read_text(encoding='utf-8')}}}" for file in files)])


_SCRIPTS = ("figure_names", "screenshot", "time_cursor", "span_drag", "bridge")


class Bridge(JSComponent):
    """An invisible component between the page's script and the session's state."""

    query = param.String("", doc="Query string of the address bar, without the question mark.")
    settled_ms = param.Integer(600, doc="A view that stands still this long is a step of the browser's history.")
    address = param.String("", doc="Address of the page without its query.")
    visited = param.String("", doc="Query string that back or forward went to.")
    visit = param.Integer(0, doc="Counts back and forward steps.")
    seen = param.Integer(0, doc="The step back or forward that the session has answered.")
    keys = param.List([], doc="Keys that belong to the page or to a tab; the others are the browser's.")
    key = param.Dict({}, doc="Last key that belongs to the page: {key, shift, ctrl, n}.")
    span = param.Dict({}, doc="Last span that was drawn on the overview: {span, start, end, n}, times in s.")
    pixel_ratio = param.Number(1.0, doc="Device pixels per CSS pixel.")
    is_ready = param.Boolean(False, doc="Whether the page answers to mouse and keys; also on the root element.")
    theme = param.Selector(
        default="system", objects=["system", "light", "dark"], doc="What a person chose, which the browser remembers."
    )
    drawn_dark = param.Boolean(False, doc="Whether the server draws the page dark.")
    dark = param.Boolean(None, allow_None=True, doc="Whether the page is to be dark: as was chosen, or as the system.")
    cursor = param.Dict({}, doc="Where the mouse is on a figure: {figure, x, y}, empty outside.")
    announce = param.String("", doc="Short message for the status line, shown for some seconds.")
    link = param.Integer(0, doc="A change copies the address of the view.")
    leave = param.Integer(0, doc="A change logs out.")
    download = param.String("", doc="Path of a file to fetch; emptied once the browser has begun.")
    picture = param.String("", doc="Path of a PNG to put on the clipboard; emptied once it is there.")
    screenshot = param.Dict({}, doc="Takes a picture of the page: {name, to: file or clipboard, n}.")
    copied = param.String("", doc="Text to put on the clipboard; emptied once it is there.")

    _esm = "\n".join([mends(), *(asset(f"page/browser/{name}.js") for name in _SCRIPTS)])

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"width": 0, "height": 0, "margin": 0, "sizing_mode": "fixed", **params})

    def _handle_msg(self, data: Any) -> None:
        # They come as messages: of two changes soon after each other Panel keeps the later one.
        if isinstance(data, dict):
            self.param.update(**{"span" if "span" in data else "key": data})
