"""A few units drawn from their own spikes, without reading those of the others."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import I32, I64, U32, Filter, Grid, SpikeArrays
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked, spike_arrays
from dashboard.engine.columns.unit_index import UnitIndex, index_units
from dashboard.engine.compile import kernel
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.kernels import inverse_row_height, settle
from dashboard.engine.count.majority import NO_VOTE
from dashboard.engine.count.raster import lay_pixels
from dashboard.engine.searches import first_at
from dashboard.engine.threads import spread

__all__ = ["UnitIndex", "aggregate_units", "index_units", "unit_rows"]


def unit_rows(columns: SpikeColumns, unit: int) -> npt.NDArray[np.uint32]:
    """Return the rows of a cluster's spikes, in order of time.

    Parameters
    ----------
    columns : SpikeColumns
    unit : int
        Index.

    Returns
    -------
    ndarray, shape (n,), uint32
        Empty for a cluster without spikes, or an id that does not exist.
    """
    return columns.unit_index.rows(int(unit))


@kernel
def _lead(
    spikes: SpikeArrays,
    chosen: Filter,
    grid: Grid,
    order: U32,
    offsets: I64,
    ids: I64,
    counts: U32,
    most: U32,
    image: I32,
    first: int,
    last: int,
) -> int:
    """Write, into columns ``first..last``, the id with most spikes in each pixel.

    Units come in ascending order and take over only when they have more: the lowest wins a tie.
    """
    codes, depths, amps = spikes.codes, spikes.depths, spikes.amps
    bounds, rows, edges, closed = grid.bounds, grid.rows, grid.edges, grid.closed
    height = image.shape[0]
    straddles = height + 1
    inverse_height = inverse_row_height(edges)
    total = 0
    for j in range(ids.shape[0]):
        unit = ids[j]
        start = first_at(order, offsets[unit], offsets[unit + 1], bounds[first])
        stop = first_at(order, start, offsets[unit + 1], bounds[last])
        for is_second in range(2):
            column = first
            for k in range(start, stop):
                i = int(order[k])
                while bounds[column + 1] <= i:
                    column += 1
                if chosen.by_amp and not (amps[i] >= chosen.amp_low and amps[i] < chosen.amp_high):
                    continue
                row = int(rows[codes[i]])
                if row == straddles:
                    row = settle(depths[i], edges, inverse_height, closed)
                if row >= height:
                    continue
                if is_second == 0:
                    counts[row, column] += np.uint32(1)
                    total += 1
                else:
                    n = counts[row, column]
                    if n > most[row, column]:
                        most[row, column] = n
                        image[row, column] = unit
                    counts[row, column] = np.uint32(0)
    return total


def aggregate_units(
    columns: SpikeColumns,
    ids: npt.ArrayLike | None,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    width: int = 1600,
    height: int = 800,
    snap: bool = False,
    *,
    kept: Kept | None = None,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> Aggregate:
    """Return, per pixel, which of a few units has the most spikes there; the lowest id where several tie.

    Parameters
    ----------
    columns : SpikeColumns
    ids : array-like of int, or None
        Indexes of units, or a bool per unit; None: those that are kept.
    kept : Kept or None
        Its limits of amplitudes are used, and its units where there are no `ids`.
    time_range, depth_range, width, height, snap, threads, cancel
        As in `dashboard.engine.count.raster.aggregate`, whose edges these are.

    Returns
    -------
    Aggregate
        ``kind`` is ``"cluster"``, ``values`` int32 indexes of units, -1 where none of them has a spike.

    Raises
    ------
    BadRequest
    Cancelled
    """
    kept = checked(columns, kept)
    if ids is not None:
        kept = kept.only(ids)
    window = lay_pixels(columns, time_range, depth_range, (width, height), snap)
    image = np.full(window.shape, NO_VOTE, dtype=np.int32)
    counts, most = np.zeros(window.shape, dtype=np.uint32), np.zeros(window.shape, dtype=np.uint32)
    index = columns.unit_index
    spikes, chosen, grid, units = spike_arrays(columns), kept.chosen, window.grid, kept.ids

    def draw(first: int, last: int) -> int:
        return _lead(spikes, chosen, grid, index.order, index.offsets, units, counts, most, image, first, last)

    n_spikes = spread(draw, window.bounds, kept.share(columns, window.n_spikes), threads, cancel)
    return Aggregate(image, window.time_edges, window.depth_edges, "cluster", "", n_spikes)
