"""What stands at the edges of the page: icons of the panels at the left, tabs of the dock at the right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param
from panel.custom import JSComponent

from dashboard.page.core.assets import asset

ICONS_PX, TABS_PX = 44, 40


class PanelIcons(JSComponent):
    """An icon for each panel of the rail; the browser opens, closes and pins them, and remembers it.

    Parameters
    ----------
    opened : callable (str) -> None
        Told the first time that a panel is opened: ``open``, ``filters``, ``colour`` or ``view``.
    """

    marks = param.List([], doc="Panels that have something to look at.")
    lab = param.Dict(
        {}, doc="Layout of who has changed nothing: ``pinned``, ``dock`` and ``width``, as the browser keeps them."
    )
    resets = param.Integer(0, doc="A change sets the layout of the page back.")
    is_open = param.Boolean(False, doc="Whether an insertion is open: what needs one is not there before.")

    _esm = "\n".join(asset(f"page/browser/{name}.js") for name in ("layout", "panel_icons"))

    def __init__(self, opened: Callable[[str], None], **params: Any) -> None:
        sheets = [asset("page/browser/panel_icons.css")]
        super().__init__(
            **{"width": ICONS_PX, "sizing_mode": "stretch_height", "margin": 0, "stylesheets": sheets, **params}
        )
        self._opened = opened

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and isinstance(data.get("panel"), str):
            self._opened(data["panel"])


class DockTabs(JSComponent):
    """The tabs of the dock and its divider; the browser opens and closes it, and remembers its width.

    Parameters
    ----------
    turned : callable (str) -> None
        Called with the title of the tab that was clicked.
    """

    titles = param.List([], doc="Titles of the tabs, in order.")
    active = param.String("", doc="Title of the tab that the dock shows.")
    calls = param.Integer(0, doc="A change opens the dock.")

    _esm = "\n".join(asset(f"page/browser/{name}.js") for name in ("layout", "dock_tabs"))

    def __init__(self, turned: Callable[[str], None], **params: Any) -> None:
        sheets = [asset("page/browser/dock_tabs.css")]
        super().__init__(
            **{"width": TABS_PX, "sizing_mode": "stretch_height", "margin": 0, "stylesheets": sheets, **params}
        )
        self._turned = turned

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict) and isinstance(data.get("tab"), str):
            self._turned(data["tab"])
