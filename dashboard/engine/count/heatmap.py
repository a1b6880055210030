"""Firing rate in bins of any width and height, on the grid that ibllib bins on."""

from __future__ import annotations

import logging
import math
import threading

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.counts import count_window
from dashboard.engine.count.lattice import MAX_PIXELS, MAX_SIDE, check_window, floor_edges
from dashboard.engine.count.window import lay_window
from dashboard.model.errors import BadRequest

logger = logging.getLogger(__name__)

#: Columns of one heatmap: an hour in bins of 1 ms, and some.
MAX_CELLS_WIDE = 1 << 22


def _bin_numbers(
    extent: tuple[float, float], window: tuple[float, float] | None, origin: float, size: float
) -> tuple[int, int]:
    """Return the first bin and the number of bins that cover `window`, or without one `extent` as ibllib does."""
    if window is None:
        # bincount2D: numpy.arange(low, high + size / 2, size).
        span = extent[1] + size / 2 - origin
        return 0, max(1, math.ceil(span / size))
    first = math.floor((window[0] - origin) / size)
    return first, max(1, math.ceil((window[1] - origin) / size) - first)


def firing_rate(
    columns: SpikeColumns,
    time_bin_s: float = 0.05,
    depth_bin_um: float = 10.0,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    *,
    kept: Kept | None = None,
    origin: tuple[float, float] | None = None,
    max_cells: int | None = 4_000_000,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> Aggregate:
    """Return the firing rate per bin, in Hz: spikes in the bin over its width in time.

    Bins are those of ibllib's ``bincount2D(times, depths, time_bin_s, depth_bin_um)`` with ``xlim``
    and ``ylim`` starting at `origin`: bin k holds ``floor((x - origin) / size) == k``. The stated
    edges are where that expression steps, so counting by comparison with them gives the same.

    Parameters
    ----------
    columns : SpikeColumns
    time_bin_s, depth_bin_um : float
        Width and height of a bin.
    time_range, depth_range : tuple of float or None
        What to cover, outward to whole bins of the same grid. None: every spike, with as many bins
        as ``bincount2D`` returns.
    kept : Kept or None
        Which spikes; None: all.
    origin : tuple of float or None
        Time and depth at which bin 0 starts. None: the first spike and the lowest depth.
    max_cells : int or None
        Where there would be more bins, bins are made wider in time by a whole factor (the answer's
        edges say so); every spike is still counted. None: no limit but that of an image.
    threads : int or None
    cancel : threading.Event or None

    Returns
    -------
    Aggregate
        ``kind`` is ``"rate"``, ``values`` float64 in Hz.

    Raises
    ------
    BadRequest
    Cancelled
    """
    for size, name in ((time_bin_s, "time_bin_s"), (depth_bin_um, "depth_bin_um")):
        if not (math.isfinite(size) and size > 0):
            raise BadRequest(f"{name} must be above zero", repr(size))
    columns.check_placed()
    kept = checked(columns, kept)
    times = None if time_range is None else check_window(time_range, "time_range")
    depths = None if depth_range is None else check_window(depth_range, "depth_range")
    time_origin, depth_origin = origin or (columns.time_range_s[0], columns.depth_range_um[0])
    first_row, n_rows = _bin_numbers(columns.depth_range_um, depths, depth_origin, depth_bin_um)
    first, n_columns = _bin_numbers(columns.time_range_s, times, time_origin, time_bin_s)
    limit = min(MAX_PIXELS if max_cells is None else max_cells, MAX_PIXELS)
    factor = max(1, -(-n_columns * n_rows // limit))
    if factor > 1:
        time_bin_s *= factor
        first, n_columns = _bin_numbers(columns.time_range_s, times, time_origin, time_bin_s)
        logger.debug("bins widened %d times in time, to %g s", factor, time_bin_s)
    if n_rows > MAX_SIDE or n_columns > MAX_CELLS_WIDE:
        raise BadRequest("Too many bins", f"{n_columns} x {n_rows}", "Make the bins larger, or the window smaller")
    time_edges = floor_edges(time_origin, time_bin_s, n_columns, first)
    depth_edges = floor_edges(depth_origin, depth_bin_um, n_rows, first_row)
    window = lay_window(columns, time_edges, depth_edges, closed=False)
    counts, n_spikes = count_window(columns, window, kept, threads, cancel)
    return Aggregate(counts / time_bin_s, time_edges, depth_edges, "rate", "Hz", n_spikes)
