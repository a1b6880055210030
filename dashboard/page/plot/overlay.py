"""Selected units over the raster: from their own spikes, in their own colours, and no larger than where they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.engine.count.few_units import aggregate_units
from dashboard.engine.count.raster import aggregate
from dashboard.model.colours import selection_colours
from dashboard.page.core import shading
from dashboard.page.core.live_image import NOWHERE, Extent
from dashboard.page.core.scene import Scene

SPREAD_PX = 1
"""A spike is drawn so many pixels wider on each side, where spikes stand apart."""

DENSE_SHARE = 0.1
"""Share of a unit's own rows that its spikes fill, from which on it is drawn by its density."""

FAINTEST, TOP_PERCENTILE = 120, 90.0
"""Opacity, of 255, of the least count of a dense picture; percentile of a unit's counts that is opaque."""


def draw_overlay(
    scene: Scene,
    selected: tuple[int, ...],
    ranks: tuple[int, ...],
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    size: tuple[int, int],
) -> tuple[npt.NDArray[np.uint32], Extent]:
    """Draw units; rows of depth in which none of them is, below and above all of them, are left out.

    Spikes that stand apart are opaque and a little larger than a pixel; where those of a unit fill its rows, as in a
    view of a whole session, opacity is their count: what lies under them shows.

    Parameters
    ----------
    scene : Scene
    selected : tuple of int
        Indexes of units.
    ranks : tuple of int
        Place of each among the selection's colours; empty: in their order.
    time_range, depth_range : tuple of float
        In s and um.
    size : tuple of int
        Width and height of the whole picture, in pixels.

    Returns
    -------
    ndarray, shape (height, width), uint32
        Colours, with the lowest depth first; a single clear pixel where no spike is in view.
    tuple of float
        Where it lies.
    """
    ids = np.asarray(selected, dtype=np.int64)
    kept = scene.kept.only(ids)
    drawn = aggregate_units(scene.columns, None, time_range, depth_range, *size, snap=True, kept=kept)
    rows = np.flatnonzero((drawn.values >= 0).any(axis=1))
    if not len(rows):
        return np.zeros((1, 1), np.uint32), NOWHERE
    first, last = max(0, int(rows[0]) - SPREAD_PX), min(len(drawn.values), int(rows[-1]) + 1 + SPREAD_PX)
    lookup = np.full(scene.columns.n_clusters + 1, -1, np.int32)
    lookup[ids] = np.arange(len(ids), dtype=np.int32)
    band = drawn.values[first:last]
    values = np.where(band < 0, -1, lookup[band])
    image = shading.categorical(values, selection_colours(len(ids), ranks))
    dense = _dense_units(values, len(ids))
    is_dense = np.append(dense, False)[values]  # -1: none
    apart = shading.spread_rgba(np.where(is_dense, np.uint32(0), image), SPREAD_PX)
    if dense.any():
        counted = aggregate(scene.columns, time_range, depth_range, *size, "count", kept=kept, snap=True)
        where = np.nonzero(is_dense & (apart == 0))
        opacity = _opacity(values[where], counted.values[first:last][where])
        apart[where] = image[where] & np.uint32(0xFFFFFF) | opacity.astype(np.uint32) << np.uint32(24)
    times, depths = drawn.time_edges_s, drawn.depth_edges_um
    start, bottom = float(times[0]), float(depths[first])
    extent = (start, bottom, float(times[-1]) - start, float(depths[last]) - bottom)
    return apart, extent


def _dense_units(values: npt.NDArray[np.int32], n_units: int) -> npt.NDArray[np.bool_]:
    """Return for each unit whether it fills its rows; `values` are places of units, -1 where there is none."""
    rows, columns = np.nonzero(values >= 0)
    height, width = values.shape
    filled = np.bincount(values[rows, columns] * height + rows, minlength=n_units * height).reshape(n_units, height)
    share = filled.sum(axis=1) / np.maximum((filled > 0).sum(axis=1) * width, 1)
    return np.asarray(share > DENSE_SHARE)


def _opacity(units: npt.NDArray[np.int32], counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Return an opacity for each pixel that grows with its count, for each unit by its own counts."""
    opacity = np.zeros(len(units), np.uint8)
    for unit in np.unique(units):
        own = units == unit
        top = max(float(np.percentile(counts[own], TOP_PERCENTILE)), 1.0)
        opacity[own] = FAINTEST + (255 - FAINTEST) * np.minimum(counts[own] / top, 1.0)
    return opacity
