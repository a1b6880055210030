"""Colours of selected units, alike in raster, figures and sheets."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

SELECTION = ("#D55E00", "#56B4E9", "#8020FF", "#E0A070", "#0072B2", "#906030")
"""In the order of selection: each is as far as can be from those before it for readers without any one kind of cones,
and stays coloured for them on a grey raster. The first three are 50 or more apart in CIE L*a*b* for all of them."""

SEGMENT_COLOUR = "#e91e63"
"""Of the lines where segments of a recording begin, on light and dark paper."""


def hex_colour(colour: npt.NDArray[np.uint8]) -> str:
    """Return ``#rrggbb``."""
    red, green, blue = (int(part) for part in colour[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the parts of ``#rrggbb``, from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def selection_colours(n: int, ranks: tuple[int, ...] = ()) -> npt.NDArray[np.uint8]:
    """Return the colours of the selected units, shape (n, 3): in the order of selection, or by their `ranks`."""
    table = np.array([rgb(colour) for colour in SELECTION], np.uint8)
    return table[np.asarray(ranks or range(n), dtype=np.int64) % len(table)]


LABEL_COLOURS = MappingProxyType({1: "#56B4E9", 2: "#D55E00", 3: "#808080"})
"""Of channels by their label: dead, noisy, outside the brain."""
