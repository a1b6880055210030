"""Which spikes lie in a box of time and depth, and how many."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from dashboard.compute.kernels import BLOCK, F64, I64, U16, U32, Filter, Grid, SpikeArrays, new_scratch, place_block
from dashboard.compute.lattice import check_window
from dashboard.compute.numba_cache import kernel
from dashboard.compute.parts import count_kept, find_part
from dashboard.compute.pool import spread
from dashboard.compute.selections import Kept, kept_spikes, spike_arrays
from dashboard.compute.spike_columns import SpikeColumns
from dashboard.compute.windows import Window, lay_window

#: Stretches that the spikes of a box are counted in, for the threads to share.
STRETCHES = 64
#: Spikes from which a filter that is used again is worth setting its spikes apart.
PART_FROM = 200_000


@kernel
def _select(spikes: SpikeArrays, chosen: Filter, grid: Grid, found: I64) -> int:
    """Write the rows inside into `found` until that is full; return how many there were by then."""
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    room = found.shape[0]
    n = 0
    for start in range(grid.bounds[0], grid.bounds[1], BLOCK):
        stop = min(start + BLOCK, grid.bounds[1])
        for j in range(place_block(spikes, chosen, grid, 0.0, start, stop, scratch)):
            if placed[j] == 0:
                if n == room:
                    return n + 1
                found[n] = start + which[j]
                n += 1
    return n


@kernel
def _count_box(spikes: SpikeArrays, chosen: Filter, grid: Grid, first: int, last: int) -> int:
    scratch = new_scratch()
    placed = scratch.placed
    n = 0
    for start in range(grid.bounds[first], grid.bounds[last], BLOCK):
        stop = min(start + BLOCK, grid.bounds[last])
        for j in range(place_block(spikes, chosen, grid, 0.0, start, stop, scratch)):
            n += int(placed[j] == 0)
    return n


@kernel
def _count_codes(codes: U16, depths: F64, order: U32, grid: Grid, first: int, last: int) -> int:
    """`_count_box` without a filter: compares codes with the two that bound the box, many at a time."""
    bounds, rows, edges = grid.bounds, grid.rows, grid.edges
    low = 0
    while low < rows.shape[0] and rows[low] == 1:
        low += 1
    high = rows.shape[0] - 1
    while high >= low and rows[high] == 1:
        high -= 1
    if low > high:
        return 0
    start, stop = bounds[first], bounds[last]
    lowest, span = np.uint16(low), np.uint16(high - low)
    n = 0
    for i in range(start, stop):
        n += int(np.uint16(codes[i] - lowest) <= span)
    # The outermost codes may be cut by an edge: their spikes are looked at one by one.
    for end in range(2):
        code = np.uint16(low if end == 0 else high)
        if rows[code] == 2 and (end == 0 or high > low):
            for i in range(start, stop):
                if codes[i] == code:
                    depth = depths[int(order[i]) if order.shape[0] > 0 else i]
                    n -= int(not (depth >= edges[0] and depth <= edges[1]))
    return n


def _box(columns: SpikeColumns, time_range: tuple[float, float], depth_range: tuple[float, float]) -> Window:
    """Return a window of one pixel: row 0 is inside, 1 outside, 2 to be settled."""
    times, depths = check_window(time_range, "time_range"), check_window(depth_range, "depth_range")
    return lay_window(columns, np.array(times), np.array(depths))


def _count(columns: SpikeColumns, box: Window, kept: Kept) -> int:
    start, stop = (int(bound) for bound in box.bounds)
    bounds = np.linspace(start, stop, STRETCHES + 1).astype(np.int64)
    lowest, highest = columns.depth_range_um
    at_any_depth = box.depth_edges[0] <= lowest and highest <= box.depth_edges[1]
    if at_any_depth and kept.everything:
        return stop - start
    if at_any_depth and not kept.by_amp and stop - start > PART_FROM:
        index = columns.unit_index
        parts = [index.rows(int(cluster)) for cluster in kept.ids]
        return int(sum(np.subtract(*np.searchsorted(rows, (stop, start))) for rows in parts))
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, box.grid._replace(bounds=bounds)
    part = find_part(columns, kept, stop - start) if kept.everything or stop - start > PART_FROM else None
    if part is not None:
        grid = grid._replace(bounds=part.bounds(bounds))
        draw = partial(_count_codes, part.codes, spikes.depths, part.order, grid)
    elif at_any_depth:
        return int(count_kept(spikes, chosen, start, stop))
    else:
        draw = partial(_count_box, spikes, chosen, grid)
    return spread(draw, grid.bounds, (stop - start) // 2)


def count_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
) -> int:
    """Return how many spikes lie in a box, all four edges inside.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.

    Raises
    ------
    BadRequest
    """
    kept = kept_spikes(columns, clusters, amp_range_uv)
    return _count(columns, _box(columns, time_range, depth_range), kept)


def spikes_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
    limit: int | None = None,
) -> npt.NDArray[np.int64] | None:
    """Return the rows of the spikes in a box, all four edges inside, in order of time.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.
    limit : int or None
        The most that are wanted.

    Returns
    -------
    ndarray, shape (n,), int64, or None
        Rows of the columns (not of the file: see `SpikeColumns.spike_rows`); None where there are
        more than `limit`.

    Raises
    ------
    BadRequest
    """
    kept = kept_spikes(columns, clusters, amp_range_uv)
    box = _box(columns, time_range, depth_range)
    room = _count(columns, box, kept) if limit is None else max(0, min(int(limit), box.n_spikes))
    found = np.empty(room, dtype=np.int64)
    n = _select(spike_arrays(columns), kept.chosen, box.grid, found)
    return found[:n] if n <= room else None
