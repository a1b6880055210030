"""Counting kernels. They check nothing: `rasters` has validated every edge, id and length before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import inlined, kernel
from dashboard.compute.pool import TILE

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U16 = npt.NDArray[np.uint16]
U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]

#: Spikes whose rows are found together; their numbers stay in the processor's nearest cache.
BLOCK = 1024
#: Columns that `count_units` fills together.
BAND = 64


class SpikeArrays(NamedTuple):
    """Columns as kernels read them; `amps` is empty where there are none."""

    codes: U16
    depths: F64
    clusters: npt.NDArray[Any]
    amps: F32


class Filter(NamedTuple):
    """Which spikes to use: 1 in `keep` for their cluster; an amplitude from `amp_low`, below `amp_high`."""

    keep: U8
    by_cluster: bool
    by_amp: bool
    amp_low: float
    amp_high: float


class Grid(NamedTuple):
    """Pixels: rank of the first spike of each column, row of each depth code, edges that settle the rest."""

    bounds: I64
    rows: U16
    edges: F64
    closed: bool


@kernel
def column_bounds(times: F64, marks: F64, stride: int, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each edge; with `closed`, after the last one.

    `marks` is every `stride`-th time: the search reads the file only within one stride.
    """
    n = times.shape[0]
    for k in range(edges.shape[0]):
        edge = edges[k]
        after = closed and k == edges.shape[0] - 1
        low, high = 0, marks.shape[0]
        while low < high:
            middle = (low + high) >> 1
            if marks[middle] < edge or (after and marks[middle] == edge):
                low = middle + 1
            else:
                high = middle
        high = min(low * stride, n)
        low = max((low - 1) * stride, 0)
        while low < high:
            middle = (low + high) >> 1
            if times[middle] < edge or (after and times[middle] == edge):
                low = middle + 1
            else:
                high = middle
        bounds[k] = low


@inlined
def first_at(order: U32, start: int, stop: int, row: int) -> int:
    """Return where, in ascending ``order[start:stop]``, the rows from `row` on begin."""
    while start < stop:
        middle = (start + stop) >> 1
        if order[middle] < row:
            start = middle + 1
        else:
            stop = middle
    return start


@kernel
def find_bounds(order: U32, bounds: I64, found: I64) -> None:
    """Write where in `order`, all of it ascending, the rows from each bound on begin."""
    for k in range(bounds.shape[0]):
        found[k] = first_at(order, 0, order.shape[0], bounds[k])


@inlined
def inverse_row_height(edges: F64) -> float:
    """Return rows per um, or 0 where that overflows: `settle` then walks from the lowest row."""
    height = edges.shape[0] - 1
    inverse = height / (edges[height] - edges[0])
    return inverse if np.isfinite(inverse) else 0.0


@inlined
def settle(depth: float, edges: F64, inverse_height: float, closed: bool) -> int:
    """Return the row of a depth by its float value, ``height`` where it is outside."""
    height = edges.shape[0] - 1
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


@kernel
def place_block(
    spikes: SpikeArrays, chosen: Filter, grid: Grid, inverse_height: float, start: int, stop: int, placed: U16
) -> None:
    """Write the rows of spikes ``start..stop`` into `placed`: ``height`` for those outside or filtered out.

    The loops have no branch that the data decide, but the rare one for codes that an edge runs
    through; those wait, so that their depths are fetched from memory side by side.
    """
    codes, depths, clusters, amps = spikes
    keep, by_cluster, by_amp, amp_low, amp_high = chosen
    rows, edges = grid.rows, grid.edges
    outside = np.uint16(edges.shape[0] - 1)
    straddles = np.uint16(edges.shape[0])
    waiting = np.empty(BLOCK, dtype=np.int64)
    n_waiting = 0
    if by_amp:
        for i in range(start, stop):
            amp = np.float64(amps[i])
            used = (keep[clusters[i]] != 0) & (amp >= amp_low) & (amp < amp_high)
            row = rows[codes[i]] if used else outside
            placed[i - start] = row
            if row == straddles:
                waiting[n_waiting] = i
                n_waiting += 1
    elif by_cluster:
        for i in range(start, stop):
            row = rows[codes[i]] if keep[clusters[i]] != 0 else outside
            placed[i - start] = row
            if row == straddles:
                waiting[n_waiting] = i
                n_waiting += 1
    else:
        for i in range(start, stop):
            row = rows[codes[i]]
            placed[i - start] = row
            if row == straddles:
                waiting[n_waiting] = i
                n_waiting += 1
    for k in range(n_waiting):
        i = waiting[k]
        placed[i - start] = np.uint16(settle(depths[i], edges, inverse_height, grid.closed))


@kernel
def count_tiles(codes: U16, depths: F64, order: U32, grid: Grid, image: U32, first: int, last: int) -> int:
    """Count all spikes into columns ``first..last`` of `image`, 16 columns at a time; return their number.

    The counts of a column stay in the processor's nearest cache; 16 of them leave together, as one
    line of memory per row. `codes` may be those of some spikes: `order` then holds their rows in
    `depths`, and the bounds of `grid` are places in `codes`. Otherwise `order` is empty.
    """
    bounds, rows, edges = grid.bounds, grid.rows, grid.edges
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    is_part = order.shape[0] > 0
    waiting = np.empty(BLOCK, dtype=np.int64)
    tile = np.empty((TILE, height + 2), dtype=np.uint32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                n_waiting = 0
                for i in range(start, min(start + BLOCK, bounds[left + column + 1])):
                    row = rows[codes[i]]
                    counts[row] += np.uint32(1)
                    if row == straddles:
                        waiting[n_waiting] = i
                        n_waiting += 1
                for k in range(n_waiting):
                    i = int(order[waiting[k]]) if is_part else waiting[k]
                    counts[settle(depths[i], edges, inverse_height, grid.closed)] += np.uint32(1)
        total += write_tile(tile, image, left, columns)
    return total


@inlined
def write_tile(tile: U32, image: U32, left: int, columns: int) -> int:
    """Turn columns of counts into rows of `image`; return their sum."""
    total = 0
    for row in range(image.shape[0]):
        for column in range(columns):
            value = tile[column, row]
            total += int(value)
            image[row, left + column] = value
    return total


@kernel
def count_kept_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: U32, first: int, last: int) -> int:
    """`count_tiles` of the spikes that a filter keeps."""
    bounds = grid.bounds
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    placed = np.empty(BLOCK, dtype=np.uint16)
    tile = np.empty((TILE, height + 1), dtype=np.uint32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                stop = min(start + BLOCK, bounds[left + column + 1])
                place_block(spikes, chosen, grid, inverse_height, start, stop, placed)
                for k in range(stop - start):
                    counts[placed[k]] += np.uint32(1)
        total += write_tile(tile, image, left, columns)
    return total


@kernel
def count_scatter(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: U32, first: int, last: int) -> int:
    """Count kept spikes straight into `image`, which is zero: for windows with fewer spikes than pixels."""
    bounds = grid.bounds
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    placed = np.empty(BLOCK, dtype=np.uint16)
    total = 0
    column = first
    for start in range(bounds[first], bounds[last], BLOCK):
        stop = min(start + BLOCK, bounds[last])
        place_block(spikes, chosen, grid, inverse_height, start, stop, placed)
        for i in range(start, stop):
            while bounds[column + 1] <= i:
                column += 1
            row = placed[i - start]
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
    codes, depths, _, amps = spikes
    bounds, rows, edges, closed = grid
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
                if chosen.by_amp:
                    amp = np.float64(amps[i])
                    if not (amp >= chosen.amp_low and amp < chosen.amp_high):
                        continue
                row = int(rows[codes[i]])
                if row == straddles:
                    row = settle(depths[i], edges, inverse_height, closed)
                if row < height:
                    image[row, column] += np.uint32(1)
                    total += 1
            cursors[j] = k
    return total
