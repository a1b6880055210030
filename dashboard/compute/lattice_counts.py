"""Counts for the live view: on the lattice a row is a shift of the depth code, and nearly every count fits in a byte.

An image of bytes fits in the processor's cache and is a quarter of the pages that a fresh one has to be given, which
for a picture of few spikes took longer than counting them. A pixel that passes 255 is noticed, and counted again
elsewhere in 32 bits.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.compute.kernels import F32, F64, I64, U8, U16, U32, Filter
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import spread
from dashboard.compute.selections import NO_AMPS
from dashboard.compute.spike_columns import SpikeColumns
from dashboard.compute.windows import Window

#: Spikes placed together: places in the image are computed many at a time, then counted one by one.
BLOCK = 1024
#: A byte wraps somewhere, nearly always, where pixels hold so many spikes on average.
MEAN_MOST = 24
#: So many spikes are counted here while another kernel counts one; `spread` reckons in those.
SPIKES_PER_WORK = 5
#: Codes beyond which a window's lower edge is not laid over the grid of codes.
FARTHEST = 1 << 30
#: The coarsest rows, as a power of two: all codes in one.
COARSEST = 16


class LatticeRows(NamedTuple):
    """Row of code c: ``(c - first_code) >> shift``."""

    first_code: int
    shift: int


def lattice_rows(window: Window) -> LatticeRows | None:
    """Return how the rows of a window on the lattice follow from depth codes; None where rows are finer than those."""
    edges, codes = window.depth_edges, window.codes
    size = (float(edges[1]) - float(edges[0])) / codes.step_um
    if not 1.0 <= size <= 1 << COARSEST:
        return None
    first = float(edges[0]) / codes.step_um - codes.origin_code
    # Both are powers of two, and an edge is a multiple of its bin: nothing is rounded.
    return LatticeRows(int(first), math.frexp(size)[1] - 1) if abs(first) < FARTHEST else None


@kernel
def count_bytes(
    codes: U16,
    depths: F64,
    order: U32,
    clusters: npt.NDArray[Any],
    amps: F32,
    chosen: Filter,
    bounds: I64,
    first_code: int,
    shift: int,
    last_edge: float,
    image: U8,
    wrapped: U8,
    first: int,
    last: int,
) -> int:
    """Count spikes into columns ``first..last`` of `image`, which is zero; return how many were inside.

    Parameters
    ----------
    codes, depths, order
        As in `dashboard.compute.kernels.count_tiles`.
    clusters, amps, chosen
        What the filter looks at; nothing is looked at where it keeps everything.
    bounds : ndarray, shape (width + 1,), int64
    first_code, shift : int
        See `LatticeRows`.
    last_edge : float
        Depth that belongs to the last row too; NaN for none.
    image : ndarray, shape (height + 1, width), uint8
        The row after the last takes what is outside, and means nothing.
    wrapped : ndarray, shape (1,), uint8
        Set to 1 where a pixel passed 255.
    """
    height, width = np.uint32(image.shape[0] - 1), np.uint32(image.shape[1])
    pixels = image.reshape(-1)
    places = np.empty(BLOCK, dtype=np.uint32)
    base, by = np.uint32(first_code), np.uint32(shift)
    is_filtered = chosen.by_cluster or chosen.by_amp
    beyond = np.uint32(height * width)
    last_code = first_code + (int(height) << shift)
    has_last = last_edge == last_edge and 0 <= last_code <= 0xFFFF
    edge_code = np.uint16(last_code & 0xFFFF)
    flag = np.uint8(0)
    total = 0
    for column in range(first, last):
        x = np.uint32(column)
        for start in range(bounds[column], bounds[column + 1], BLOCK):
            block = codes[start : min(start + BLOCK, bounds[column + 1])]
            n = np.uint32(0)
            # A code below the first wraps round to a row far beyond the last.
            for i in range(block.shape[0]):
                row = min(np.uint32(np.uint32(np.uint32(block[i]) - base) >> by), height)
                n += np.uint32(row < height)
                places[i] = np.uint32(np.uint32(row * width) + x)
            if has_last:
                n_near = np.uint32(0)
                for i in range(block.shape[0]):
                    n_near += np.uint32(block[i] == edge_code)
                if n_near > 0:
                    for i in range(block.shape[0]):
                        if block[i] == edge_code:
                            spike = int(order[start + i]) if order.shape[0] > 0 else start + i
                            if depths[spike] == last_edge:
                                places[i] -= width
                                n += np.uint32(1)
            if is_filtered:
                n = np.uint32(0)
                for i in range(block.shape[0]):
                    keep = chosen.keep[clusters[start + i]] != 0
                    if chosen.by_amp:
                        amp = amps[start + i]
                        keep = keep & (amp >= chosen.amp_low) & (amp < chosen.amp_high)
                    place = places[i] if keep else np.uint32(beyond + x)
                    n += np.uint32(place < beyond)
                    places[i] = place
            total += int(n)
            for i in range(block.shape[0]):
                place = places[i]
                count = np.uint8(pixels[np.uint64(place)] + np.uint8(1))
                pixels[np.uint64(place)] = count
                flag |= np.uint8(count == 0) & np.uint8(place < beyond)
    if flag != 0:
        wrapped[0] = np.uint8(1)
    return total


def count_narrow(
    columns: SpikeColumns,
    window: Window,
    rows: LatticeRows,
    which: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.int64]],
    chosen: Filter,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.uint8], int] | None:
    """Return the counts of a window on the lattice, shape (height, width), and their sum; None where bytes wrap.

    Parameters
    ----------
    columns : SpikeColumns
    window : Window
    rows : LatticeRows
        Of this window.
    which : tuple of ndarray
        Codes, rows in the columns (none: all there are) and bounds, as kernels take them.
    chosen : Filter
        What else the spikes have to pass.
    threads, cancel
        As in `dashboard.compute.pool.spread`.

    Raises
    ------
    Cancelled
    """
    codes, order, bounds = which
    n_spikes = int(bounds[-1] - bounds[0])
    height, width = window.shape
    if n_spikes > MEAN_MOST * height * width:
        return None
    image = np.zeros((height + 1, width), dtype=np.uint8)
    wrapped = np.zeros(1, dtype=np.uint8)
    amps = NO_AMPS if columns.amps_uv is None else columns.amps_uv
    last_edge = float(window.depth_edges[-1]) if window.closed else math.nan
    first_code, shift = rows

    def draw(first: int, last: int) -> int:
        return count_bytes(
            codes, columns.depths_um, order, columns.clusters, amps, chosen, bounds, first_code, shift, last_edge,
            image, wrapped, first, last,
        )  # fmt: skip

    total = spread(draw, bounds, n_spikes // SPIKES_PER_WORK, threads, cancel)
    return None if wrapped[0] else (image[:height], total)
