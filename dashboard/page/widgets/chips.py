"""Chips in words, such as one for each criterion of the filters: a click clears it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.page.core.assets import asset, assets_folder


class Chips(JSComponent):
    """Chips that come and go with what they stand for.

    Widgets of Panel's own would be made anew under the click that clears one; these are one component.

    Parameters
    ----------
    cleared : callable
        Called with the name of the chip that was clicked.
    """

    chips = param.List(
        [],
        doc="Name and label of each, in order; what a click does, its colour and its picture may follow.",
    )
    about = param.String("Filters in force", doc="What the chips are, for readers of the screen.")

    _esm = assets_folder() / "page/widgets/chips.js"

    def __init__(self, cleared: Callable[[str], None], **params: Any) -> None:
        super().__init__(**{"stylesheets": [asset("page/widgets/chips.css")], **params})
        self._cleared = cleared

    def _handle_msg(self, data: Any) -> None:
        # A message, not a parameter: of two changes soon after each other Panel keeps the later one.
        if isinstance(data, dict) and isinstance(data.get("clear"), str):
            self._cleared(data["clear"])
