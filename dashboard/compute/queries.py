"""Which spikes lie in a box of time and depth, and how many."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.columns import SpikeColumns
from dashboard.compute.kernels import F32, F64, I64, U8, U16
from dashboard.compute.lattice import check_window, code_rows
from dashboard.compute.numba_cache import kernel
from dashboard.compute.selections import Kept, kept_spikes
from dashboard.compute.windows import time_bounds


@kernel
def _select(
    codes: U16,
    depths: F64,
    clusters: npt.NDArray[Any],
    keep: U8,
    amps: F32,
    amp_low: float,
    amp_high: float,
    start: int,
    stop: int,
    places: U16,
    low: float,
    high: float,
    found: I64,
) -> int:
    """Write the rows inside into `found` until that is full; return how many there are in all."""
    by_amp = amps.shape[0] > 0
    room = found.shape[0]
    n = np.int64(0)
    for i in range(start, stop):
        place = places[codes[i]]
        if place == 1 or (place == 2 and not (depths[i] >= low and depths[i] <= high)):
            continue
        if keep[clusters[i]] == 0:
            continue
        if by_amp and not (np.float64(amps[i]) >= amp_low and np.float64(amps[i]) < amp_high):
            continue
        if n < room:
            found[n] = i
        n += 1
    return n


def _inside(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    kept: Kept,
    found: npt.NDArray[np.int64],
) -> int:
    times = np.array(check_window(time_range, "time_range"))
    depths = np.array(check_window(depth_range, "depth_range"))
    start, stop = (int(bound) for bound in time_bounds(columns, times))
    places = code_rows(depths, columns.depth_origin_um, columns.depth_step_um, columns.n_codes, True)
    return int(
        _select(
            columns.depth_codes,
            columns.depths_um,
            columns.clusters,
            kept.keep,
            kept.amps,
            *kept.amp_range,
            start,
            stop,
            places,
            depths[0],
            depths[1],
            found,
        )
    )


def count_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
) -> int:
    """Return how many spikes lie in a box, all four edges inside.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.

    Raises
    ------
    BadRequest
    """
    kept = kept_spikes(columns, clusters, amp_range_uv)
    return _inside(columns, time_range, depth_range, kept, np.empty(0, dtype=np.int64))


def spikes_in(
    columns: SpikeColumns,
    time_range: tuple[float, float],
    depth_range: tuple[float, float],
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
    limit: int | None = None,
) -> npt.NDArray[np.int64] | None:
    """Return the rows of the spikes in a box, all four edges inside, in order of time.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float
        In s and um.
    clusters, amp_range_uv
        As in `dashboard.compute.rasters.aggregate`.
    limit : int or None
        The most that are wanted.

    Returns
    -------
    ndarray, shape (n,), int64, or None
        Rows of the columns (not of the file: see `SpikeColumns.spike_rows`); None where there are
        more than `limit`.

    Raises
    ------
    BadRequest
    """
    kept = kept_spikes(columns, clusters, amp_range_uv)
    if limit is None:
        limit = _inside(columns, time_range, depth_range, kept, np.empty(0, dtype=np.int64))
    start, stop = time_bounds(columns, np.array(check_window(time_range, "time_range")))
    found = np.empty(max(0, min(limit, int(stop - start))), dtype=np.int64)
    n = _inside(columns, time_range, depth_range, kept, found)
    return found[:n] if n <= limit else None
