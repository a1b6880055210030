"""Kernels for the mean and the largest amplitude of each pixel; as unchecked as those that count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.kernels import F32, F64, I64, U8, U16, inverse_row_height, settle
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import TILE


@kernel
def mean_tiles(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    filtered: bool,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    image: F32,
    first: int,
    last: int,
) -> int:
    """Write the mean amplitude, summed in float64, NaN where no spike is; return the spikes used.

    A spike whose amplitude is NaN is in no mean.
    """
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    sums = np.empty(height + 2, dtype=np.float64)
    counts = np.empty(height + 2, dtype=np.uint32)
    tile = np.empty((TILE, height), dtype=np.float32)
    total = np.int64(0)
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            sums[:] = 0.0
            counts[:] = np.uint32(0)
            for i in range(bounds[left + column], bounds[left + column + 1]):
                amp = np.float64(amps[i])
                used = amp == amp
                if filtered:
                    used = used and keep[clusters[i]] != 0 and amp >= amp_low and amp < amp_high
                if used:
                    row = np.int64(rows[codes[i]])
                    if row == straddles:
                        row = settle(depths[i], edges, inverse_height, closed)
                    sums[row] += amp
                    counts[row] += np.uint32(1)
            for row in range(height):
                n = counts[row]
                total += n
                tile[column, row] = np.float32(sums[row] / n) if n > 0 else np.float32(np.nan)
        for row in range(height):
            for column in range(columns):
                image[row, left + column] = tile[column, row]
    return total


@kernel
def max_tiles(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    filtered: bool,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    image: F32,
    first: int,
    last: int,
) -> int:
    """Write the largest amplitude, NaN where no spike is; return the spikes used."""
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    counts = np.empty(height + 2, dtype=np.uint32)
    largest = np.empty(height + 2, dtype=np.float32)
    tile = np.empty((TILE, height), dtype=np.float32)
    total = np.int64(0)
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            largest[:] = np.float32(-np.inf)
            counts[:] = np.uint32(0)
            for i in range(bounds[left + column], bounds[left + column + 1]):
                amp = amps[i]
                used = amp == amp
                if filtered:
                    wide = np.float64(amp)
                    used = used and keep[clusters[i]] != 0 and wide >= amp_low and wide < amp_high
                if used:
                    row = np.int64(rows[codes[i]])
                    if row == straddles:
                        row = settle(depths[i], edges, inverse_height, closed)
                    largest[row] = max(largest[row], amp)
                    counts[row] += np.uint32(1)
            for row in range(height):
                n = counts[row]
                total += n
                tile[column, row] = largest[row] if n > 0 else np.float32(np.nan)
        for row in range(height):
            for column in range(columns):
                image[row, left + column] = tile[column, row]
    return total
