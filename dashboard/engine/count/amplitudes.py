"""The mean and the largest amplitude of each pixel; the kernels are as unchecked as those that count.

Where there are far fewer spikes than pixels, the kernels for that touch the pixels that hold a spike, and no other.
Without a filter a spike goes straight to its pixel, which takes half the time of the general way; only those with an
edge through their depth's code, or without an amplitude, wait to be settled.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from dashboard.engine.columns.arrays import BLOCK, F32, Filter, Grid, SpikeArrays
from dashboard.engine.columns.filter import spike_arrays
from dashboard.engine.compile import kernel
from dashboard.engine.count.aggregate import PixelRequest
from dashboard.engine.count.kernels import inverse_row_height, new_scratch, place_block, settle_block, write_tile
from dashboard.engine.threads import TILE
from dashboard.model.errors import BadRequest


def mean(request: PixelRequest) -> tuple[F32, int]:
    """Return the mean amplitude of each pixel, NaN where there is none."""
    return _draw(request, mean_tiles, mean_scatter)


def largest(request: PixelRequest) -> tuple[F32, int]:
    """Return the largest amplitude of each pixel, NaN where there is none."""
    return _draw(request, max_tiles, max_scatter)


def _draw(request: PixelRequest, tiles: Callable[..., int], scatter: Callable[..., int]) -> tuple[F32, int]:
    columns, window = request.columns, request.window
    if columns.amps_uv is None:
        raise BadRequest("There are no amplitudes to show", "spikes.amps is missing", "Choose another aggregate")
    spikes, chosen, grid = spike_arrays(columns), request.kept.chosen, window.grid
    if window.is_sparse(window.n_spikes):
        image = np.full(window.shape, np.nan, dtype=np.float32)
        return image, request.spread(partial(scatter, spikes, chosen, grid, image), window.n_spikes)
    image = np.empty(window.shape, dtype=np.float32)
    return image, request.spread(partial(tiles, spikes, chosen, grid, image), window.n_spikes + image.size // 8)


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


@kernel
def mean_scatter(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """`mean_tiles` into an image of NaN."""
    bounds, amps = grid.bounds, spikes.amps
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    sums = np.zeros(height + 1, dtype=np.float64)
    counts = np.zeros(height + 1, dtype=np.uint32)
    total = 0
    for column in range(first, last):
        begin, end = bounds[column], bounds[column + 1]
        n = 0
        for start in range(begin, end, BLOCK):
            stop = min(start + BLOCK, end)
            n = place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)
            for j in range(n):
                amp = amps[start + which[j]]
                if amp == amp:
                    sums[placed[j]] += np.float64(amp)
                    counts[placed[j]] += np.uint32(1)
        # A second time round each pixel is written once, and what was counted is forgotten.
        for start in range(begin, end, BLOCK):
            if end - begin > BLOCK:
                stop = min(start + BLOCK, end)
                n = place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)
            for j in range(n):
                row = placed[j]
                if counts[row] > 0:
                    if row < height:
                        total += int(counts[row])
                        image[row, column] = np.float32(sums[row] / counts[row])
                    sums[row] = 0.0
                    counts[row] = np.uint32(0)
    return total


@kernel
def max_scatter(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """`max_tiles` into an image of NaN."""
    bounds, amps = grid.bounds, spikes.amps
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
            amp = amps[start + which[j]]
            row = placed[j]
            if row < height and amp == amp:
                total += 1
                if not image[row, column] >= amp:
                    image[row, column] = amp
    return total
