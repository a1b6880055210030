"""What only the browser knows or can do: keys, address bar, pixel ratio, clipboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.assets import assets_folder


class Bridge(JSComponent):
    """An invisible component between the page's script and the session's state."""

    query = param.String("", doc="Query string of the address bar, without the question mark.")
    push = param.Integer(0, doc="Counts settled views; a change makes a new history entry.")
    visited = param.String("", doc="Query string that back or forward went to.")
    visit = param.Integer(0, doc="Counts back and forward steps.")
    key = param.Dict({}, doc="Last key that belongs to the page: {key, shift, ctrl, n}.")
    pixel_ratio = param.Number(1.0, doc="Device pixels per CSS pixel.")
    dark = param.Boolean(None, allow_None=True, doc="Whether the browser prefers a dark page.")
    cursor = param.Dict({}, doc="Where the mouse is on a figure: {figure, x, y}, empty outside.")
    announce = param.String("", doc="Short message for the status line, shown for some seconds.")
    copied = param.String("", doc="Text to put on the clipboard; emptied once it is there.")

    _esm = Path(assets_folder()) / "bridge.js"

    def __init__(self, **params: Any) -> None:
        super().__init__(**{"width": 0, "height": 0, "margin": 0, "sizing_mode": "fixed", **params})

    def _handle_msg(self, data: Any) -> None:
        # Keys come as messages: of two changes soon after each other Panel keeps the later one.
        self.key = dict(data)
