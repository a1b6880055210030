"""Spikes per pixel, counted by the route that is quickest, and the rate that they give."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import NO_ORDER
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.depths import ROW_SHIFT
from dashboard.engine.columns.filter import NO_FILTER, Kept, spike_arrays
from dashboard.engine.columns.ranks import count_ranks
from dashboard.engine.columns.spike_subsets import find_subset
from dashboard.engine.columns.subset_store import SpikeSubset
from dashboard.engine.count.aggregate import PixelRequest
from dashboard.engine.count.kernels import count_kept_tiles, count_scatter, count_tiles, count_units
from dashboard.engine.count.lattice_counts import LatticeWindow, count_narrow, lattice_rates
from dashboard.engine.count.window import Window
from dashboard.engine.threads import spread
from dashboard.model.errors import Cancelled

#: Below this share of the spikes, their rows by cluster are read instead of all spikes.
INDEX_BELOW = 1 / 4
#: Bins from which rates of the lattice are exact in 32 bits, in s.
MIN_BIN_S = 2.0**-100
#: Spikes per pixel column from which differences of stored ranks are quicker than counting.
RANK_FROM = 2048


def count(request: PixelRequest) -> tuple[npt.NDArray[Any], int]:
    """Return the spikes in each pixel: uint32, or uint8 where that holds them, on the lattice."""
    return count_window(request.columns, request.window, request.kept, request.threads, request.cancel)


def rate(request: PixelRequest) -> tuple[npt.NDArray[Any], int]:
    """Return the spikes in each pixel over its width in time, in Hz: float64, or float32 where that is exact."""
    (values, n_spikes), edges = count(request), request.window.time_edges
    bin_s = float(edges[1] - edges[0])
    is_plain = values.dtype == np.uint8 and MIN_BIN_S <= bin_s <= 1 / MIN_BIN_S
    return lattice_rates(values, bin_s) if is_plain else values / np.diff(edges), n_spikes


def _rank_rows(columns: SpikeColumns, edges: npt.NDArray[np.float64]) -> tuple[int, int] | None:
    """Return (first index row, index rows per pixel) where every edge is one of the rank index, else None."""
    row_um = columns.depth_step_um * (1 << ROW_SHIFT)
    places = edges / row_um
    steps = np.diff(places)
    if not (bool((places == np.floor(places)).all()) and steps[0] >= 1 and bool((steps == steps[0]).all())):
        return None
    first = places[0] - columns.depth_origin_um / row_um
    if abs(first) > 2**40 or steps[0] > 2**20:
        return None
    return int(first), int(steps[0])


def _add_last_edge(columns: SpikeColumns, window: Window, kept: Kept, row: int, image: npt.NDArray[np.uint32]) -> int:
    """Add the spikes exactly on the last depth edge to the last row, where numpy has them; return their number."""
    found = columns.rank_index.on_edge(row)
    first, last = np.searchsorted(found, (window.bounds[0], window.bounds[-1]))
    found = found[first:last]
    if not window.closed or not len(found):
        return 0
    if not kept.everything:
        found = found[kept.mask(columns, found)]
    pixels = np.searchsorted(window.bounds, found, "right") - 1
    image[-1] += np.bincount(pixels, minlength=image.shape[1]).astype(np.uint32)
    return len(found)


def count_window(
    columns: SpikeColumns,
    window: Window,
    kept: Kept,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.uint32] | npt.NDArray[np.uint8], int]:
    """Return the counts of a window, shape (height, width), and their sum, by the route that is quickest.

    They are uint32; where the window is on the lattice, uint8 if that holds them.
    """
    on_lattice = window if isinstance(window, LatticeWindow) else None
    if on_lattice is not None and kept.everything and on_lattice.counted is not None:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        return on_lattice.counted
    n_kept = kept.share(columns, window.n_spikes)
    part = None if window.is_sparse(n_kept) else find_subset(columns, kept, window.n_spikes)
    is_few = part is None and kept.by_cluster and n_kept < INDEX_BELOW * window.n_spikes
    if on_lattice is not None and not is_few:
        narrow = _count_narrow(columns, on_lattice, kept, part, threads, cancel)
        if narrow is not None:
            return narrow
    if part is not None:
        return _count_part(columns, window, kept, part, threads, cancel)
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    is_sparse = is_few or window.is_sparse(n_kept)
    image: npt.NDArray[np.uint32] = (np.zeros if is_sparse else np.empty)(window.shape, dtype=np.uint32)
    draw: Callable[[int, int], int]
    if is_few:
        index, ids = columns.unit_index, kept.ids

        def draw(first: int, last: int) -> int:
            return count_units(spikes, chosen, grid, index.order, index.offsets, ids, image, first, last)
    else:
        count = count_scatter if is_sparse else count_kept_tiles

        def draw(first: int, last: int) -> int:
            return count(spikes, chosen, grid, image, first, last)

    work = 4 * n_kept if is_few else window.n_spikes
    return image, spread(draw, window.bounds, work, threads, cancel)


def _count_narrow(
    columns: SpikeColumns,
    window: LatticeWindow,
    kept: Kept,
    part: SpikeSubset | None,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.uint8], int] | None:
    """Return the counts of a window on the lattice in bytes; None where another route is quicker, or they wrap."""
    if part is None:
        which = columns.depth_codes, NO_ORDER, window.bounds
    else:
        which = part.codes, part.order, part.bounds(window.bounds)
        is_aligned = window.lattice_rows is not None and window.lattice_rows.shift >= ROW_SHIFT
        if is_aligned and int(which[2][-1] - which[2][0]) > window.shape[1] * RANK_FROM:
            return None
    chosen = kept.chosen if part is None else NO_FILTER
    return count_narrow(columns, window, which, chosen, threads, cancel)


def _count_part(
    columns: SpikeColumns,
    window: Window,
    kept: Kept,
    part: SpikeSubset,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.uint32], int]:
    """Return the counts of spikes that stand apart, or of all: from the rank index where rows allow and it pays."""
    image = np.empty(window.shape, dtype=np.uint32)
    bounds = part.bounds(window.bounds)
    n_spikes, width = int(bounds[-1] - bounds[0]), window.shape[1]
    aligned = _rank_rows(columns, window.depth_edges) if n_spikes > width * RANK_FROM else None
    codes, order = part.codes, part.order
    if aligned is not None:
        before, (first_row, per_pixel) = part.before(columns.n_codes), aligned

        def subtract(first: int, last: int) -> int:
            return count_ranks(codes, before, bounds, first_row, per_pixel, image, first, last)

        total = spread(subtract, window.bounds, width * RANK_FROM, threads, cancel)
        return image, total + _add_last_edge(columns, window, kept, first_row + per_pixel * image.shape[0], image)
    grid = window.grid._replace(bounds=bounds)

    def draw(first: int, last: int) -> int:
        return count_tiles(codes, columns.depth_fines, columns.depths_um, order, grid, image, first, last)

    return image, spread(draw, bounds, n_spikes + image.size // 4, threads, cancel)
