"""Counting kernels. They check nothing: `rasters` has validated every edge, id and length before."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.numba_cache import inlined, kernel
from dashboard.compute.pool import TILE

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

#: Columns that `count_units` fills together.
BAND = 64


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
    row = min(max(np.int64((depth - edges[0]) * inverse_height), 0), height - 1)
    while edges[row] > depth:
        row -= 1
    while edges[row + 1] <= depth:
        row += 1
    return row


@kernel
def count_tiles(
    codes: U16, depths: F64, bounds: I64, rows: U16, edges: F64, closed: bool, image: U32, first: int, last: int
) -> int:
    """Count all spikes into columns ``first..last`` of `image`, 16 columns at a time.

    The counts of a column stay in the processor's nearest cache; 16 of them leave together, as one
    line of memory per row.
    """
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    tile = np.empty((TILE, height + 2), dtype=np.uint32)
    total = np.int64(0)
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for i in range(bounds[left + column], bounds[left + column + 1]):
                row = rows[codes[i]]
                if row == straddles:
                    counts[settle(depths[i], edges, inverse_height, closed)] += np.uint32(1)
                else:
                    counts[row] += np.uint32(1)
        for row in range(height):
            for column in range(columns):
                value = tile[column, row]
                total += value
                image[row, left + column] = value
    return total


@kernel
def count_scatter(
    codes: U16, depths: F64, bounds: I64, rows: U16, edges: F64, closed: bool, image: U32, first: int, last: int
) -> int:
    """Count all spikes straight into `image`, which is zero: for windows with fewer spikes than pixels."""
    height = image.shape[0]
    straddles = height + 1
    inverse_height = inverse_row_height(edges)
    total = np.int64(0)
    for column in range(first, last):
        for i in range(bounds[column], bounds[column + 1]):
            row = np.int64(rows[codes[i]])
            if row == straddles:
                row = settle(depths[i], edges, inverse_height, closed)
            if row < height:
                image[row, column] += np.uint32(1)
                total += 1
    return total


@kernel
def count_kept_tiles(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    image: U32,
    first: int,
    last: int,
) -> int:
    """Count the spikes of kept clusters and, where `amps` is not empty, of amplitudes in a range."""
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    by_amp = amps.shape[0] > 0
    tile = np.empty((TILE, height + 2), dtype=np.uint32)
    total = np.int64(0)
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            counts = tile[column]
            counts[:] = np.uint32(0)
            for i in range(bounds[left + column], bounds[left + column + 1]):
                weight = np.uint32(keep[clusters[i]])
                if by_amp:
                    amp = np.float64(amps[i])
                    weight &= np.uint32((amp >= amp_low) & (amp < amp_high))
                row = rows[codes[i]]
                if row == straddles:
                    counts[settle(depths[i], edges, inverse_height, closed)] += weight
                else:
                    counts[row] += weight
        for row in range(height):
            for column in range(columns):
                value = tile[column, row]
                total += value
                image[row, left + column] = value
    return total


@kernel
def count_kept_scatter(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    image: U32,
    first: int,
    last: int,
) -> int:
    """`count_kept_tiles` straight into an `image` of zeros."""
    height = image.shape[0]
    straddles = height + 1
    inverse_height = inverse_row_height(edges)
    by_amp = amps.shape[0] > 0
    total = np.int64(0)
    for column in range(first, last):
        for i in range(bounds[column], bounds[column + 1]):
            if keep[clusters[i]] == 0:
                continue
            if by_amp and not (np.float64(amps[i]) >= amp_low and np.float64(amps[i]) < amp_high):
                continue
            row = np.int64(rows[codes[i]])
            if row == straddles:
                row = settle(depths[i], edges, inverse_height, closed)
            if row < height:
                image[row, column] += np.uint32(1)
                total += 1
    return total


@kernel
def count_units(
    codes: U16,
    depths: F64,
    order: U32,
    offsets: I64,
    ids: I64,
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    image: U32,
    first: int,
    last: int,
) -> int:
    """Count the spikes of the clusters `ids`, found by their index, into an `image` of zeros.

    Columns go in narrow bands, so that the pixels which one band touches stay in the cache.
    """
    height = image.shape[0]
    straddles = height + 1
    inverse_height = inverse_row_height(edges)
    by_amp = amps.shape[0] > 0
    total = np.int64(0)
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
                i = np.int64(order[k])
                if i >= end:
                    break
                k += 1
                while bounds[column + 1] <= i:
                    column += 1
                if by_amp and not (np.float64(amps[i]) >= amp_low and np.float64(amps[i]) < amp_high):
                    continue
                row = np.int64(rows[codes[i]])
                if row == straddles:
                    row = settle(depths[i], edges, inverse_height, closed)
                if row < height:
                    image[row, column] += np.uint32(1)
                    total += 1
            cursors[j] = k
    return total
