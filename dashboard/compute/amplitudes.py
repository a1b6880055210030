"""Kernels for the mean and the largest amplitude of each pixel; as unchecked as those that count."""

from __future__ import annotations

import numpy as np

from dashboard.compute.kernels import (
    BLOCK,
    F32,
    Filter,
    Grid,
    SpikeArrays,
    inverse_row_height,
    new_scratch,
    place_block,
    write_tile,
)
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import TILE


@kernel
def mean_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """Write the mean amplitude, summed in float64, NaN where no spike is; return the spikes used.

    A spike whose amplitude is NaN is in no mean.
    """
    bounds, amps = grid.bounds, spikes.amps
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    sums = np.empty(height + 1, dtype=np.float64)
    counts = np.empty(height + 1, dtype=np.uint32)
    tile = np.empty((TILE, height), dtype=np.float32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            sums[:] = 0.0
            counts[:] = np.uint32(0)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                stop = min(start + BLOCK, bounds[left + column + 1])
                block = amps[start:stop]
                for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                    amp = block[which[j]]
                    if amp == amp:
                        sums[placed[j]] += np.float64(amp)
                        counts[placed[j]] += np.uint32(1)
            for row in range(height):
                n = counts[row]
                total += n
                tile[column, row] = np.float32(sums[row] / n) if n > 0 else np.float32(np.nan)
        write_tile(tile, image, left, columns)
    return total


@kernel
def max_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """Write the largest amplitude, NaN where no spike is; return the spikes used."""
    bounds, amps = grid.bounds, spikes.amps
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    tile = np.empty((TILE, height + 1), dtype=np.float32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            largest = tile[column]
            largest[:] = np.float32(np.nan)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                stop = min(start + BLOCK, bounds[left + column + 1])
                block = amps[start:stop]
                for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                    amp = block[which[j]]
                    row = placed[j]
                    total += int((row < height) & (amp == amp))
                    before = largest[row]
                    # False where a NaN is compared: an amplitude replaces it, and it replaces none.
                    largest[row] = before if (before >= amp) | (amp != amp) else amp
        write_tile(tile, image, left, columns)
    return total
