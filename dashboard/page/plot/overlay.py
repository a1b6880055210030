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
"""Share of the rows that hold units that their spikes fill from which on they are drawn by their density."""

FAINTEST, TOP_PERCENTILE = 70, 95.0
"""Opacity, of 255, of the least count of a dense picture; percentile of the counts that is opaque."""


def draw_overlay(
    scene: Scene,
    selected: tuple[int, ...],
    ranks: tuple[int, ...],
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    size: tuple[int, int],
) -> tuple[npt.NDArray[np.uint32], Extent]:
    """Draw units; rows of depth in which none of them is, below and above all of them, are left out.

    Spikes that stand apart are opaque and a little larger than a pixel; where they fill their rows, as in a view of a
    whole session, opacity is their count: what lies under them shows.

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
    own = (values >= 0).any(axis=1)  # units of a selection may be far from each other
    if (values[own] >= 0).mean() > DENSE_SHARE:
        counted = aggregate(scene.columns, time_range, depth_range, *size, "count", kept=kept, snap=True)
        image = _by_density(image, counted.values[first:last])
    else:
        image = shading.spread_rgba(image, SPREAD_PX)
    times, depths = drawn.time_edges_s, drawn.depth_edges_um
    start, bottom = float(times[0]), float(depths[first])
    extent = (start, bottom, float(times[-1]) - start, float(depths[last]) - bottom)
    return image, extent


def _by_density(image: npt.NDArray[np.uint32], counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return an image whose opacity grows with the counts."""
    top = max(float(np.percentile(counts[counts > 0], TOP_PERCENTILE)), 1.0)
    alpha = np.where(counts > 0, FAINTEST + (255 - FAINTEST) * np.minimum(counts / top, 1.0), 0)
    made = np.ascontiguousarray(image)
    made.view(np.uint8).reshape(*made.shape, 4)[..., 3] = alpha.astype(np.uint8)
    return made
