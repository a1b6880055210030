"""The category that most spikes of a pixel have; the kernels are as unchecked as those that count."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import BLOCK, I32, I64, Filter, Grid, SpikeArrays
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import spike_arrays
from dashboard.engine.compile import inlined, kernel
from dashboard.engine.count.aggregate import PixelRequest
from dashboard.engine.count.kernels import inverse_row_height, new_scratch, place_block, settle_block, write_tile
from dashboard.engine.threads import TILE
from dashboard.model.errors import BadRequest

#: Stands for no category: in the image, and in the table of votes by cluster.
NO_VOTE = -1
#: Categories are numbered from the top of 32 bits down, below the counts.
LOWEST_VOTE = np.uint64(0xFFFFFFFF)
#: Stands for no place in the table of votes; below every difference of places.
NO_SHIFT = -(1 << 60)
#: A column with fewer spikes than this share of the vote table's cells looks at its spikes, not at the table.
SPARSE_BELOW = 1 / 4
#: Counting votes in tiles costs so many times more per pixel than counting spikes.
VOTE_COST = 4
#: Cells in which one thread counts votes, 32 MB; an image with more goes in bands of rows.
VOTE_CELLS = 8 << 20


class Ballot(NamedTuple):
    """Who votes for what, and where votes are counted.

    Attributes
    ----------
    votes : ndarray, shape (n_clusters,), int32
        Number of each cluster's category, from 0 without gaps; `NO_VOTE`.
    names : ndarray, shape (n_categories,), int32
        What the image holds for each category; ascending.
    ranges : ndarray, shape (n_categories, 2), int32
        First row that a category can reach in the band, and the one after the last; equal where it
        has none.
    starts : ndarray, shape (n_categories + 1,), int64
        Cumulative lengths of `ranges`.
    """

    votes: I32
    names: I32
    ranges: I32
    starts: I64


@inlined
def rank(n: np.uint32, category: int) -> np.uint64:
    """Return a number that is larger for more spikes and, among equals, for a lower category."""
    return np.uint64((np.uint64(n) << np.uint64(32)) | (LOWEST_VOTE - np.uint64(category)))


@kernel
def majority_tiles(
    spikes: SpikeArrays,
    chosen: Filter,
    grid: Grid,
    ballot: Ballot,
    first_row: int,
    last_row: int,
    image: I32,
    first: int,
    last: int,
) -> int:
    """Write the category with most spikes in each pixel of a band of rows; ties go to the lowest.

    A column with many spikes is counted, then the counts of all categories are compared. One with
    few notes the leader while it counts: as counts only grow, whoever ranks highest at any moment
    up to the end ranks highest at the end.

    Counts lie by category and, within it, by the rows that it can reach: a cluster is narrow in
    depth, so that the counts of all of them fit in the processor's cache. Cell of category v and
    row r: ``starts[v] + r - ranges[v, 0]``.

    Parameters
    ----------
    spikes, chosen, grid
        See `dashboard.engine.count.kernels`.
    ballot : Ballot
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
    votes, names, ranges, starts = ballot
    bounds, rows, clusters = grid.bounds, grid.rows, spikes.clusters
    inverse_height = inverse_row_height(grid.edges)
    n_categories = ranges.shape[0]
    n_rows = last_row - first_row
    is_direct = n_rows == image.shape[0] and not (chosen.by_cluster or chosen.by_amp)
    scratch = new_scratch()
    placed, which, waiting = scratch.placed, scratch.which, scratch.waiting
    table = np.zeros(starts[n_categories], dtype=np.uint32)
    shifts = np.empty(votes.shape[0], dtype=np.int64)
    for cluster in range(votes.shape[0]):
        vote = votes[cluster]
        shifts[cluster] = starts[vote] - ranges[vote, 0] if vote >= 0 else NO_SHIFT
    band = image[first_row:last_row]
    best = np.empty(n_rows, dtype=np.uint64)
    tile = np.empty((TILE, n_rows), dtype=np.int32)
    total = 0
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            leader = tile[column]
            leader[:] = NO_VOTE
            best[:] = np.uint64(0)
            begin, end = bounds[left + column], bounds[left + column + 1]
            is_sparse = (end - begin) < SPARSE_BELOW * starts[n_categories]
            for start in range(begin, end, BLOCK):
                stop = min(start + BLOCK, end)
                block = clusters[start:stop]
                if is_direct and not is_sparse:
                    # Half the time of the general way: a spike goes straight to its cell, but for the odd ones.
                    codes = spikes.codes[start:stop]
                    n_odd = 0
                    for i in range(codes.shape[0]):
                        row, shift = rows[codes[i]], shifts[block[i]]
                        if (row >= n_rows) | (shift == NO_SHIFT):
                            waiting[n_odd] = i
                            n_odd += 1
                        else:
                            table[np.uint64(shift + row)] += np.uint32(1)
                    total += codes.shape[0] - n_odd
                    settle_block(spikes, grid, inverse_height, start, scratch, n_odd)
                    for k in range(n_odd):
                        odd = int(placed[waiting[k]])
                        shift = shifts[block[waiting[k]]]
                        if odd < n_rows:
                            total += 1
                            if shift != NO_SHIFT:
                                table[np.uint64(shift + odd)] += np.uint32(1)
                    continue
                for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                    row = int(placed[j])
                    if row < first_row or row >= last_row:
                        continue
                    total += 1
                    cluster = block[which[j]]
                    vote = votes[cluster]
                    if vote < 0:
                        continue
                    cell = np.uint64(shifts[cluster] + row)
                    n = table[cell] + np.uint32(1)
                    table[cell] = n
                    if is_sparse:
                        place = row - first_row
                        best[place] = max(best[place], rank(n, vote))
            if not is_sparse:
                for category in range(n_categories):
                    low, high = ranges[category, 0] - first_row, ranges[category, 1] - first_row
                    cells = table[starts[category] : starts[category + 1]]
                    leading = best[low:high]
                    for k in range(cells.shape[0]):
                        leading[k] = max(leading[k], rank(cells[k], category))
                        cells[k] = np.uint32(0)
            else:
                for start in range(begin, end, BLOCK):
                    stop = min(start + BLOCK, end)
                    for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                        row = int(placed[j])
                        cluster = clusters[start + which[j]]
                        if first_row <= row < last_row and votes[cluster] >= 0:
                            table[np.uint64(shifts[cluster] + row)] = np.uint32(0)
            for row in range(n_rows):
                if best[row] >> np.uint64(32):
                    leader[row] = names[LOWEST_VOTE - (best[row] & LOWEST_VOTE)]
        write_tile(tile, band, left, columns)
    return total


@kernel
def majority_scatter(
    spikes: SpikeArrays, chosen: Filter, grid: Grid, ballot: Ballot, image: I32, first: int, last: int
) -> int:
    """`majority_tiles`, all rows in one band, into an image of `NO_VOTE`."""
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


def _reach(columns: SpikeColumns, edges: npt.NDArray[np.float64], votes: npt.NDArray[np.int32], n: int) -> I32:
    """Return the rows that each of `n` categories can reach: the first, and the one after the last."""
    height = edges.shape[0] - 1
    codes = columns.code_ranges
    step, origin = columns.depth_step_um, columns.depth_origin_um
    first = np.clip(np.searchsorted(edges, origin + codes[:, 0] * step, "right") - 1, 0, height - 1)
    after = np.clip(np.searchsorted(edges, origin + (codes[:, 1] + 1.0) * step, "left"), 0, height)
    voting = (votes >= 0) & (codes[:, 0] <= codes[:, 1])
    reach = np.empty((n, 2), dtype=np.int32)
    reach[:, 0], reach[:, 1] = height, 0
    np.minimum.at(reach[:, 0], votes[voting], first[voting].astype(np.int32))
    np.maximum.at(reach[:, 1], votes[voting], after[voting].astype(np.int32))
    return reach


def majority(request: PixelRequest) -> tuple[I32, int]:
    """Return the category of most spikes in each pixel, the lowest one where several tie; -1 where none votes."""
    columns, window, kept = request.columns, request.window, request.kept
    if request.categories is None:
        raise BadRequest("The category of each cluster is needed", "categories")
    given = np.asarray(request.categories)
    if given.shape != (columns.n_clusters,) or not np.issubdtype(given.dtype, np.integer):
        raise BadRequest(
            "categories must hold one whole number per unit",
            f"{given.shape}, {given.dtype}",
            f"Its shape is ({columns.n_clusters},)",
        )
    # Votes are numbered without gaps, in the order of the categories: the lowest still wins a tie.
    voting = (kept.keep != 0) & (given >= 0)
    names, numbers = np.unique(given[voting], return_inverse=True)
    votes = np.full(columns.n_clusters, NO_VOTE, dtype=np.int32)
    votes[voting] = numbers
    height = window.shape[0]
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    reach = _reach(columns, window.depth_edges, votes, len(names))
    n_cells = int(np.maximum(reach[:, 1] - reach[:, 0], 0).sum())
    band = height if n_cells <= VOTE_CELLS else max(1, VOTE_CELLS // len(names))
    if is_sparse := band == height and window.is_sparse(window.n_spikes // VOTE_COST):
        image = np.full(window.shape, NO_VOTE, dtype=np.int32)
    else:
        image = np.empty(window.shape, dtype=np.int32)
    n_spikes = 0
    for first_row in range(0, height, band):
        last_row = min(first_row + band, height)
        ranges = np.clip(reach, first_row, last_row)
        ranges[:, 1] = np.maximum(ranges[:, 0], ranges[:, 1])
        starts = np.concatenate([[0], np.cumsum(ranges[:, 1] - ranges[:, 0], dtype=np.int64)])
        ballot = Ballot(votes, names.astype(np.int32), ranges, starts)
        if is_sparse:
            draw = partial(majority_scatter, spikes, chosen, grid, ballot, image)
        else:
            draw = partial(majority_tiles, spikes, chosen, grid, ballot, first_row, last_row, image)
        work = 2 * window.n_spikes + (0 if is_sparse else image.size // 4)
        n_spikes += request.spread(draw, work)
    return image, n_spikes


def leading_unit(request: PixelRequest) -> tuple[I32, int]:
    """Return the id of the cluster with most spikes in each pixel, the lowest one where several tie; -1 for none."""
    return majority(request._replace(categories=np.arange(request.columns.n_clusters, dtype=np.int32)))
