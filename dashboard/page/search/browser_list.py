"""The list of insertions and the triage bar, as the browser has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.page.core.assets import assets_folder


class BrowserList(JSComponent):
    """The list and the triage bar in the browser; `assets/page/search/search.js` says what a message may hold.

    Parameters
    ----------
    acted : callable
        Called with what the user did: ``kind``, and more.
    """

    view = param.Dict({}, doc="Rows of a list, from first on: list, first, rows, n, total, columns, widths.")
    options = param.Dict({}, doc="Values of the facets, with how many insertions have each.")
    cannot = param.Dict({}, doc="Facets that cannot be used here, and why.")
    wrong = param.String("", doc="Why the region that was typed cannot be searched for.")
    recent = param.List([], doc="Keys opened lately.")
    note = param.String("", doc="What the lists say of themselves.")
    failed = param.Boolean(False, doc="Whether reading again may help.")
    message = param.String("", doc="What went wrong in the triage.")
    triage = param.Dict({}, doc="on, text, said.")
    open_key = param.String("", doc="Key of the insertion in the page.")
    shown = param.Boolean(False, doc="Whether the list is over the page.")
    asked = param.Dict({}, doc="What the fields shall say: facets, and n, which counts.")
    author = param.String("", doc="Who works here, as was written elsewhere on the page; the browser remembers it.")
    login = param.String("", doc="Who has logged in; empty where nobody has to.")
    dark = param.Boolean(False)
    download = param.Dict({}, doc="name and text of a file to save.")

    _esm = assets_folder() / "page/search/search.js"

    def __init__(self, acted: Callable[[dict[str, Any]], None], **params: Any) -> None:
        super().__init__(**{"margin": 0, "sizing_mode": "stretch_width", **params})
        self._acted = acted

    def _handle_msg(self, data: Any) -> None:
        # A message, not a parameter: of two changes soon after each other Panel keeps the later one.
        if isinstance(data, dict):
            self._acted(data)
