"""Counting kernels. They check nothing: `rasters` has validated every edge, id and length before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import BLOCK, F64, I64, NO_ORDER, U8, U16, U32, Filter, Grid, SpikeArrays
from dashboard.engine.columns.depths import FINES
from dashboard.engine.compile import inlined, kernel
from dashboard.engine.searches import first_at
from dashboard.engine.threads import TILE

#: Spikes counted between looks at those that wait to be settled.
SHORT_BLOCK = 1024
#: Columns that `count_units` fills together.
BAND = 64


@inlined
def inverse_row_height(edges: F64) -> float:
    """Return rows per um, or 0 where that overflows: `settle` then walks from the lowest row."""
    height = edges.shape[0] - 1
    inverse = float(height / (edges[height] - edges[0]))
    return inverse if np.isfinite(inverse) else 0.0


@inlined
def settle(depth: np.float64, edges: F64, inverse_height: float, closed: bool) -> int:
    """Return the row of a depth by its float value, ``height`` where it is outside."""
    height = int(edges.shape[0]) - 1
    if depth < edges[0] or depth > edges[height]:
        return height
    if depth == edges[height]:
        return height - 1 if closed else height
    row = min(max(int((depth - edges[0]) * inverse_height), 0), height - 1)
    while edges[row] > depth:
        row -= 1
    while edges[row + 1] <= depth:
        row += 1
    return row


class Scratch(NamedTuple):
    """What one thread needs to place a block of spikes; see `place_block`."""

    placed: U16
    which: U16
    waiting: U16
    mask: U8


@inlined
def new_scratch() -> Scratch:
    """Return scratch for `place_block`. Without a filter `which` stays as it is here."""
    return Scratch(
        np.empty(BLOCK, dtype=np.uint16),
        np.arange(BLOCK).astype(np.uint16),
        np.empty(BLOCK, dtype=np.uint16),
        np.empty(BLOCK, dtype=np.uint8),
    )


@kernel
def settle_waiting(
    codes: U16,
    fines: U16,
    depths: F64,
    order: U32,
    start: int,
    grid: Grid,
    inverse_height: float,
    scratch: Scratch,
    n_waiting: int,
) -> None:
    """Write the rows of the first `n_waiting` spikes in ``scratch.waiting``, whose codes an edge runs through.

    A code with its 65,536ths bounds a depth closely: nearly always no edge lies between, and the
    float depth, in a file four times as large, need not be fetched. All of a block are settled in
    one call, so that their fetches overlap.
    """
    placed, which, waiting, _ = scratch
    edges, closed, origin_code, step = grid.edges, grid.closed, grid.origin_code, grid.step_um
    height = int(edges.shape[0]) - 1
    lowest, highest = edges[0], edges[height]
    is_part = order.shape[0] > 0
    for k in range(n_waiting):
        i = start + int(which[waiting[k]])
        code = codes[i]
        if is_part:
            i = int(order[np.uint64(i)])
        at_least = (origin_code + code + fines[i] / FINES) * step
        below = at_least + step / FINES
        if below <= lowest or at_least > highest:
            placed[waiting[k]] = height
            continue
        if lowest <= at_least < highest:
            row = min(int((at_least - lowest) * inverse_height), height - 1)
            while edges[np.uint64(row)] > at_least:
                row -= 1
            while edges[np.uint64(row + 1)] <= at_least:
                row += 1
            if below <= edges[np.uint64(row + 1)]:
                placed[waiting[k]] = row
                continue
        placed[waiting[k]] = settle(depths[i], edges, inverse_height, closed)


@inlined
def settle_block(
    spikes: SpikeArrays, grid: Grid, inverse_height: float, start: int, scratch: Scratch, n_waiting: int
) -> None:
    """`settle_waiting` of spikes among all there are, where any wait."""
    if n_waiting > 0:
        settle_waiting(
            spikes.codes, spikes.fines, spikes.depths, NO_ORDER, start, grid, inverse_height, scratch, n_waiting
        )


@kernel
def place_block(
    spikes: SpikeArrays, chosen: Filter, grid: Grid, inverse_height: float, start: int, stop: int, scratch: Scratch
) -> int:
    """Find the spikes among ``start..stop`` that a filter keeps, and their rows; return their number.

    The j-th of them is spike ``start + which[j]``, in row ``placed[j]``; that is ``height`` where it
    is outside. The loops take slices, which spares them the check for negative places, and have no
    branch that the data decide but the rare one for codes that an edge runs through: those wait, so
    that their depths are fetched from memory side by side.
    """
    placed, which, waiting, mask = scratch
    rows = grid.rows
    straddles = np.uint16(grid.edges.shape[0])
    codes = spikes.codes[start:stop]
    clusters = spikes.clusters[start:stop]
    keep = chosen.keep
    n = int(codes.shape[0])
    n_waiting = 0
    if chosen.by_amp:
        amps = spikes.amps[start:stop]
        low, high = chosen.amp_low, chosen.amp_high
        for i in range(codes.shape[0]):
            mask[i] = np.uint8((amps[i] >= low) & (amps[i] < high))
        n = 0
        for i in range(codes.shape[0]):
            which[n] = i
            n += int(keep[clusters[i]] & mask[i])
    elif chosen.by_cluster:
        n = 0
        for i in range(codes.shape[0]):
            which[n] = i
            n += int(keep[clusters[i]])
    else:
        for i in range(codes.shape[0]):
            row = rows[codes[i]]
            placed[i] = row
            if row == straddles:
                waiting[n_waiting] = i
                n_waiting += 1
    if chosen.by_amp or chosen.by_cluster:
        for j in range(n):
            row = rows[codes[which[j]]]
            placed[j] = row
            if row == straddles:
                waiting[n_waiting] = j
                n_waiting += 1
    settle_block(spikes, grid, inverse_height, start, scratch, n_waiting)
    return n


@kernel
def count_tiles(codes: U16, fines: U16, depths: F64, order: U32, grid: Grid, image: U32, first: int, last: int) -> int:
    """Count all spikes into columns ``first..last`` of `image`, 16 columns at a time; return their number.

    The counts of a column stay in the processor's nearest cache; 16 of them leave together, as one
    line of memory per row. `codes` may be those of some spikes: `order` then holds their rows in
    `fines` and `depths`, and the bounds of `grid` are places in `codes`. Otherwise `order` is empty.
    """
    bounds, rows, edges = grid.bounds, grid.rows, grid.edges
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    scratch = new_scratch()
    placed, waiting = scratch.placed, scratch.waiting
    tile = np.empty((TILE, height + 2), dtype=np.uint32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], SHORT_BLOCK):
                block = codes[start : min(start + SHORT_BLOCK, bounds[left + column + 1])]
                n_waiting = 0
                for i in range(block.shape[0]):
                    row = rows[block[i]]
                    counts[row] += np.uint32(1)
                    if row == straddles:
                        waiting[n_waiting] = i
                        n_waiting += 1
                if n_waiting > 0:
                    settle_waiting(codes, fines, depths, order, start, grid, inverse_height, scratch, n_waiting)
                    for k in range(n_waiting):
                        counts[placed[waiting[k]]] += np.uint32(1)
        write_tile(tile, image, left, columns)
        total += sum_counts(tile, columns, height)
    return total


@kernel
def write_tile(tile: npt.NDArray[Any], image: npt.NDArray[Any], left: int, columns: int) -> None:
    """Turn the first `columns` rows of `tile` into columns of `image` from `left` on."""
    for row in range(image.shape[0]):
        pixels = image[row, left : left + columns]
        for column in range(pixels.shape[0]):
            pixels[column] = tile[column, row]


@kernel
def sum_counts(tile: U32, columns: int, height: int) -> int:
    """Return the sum of the first `height` counts of the first `columns` rows of `tile`."""
    total = 0
    for column in range(columns):
        counts = tile[column, :height]
        for row in range(counts.shape[0]):
            total += int(counts[row])
    return total


@kernel
def count_kept_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: U32, first: int, last: int) -> int:
    """`count_tiles` of the spikes that a filter keeps."""
    bounds = grid.bounds
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed = scratch.placed
    tile = np.empty((TILE, height + 1), dtype=np.uint32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                stop = min(start + BLOCK, bounds[left + column + 1])
                for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                    counts[placed[j]] += np.uint32(1)
        write_tile(tile, image, left, columns)
        total += sum_counts(tile, columns, height)
    return total


@kernel
def count_scatter(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: U32, first: int, last: int) -> int:
    """Count kept spikes straight into `image`, which is zero: for windows with far fewer spikes than pixels."""
    bounds = grid.bounds
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    total = 0
    column = first
    for start in range(bounds[first], bounds[last], BLOCK):
        stop = min(start + BLOCK, bounds[last])
        for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
            while bounds[column + 1] <= start + which[j]:
                column += 1
            row = placed[j]
            if row < height:
                image[row, column] += np.uint32(1)
                total += 1
    return total


@kernel
def count_units(
    spikes: SpikeArrays,
    chosen: Filter,
    grid: Grid,
    order: U32,
    offsets: I64,
    ids: I64,
    image: U32,
    first: int,
    last: int,
) -> int:
    """Count the spikes of the clusters `ids`, found by their index, into an `image` of zeros.

    Columns go in narrow bands, so that the pixels which one band touches stay in the cache.
    """
    codes, depths, amps = spikes.codes, spikes.depths, spikes.amps
    bounds, rows, edges, closed = grid.bounds, grid.rows, grid.edges, grid.closed
    height = image.shape[0]
    straddles = height + 1
    inverse_height = inverse_row_height(edges)
    total = 0
    cursors = np.empty(ids.shape[0], dtype=np.int64)
    for j in range(ids.shape[0]):
        cursors[j] = first_at(order, offsets[ids[j]], offsets[ids[j] + 1], bounds[first])
    for left in range(first, last, BAND):
        right = min(left + BAND, last)
        end = bounds[right]
        for j in range(ids.shape[0]):
            k = cursors[j]
            stop = offsets[ids[j] + 1]
            column = left
            while k < stop:
                i = int(order[k])
                if i >= end:
                    break
                k += 1
                while bounds[column + 1] <= i:
                    column += 1
                if chosen.by_amp and not (amps[i] >= chosen.amp_low and amps[i] < chosen.amp_high):
                    continue
                row = int(rows[codes[i]])
                if row == straddles:
                    row = settle(depths[i], edges, inverse_height, closed)
                if row < height:
                    image[row, column] += np.uint32(1)
                    total += 1
            cursors[j] = k
    return total
