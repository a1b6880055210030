"""Rates over time, by depth and by cluster, from the same columns as the raster."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import BLOCK, F64, I64, Filter, Grid, SpikeArrays
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked, spike_arrays
from dashboard.engine.columns.spike_subsets import count_kept
from dashboard.engine.compile import kernel
from dashboard.engine.count.counts import count_window
from dashboard.engine.count.heatmap import MAX_CELLS_WIDE
from dashboard.engine.count.kernels import inverse_row_height, new_scratch, place_block
from dashboard.engine.count.lattice import check_window, floor_edges
from dashboard.engine.count.window import Window, lay_window, time_bounds
from dashboard.engine.threads import spread
from dashboard.model.errors import BadRequest

#: Height of a bin of depth, as in the alignment GUI.
PROFILE_BIN_UM = 10.0
#: A mean amplitude of fewer spikes is noise; the alignment GUI draws zero there, we leave it blank.
MIN_SPIKES_FOR_AMPLITUDE = 50
#: Stretches of the session that are counted apart, for the threads to share.
STRETCHES = 64


class DepthProfile(NamedTuple):
    """Rate and amplitude in bins of depth.

    Attributes
    ----------
    depth_edges_um : ndarray, shape (n_bins + 1,), float64
    rate_hz : ndarray, shape (n_bins,), float64
        Spikes over the length of the window in time.
    amp_mean_uv : ndarray, shape (n_bins,), float64, or None
        NaN where there are fewer than 50 spikes; None where there are no amplitudes, or none were
        asked for.
    counts : ndarray, shape (n_bins,), int64
    """

    depth_edges_um: npt.NDArray[np.float64]
    rate_hz: npt.NDArray[np.float64]
    amp_mean_uv: npt.NDArray[np.float64] | None
    counts: npt.NDArray[np.int64]


@kernel
def _count_times(spikes: SpikeArrays, chosen: Filter, bounds: I64, counts: I64, first: int, last: int) -> int:
    for column in range(first, last):
        counts[column] = count_kept(spikes, chosen, bounds[column], bounds[column + 1])
    return 0


@kernel
def _count_depths(
    spikes: SpikeArrays, chosen: Filter, grid: Grid, counts: I64, amp_counts: I64, sums: F64, first: int, last: int
) -> int:
    """Count by depth, and sum amplitudes that are not NaN, apart for each stretch of time."""
    bounds, amps = grid.bounds, spikes.amps
    n_bins = grid.edges.shape[0] - 1
    has_amps = amps.shape[0] > 0
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    for stretch in range(first, last):
        for start in range(bounds[stretch], bounds[stretch + 1], BLOCK):
            stop = min(start + BLOCK, bounds[stretch + 1])
            for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                row = placed[j]
                if row < n_bins:
                    counts[stretch, row] += 1
                    amp = amps[start + which[j]] if has_amps else np.float32(np.nan)
                    if amp == amp:
                        amp_counts[stretch, row] += 1
                        sums[stretch, row] += np.float64(amp)
    return 0


@kernel
def _count_clusters(spikes: SpikeArrays, chosen: Filter, grid: Grid, counts: I64, first: int, last: int) -> int:
    bounds, clusters = grid.bounds, spikes.clusters
    n_rows = grid.edges.shape[0] - 1
    inverse_height = inverse_row_height(grid.edges)
    scratch = new_scratch()
    placed, which = scratch.placed, scratch.which
    for stretch in range(first, last):
        for start in range(bounds[stretch], bounds[stretch + 1], BLOCK):
            stop = min(start + BLOCK, bounds[stretch + 1])
            for j in range(place_block(spikes, chosen, grid, inverse_height, start, stop, scratch)):
                if placed[j] < n_rows:
                    counts[stretch, clusters[start + which[j]]] += 1
    return 0


def _check_bin(size: float, name: str) -> float:
    if not (math.isfinite(size) and size > 0):
        raise BadRequest(f"{name} must be above zero", repr(size))
    return float(size)


def _n_bins(span: float, size: float) -> int:
    """Return how many bins of `size` reach over `span`, its end being outside the last one's upper edge."""
    n_bins = math.ceil(span / size)
    if n_bins > MAX_CELLS_WIDE:
        raise BadRequest("Too many bins", f"{n_bins}", "Make the bins larger, or the window smaller")
    return max(1, n_bins)


def population_rate(
    columns: SpikeColumns,
    time_bin_s: float,
    time_range: tuple[float, float] | None = None,
    *,
    kept: Kept | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the rate of all kept spikes together, in bins of time.

    Parameters
    ----------
    columns : SpikeColumns
    time_bin_s : float
    time_range : tuple of float or None
        Bins start at its first time and reach over its last one. None: the first and last spike.
    kept : Kept or None
        Which spikes; None: all.

    Returns
    -------
    edges : ndarray, shape (n_bins + 1,), float64, in s
    rate_hz : ndarray, shape (n_bins,), float64
        Spikes from an edge up to, not including, the next; over the width of the bin.

    Raises
    ------
    BadRequest
    """
    size = _check_bin(time_bin_s, "time_bin_s")
    kept = checked(columns, kept)
    start, end = columns.time_range_s if time_range is None else check_window(time_range, "time_range")
    n_bins = _n_bins(end - start, size)
    if time_range is None and start + n_bins * size <= end:
        n_bins += 1  # the last spike is in a bin, not on the end of one
    edges = floor_edges(start, size, n_bins)
    bounds = time_bounds(columns, edges, closed=False)
    counts = np.diff(bounds)
    if not kept.everything:
        counts = np.empty(n_bins, dtype=np.int64)
        spikes, chosen = spike_arrays(columns), kept.chosen

        def draw(first: int, last: int) -> int:
            return _count_times(spikes, chosen, bounds, counts, first, last)

        spread(draw, bounds, int(bounds[-1] - bounds[0]))
    return edges, counts / size


def _stretches(
    columns: SpikeColumns, time_range: tuple[float, float] | None, depth_edges: npt.NDArray[np.float64], closed: bool
) -> Window:
    """Return a window whose columns are stretches of equal numbers of spikes."""
    if time_range is None:
        start, stop = 0, columns.n_spikes
    else:
        start, stop = (int(bound) for bound in time_bounds(columns, np.array(check_window(time_range, "time_range"))))
    window = lay_window(columns, np.zeros(STRETCHES + 1), depth_edges, closed)
    bounds = np.linspace(start, stop, STRETCHES + 1).astype(np.int64)
    return replace(window, bounds=bounds)


def depth_profile(
    columns: SpikeColumns,
    depth_bin_um: float = PROFILE_BIN_UM,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    *,
    kept: Kept | None = None,
    amplitudes: bool = True,
) -> DepthProfile:
    """Return firing rate and mean amplitude by depth.

    Bins are ``floor(depth / depth_bin_um)``, as in the alignment GUI, whose bins start at zero.

    Parameters
    ----------
    columns : SpikeColumns
    depth_bin_um : float
    time_range, depth_range : tuple of float or None
        Both ends inside; `depth_range` is covered outward to whole bins. None: all spikes.
    kept : Kept or None
        Which spikes; None: all.
    amplitudes : bool
        Whether the mean amplitudes are wanted, too: rates alone take a third of the time.

    Raises
    ------
    BadRequest
    """
    size = _check_bin(depth_bin_um, "depth_bin_um")
    columns.check_placed()
    kept = checked(columns, kept)
    low, high = columns.depth_range_um if depth_range is None else check_window(depth_range, "depth_range")
    first = math.floor(low / size)
    n_bins = _n_bins(high - first * size, size)
    if depth_range is None and math.floor(high / size) >= first + n_bins:
        n_bins += 1
    edges = floor_edges(0.0, size, n_bins, first)
    window = _stretches(columns, time_range, edges, closed=False)
    sums: npt.NDArray[np.float64] | None = None
    if amplitudes and columns.amps_uv is not None:
        counts, used, sums = _sum_by_depth(columns, window, kept)
    else:
        by_stretch, _ = count_window(columns, window, kept, None, None)
        counts = by_stretch.sum(axis=1, dtype=np.int64)
    start, end = columns.time_range_s if time_range is None else time_range
    rate_hz = counts / (end - start) if end > start else np.full(n_bins, np.nan)
    amp_mean = None
    if sums is not None:
        enough = (counts >= MIN_SPIKES_FOR_AMPLITUDE) & (used > 0)
        amp_mean = np.where(enough, sums / np.maximum(used, 1), np.nan)
    return DepthProfile(edges, rate_hz, amp_mean, counts)


def _sum_by_depth(
    columns: SpikeColumns, window: Window, kept: Kept
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return, by depth, the spikes, those with an amplitude, and the sum of their amplitudes."""
    counts = np.zeros((STRETCHES, window.shape[0]), dtype=np.int64)
    used, sums = np.zeros_like(counts), np.zeros(counts.shape)
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid

    def draw(first: int, last: int) -> int:
        return _count_depths(spikes, chosen, grid, counts, used, sums, first, last)

    spread(draw, window.bounds, window.n_spikes)
    return counts.sum(axis=0), used.sum(axis=0), sums.sum(axis=0)


def cluster_counts(
    columns: SpikeColumns,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    *,
    kept: Kept | None = None,
) -> npt.NDArray[np.int64]:
    """Return how many spikes each cluster has in a box, all edges inside.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float or None
    kept : Kept or None
        Which spikes; None: all.

    Returns
    -------
    ndarray, shape (n_clusters,), int64

    Raises
    ------
    BadRequest
    """
    kept = checked(columns, kept)
    if depth_range is None and kept.everything:
        index = columns.unit_index
        if time_range is None:
            return np.diff(index.offsets)
        start, stop = time_bounds(columns, np.array(check_window(time_range, "time_range")))
        return np.array(
            [int(np.subtract(*np.searchsorted(index.rows(c), [stop, start]))) for c in range(columns.n_clusters)],
            dtype=np.int64,
        )
    grid = columns.grid
    whole = (grid.origin_um, grid.origin_um + grid.n_codes * grid.step_um)
    depths = np.array(whole if depth_range is None else check_window(depth_range, "depth_range"))
    window = _stretches(columns, time_range, depths, closed=True)
    counts = np.zeros((STRETCHES, columns.n_clusters), dtype=np.int64)

    spikes, chosen, pixels = spike_arrays(columns), kept.chosen, window.grid

    def draw(first: int, last: int) -> int:
        return _count_clusters(spikes, chosen, pixels, counts, first, last)

    spread(draw, window.bounds, window.n_spikes)
    return np.asarray(counts.sum(axis=0))
