"""Kernels for the mean and the largest amplitude of each pixel; as unchecked as those that count.

Without a filter a spike goes straight to its pixel, which takes half the time of the general way; only those with an
edge through their depth's code, or without an amplitude, wait to be settled.
"""

from __future__ import annotations

import numpy as np

from dashboard.engine.columns.arrays import BLOCK, F32, Filter, Grid, SpikeArrays
from dashboard.engine.compile import kernel
from dashboard.engine.count.kernels import inverse_row_height, new_scratch, place_block, settle_block, write_tile
from dashboard.engine.threads import TILE


@kernel
def mean_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """Write the mean amplitude, summed in float64, NaN where no spike is; return the spikes used.

    A spike whose amplitude is NaN is in no mean.
    """
    bounds, rows, amps = grid.bounds, grid.rows, spikes.amps
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(grid.edges)
    is_whole = not (chosen.by_cluster or chosen.by_amp)
    scratch = new_scratch()
    placed, which, waiting = scratch.placed, scratch.which, scratch.waiting
    sums = np.empty(height + 2, dtype=np.float64)
    counts = np.empty(height + 2, dtype=np.uint32)
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
                if is_whole:
                    codes = spikes.codes[start:stop]
                    n_waiting = 0
                    for i in range(codes.shape[0]):
                        row = rows[codes[i]]
                        amp = block[i]
                        if (row == straddles) | (amp != amp):
                            waiting[n_waiting] = i
                            n_waiting += 1
                        else:
                            sums[row] += np.float64(amp)
                            counts[row] += np.uint32(1)
                    settle_block(spikes, grid, inverse_height, start, scratch, n_waiting)
                    for k in range(n_waiting):
                        amp = block[waiting[k]]
                        if amp == amp:
                            sums[placed[waiting[k]]] += np.float64(amp)
                            counts[placed[waiting[k]]] += np.uint32(1)
                else:
                    for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                        amp = block[which[j]]
                        if amp == amp:
                            sums[placed[j]] += np.float64(amp)
                            counts[placed[j]] += np.uint32(1)
            means = tile[column]
            for row in range(height):
                means[row] = np.float32(sums[row] / np.float64(counts[row]))  # 0 / 0 is NaN
            for row in range(height):
                total += int(counts[row])
        write_tile(tile, image, left, columns)
    return total


@kernel
def max_tiles(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """Write the largest amplitude, NaN where no spike is; return the spikes used."""
    bounds, rows, amps = grid.bounds, grid.rows, spikes.amps
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(grid.edges)
    is_whole = not (chosen.by_cluster or chosen.by_amp)
    scratch = new_scratch()
    placed, which, waiting = scratch.placed, scratch.which, scratch.waiting
    tile = np.empty((TILE, height + 2), dtype=np.float32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            largest = tile[column]
            largest[:] = np.float32(np.nan)
            for start in range(bounds[left + column], bounds[left + column + 1], BLOCK):
                stop = min(start + BLOCK, bounds[left + column + 1])
                block = amps[start:stop]
                if is_whole:
                    codes = spikes.codes[start:stop]
                    n_waiting = 0
                    for i in range(codes.shape[0]):
                        row = rows[codes[i]]
                        amp = block[i]
                        if (row == straddles) | (amp != amp):
                            waiting[n_waiting] = i
                            n_waiting += 1
                        else:
                            total += int(row < height)
                            before = largest[row]
                            # False where a NaN is compared: an amplitude replaces it, and it replaces none.
                            largest[row] = before if before >= amp else amp
                    settle_block(spikes, grid, inverse_height, start, scratch, n_waiting)
                    for k in range(n_waiting):
                        amp, row = block[waiting[k]], placed[waiting[k]]
                        if amp == amp:
                            total += int(row < height)
                            before = largest[row]
                            largest[row] = before if before >= amp else amp
                else:
                    for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                        amp = block[which[j]]
                        row = placed[j]
                        total += int((row < height) & (amp == amp))
                        before = largest[row]
                        largest[row] = before if (before >= amp) | (amp != amp) else amp
        write_tile(tile, image, left, columns)
    return total
