"""Sizes that several parts of the page share."""

from __future__ import annotations

STRIP_PX = 44

PROFILE_PX = 112
"""Of the profiles that lie over the right edge of a picture."""


PANEL_PX = 300
"""Width of the panels that fly out at the left; ``--panel-over`` of the page's style, while one lies over it."""

AXIS_PX = 26
"""Height of a time axis; kept free in every figure of a row, so frames line up."""
