"""A figure as values: what is drawn on two axes with names, units and limits, whoever draws it.

It holds numbers and no widget, so it can be made in any thread. The page draws it with Bokeh
(`dashboard.page.core.figure_view`), a sheet with matplotlib (`dashboard.export.paper`), a notebook with HoloViews
(`dashboard.figures.elements`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dashboard.model.colours import rgb

Ink = str
"""``#rrggbb``, or what a colour stands for: ``bar``, ``limit``, ``mean``, ``high``, ``quiet``, ``ink``. Page and paper
have colours of their own for these."""

Range = tuple[float, float]
Numbers = npt.NDArray[Any]

PALETTES = {"binary": ("binary", "gray"), "diverging": ("RdBu_r", "berlin"), "zscore": ("bwr", "berlin"),
            "grey": ("gray", "gray"), "PuOr": ("PuOr", "PuOr"), "plasma": ("plasma", "plasma"),
            "inferno": ("inferno", "inferno")}  # fmt: skip
"""Colour maps of matplotlib, on light and on dark ground."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Attributes
    ----------
    label : str
        With a capital: ``"Lag"``.
    unit : str
        ``"ms"``; empty for counts.
    limits : (float, float)
        Values at both ends.
    is_session_time : bool
        Whether it is seconds of the recording, whose thousands are separated.
    is_whole : bool
        Whether only whole numbers have ticks.
    """

    label: str
    unit: str = ""
    limits: Range = (0.0, 1.0)
    is_session_time: bool = False
    is_whole: bool = False

    @property
    def title(self) -> str:
        """Label with the unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """A histogram: bars from zero over `edges`, along x, or along y with the values to the right.

    Attributes
    ----------
    edges : ndarray, shape (n + 1,)
    values : ndarray, shape (n,)
    inks : Ink or sequence of Ink, one per bar
    along : {'x', 'y'}
    """

    edges: Numbers
    values: Numbers
    inks: Ink | Sequence[Ink] = "bar"
    along: Literal["x", "y"] = "x"


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines in colours of their own.

    Attributes
    ----------
    x, y : sequence of ndarray, one per line
    inks : sequence of Ink, one per line
    names : sequence of str, one per line
        For legends; empty where there is none.
    width : float
        In CSS pixels.
    """

    x: Sequence[Numbers]
    y: Sequence[Numbers]
    inks: Sequence[Ink]
    names: Sequence[str] = ()
    width: float = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Areas between two lines, in colours of their own: sequences with an item per area."""

    x: Sequence[Numbers]
    low: Sequence[Numbers]
    high: Sequence[Numbers]
    inks: Sequence[Ink]


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Lines through the whole figure: across at values of y, or upright at values of x."""

    values: Sequence[float]
    of: Literal["x", "y"]
    ink: Ink = "quiet"
    is_dashed: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Numbers on a grid, coloured.

    Attributes
    ----------
    values : ndarray, shape (height, width)
        Row 0 is at the low end of y; NaN is drawn in no colour of the palette.
    x, y : (float, float)
        Outer edges.
    palette : str
        A name of `PALETTES`.
    limits : (float, float)
        Values at both ends of the palette.
    label, unit : str
        What the values are.
    """

    values: Numbers
    x: Range
    y: Range
    palette: str
    limits: Range
    label: str
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures in colours, one beside or above the other.

    Attributes
    ----------
    images : sequence of ndarray, shape (height, width), uint32 or uint8
        RGBA as bytes, or opacities of the picture's ink; row 0 is at the low end of y.
    x, y : sequence of (float, float), one per picture
        Outer edges.
    spikes : tuple of (ndarray, ndarray, Ink)
        What the pictures count, x and y of each kind: paper draws marks. Empty where only pictures are drawn.
    inks : sequence of Ink, one per picture
        Of opacities.
    """

    images: Sequence[Numbers]
    x: Sequence[Range]
    y: Sequence[Range]
    spikes: tuple[tuple[Numbers, Numbers, Ink], ...] = ()
    inks: Sequence[Ink] = ()

    def painted(self, colour: Callable[[Ink], str]) -> list[npt.NDArray[np.uint32]]:
        """Return the pictures as RGBA, with their inks in the colours of whoever draws them."""
        if not self.inks:
            return list(self.images)
        made = []
        for opacity, ink in zip(self.images, self.inks, strict=True):
            image = np.empty((*opacity.shape, 4), np.uint8)
            image[..., :3], image[..., 3] = rgb(colour(ink)), opacity
            made.append(image.view(np.uint32)[..., 0])
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words at places, their upper left corner there; turned by 90 degrees they run upwards, to the right of it."""

    x: Sequence[float]
    y: Sequence[float]
    texts: Sequence[str]
    is_turned: Sequence[bool]
    ink: Ink = "quiet"


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Marks at places, each with an interval along x, from the ground up.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
    low, high : ndarray, shape (n,)
        Ends of the intervals; where they are x, there is none.
    inks, edges : sequence of Ink, one per mark
        Inside and outline; an empty edge is none.
    shapes : sequence of {'circle', 'diamond', 'triangle', 'x'}, one per mark
    sizes : ndarray, shape (n,)
        Diameters in CSS pixels.
    ids : ndarray, shape (n,)
        Indexes of the units that they stand for.
    tips : mapping of str to sequence, one item per mark
        What is read under the cursor, by what it is.
    legend : sequence of (str, Ink, str)
        Name, ink and shape of the kinds of marks.
    """

    x: Numbers
    y: Numbers
    low: Numbers
    high: Numbers
    inks: Sequence[Ink]
    edges: Sequence[Ink]
    shapes: Sequence[str]
    sizes: Numbers
    ids: Numbers
    tips: Mapping[str, Sequence[Any]]
    legend: Sequence[tuple[str, Ink, str]] = ()


Mark = Bars | Lines | Bands | Levels | Matrix | Pictures | Points | Words


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """What is drawn.

    Attributes
    ----------
    name : str
        ``"unit-acg"``.
    title : str
        Over it on a sheet and in a notebook; the page has captions of its own.
    x, y : Axis
    marks : tuple of Mark
        From the ground up. Figures of one name have the same kinds of marks in the same order, so that a figure that is
        shown takes the next one without being built again.
    absent : str
        Why there is nothing to draw; empty where there is.
    legend : str
        What the names of lines are names of; empty for no legend.
    """

    name: str
    title: str
    x: Axis = field(default_factory=lambda: Axis(""))
    y: Axis = field(default_factory=lambda: Axis(""))
    marks: tuple[Mark, ...] = ()
    absent: str = ""
    legend: str = ""


def room_above(values: Any, *more: float, share: float = 1.08) -> Range:
    """Return limits from zero to a little above the largest of `values` and `more`; 0 to 1 where all are zero."""
    known = np.asarray(values, dtype=np.float64)
    most = max(float(np.max(known[np.isfinite(known)], initial=0.0)), *more, 0.0)
    return 0.0, share * most or 1.0
