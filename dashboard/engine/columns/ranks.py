"""Cumulative counts by depth at regular ranks: whole-session images without reading every spike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.depths import ROW_SHIFT, DepthGrid
from dashboard.engine.compile import kernel
from dashboard.engine.threads import TILE

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
    edge_offsets : ndarray, shape (n_rows + 1,), int64
    edge_order : ndarray, shape (n_on_edges,), uint32
        Spikes whose depth is exactly the lower edge of row r, in order of time, are
        ``edge_order[edge_offsets[r]:edge_offsets[r + 1]]``. Where a view ends at that edge numpy
        counts them in, and the ranks have them in the row above.
    """

    before: npt.NDArray[np.uint32]
    edge_offsets: npt.NDArray[np.int64]
    edge_order: npt.NDArray[np.uint32]

    def on_edge(self, row: int) -> npt.NDArray[np.uint32]:
        """Return the spikes exactly on the lower edge of an index row; none where there is no such row."""
        if not 0 <= row < self.n_rows:
            return self.edge_order[:0]
        return self.edge_order[int(self.edge_offsets[row]) : int(self.edge_offsets[row + 1])]

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
def _find_on_edges(
    codes: npt.NDArray[np.uint16],
    depths: npt.NDArray[np.float64],
    origin_code: float,
    step_um: float,
    cursor: npt.NDArray[np.int64],
    order: npt.NDArray[np.uint32],
) -> None:
    """Count spikes on the edges of rows in `cursor`; where `order` has room, place them from there."""
    for i in range(codes.shape[0]):
        code = codes[i]
        # Edges are whole multiples of a power of two: their product is exact.
        if code & ((1 << ROW_SHIFT) - 1) == 0 and depths[i] == (origin_code + code) * step_um:
            row = code >> ROW_SHIFT
            if order.shape[0] > 0:
                order[cursor[row]] = i
            cursor[row] += 1


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
    counts = np.zeros(before.shape[1], dtype=np.int64)
    nowhere = np.empty(0, dtype=np.uint32)
    _find_on_edges(codes, depths, grid.origin_code, grid.step_um, counts, nowhere)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    order = np.empty(int(offsets[-1]), dtype=np.uint32)
    if order.shape[0]:
        _find_on_edges(codes, depths, grid.origin_code, grid.step_um, offsets[:-1].copy(), order)
    return RankIndex(before, offsets, order)


@kernel
def _prefix(
    codes: npt.NDArray[np.uint16], before: npt.NDArray[np.uint32], boundary: int, prefix: npt.NDArray[np.uint32]
) -> None:
    """Write the counts of the first `boundary` spikes: from the nearest stored rank, forward or back."""
    nearest = min((boundary + SPACING // 2) // SPACING, before.shape[0] - 1)
    prefix[:] = before[nearest]
    missing = codes[nearest * SPACING : boundary]
    for i in range(missing.shape[0]):
        prefix[missing[i] >> ROW_SHIFT] += np.uint32(1)
    surplus = codes[boundary : nearest * SPACING]
    for i in range(surplus.shape[0]):
        prefix[surplus[i] >> ROW_SHIFT] -= np.uint32(1)


@kernel
def _join_rows(
    prefix: npt.NDArray[np.uint32], first_row: int, rows_per_pixel: int, joined: npt.NDArray[np.uint32]
) -> None:
    """Write the sums of every `rows_per_pixel` rows from `first_row` on; rows outside hold nothing."""
    for row in range(joined.shape[0]):
        start = first_row + row * rows_per_pixel
        n = np.uint32(0)
        for index_row in range(max(start, 0), min(start + rows_per_pixel, prefix.shape[0])):
            n += prefix[np.uint64(index_row)]
        joined[row] = n


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
    is_plain = rows_per_pixel == 1 and first_row >= 0 and first_row + height <= n_rows
    prefixes = np.empty((TILE + 1, n_rows), dtype=np.uint32)
    joined = np.zeros((TILE + 1, height), dtype=np.uint32)
    total = 0
    _prefix(codes, before, bounds[first_column], prefixes[0])
    for left in range(first_column, last_column, TILE):
        columns = min(TILE, last_column - left)
        for column in range(columns):
            _prefix(codes, before, bounds[left + column + 1], prefixes[column + 1])
        if is_plain:
            joined = prefixes[:, first_row : first_row + height]
        else:
            for column in range(columns + 1):
                _join_rows(prefixes[column], first_row, rows_per_pixel, joined[column])
        for row in range(height):
            pixels = image[row, left : left + columns]
            earlier = joined[0, row]
            for column in range(pixels.shape[0]):
                later = joined[column + 1, row]
                pixels[column] = later - earlier
                earlier = later
            total += int(earlier - joined[0, row])
        prefixes[0] = prefixes[columns]
    return total
