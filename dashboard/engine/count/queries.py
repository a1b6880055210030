"""Which spikes lie in a box of time and depth, and how many."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import BLOCK, F64, I64, U16, U32, Filter, Grid, SpikeArrays
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked, spike_arrays
from dashboard.engine.columns.spike_subsets import count_kept, find_subset
from dashboard.engine.compile import kernel
from dashboard.engine.count.kernels import new_scratch, place_block
from dashboard.engine.count.lattice import check_window
from dashboard.engine.count.window import Window, lay_window
from dashboard.engine.threads import spread

#: Stretches that the spikes of a box are counted in, for the threads to share.
STRETCHES = 64
#: So many codes are compared while another kernel counts one spike; `spread` reckons in those.
CODES_PER_WORK = 24
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


class CodeSpan(NamedTuple):
    """Depth codes of a box, the outermost included, and whether one of those has depths outside too."""

    lowest: int
    highest: int
    cuts_lowest: bool
    cuts_highest: bool


def code_span(columns: SpikeColumns, low: float, high: float) -> CodeSpan | None:
    """Return the codes that hold the depths from `low` up to, and including, `high`; None where no spike is."""
    lowest, highest = columns.depth_range_um
    if low > highest or high < lowest:
        return None
    grid = columns.grid
    # Scaling by a power of two and the floor are exact; a plain difference would round.
    first, last = max(low, lowest) / grid.step_um, min(high, highest) / grid.step_um
    cuts_lowest = low > lowest and first != math.floor(first)
    origin = int(grid.origin_code)
    return CodeSpan(math.floor(first) - origin, math.floor(last) - origin, cuts_lowest, high < highest)


@kernel
def _count_codes(
    codes: U16,
    depths: F64,
    order: U32,
    start: int,
    stop: int,
    span: tuple[int, int, bool, bool],
    low: float,
    high: float,
) -> int:
    """`_count_box` without a filter: compares codes with the two that bound the box, many at a time."""
    lowest, reach = np.uint16(span[0]), np.uint16(span[1] - span[0])
    highest = np.uint16(span[1])
    low_cut, high_cut = lowest if span[2] else highest, highest if span[3] else lowest
    is_cut = span[2] or span[3]
    total = 0
    for begin in range(start, stop, BLOCK):
        block = codes[begin : min(begin + BLOCK, stop)]
        n, n_cut = np.uint32(0), np.uint32(0)
        for i in range(block.shape[0]):
            n += np.uint32(np.uint16(block[i] - lowest) <= reach)
            n_cut += np.uint32((block[i] == low_cut) | (block[i] == high_cut))
        total += int(n)
        # The outermost codes may be cut by an edge: their spikes are looked at one by one.
        if n_cut > 0 and is_cut:
            for i in range(block.shape[0]):
                if (block[i] == low_cut) | (block[i] == high_cut):
                    depth = depths[int(order[begin + i]) if order.shape[0] > 0 else begin + i]
                    total -= int(not (depth >= low and depth <= high))
    return total


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
    spikes = spike_arrays(columns)
    part = find_subset(columns, kept, stop - start) if kept.everything or stop - start > PART_FROM else None
    if part is not None:
        low, high = float(box.depth_edges[0]), float(box.depth_edges[1])
        span = code_span(columns, low, high)
        if span is None:
            return 0
        codes, depths, order = part.codes, spikes.depths, part.order
        start, stop = (int(bound) for bound in part.bounds(box.bounds))
        bounds = np.linspace(start, stop, STRETCHES + 1).astype(np.int64)

        def count(first: int, last: int) -> int:
            return _count_codes(codes, depths, order, bounds[first], bounds[last], span, low, high)

        return spread(count, bounds, (stop - start) // CODES_PER_WORK)
    if at_any_depth:
        return int(count_kept(spikes, kept.chosen, start, stop))
    bounds = np.linspace(start, stop, STRETCHES + 1).astype(np.int64)
    return spread(
        partial(_count_box, spikes, kept.chosen, box.grid._replace(bounds=bounds)), bounds, (stop - start) // 2
    )


def count_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    kept: Kept | None = None,
) -> int:
    """Return how many spikes lie in a box, all four edges inside.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    kept : Kept or None
        Which spikes; None: all.

    Raises
    ------
    BadRequest
    """
    kept = checked(columns, kept)
    return _count(columns, _box(columns, time_range, depth_range), kept)


def spikes_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    kept: Kept | None = None,
    limit: int | None = None,
) -> npt.NDArray[np.int64] | None:
    """Return the rows of the spikes in a box, all four edges inside, in order of time.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    kept : Kept or None
        Which spikes; None: all.
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
    kept = checked(columns, kept)
    box = _box(columns, time_range, depth_range)
    room = _count(columns, box, kept) if limit is None else max(0, min(int(limit), box.n_spikes))
    found = np.empty(room, dtype=np.int64)
    n = _select(spike_arrays(columns), kept.chosen, box.grid, found)
    return found[:n] if n <= room else None
