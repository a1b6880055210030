"""Light and dark, and the fonts of the page."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

_TYPOGRAPHY = {"button": {"textTransform": "none"}}

_COMPONENTS = {
    # The title of the page is its one heading of the first level; what only keeps a place is none.
    "MuiTypography": {"defaultProps": {"variantMapping": {"h3": "h1", "h5": "div"}}},
    "MuiAccordion": {"defaultProps": {"slotProps": {"heading": {"component": "h2"}}}},
    # A tooltip adds to the name of what it explains; it does not stand in for the name.
    "MuiTooltip": {"defaultProps": {"describeChild": True}},
    "MuiLinearProgress": {"defaultProps": {"aria-label": "Progress"}},
}
"""What a screen reader is told of Material's components."""


THEME = {
    "light": {
        "typography": _TYPOGRAPHY,
        "components": _COMPONENTS,
        "palette": {"primary": {"main": "#3949ab"}, "background": {"default": "#fafafa", "paper": "#ffffff"}},
    },
    "dark": {
        "typography": _TYPOGRAPHY,
        "components": _COMPONENTS,
        "palette": {"primary": {"main": "#9fa8da"}, "background": {"default": "#121212", "paper": "#1b1b1f"}},
    },
}


def apply_theme(part: Any, *, dark: bool) -> bool:
    """Tell a theme to every Material component of a part of the page, and return it.

    The browser tells it to those that it has drawn; of the others, which come with a tab that is opened later, some
    would miss it and stay light on a dark page.
    """
    with pn.io.hold():
        for component in part.select(pmui.base.MaterialComponent):
            if component.dark_theme != dark:
                component.dark_theme = dark
    return dark
