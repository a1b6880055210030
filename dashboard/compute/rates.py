"""Rates over time, by depth and by cluster, from the same columns as the raster."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.compute.columns import SpikeColumns
from dashboard.compute.heatmaps import MAX_CELLS_WIDE
from dashboard.compute.kernels import F32, F64, I64, U8, U16, inverse_row_height, settle
from dashboard.compute.lattice import check_window, floor_edges
from dashboard.compute.numba_cache import kernel
from dashboard.compute.pool import spread
from dashboard.compute.selections import Kept, kept_spikes
from dashboard.compute.windows import Window, lay_window, time_bounds
from dashboard.model.errors import BadRequest

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
        NaN where there are fewer than 50 spikes; None without amplitudes.
    counts : ndarray, shape (n_bins,), int64
    """

    depth_edges_um: npt.NDArray[np.float64]
    rate_hz: npt.NDArray[np.float64]
    amp_mean_uv: npt.NDArray[np.float64] | None
    counts: npt.NDArray[np.int64]


@kernel
def _count_times(
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    counts: I64,
    first: int,
    last: int,
) -> int:
    by_amp = amps.shape[0] > 0
    total = np.int64(0)
    for column in range(first, last):
        n = np.int64(0)
        for i in range(bounds[column], bounds[column + 1]):
            kept = np.int64(keep[clusters[i]])
            if by_amp:
                amp = np.float64(amps[i])
                kept &= np.int64((amp >= amp_low) & (amp < amp_high))
            n += kept
        counts[column] = n
        total += n
    return total


@kernel
def _count_depths(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    has_amps: bool,
    filtered: bool,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    counts: I64,
    amp_counts: I64,
    sums: F64,
    first: int,
    last: int,
) -> int:
    """Count by depth, and sum amplitudes that are not NaN, apart for each stretch of time."""
    n_bins = edges.shape[0] - 1
    straddles = n_bins + 1
    inverse_height = inverse_row_height(edges)
    for stretch in range(first, last):
        for i in range(bounds[stretch], bounds[stretch + 1]):
            amp = np.float64(amps[i]) if has_amps else 0.0
            if filtered and (keep[clusters[i]] == 0 or not (amp >= amp_low and amp < amp_high)):
                continue
            row = np.int64(rows[codes[i]])
            if row == straddles:
                row = settle(depths[i], edges, inverse_height, closed)
            if row < n_bins:
                counts[stretch, row] += 1
                if amp == amp:
                    amp_counts[stretch, row] += 1
                    sums[stretch, row] += amp
    return 0


@kernel
def _count_clusters(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    amps: F32,
    amp_low: float,
    amp_high: float,
    bounds: I64,
    rows: U16,
    edges: F64,
    closed: bool,
    counts: I64,
    first: int,
    last: int,
) -> int:
    n_rows = edges.shape[0] - 1
    inverse_height = inverse_row_height(edges)
    by_amp = amps.shape[0] > 0
    for stretch in range(first, last):
        for i in range(bounds[stretch], bounds[stretch + 1]):
            if by_amp and not (np.float64(amps[i]) >= amp_low and np.float64(amps[i]) < amp_high):
                continue
            row = np.int64(rows[codes[i]])
            if row == n_rows + 1:
                row = settle(depths[i], edges, inverse_height, closed)
            if row < n_rows:
                counts[stretch, clusters[i]] += 1
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
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the rate of all kept spikes together, in bins of time.

    Parameters
    ----------
    columns : SpikeColumns
    time_bin_s : float
    time_range : tuple of float or None
        Bins start at its first time and reach over its last one. None: the first and last spike.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.

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
    kept = kept_spikes(columns, clusters, amp_range_uv)
    start, end = columns.time_range_s if time_range is None else check_window(time_range, "time_range")
    n_bins = _n_bins(end - start, size)
    if time_range is None and start + n_bins * size <= end:
        n_bins += 1  # the last spike is in a bin, not on the end of one
    edges = floor_edges(start, size, n_bins)
    bounds = time_bounds(columns, edges, closed=False)
    counts = np.diff(bounds)
    if not kept.everything:
        counts = np.empty(n_bins, dtype=np.int64)

        def draw(first: int, last: int) -> int:
            return _count_times(columns.clusters, kept.keep, kept.amps, *kept.amp_range, bounds, counts, first, last)

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
    window = lay_window(columns, np.zeros(1), depth_edges, closed)
    bounds = np.linspace(start, stop, STRETCHES + 1).astype(np.int64)
    return Window(window.time_edges, window.depth_edges, closed, bounds, window.rows)


def depth_profile(
    columns: SpikeColumns,
    depth_bin_um: float = 10.0,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
) -> DepthProfile:
    """Return firing rate and mean amplitude by depth.

    Bins are ``floor(depth / depth_bin_um)``, as in the alignment GUI, whose bins start at zero.

    Parameters
    ----------
    columns : SpikeColumns
    depth_bin_um : float
    time_range, depth_range : tuple of float or None
        Both ends inside; `depth_range` is covered outward to whole bins. None: all spikes.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.

    Raises
    ------
    BadRequest
    """
    size = _check_bin(depth_bin_um, "depth_bin_um")
    kept = kept_spikes(columns, clusters, amp_range_uv)
    low, high = columns.depth_range_um if depth_range is None else check_window(depth_range, "depth_range")
    first = math.floor(low / size)
    n_bins = _n_bins(high - first * size, size)
    if depth_range is None and math.floor(high / size) >= first + n_bins:
        n_bins += 1
    edges = floor_edges(0.0, size, n_bins, first)
    window = _stretches(columns, time_range, edges, closed=False)
    counts = np.zeros((STRETCHES, n_bins), dtype=np.int64)
    amp_counts, sums = np.zeros_like(counts), np.zeros((STRETCHES, n_bins))
    has_amps = columns.amps_uv is not None
    amps = columns.amps_uv if columns.amps_uv is not None else kept.amps

    def draw(first: int, last: int) -> int:
        return _count_depths(
            *window.spikes(columns),
            columns.clusters,
            kept.keep,
            amps,
            has_amps,
            not kept.everything,
            *kept.amp_range,
            *window.grid,
            counts,
            amp_counts,
            sums,
            first,
            last,
        )

    spread(draw, window.bounds, window.n_spikes)
    total = counts.sum(axis=0)
    start, end = columns.time_range_s if time_range is None else time_range
    rate_hz = total / (end - start) if end > start else np.full(n_bins, np.nan)
    amp_mean = None
    if has_amps:
        used = amp_counts.sum(axis=0)
        amp_mean = np.where(total >= MIN_SPIKES_FOR_AMPLITUDE, sums.sum(axis=0) / np.maximum(used, 1), np.nan)
        amp_mean[used == 0] = np.nan
    return DepthProfile(edges, rate_hz, amp_mean, total)


def cluster_counts(
    columns: SpikeColumns,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    *,
    amp_range_uv: tuple[float, float] | None = None,
) -> npt.NDArray[np.int64]:
    """Return how many spikes each cluster has in a box, all edges inside.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float or None
    amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.

    Returns
    -------
    ndarray, shape (n_clusters,), int64

    Raises
    ------
    BadRequest
    """
    kept: Kept = kept_spikes(columns, None, amp_range_uv)
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

    def draw(first: int, last: int) -> int:
        return _count_clusters(
            *window.spikes(columns), columns.clusters, kept.amps, *kept.amp_range, *window.grid, counts, first, last
        )

    spread(draw, window.bounds, window.n_spikes)
    return np.asarray(counts.sum(axis=0))
