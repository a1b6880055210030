"""Cumulative counts by depth at regular ranks: whole-session images without reading every spike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.compute.depth_codes import ROW_SHIFT, DepthGrid
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import TILE

#: Spikes between two stored ranks. At 960 rows that is 1.9 bytes per spike; the part that is left
#: to count, at most half of it per pixel column, takes as long as reading the stored ranks.
SPACING = 2048


@dataclass(frozen=True, slots=True, eq=False)
class RankIndex:
    """How many spikes lie before a rank, in each row of depth.

    Attributes
    ----------
    before : ndarray, shape (n_spikes // SPACING + 1, n_rows), uint32
        ``before[k, r]`` counts the spikes among the first ``k * SPACING`` whose code is in row r.
    on_edge : ndarray, shape (n_rows,), int64
        Spikes of the session whose depth is exactly the lower edge of a row. Where a view ends
        there, numpy counts them in and the ranks do not tell them apart.
    """

    before: npt.NDArray[np.uint32]
    on_edge: npt.NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Rows of ``2**ROW_SHIFT`` depth codes."""
        return int(self.before.shape[1])


def rank_shape(n_spikes: int, n_codes: int) -> tuple[int, int]:
    """Return the shape of `RankIndex.before`."""
    return n_spikes // SPACING + 1, ((n_codes - 1) >> ROW_SHIFT) + 1


@kernel
def _accumulate(codes: npt.NDArray[np.uint16], running: npt.NDArray[np.uint32], before: npt.NDArray[np.uint32]) -> None:
    n_rows = running.shape[0]
    for k in range(before.shape[0]):
        for row in range(n_rows):
            before[k, row] = running[row]
        for i in range(k * SPACING, min((k + 1) * SPACING, codes.shape[0])):
            running[codes[i] >> ROW_SHIFT] += np.uint32(1)


@kernel
def _count_on_edges(
    codes: npt.NDArray[np.uint16],
    depths: npt.NDArray[np.float64],
    origin_um: float,
    step_um: float,
    on_edge: npt.NDArray[np.int64],
) -> None:
    for i in range(codes.shape[0]):
        code = codes[i]
        # Edges are whole multiples of a power of two: their product is exact.
        if code & ((1 << ROW_SHIFT) - 1) == 0 and depths[i] == (origin_um / step_um + code) * step_um:
            on_edge[code >> ROW_SHIFT] += 1


def ranks_before(
    codes: npt.NDArray[np.uint16], n_codes: int, before: npt.NDArray[np.uint32] | None = None
) -> npt.NDArray[np.uint32]:
    """Return `RankIndex.before` of some codes, written into `before` where that is given."""
    if before is None:
        before = np.empty(rank_shape(codes.shape[0], n_codes), dtype=np.uint32)
    _accumulate(codes, np.zeros(before.shape[1], dtype=np.uint32), before)
    return before


def index_ranks(
    codes: npt.NDArray[np.uint16],
    depths: npt.NDArray[np.float64],
    grid: DepthGrid,
    before: npt.NDArray[np.uint32] | None = None,
) -> RankIndex:
    """Count once through the codes, noting the counts at every `SPACING` spikes.

    Parameters
    ----------
    codes : ndarray, shape (n_spikes,), uint16
    depths : ndarray, shape (n_spikes,), float64, in um
    grid : DepthGrid
        That the codes were made with.
    before : ndarray of `rank_shape`, uint32, or None
        Where to write; allocated where None.
    """
    before = ranks_before(codes, grid.n_codes, before)
    on_edge = np.zeros(before.shape[1], dtype=np.int64)
    _count_on_edges(codes, depths, grid.origin_um, grid.step_um, on_edge)
    return RankIndex(before, on_edge)


@kernel
def _prefix(
    codes: npt.NDArray[np.uint16], before: npt.NDArray[np.uint32], boundary: int, prefix: npt.NDArray[np.uint32]
) -> None:
    nearest = min((boundary + SPACING // 2) // SPACING, before.shape[0] - 1)
    n_rows = prefix.shape[0]
    stored = before[nearest]
    for row in range(n_rows):
        prefix[row] = stored[row]
    for i in range(nearest * SPACING, boundary):
        prefix[codes[i] >> ROW_SHIFT] += np.uint32(1)
    for i in range(boundary, nearest * SPACING):
        prefix[codes[i] >> ROW_SHIFT] -= np.uint32(1)


@kernel
def count_ranks(
    codes: npt.NDArray[np.uint16],
    before: npt.NDArray[np.uint32],
    bounds: npt.NDArray[np.int64],
    first_row: int,
    rows_per_pixel: int,
    image: npt.NDArray[np.uint32],
    first_column: int,
    last_column: int,
) -> int:
    """Write columns ``first_column..last_column`` of a count image whose rows are whole index rows.

    Parameters
    ----------
    codes, before : ndarray
        As in `RankIndex`.
    bounds : ndarray, shape (width + 1,), int64
        Rank of the first spike of each column.
    first_row : int
        Index row at the image's lower edge; may lie outside the index.
    rows_per_pixel : int
    image : ndarray, shape (height, width), uint32
    first_column, last_column : int
    """
    n_rows = before.shape[1]
    height = image.shape[0]
    earlier = np.empty(n_rows, dtype=np.uint32)
    later = np.empty(n_rows, dtype=np.uint32)
    tile = np.empty((TILE, height), dtype=np.uint32)
    total = 0
    _prefix(codes, before, bounds[first_column], earlier)
    for left in range(first_column, last_column, TILE):
        columns = min(TILE, last_column - left)
        for column in range(columns):
            _prefix(codes, before, bounds[left + column + 1], later)
            counts = tile[column]
            if rows_per_pixel == 1 and first_row >= 0 and first_row + height <= n_rows:
                for row in range(height):
                    counts[row] = later[first_row + row] - earlier[first_row + row]
            else:
                for row in range(height):
                    start = first_row + row * rows_per_pixel
                    total = np.uint32(0)
                    for index_row in range(max(start, 0), min(start + rows_per_pixel, n_rows)):
                        total += later[index_row] - earlier[index_row]
                    counts[row] = total
            earlier, later = later, earlier
        for row in range(height):
            for column in range(columns):
                value = tile[column, row]
                total += int(value)
                image[row, left + column] = value
    return total
