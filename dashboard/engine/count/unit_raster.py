"""The raster with a row for each unit: spikes counted by time and by the unit's place in an order."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import BLOCK, F32, I32, I64, U32, Filter
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked, spike_arrays
from dashboard.engine.compile import kernel
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.kernels import write_tile
from dashboard.engine.count.lattice import check_size, check_window, lattice_level, linear_edges, snapped_bins
from dashboard.engine.count.raster import default_window
from dashboard.engine.count.window import time_bounds
from dashboard.engine.threads import TILE, spread
from dashboard.model.errors import BadRequest


def depth_order(depths_um: npt.ArrayLike, mask: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
    """Return ids of units from the tip upwards; those of one depth in order of their ids, those without one last.

    Parameters
    ----------
    depths_um : array-like, shape (n_clusters,), float, in um
        By id; NaN where it is not known.
    mask : ndarray, shape (n_clusters,), bool, or None
        Units to name; None: all.
    """
    depths = np.asarray(depths_um, dtype=np.float64)
    ids = np.arange(len(depths)) if mask is None else np.flatnonzero(mask[: len(depths)])
    return ids[np.argsort(depths[ids], kind="stable")].astype(np.int64)


@kernel
def _count_row_tiles(
    clusters: npt.NDArray[Any], amps: F32, chosen: Filter, rows: I32, bounds: I64, image: U32, first: int, last: int
) -> int:
    """Count spikes into columns ``first..last`` of `image`, 16 at a time; `rows` names the row of each id.

    Ids in no row have the one after the last: they are counted there, out of the picture, which costs less than to ask.
    """
    height = image.shape[0]
    tile = np.empty((TILE, height + 1), dtype=np.uint32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                block = clusters[start : min(start + BLOCK, bounds[left + column + 1])]
                if chosen.by_amp:
                    own = amps[start : start + block.shape[0]]
                    for i in range(block.shape[0]):
                        is_kept = (own[i] >= chosen.amp_low) & (own[i] < chosen.amp_high)
                        counts[rows[block[i]]] += np.uint32(is_kept)
                else:
                    for i in range(block.shape[0]):
                        counts[rows[block[i]]] += np.uint32(1)
            for row in range(height):
                total += int(counts[row])
        write_tile(tile, image, left, columns)
    return total


def unit_raster(
    columns: SpikeColumns,
    order: npt.ArrayLike,
    time_range: tuple[float, float] | None = None,
    width: int = 1600,
    *,
    kept: Kept | None = None,
    snap: bool = False,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> Aggregate:
    """Return the spikes of each unit in each pixel of time, whatever their depth.

    Parameters
    ----------
    columns : SpikeColumns
    order : array-like of int, shape (n_units,)
        Cluster ids, row 0 first; none twice.
    kept : Kept or None
        Its limits of amplitudes are used: the units are those of `order`.
    time_range, width, snap, threads, cancel
        As in `dashboard.engine.count.raster.aggregate`, whose edges in time these are.

    Returns
    -------
    Aggregate
        ``values``, uint32, shape (n_units, width): row k counts unit ``order[k]``. ``depth_edges_um`` holds rows, 0 to
        n_units. Without units there is one row, with nothing in it.

    Raises
    ------
    BadRequest
        An id that does not exist or stands twice, a window that is none, or limits of amplitudes that are not there.
    Cancelled
    """
    ids = np.asarray(order, dtype=np.int64)
    chosen = checked(columns, kept).only(ids).chosen
    if len(np.unique(ids)) != len(ids):
        raise BadRequest("A unit stands in two rows", "order", "Name each once")
    height = max(1, len(ids))
    check_size(width, height)
    times = default_window(columns.time_range_s) if time_range is None else check_window(time_range, "time_range")
    if snap:
        level = lattice_level(times[1] - times[0], width)
        # No more pixels than were asked for: between half as many and all.
        edges = snapped_bins(times, level + int((times[1] - times[0]) > width * 2.0**level)).edges
    else:
        edges = linear_edges(times, width)
    rows = np.full(columns.n_clusters, height, dtype=np.int32)
    rows[ids] = np.arange(len(ids), dtype=np.int32)
    bounds = time_bounds(columns, edges)
    image = np.empty((height, len(edges) - 1), dtype=np.uint32)
    spikes = spike_arrays(columns)

    def draw(first: int, last: int) -> int:
        return _count_row_tiles(spikes.clusters, spikes.amps, chosen, rows, bounds, image, first, last)

    work = int(bounds[-1] - bounds[0]) + image.size // 4
    n_spikes = spread(draw, bounds, work, threads, cancel)
    return Aggregate(image, edges, np.arange(height + 1, dtype=np.float64), "count", "spikes", n_spikes)


def together(counted: Aggregate, n_together: int, first: int) -> Aggregate:
    """Return counts of so many rows together, with edges in rows of the whole order."""
    values = counted.values
    edges = first + np.arange(0, len(values) + 1, dtype=np.float64)
    if n_together > 1:
        values = np.add.reduceat(values, np.arange(0, len(values), n_together), axis=0)
        edges = first + np.arange(len(values) + 1, dtype=np.float64) * n_together
    return replace(counted, values=values, depth_edges_um=edges)


def leaders(counts: npt.NDArray[np.uint32], n_together: int) -> npt.NDArray[np.int64]:
    """Return, per row of the picture and pixel, the unit with most spikes as a place among the rows; -1 for none."""
    n, width = counts.shape
    if n_together == 1:
        return np.where(counts > 0, np.arange(n)[:, None], -1)
    padded = np.zeros((-(-n // n_together) * n_together, width), counts.dtype)
    padded[:n] = counts
    groups = padded.reshape(-1, n_together, width)
    place = groups.argmax(axis=1) + np.arange(len(groups))[:, None] * n_together
    return np.where(groups.max(axis=1) > 0, place, -1)
