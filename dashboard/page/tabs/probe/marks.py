"""Units as marks of the Probe tab: which are drawn, in which size and colour, and which one a point means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.palettes import Viridis256

from dashboard.analysis.computed import value_of
from dashboard.model.colours import hex_colour, selection_colours
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.probe.picture import Units

LABEL, RATE, DURATION = "good / other", "firing rate", "peak-to-trough"
COLOURS = (LABEL, RATE, DURATION)
"""What the colour of a mark can mean, in the words of the page."""

GOOD, OTHER = "#0072B2", "#D55E00"
"""Okabe-Ito, those of the raster's labels."""

UNLABELLED = "#5c6bc0"
"""Of units without an IBL label."""

UNKNOWN = "#808080"
"""Of units without the value that colours stand for."""


CLEAR = "#00000000"
MIN_PX, MAX_PX = 4.0, 13.0
"""Diameters of the marks of silent units, and of those that fire at `FAST_PCT` or faster."""

FAST_PCT = 99.0
ASIDE_ALPHA = 0.3
"""Of the marks that are not selected, while some are."""

DURATION_MS = 1.0
"""Times from trough to peak have their colours from zero to here: narrow and broad spikes are to be told apart."""

PEAK_FIRST = "#CC79A7"
"""Of units whose peak comes before the trough; Okabe-Ito."""

CUT = 26
"""Steps of the palette that are too near to the ground of the theme and are left out."""

REACH_PX = 14.0
"""A point means the nearest unit no further away than this."""

SAME_PX = 1.0
"""Units so near to each other cannot be told apart by pointing; clicks pick them in turn."""

NAMES = ("id", "lateral", "depth", "amplitude", "size", "fill", "line", "width", "alpha")


@dataclass(frozen=True, slots=True)
class MarkStyle:
    """How marks are to be drawn."""

    colour: str
    selected: tuple[int, ...]
    dark: bool


def palette(*, dark: bool) -> tuple[str, ...]:
    """Return the colours of values from low to high; none is near the ground of the theme."""
    whole = tuple(Viridis256)
    return whole[CUT:] if dark else whole[:-CUT]


def rate_limits(units: Units) -> tuple[float, float]:
    """Return the rates at the ends of the colours, in Hz."""
    rates = units.rate_hz[np.isfinite(units.rate_hz) & (units.rate_hz > 0)]
    if not len(rates):
        return 0.1, 1.0
    low, high = (float(limit) for limit in np.percentile(rates, [1, 99]))
    return (low, high) if high > low else (low / 2, 2 * low)


def is_drawn(scene: Scene, units: Units, selected: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return which units are drawn: those that pass the filters, and those that are selected."""
    passes = np.ones(len(units), np.bool_) if scene.mask is None else scene.mask[units.ids].copy()
    return passes | np.isin(units.ids, selected)


def marks(scene: Scene, units: Units, look: MarkStyle) -> dict[str, npt.NDArray[Any] | list[str]]:
    """Return the columns of the marks, those on top last: small ones over large ones, selected ones over all.

    Good units are filled and others hollow; selected units have the colour that they have in the raster. What the
    axis of one figure stands for is NaN where it could not be computed: that figure says so.
    """
    is_good = units.labels == 1
    colours = _colours(units, look)
    place = {unit: k for k, unit in enumerate(look.selected)}
    own = [hex_colour(colour) for colour in selection_colours(len(look.selected))]
    is_selected = np.isin(units.ids, look.selected)
    for row in np.flatnonzero(is_selected):
        colours[row] = own[place[int(units.ids[row])]]
    sizes = _sizes(units.rate_hz)
    rows = np.flatnonzero(is_drawn(scene, units, look.selected))
    rows = rows[np.lexsort((-sizes[rows], is_selected[rows]))]
    return {
        "id": units.ids[rows],
        **{name: values[rows] for name, values in places(units).items()},
        "size": (sizes + 5.0 * is_selected)[rows],
        "fill": [colours[row] if is_good[row] else CLEAR for row in rows],
        "line": [colours[row] for row in rows],
        "width": np.where(is_selected, 3.0, 1.3)[rows],
        "alpha": np.where(is_selected | (not look.selected), 1.0, ASIDE_ALPHA)[rows],
    }


def places(units: Units) -> dict[str, npt.NDArray[np.float64]]:
    """Return where each unit stands in the two figures, shape (n_units,); NaN for what could not be computed."""
    layout, amplitudes = value_of(units, "layout"), value_of(units, "amplitudes")
    none = np.full(len(units), np.nan)
    return {
        "lateral": none if layout is None else layout.drawn_um,
        "amplitude": none if amplitudes is None else amplitudes.values,
        "depth": units.depth_um,
    }


def _sizes(rate_hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return diameters in px; their areas grow with the rate."""
    rates = np.nan_to_num(rate_hz)
    fast = float(np.percentile(rates, FAST_PCT)) if len(rates) else 0.0
    share = np.clip(rates / fast, 0, 1) if fast > 0 else np.zeros_like(rates)
    sizes: npt.NDArray[np.float64] = MIN_PX + (MAX_PX - MIN_PX) * np.sqrt(share)
    return sizes


def _colours(units: Units, look: MarkStyle) -> list[str]:
    if look.colour == RATE:
        low, high = np.log(rate_limits(units))
        rates = np.log(np.where(units.rate_hz > 0, units.rate_hz, np.exp(low)))
        return _look_up((rates - low) / (high - low), palette(dark=look.dark))
    if look.colour == DURATION and (times := units.peak_to_trough[0]) is not None:
        found = _look_up(times / DURATION_MS, palette(dark=look.dark))
        return [PEAK_FIRST if time < 0 else colour for time, colour in zip(times, found, strict=True)]
    return [GOOD if label == 1 else OTHER if np.isfinite(label) else UNLABELLED for label in units.labels]


def _look_up(share: npt.NDArray[np.float64], colours: tuple[str, ...]) -> list[str]:
    """Return the colours at shares of a palette; grey for what is not known."""
    last = len(colours) - 1
    return [UNKNOWN if np.isnan(s) else colours[round(float(np.clip(s, 0, 1)) * last)] for s in share]


def units_at(
    ids: npt.NDArray[np.integer],
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
    at: tuple[float, float],
    units_per_px: tuple[float, float],
) -> list[int]:
    """Return the units that a point means: the nearest, and those that lie where it lies; none beyond `REACH_PX`.

    Parameters
    ----------
    ids : ndarray, shape (n,)
    x, y : ndarray, shape (n,)
        NaN where a unit is not drawn.
    at : (float, float)
    units_per_px : (float, float)
        Of the axes.

    Returns
    -------
    list of int
        The nearest and the lowest id first.
    """
    away = np.hypot((x - at[0]) / units_per_px[0], (y - at[1]) / units_per_px[1])
    away = np.where(np.isfinite(away), away, np.inf)
    if not len(away) or away.min() > REACH_PX:
        return []
    nearest = int(away.argmin())
    apart = np.hypot((x - x[nearest]) / units_per_px[0], (y - y[nearest]) / units_per_px[1])
    return sorted(int(unit) for unit in np.asarray(ids)[apart <= SAME_PX])


def in_turn(units: list[int], selected: tuple[int, ...]) -> list[int]:
    """Return which of the units at a place a click picks: the one after the one that is selected alone."""
    if len(selected) == 1 and selected[0] in units:
        return [units[(units.index(selected[0]) + 1) % len(units)]]
    return units[:1]
