"""Light and dark, and the fonts of the page."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

_TYPOGRAPHY = {"button": {"textTransform": "none"}}

ACCENTS = {"light": "#3949ab", "dark": "#9fa8da"}


def _components(accent: str) -> dict[str, Any]:
    """Return what a screen reader is told of Material's components, and how they show that they have the focus."""
    ring = {"&.Mui-focusVisible": {"outline": f"2px solid {accent}", "outlineOffset": "-2px"}}
    filled = {"&.Mui-focusVisible": {"outlineColor": "currentColor"}}
    return _NAMES | {
        "MuiButtonBase": {"styleOverrides": {"root": ring}},
        "MuiButton": {"styleOverrides": {"contained": filled}},
    }


_NAMES = {
    # The title of the page is its one heading of the first level; what only keeps a place is none.
    "MuiTypography": {"defaultProps": {"variantMapping": {"h3": "h1", "h5": "div"}}},
    "MuiAccordion": {"defaultProps": {"slotProps": {"heading": {"component": "h2"}}}},
    # A tooltip adds to the name of what it explains; it does not stand in for the name. It takes the width of its words
    # before they go on in another line, not that of the button that it is put in, and lets the mouse through.
    "MuiTooltip": {
        "defaultProps": {"describeChild": True, "disableInteractive": True},
        "styleOverrides": {"tooltip": {"width": "max-content", "maxWidth": "240px"}},
    },
    # Every menu of the page is the list of a field; Panel's own items say that they are a menu's.
    "MuiMenuItem": {"defaultProps": {"role": "option"}},
    "MuiLinearProgress": {"defaultProps": {"aria-label": "Progress"}},
}


THEME = {
    "light": {
        "typography": _TYPOGRAPHY,
        "components": _components(ACCENTS["light"]),
        "palette": {"primary": {"main": ACCENTS["light"]}, "background": {"default": "#fafafa", "paper": "#ffffff"}},
    },
    "dark": {
        "typography": _TYPOGRAPHY,
        "components": _components(ACCENTS["dark"]),
        "palette": {"primary": {"main": ACCENTS["dark"]}, "background": {"default": "#121212", "paper": "#1b1b1f"}},
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
