"""From an aggregate to the 8-bit levels that the browser colours.

Level 0 is empty and stays transparent; levels 1 to 255 run from the lower to the upper limit.
Datashader makes the equalised levels and spreads sparse points (`datashader.transfer_functions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import datashader.transfer_functions as tf
import numpy as np
import numpy.typing as npt
from bokeh.palettes import Cividis256, Greys256, Magma256, Viridis256
from matplotlib import colormaps
from matplotlib.colors import to_hex

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import STANDARD_DEVIATIONS, level_image, spread_levels, unit_levels, value_limits
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.texts import duration_text

EQUALISED_BINS = 4096
"""Distinct values that an equalised scale tells apart; more are gathered into so many bins."""

SPREAD_BELOW = 0.02
"""Share of pixels with spikes under which single pixels are too faint to see and are spread."""


@cache
def palette(name: str, *, dark: bool, is_aside: bool = False) -> tuple[str, ...]:
    """Return 256 colours from low to high; ``binary`` runs towards the ink of the theme.

    What stands aside is grey, whatever the palette: it leaves room for the colours of the selected units.
    """
    if is_aside:
        return tuple(f"#{grey:02x}{grey:02x}{grey:02x}" for grey in np.linspace(*ASIDE[dark], 256).round().astype(int))
    match name:
        case "binary":
            greys = tuple(Greys256)
            return greys if dark else greys[::-1]
        case "viridis":
            return tuple(Viridis256)
        case "magma":
            return tuple(Magma256)
        case "cividis":
            return tuple(Cividis256)
        case _:
            return tuple(to_hex(c) for c in colormaps[name](np.linspace(0, 1, 256)))


def bin_area(aggregate: Aggregate) -> float:
    """Return the area of one pixel in s x um."""
    times, depths = aggregate.time_edges_s, aggregate.depth_edges_um
    return float((times[-1] - times[0]) / (len(times) - 1) * (depths[-1] - depths[0]) / (len(depths) - 1))


def default_limits(aggregate: Aggregate) -> tuple[float, float]:
    """Return the limits of a picture: 4 standard deviations for counts and rates, the range otherwise.

    Counts give a density, in spikes per s and um, so that the picture keeps its contrast when
    zooming changes the bins.
    """
    values = aggregate.values
    if grows_with := AGGREGATES[aggregate.kind].grows_with:
        counts = values if grows_with == "area" else values * np.diff(aggregate.time_edges_s)[None, :]
        top = STANDARD_DEVIATIONS * float(np.std(counts, dtype=np.float64)) / bin_area(aggregate)
        return 0.0, top if top > 0 else 1.0 / bin_area(aggregate)
    return value_limits(aggregate)


ASIDE = {False: (0xEC, 0x76), True: (0x26, 0xA0)}
"""Greys from few spikes to many, by whether the theme is dark, under selected units in their colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A picture ready for the browser.

    Attributes
    ----------
    image : ndarray, shape (height, width), uint8
        0 where nothing is.
    low, high : float
        Values of level 1 and level 255, in the aggregate's own unit.
    scale : str
        ``linear``, ``log`` or ``eq``.
    """

    image: npt.NDArray[np.uint8]
    low: float
    high: float
    scale: str


def shade(aggregate: Aggregate, limits: tuple[float, float], scale: str, *, spread: int = 0) -> Levels:
    """Return the levels of a scalar aggregate.

    Parameters
    ----------
    aggregate : Aggregate
        Of a kind without categories.
    limits : (float, float)
        As `default_limits` gives them: a density for counts, else the aggregate's unit.
    scale : {'linear', 'log', 'eq'}
    spread : int
        Pixels by which marks grow on every side; their values are kept (maximum).
    """
    values, entry = aggregate.values, AGGREGATES[aggregate.kind]
    low, high = limits
    if entry.grows_with == "area":
        # One spike is never fainter than the scale can show: below a limit of one spike per
        # pixel, a pixel with a spike is full.
        low, high = low * bin_area(aggregate), max(high * bin_area(aggregate), 1.0)
    elif entry.grows_with == "height":
        height_um = (aggregate.depth_edges_um[-1] - aggregate.depth_edges_um[0]) / values.shape[0]
        width_s = (aggregate.time_edges_s[-1] - aggregate.time_edges_s[0]) / values.shape[1]
        low, high = low * height_um, max(high * height_um, 1.0 / width_s)
    if scale == "eq":
        image, (low, high) = _equalised(values, zero_is_empty=entry.zero_is_empty)
    else:
        image = level_image(values, (low, high), scale, zero_is_empty=entry.zero_is_empty)
    if spread:
        image = spread_levels(image, spread)
    return Levels(image, low, high, scale)


def _equalised(values: npt.NDArray[Any], *, zero_is_empty: bool) -> tuple[npt.NDArray[np.uint8], tuple[float, float]]:
    """Return the levels that spread the values evenly over the palette, and the range of the values."""
    is_empty = ~(values > 0) if zero_is_empty else np.isnan(values)
    present = values[~is_empty]
    image = np.zeros(values.shape, np.uint8)
    if present.size == 0:
        return image, (0.0, 1.0)
    low, high = float(present.min()), float(present.max())
    # Whole numbers are told apart one by one only if signed: Datashader subtracts them.
    exact = present.astype(np.int64) if present.dtype.kind == "u" else present.astype(np.float64)
    share, _ = tf.eq_hist(exact, nbins=EQUALISED_BINS)
    first = float(share.min())
    image[~is_empty] = unit_levels((share - first) / max(1.0 - first, 1e-12))
    return image, (low, high)


def needs_spread(aggregate: Aggregate) -> int:
    """Return by how many pixels the marks of a sparse aggregate should grow."""
    occupied = aggregate.n_spikes / max(aggregate.values.size, 1)
    if occupied < SPREAD_BELOW / 8:
        return 2
    return 1 if occupied < SPREAD_BELOW else 0


def categorical(values: npt.NDArray[np.int32], colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Return the RGBA image of category indices.

    Parameters
    ----------
    values : ndarray, shape (height, width), int32
        Index into `colours`; -1 is transparent.
    colours : ndarray, shape (n_categories, 3), uint8

    Returns
    -------
    ndarray, shape (height, width), uint32
        As Bokeh's ``image_rgba`` takes it.
    """
    table = np.zeros((len(colours) + 1, 4), np.uint8)
    table[1:, :3] = colours
    table[1:, 3] = 255
    packed = table.view(np.uint32).ravel()
    return np.asarray(packed[values + 1])


def bin_text(aggregate: Aggregate) -> str:
    """Return the bin of an aggregate for a title: ``1.9 s x 5 um``."""
    times, depths = aggregate.time_edges_s, aggregate.depth_edges_um
    width = (times[-1] - times[0]) / (len(times) - 1)
    height = (depths[-1] - depths[0]) / (len(depths) - 1)
    return f"{duration_text(width)} × {height:.3g} µm"


def diverging(*, dark: bool) -> tuple[str, ...]:
    """Return 256 colours from below zero (blue) to above (red); zero is the ground of the theme."""
    return tuple(to_hex(c) for c in colormaps["berlin" if dark else "RdBu_r"](np.linspace(0, 1, 256)))


def spread_rgba(image: npt.NDArray[np.uint32], pixels: int) -> npt.NDArray[np.uint32]:
    """Let every coloured pixel grow by some pixels on each side, so that single spikes show."""
    return np.asarray(tf.spread(tf.Image(image, dims=("y", "x")), px=pixels, how="over").data, dtype=np.uint32)


def warm_up() -> None:
    """Compile what Datashader compiles at first use, before anyone waits for it."""
    spread_rgba(np.eye(8, dtype=np.uint32), 1)
