"""Kernel for the category that most spikes of a pixel have; as unchecked as those that count."""

from __future__ import annotations

import numpy as np

from dashboard.compute.kernels import BLOCK, I32, I64, Filter, Grid, SpikeArrays, inverse_row_height, place_block
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import TILE

#: Stands for no category: in the image, and in the table of votes by cluster.
NO_VOTE = -1
#: A column with fewer spikes than this share of the vote table's cells looks at its spikes, not at the table.
SPARSE_BELOW = 1 / 4


@kernel
def majority_tiles(
    spikes: SpikeArrays,
    chosen: Filter,
    grid: Grid,
    votes: I32,
    ranges: I32,
    starts: I64,
    first_row: int,
    last_row: int,
    image: I32,
    first: int,
    last: int,
) -> int:
    """Write the category with most spikes in each pixel of a band of rows; ties go to the lowest.

    Counts lie by category and, within it, by the rows that it can reach: a cluster is narrow in
    depth, so that the counts of all of them fit in the processor's cache. Cell of category v and
    row r: ``starts[v] + r - ranges[v, 0]``.

    Parameters
    ----------
    spikes, chosen, grid
        See `dashboard.compute.kernels`.
    votes : ndarray, shape (n_clusters,), int32
        Category number of each cluster, from 0 without gaps; `NO_VOTE`.
    ranges : ndarray, shape (n_categories, 2), int32
        First row that a category can reach in the band, and the one after the last; equal where it
        has none.
    starts : ndarray, shape (n_categories + 1,), int64
        Cumulative lengths of `ranges`.
    first_row, last_row : int
        The band.
    image : ndarray, shape (height, width), int32
    first, last : int
        Columns.

    Returns
    -------
    int
        Spikes in the band, those without a vote included.
    """
    bounds, clusters = grid.bounds, spikes.clusters
    inverse_height = inverse_row_height(grid.edges)
    n_categories = ranges.shape[0]
    n_rows = last_row - first_row
    placed = np.empty(BLOCK, dtype=np.uint16)
    table = np.zeros(starts[n_categories] + 1, dtype=np.uint32)
    shifts = np.empty(n_categories, dtype=np.int64)
    for vote in range(n_categories):
        shifts[vote] = starts[vote] - ranges[vote, 0]
    most = np.zeros(n_rows, dtype=np.uint32)
    tile = np.empty((TILE, n_rows), dtype=np.int32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            leader = tile[column]
            leader[:] = NO_VOTE
            most[:] = np.uint32(0)
            begin, end = bounds[left + column], bounds[left + column + 1]
            is_sparse = (end - begin) < SPARSE_BELOW * starts[n_categories]
            for start in range(begin, end, BLOCK):
                stop = min(start + BLOCK, end)
                place_block(spikes, chosen, grid, inverse_height, start, stop, placed)
                for k in range(stop - start):
                    row = int(placed[k])
                    if row < first_row or row >= last_row:
                        continue
                    total += 1
                    vote = int(votes[clusters[start + k]])
                    if vote < 0:
                        continue
                    cell = shifts[vote] + row
                    n = table[cell] + np.uint32(1)
                    table[cell] = n
                    if is_sparse:
                        # The leader is kept while counting: a category takes over when it gets
                        # ahead, or draws level with a lower number. Whoever leads at the end has
                        # the most spikes, and the lowest number among equals.
                        place = row - first_row
                        if n > most[place] or (n == most[place] and vote < leader[place]):
                            most[place] = n
                            leader[place] = vote
            if not is_sparse:
                for vote in range(n_categories):
                    for row in range(ranges[vote, 0], ranges[vote, 1]):
                        n = table[shifts[vote] + row]
                        table[shifts[vote] + row] = np.uint32(0)
                        place = row - first_row
                        if n > most[place]:
                            most[place] = n
                            leader[place] = vote
            else:
                for start in range(begin, end, BLOCK):
                    stop = min(start + BLOCK, end)
                    place_block(spikes, chosen, grid, inverse_height, start, stop, placed)
                    for k in range(stop - start):
                        row = int(placed[k])
                        vote = int(votes[clusters[start + k]])
                        if first_row <= row < last_row and vote >= 0:
                            table[shifts[vote] + row] = np.uint32(0)
        for row in range(n_rows):
            for column in range(columns):
                image[first_row + row, left + column] = tile[column, row]
    return total
