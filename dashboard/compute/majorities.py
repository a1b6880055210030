"""Kernel for the category that most spikes of a pixel have; as unchecked as those that count."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.kernels import F32, F64, I64, U16, inverse_row_height, settle
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import TILE

I32 = npt.NDArray[np.int32]

#: In the table of votes by cluster: in view, and votes for nothing.
NO_VOTE = -1
#: In the table of votes by cluster: filtered out.
NOT_KEPT = -2


@kernel
def majority_tiles(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    votes: I32,
    n_categories: int,
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    first_row: int,
    last_row: int,
    image: I32,
    first: int,
    last: int,
) -> int:
    """Write the category with most spikes in each pixel of a band of rows; ties go to the lowest.

    The leader is kept while counting: a category takes over when it gets ahead, or draws level with
    a lower number. Whoever leads at the end has the most spikes, and the lowest number among equals.

    Returns the spikes in the band, those without a vote included.
    """
    height = image.shape[0]
    straddles = np.uint16(height + 1)
    inverse_height = inverse_row_height(edges)
    by_amp = amps.shape[0] > 0
    n_rows = last_row - first_row
    n_cells = n_rows * n_categories
    table = np.zeros(n_cells, dtype=np.uint32)
    most = np.empty(n_rows, dtype=np.uint32)
    tile = np.empty((TILE, n_rows), dtype=np.int32)
    total = np.int64(0)
    for left in range(first, last, TILE):
        columns = min(TILE, last - left)
        for column in range(columns):
            leader = tile[column]
            leader[:] = NO_VOTE
            most[:] = np.uint32(0)
            start, stop = bounds[left + column], bounds[left + column + 1]
            for i in range(start, stop):
                vote = np.int64(votes[clusters[i]])
                if vote == NOT_KEPT:
                    continue
                if by_amp and not (np.float64(amps[i]) >= amp_low and np.float64(amps[i]) < amp_high):
                    continue
                row = np.int64(rows[codes[i]])
                if row == straddles:
                    row = settle(depths[i], edges, inverse_height, closed)
                row -= first_row
                if row < 0 or row >= n_rows:
                    continue
                total += 1
                if vote >= 0:
                    cell = row * n_categories + vote
                    n = table[cell] + np.uint32(1)
                    table[cell] = n
                    if n > most[row] or (n == most[row] and vote < leader[row]):
                        most[row] = n
                        leader[row] = vote
            if n_cells <= 8 * (stop - start):
                table[:] = np.uint32(0)
            else:
                # A table by cluster is far larger than what one column touches.
                for i in range(start, stop):
                    vote = np.int64(votes[clusters[i]])
                    row = np.int64(rows[codes[i]])
                    if row == straddles:
                        row = settle(depths[i], edges, inverse_height, closed)
                    row -= first_row
                    if vote >= 0 and 0 <= row < n_rows:
                        table[row * n_categories + vote] = np.uint32(0)
        for row in range(n_rows):
            for column in range(columns):
                image[first_row + row, left + column] = tile[column, row]
    return total
