"""Sizes that several parts of the page share."""

from __future__ import annotations

STRIP_PX = 62


PROFILE_PX = 128


AXIS_PX = 42
"""Height of a time axis with its label; kept free in every figure of a row, so frames line up."""
