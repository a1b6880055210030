"""Selected units over the raster: from their own spikes, in their own colours, and no larger than where they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dashboard.engine.count.few_units import aggregate_units
from dashboard.model.colours import selection_colours
from dashboard.page.core import shading
from dashboard.page.core.live_image import NOWHERE, Extent
from dashboard.page.core.scene import Scene

SPREAD_PX = 1
"""A spike is drawn so many pixels wider on each side."""


def draw_overlay(
    scene: Scene,
    selected: tuple[int, ...],
    ranks: tuple[int, ...],
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    size: tuple[int, int],
) -> tuple[npt.NDArray[np.uint32], Extent]:
    """Draw units; rows of depth in which none of them is, below and above all of them, are left out.

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
    drawn = aggregate_units(scene.columns, ids, time_range, depth_range, *size, snap=True, kept=scene.kept)
    rows = np.flatnonzero((drawn.values >= 0).any(axis=1))
    if not len(rows):
        return np.zeros((1, 1), np.uint32), NOWHERE
    first, last = max(0, int(rows[0]) - SPREAD_PX), min(len(drawn.values), int(rows[-1]) + 1 + SPREAD_PX)
    lookup = np.full(scene.columns.n_clusters + 1, -1, np.int32)
    lookup[ids] = np.arange(len(ids), dtype=np.int32)
    band = drawn.values[first:last]
    values = np.where(band < 0, -1, lookup[band])
    image = shading.categorical(values, selection_colours(len(ids), ranks))
    times, depths = drawn.time_edges_s, drawn.depth_edges_um
    start, bottom = float(times[0]), float(depths[first])
    extent = (start, bottom, float(times[-1]) - start, float(depths[last]) - bottom)
    return shading.spread_rgba(image, SPREAD_PX), extent
