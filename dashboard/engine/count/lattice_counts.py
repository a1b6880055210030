"""Counts for the live view: on the lattice a row is a shift of the depth code, and nearly every count fits in a byte.

An image of bytes fits in the processor's cache and is a quarter of the pages that a fresh one has to be given, which
for a picture of few spikes took longer than counting them. A pixel that passes 255 is noticed, and counted again
elsewhere in 32 bits.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import F32, F64, I64, NO_ORDER, U8, U16, U32, Filter
from dashboard.engine.columns.clock import TimeTicks, column_bounds
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import NO_AMPS, NO_CLUSTERS, spike_arrays
from dashboard.engine.compile import inlined, kernel
from dashboard.engine.count.lattice import LatticeBins, lattice_levels, snapped_bins
from dashboard.engine.count.window import Window
from dashboard.engine.threads import spread

#: Spikes placed together: places in the image are computed many at a time, then counted one by one.
BLOCK = 1024
#: Above so many spikes per pixel, on average, one that passes 255 is likely enough to count in 32 bits at once.
MEAN_MOST = 8
#: So many spikes are counted here while another kernel counts one; `spread` reckons in those.
SPIKES_PER_WORK = 5
#: Spikes per column, on average, below which they are not placed many at a time.
FEW = 16
#: Codes beyond which a window's lower edge is not laid over the grid of codes.
FARTHEST = 1 << 30
#: The coarsest rows, as a power of two: all codes in one.
COARSEST = 16
#: The largest count of a byte.
LARGEST = 255
#: Stands in for the clusters of spikes where no filter looks at them.
NO_IDS: U16 = np.empty(0, dtype=np.uint16)
#: In place of the number of spikes.
NOT_COUNTED, WRAPPED = -1, -2


class LatticeRows(NamedTuple):
    """Row of code c: ``(c - first_code) >> shift``."""

    first_code: int
    shift: int


@inlined
def lattice_rows(depths: LatticeBins, step_um: float, origin_code: float) -> tuple[bool, int, int]:
    """Return whether rows on the lattice follow from depth codes, and their `LatticeRows`.

    They do not where they are finer than codes, or far away.
    """
    # Both steps are powers of two: nothing is rounded.
    codes_per_row = depths.size / step_um
    if not 1.0 <= codes_per_row <= 1 << COARSEST:
        return False, 0, 0
    first = depths.first * codes_per_row - origin_code
    if not abs(first) < FARTHEST:
        return False, 0, 0
    return True, int(first), math.frexp(codes_per_row)[1] - 1


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
        As in `dashboard.engine.count.kernels.count_tiles`.
    clusters, amps, chosen
        What the filter looks at; nothing is looked at where it keeps everything.
    bounds : ndarray, shape (width + 1,), int64
    first_code, shift : int
        See `LatticeRows`.
    last_edge : float
        Depth that belongs to the last row too.
    image : ndarray, shape (height, width), uint8
    wrapped : ndarray, shape (1,), uint8
        Set to 1 where a pixel passed 255.
    """
    height, width = np.uint32(image.shape[0]), np.uint32(image.shape[1])
    pixels = image.reshape(-1)
    places = np.empty(BLOCK, dtype=np.uint32)
    base, by = np.uint32(first_code), np.uint32(shift)
    beyond = np.uint32(height * width)
    last_code = first_code + (int(height) << shift)
    has_last = 0 <= last_code <= 0xFFFF
    edge_code = np.uint16(last_code & 0xFFFF)
    flag = np.uint8(0)
    total = 0
    for column in range(first, last):
        x = np.uint32(column)
        may_wrap = bounds[column + 1] - bounds[column] > LARGEST
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
            n_kept = int(n)
            if chosen.by_amp:
                n_kept = 0
                ids, uv = clusters[start : start + block.shape[0]], amps[start : start + block.shape[0]]
                for i in range(ids.shape[0]):
                    place, amp = places[i], uv[i]
                    passes = (amp >= chosen.amp_low) & (amp < chosen.amp_high) & (place < beyond)
                    places[n_kept] = place
                    n_kept += int(chosen.keep[ids[i]] & np.uint8(passes))
            elif chosen.by_cluster:
                n_kept = 0
                ids = clusters[start : start + block.shape[0]]
                for i in range(ids.shape[0]):
                    place = places[i]
                    places[n_kept] = place
                    n_kept += int(chosen.keep[ids[i]] & np.uint8(place < beyond))
            elif n_kept < block.shape[0]:
                n_kept = 0
                for i in range(block.shape[0]):
                    place = places[i]
                    places[n_kept] = place
                    n_kept += int(place < beyond)
            total += n_kept
            if not may_wrap:
                for i in range(n_kept):
                    pixels[np.uint64(places[i])] += np.uint8(1)
                continue
            for i in range(n_kept):
                place = np.uint64(places[i])
                count = np.uint8(pixels[place] + np.uint8(1))
                pixels[place] = count
                flag |= np.uint8(count == 0)
    if flag != 0:
        wrapped[0] = np.uint8(1)
    return total


@inlined
def count_few(codes: U16, depths: F64, bounds: I64, first_code: int, shift: int, last_edge: float, image: U8) -> int:
    """Count all spikes as `count_bytes` does, one by one: for few in each column. `WRAPPED` where a byte wraps."""
    height, width = image.shape
    pixels = image.reshape(-1)
    last_code = first_code + (height << shift)
    total = 0
    for column in range(width):
        for spike in range(bounds[column], bounds[column + 1]):
            code = int(codes[np.uint64(spike)])
            row = (code - first_code) >> shift
            if code == last_code and depths[spike] == last_edge:
                row = height - 1
            if row < 0 or row >= height:
                continue
            place = np.uint64(row * width + column)
            pixels[place] += np.uint8(1)
            if pixels[place] == 0:
                return WRAPPED
            total += 1
    return total


@kernel
def _lay(
    times: F64,
    starts: U32,
    first_tick: float,
    ticks_per_s: float,
    codes: U16,
    depths: F64,
    step_um: float,
    origin_code: float,
    start: float,
    stop: float,
    bottom: float,
    top: float,
    width: int,
    height: int,
    most: int,
) -> tuple[F64, F64, I64, U8, bool, int, int, int]:
    """Return edges of times and depths, bounds, counts, how rows follow from codes, and the number of spikes.

    All in one call: where other work has swept the processor's caches, each call of numpy took 20 to 50 us, and each
    line of Python five. The number is `NOT_COUNTED` where there are more than `most` spikes, `WRAPPED` where a byte
    wrapped.
    """
    first_level, second_level = lattice_levels((stop - start, top - bottom), (width, height))
    columns, rows = (
        snapped_bins((start, stop), first_level),
        snapped_bins((bottom, top), second_level),
    )
    follows, first_code, shift = lattice_rows(rows, step_um, origin_code)
    time_edges, depth_edges = np.empty(columns.n_bins + 1), np.empty(rows.n_bins + 1)
    bounds = np.empty(columns.n_bins + 1, dtype=np.int64)
    for k in range(columns.n_bins + 1):
        time_edges[k] = (columns.first + k) * columns.size
    for k in range(rows.n_bins + 1):
        depth_edges[k] = (rows.first + k) * rows.size
    column_bounds(times, TimeTicks(starts, first_tick, ticks_per_s), time_edges, True, bounds)
    n_spikes = bounds[-1] - bounds[0]
    if not follows or n_spikes > most or n_spikes > MEAN_MOST * columns.n_bins * rows.n_bins:
        return (
            time_edges,
            depth_edges,
            bounds,
            np.empty((0, 0), dtype=np.uint8),
            follows,
            first_code,
            shift,
            NOT_COUNTED,
        )
    image = np.zeros((rows.n_bins, columns.n_bins), dtype=np.uint8)
    if n_spikes < FEW * columns.n_bins:
        total = count_few(codes, depths, bounds, first_code, shift, depth_edges[-1], image)
        return time_edges, depth_edges, bounds, image, follows, first_code, shift, total
    wrapped = np.zeros(1, dtype=np.uint8)
    chosen = Filter(NO_CLUSTERS, False, False, np.float32(0), np.float32(0))
    total = count_bytes(
        codes, depths, NO_ORDER, NO_IDS, NO_AMPS, chosen, bounds, first_code, shift, depth_edges[-1], image, wrapped,
        0, image.shape[1],
    )  # fmt: skip
    return time_edges, depth_edges, bounds, image, follows, first_code, shift, WRAPPED if wrapped[0] else total


@dataclass(eq=False)
class LatticeWindow(Window):
    """A window on the lattice, laid at once, with what is counted on the way.

    Attributes
    ----------
    lattice_rows : LatticeRows or None
        See there.
    counted : tuple of (ndarray, int), or None
        Counts of all spikes, shape (height, width), uint8, and their sum, where that was asked for.
    is_wide : bool
        Whether those counts do not fit in bytes.
    """

    lattice_rows: LatticeRows | None
    counted: tuple[npt.NDArray[np.uint8], int] | None
    is_wide: bool


def lay_lattice(
    columns: SpikeColumns,
    times: tuple[float, float],
    depths: tuple[float, float],
    size: tuple[int, int],
    most: int = NOT_COUNTED,
) -> LatticeWindow:
    """Return the window on the lattice that reaches over these times and depths.

    Parameters
    ----------
    columns : SpikeColumns
    times, depths : tuple of float
        In s and um, checked.
    size : tuple of int
        Width and height wanted; see `lattice_levels`.
    most : int
        All spikes are counted on the way where there are at most so many, without a second call; `NOT_COUNTED`
        for none at all.
    """
    arguments: tuple[Any, ...] = (*columns.placing, *times, *depths, *size, most)
    time_edges, depth_edges, bounds, image, follows, first_code, shift, total = _lay(*arguments)
    rows = LatticeRows(first_code, shift) if follows else None
    counted = (image, total) if total >= 0 else None
    return LatticeWindow(time_edges, depth_edges, True, bounds, columns.grid, rows, counted, total == WRAPPED)


@kernel
def _scale(counts: U8, factor: np.float32, rates: F32) -> None:
    for row in range(counts.shape[0]):
        for column in range(counts.shape[1]):
            rates[row, column] = np.float32(counts[row, column]) * factor


def lattice_rates(counts: npt.NDArray[Any], bin_s: float) -> npt.NDArray[np.float32]:
    """Return counts over the length of a bin, in Hz: exact, as bins are powers of two and bytes are small."""
    rates = np.empty(counts.shape, dtype=np.float32)
    _scale(counts, np.float32(1.0 / bin_s), rates)
    return rates


def count_narrow(
    columns: SpikeColumns,
    window: LatticeWindow,
    which: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.int64]],
    chosen: Filter,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.uint8], int] | None:
    """Return the counts of a window on the lattice, shape (height, width), and their sum; None where bytes wrap.

    Parameters
    ----------
    columns : SpikeColumns
    window : LatticeWindow
    which : tuple of ndarray
        Codes, rows in the columns (none: all there are) and bounds, as kernels take them.
    chosen : Filter
        What else the spikes have to pass.
    threads, cancel
        As in `dashboard.engine.threads.spread`.

    Raises
    ------
    Cancelled
    """
    codes, order, bounds = which
    n_spikes = int(bounds[-1] - bounds[0])
    height, width = window.shape
    if window.lattice_rows is None or window.is_wide or n_spikes > MEAN_MOST * height * width:
        return None
    image = np.zeros((height, width), dtype=np.uint8)
    wrapped = np.zeros(1, dtype=np.uint8)
    amps, last_edge = spike_arrays(columns).amps, float(window.depth_edges[-1])
    first_code, shift = window.lattice_rows

    def draw(first: int, last: int) -> int:
        return count_bytes(
            codes, columns.depths_um, order, columns.clusters, amps, chosen, bounds, first_code, shift, last_edge,
            image, wrapped, first, last,
        )  # fmt: skip

    total = spread(draw, bounds, n_spikes // SPIKES_PER_WORK, threads, cancel)
    return None if wrapped[0] else (image, total)
