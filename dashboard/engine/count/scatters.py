"""Kernels for windows with far fewer spikes than pixels: they touch the pixels that hold a spike, and no other.

The images that they get are filled with what stands for no spike. Unchecked, as all kernels.
"""

from __future__ import annotations

import numpy as np

from dashboard.engine.columns.arrays import BLOCK, F32, I32, Filter, Grid, SpikeArrays
from dashboard.engine.compile import kernel
from dashboard.engine.count.kernels import inverse_row_height, new_scratch, place_block
from dashboard.engine.count.majority import LOWEST_VOTE, Ballot, rank


@kernel
def mean_scatter(spikes: SpikeArrays, chosen: Filter, grid: Grid, image: F32, first: int, last: int) -> int:
    """`dashboard.engine.count.amplitudes.mean_tiles` into an image of NaN."""
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
    """`dashboard.engine.count.amplitudes.max_tiles` into an image of NaN."""
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


@kernel
def majority_scatter(
    spikes: SpikeArrays, chosen: Filter, grid: Grid, ballot: Ballot, image: I32, first: int, last: int
) -> int:
    """`dashboard.engine.count.majority.majority_tiles`, all rows in one band, into an image of `NO_VOTE`."""
    votes, names, ranges, starts = ballot
    bounds, clusters = grid.bounds, spikes.clusters
    height = image.shape[0]
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    table = np.zeros(starts[names.shape[0]], dtype=np.uint32)
    best = np.zeros(height, dtype=np.uint64)
    total = 0
    for column in range(first, last):
        begin, end = bounds[column], bounds[column + 1]
        n = 0
        for is_second in range(2):
            for start in range(begin, end, BLOCK):
                if is_second == 0 or end - begin > BLOCK:
                    stop = min(start + BLOCK, end)
                    n = place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)
                for j in range(n):
                    row = int(placed[j])
                    if row >= height:
                        continue
                    total += 1 - is_second
                    vote = votes[clusters[start + which[j]]]
                    if vote < 0:
                        continue
                    cell = np.uint64(starts[vote] + row - ranges[vote, 0])
                    if is_second == 0:
                        table[cell] += np.uint32(1)
                        best[row] = max(best[row], rank(table[cell], vote))
                    else:
                        table[cell] = np.uint32(0)
                        if best[row] > 0:
                            image[row, column] = names[LOWEST_VOTE - (best[row] & LOWEST_VOTE)]
                            best[row] = np.uint64(0)
    return total
