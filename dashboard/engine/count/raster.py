"""Pictures of time against depth, counted exactly from every spike in view."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import I32, NO_ORDER
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.depths import ROW_SHIFT
from dashboard.engine.columns.filter import NO_FILTER, Kept, checked, spike_arrays
from dashboard.engine.columns.filtered import find_part
from dashboard.engine.columns.part_store import Part
from dashboard.engine.columns.ranks import count_ranks
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.amplitudes import max_tiles, mean_tiles
from dashboard.engine.count.kernels import count_kept_tiles, count_scatter, count_tiles, count_units
from dashboard.engine.count.lattice import check_size, check_window, linear_edges
from dashboard.engine.count.lattice_counts import (
    NOT_COUNTED,
    SPIKES_PER_WORK,
    LatticeWindow,
    count_narrow,
    lattice_rates,
    lay_lattice,
)
from dashboard.engine.count.majority import NO_VOTE, Ballot, majority_tiles
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.scatters import majority_scatter, max_scatter, mean_scatter
from dashboard.engine.count.window import Window, lay_window
from dashboard.engine.threads import WORK_PER_THREAD, spread
from dashboard.model.errors import BadRequest, Cancelled

__all__ = ["AGGREGATES", "Aggregate", "aggregate", "count_in", "overview", "spikes_in"]

AGGREGATES = ("count", "rate", "amp_mean", "amp_max", "region", "label", "unit_rate", "cluster")
#: Below this share of the spikes, their rows by cluster are read instead of all spikes.
INDEX_BELOW = 1 / 4
#: Spikes on the lattice from which a second thread is worth it; fewer are counted in the call that lays the window.
AT_ONCE = 2 * WORK_PER_THREAD * SPIKES_PER_WORK
#: Bins from which rates of the lattice are exact in 32 bits, in s.
MIN_BIN_S = 2.0**-100
#: Pixels of the picture of the whole session that is kept with its columns.
OVERVIEW_SIZE = (2048, 768)
#: Spikes per pixel column from which differences of stored ranks are quicker than counting.
RANK_FROM = 2048
#: Below one spike in so many pixels, spikes are counted straight into the image.
SPARSE_PIXELS = 6
#: Counting votes in tiles costs so many times more per pixel than counting spikes.
VOTE_COST = 4
#: Cells in which one thread counts votes, 32 MB; an image with more goes in bands of rows.
VOTE_CELLS = 8 << 20


def default_window(extent: tuple[float, float]) -> tuple[float, float]:
    """Return an extent as a window: where it is a single value, half a unit to each side, as numpy does."""
    low, high = extent
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def lay_pixels(
    columns: SpikeColumns,
    time_range: tuple[float, float] | None,
    depth_range: tuple[float, float] | None,
    size: tuple[int, int],
    snap: bool,
    most: int = NOT_COUNTED,
) -> Window:
    """Return the window that these arguments of `aggregate` describe; `size` is (width, height).

    On the lattice all spikes are counted on the way where there are at most so many.

    Raises
    ------
    BadRequest
    """
    width, height = check_size(*size)
    times = default_window(columns.time_range_s) if time_range is None else check_window(time_range, "time_range")
    depths = default_window(columns.depth_range_um) if depth_range is None else check_window(depth_range, "depth_range")
    if snap:
        return lay_lattice(columns, times, depths, (width, height), most)
    return lay_window(columns, linear_edges(times, width), linear_edges(depths, height))


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


def _is_sparse(window: Window, n_spikes: int) -> bool:
    """Whether `n_spikes` are so few that most pixels of a window stay empty."""
    return n_spikes < window.shape[0] * window.shape[1] // SPARSE_PIXELS


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
    part = None if _is_sparse(window, n_kept) else find_part(columns, kept, window.n_spikes)
    is_few = part is None and kept.by_cluster and n_kept < INDEX_BELOW * window.n_spikes
    if on_lattice is not None and not is_few:
        narrow = _count_narrow(columns, on_lattice, kept, part, threads, cancel)
        if narrow is not None:
            return narrow
    if part is not None:
        return _count_part(columns, window, kept, part, threads, cancel)
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    is_sparse = is_few or _is_sparse(window, n_kept)
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
    part: Part | None,
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
    part: Part,
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


def _amplitude(
    columns: SpikeColumns, window: Window, kept: Kept, kind: str, threads: int | None, cancel: threading.Event | None
) -> tuple[npt.NDArray[np.float32], int]:
    if columns.amps_uv is None:
        raise BadRequest("There are no amplitudes to show", "spikes.amps is missing", "Choose another aggregate")
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    is_sparse = _is_sparse(window, window.n_spikes)
    if is_sparse:
        image = np.full(window.shape, np.nan, dtype=np.float32)
        draw_into = mean_scatter if kind == "amp_mean" else max_scatter
    else:
        image = np.empty(window.shape, dtype=np.float32)
        draw_into = mean_tiles if kind == "amp_mean" else max_tiles

    def draw(first: int, last: int) -> int:
        return draw_into(spikes, chosen, grid, image, first, last)

    work = window.n_spikes + (0 if is_sparse else image.size // 8)
    return image, spread(draw, window.bounds, work, threads, cancel)


def _reach(columns: SpikeColumns, edges: npt.NDArray[np.float64], votes: npt.NDArray[np.int32], n: int) -> I32:
    """Return the rows that each of `n` categories can reach: the first, and the one after the last."""
    height = edges.shape[0] - 1
    codes = columns.code_ranges
    step, origin = columns.depth_step_um, columns.depth_origin_um
    first = np.clip(np.searchsorted(edges, origin + codes[:, 0] * step, "right") - 1, 0, height - 1)
    after = np.clip(np.searchsorted(edges, origin + (codes[:, 1] + 1.0) * step, "left"), 0, height)
    voting = (votes >= 0) & (codes[:, 0] <= codes[:, 1])
    reach = np.empty((n, 2), dtype=np.int32)
    reach[:, 0], reach[:, 1] = height, 0
    np.minimum.at(reach[:, 0], votes[voting], first[voting].astype(np.int32))
    np.maximum.at(reach[:, 1], votes[voting], after[voting].astype(np.int32))
    return reach


def _majority(
    columns: SpikeColumns,
    window: Window,
    kept: Kept,
    categories: npt.ArrayLike,
    threads: int | None,
    cancel: threading.Event | None,
) -> tuple[npt.NDArray[np.int32], int]:
    given = np.asarray(categories)
    if given.shape != (columns.n_clusters,) or not np.issubdtype(given.dtype, np.integer):
        raise BadRequest(
            "categories must hold one whole number per cluster id",
            f"{given.shape}, {given.dtype}",
            f"Its shape is ({columns.n_clusters},)",
        )
    # Votes are numbered without gaps, in the order of the categories: the lowest still wins a tie.
    voting = (kept.keep != 0) & (given >= 0)
    names, numbers = np.unique(given[voting], return_inverse=True)
    votes = np.full(columns.n_clusters, NO_VOTE, dtype=np.int32)
    votes[voting] = numbers
    height = window.shape[0]
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    reach = _reach(columns, window.depth_edges, votes, len(names))
    n_cells = int(np.maximum(reach[:, 1] - reach[:, 0], 0).sum())
    band = height if n_cells <= VOTE_CELLS else max(1, VOTE_CELLS // len(names))
    if is_sparse := band == height and _is_sparse(window, window.n_spikes // VOTE_COST):
        image = np.full(window.shape, NO_VOTE, dtype=np.int32)
    else:
        image = np.empty(window.shape, dtype=np.int32)
    n_spikes = 0
    for first_row in range(0, height, band):
        last_row = min(first_row + band, height)
        ranges = np.clip(reach, first_row, last_row)
        ranges[:, 1] = np.maximum(ranges[:, 0], ranges[:, 1])
        starts = np.concatenate([[0], np.cumsum(ranges[:, 1] - ranges[:, 0], dtype=np.int64)])
        ballot = Ballot(votes, names.astype(np.int32), ranges, starts)
        if is_sparse:
            draw = partial(majority_scatter, spikes, chosen, grid, ballot, image)
        else:
            draw = partial(majority_tiles, spikes, chosen, grid, ballot, first_row, last_row, image)
        work = 2 * window.n_spikes + (0 if is_sparse else image.size // 4)
        n_spikes += spread(draw, window.bounds, work, threads, cancel)
    return image, n_spikes


def aggregate(
    columns: SpikeColumns,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    width: int = 1600,
    height: int = 800,
    kind: str = "count",
    *,
    kept: Kept | None = None,
    categories: npt.ArrayLike | None = None,
    snap: bool = False,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> Aggregate:
    """Return one number per pixel, from every spike in the window.

    Counts equal ``numpy.histogram2d`` on the edges of the answer, in every pixel.

    Parameters
    ----------
    columns : SpikeColumns
    time_range, depth_range : tuple of float or None
        In s and um. None: the extent of the spikes.
    width, height : int
        Pixels.
    kind : str
        ``count``, ``rate`` (Hz per pixel), ``amp_mean``, ``amp_max``, ``region``, ``label`` or
        ``cluster``: the category of most spikes in the pixel, the lowest one where several tie.
    kept : Kept or None
        Which spikes; None: all.
    categories : array-like of int, shape (n_clusters,), or None
        Category of each cluster id, for ``region`` and ``label``; a negative one votes for nothing.
    snap : bool
        Move the edges outward to multiples of powers of two, whose size depends on the length of
        the window only: counts do not shimmer while the window moves. The answer then has 0.5 to
        1.4 times `width` and `height`, together at most as many pixels (and those that reach over
        the window's ends), and states its edges.
    threads : int or None
        At most; None for the cores of the machine.
    cancel : threading.Event or None
        Set by another thread when the answer is no longer wanted.

    Returns
    -------
    Aggregate

    Raises
    ------
    BadRequest
        Where an argument cannot be used, or the sorting lacks what `kind` needs.
    Cancelled
    """
    if kind not in AGGREGATES:
        raise BadRequest("No such aggregate", repr(kind), f"Choose one of {', '.join(AGGREGATES)}")
    kept = checked(columns, kept)
    counts = kind in ("count", "rate")
    most = AT_ONCE if counts and kept.everything else NOT_COUNTED
    window = lay_pixels(columns, time_range, depth_range, (width, height), snap, most)
    values: npt.NDArray[Any]
    if counts:
        values, n_spikes = count_window(columns, window, kept, threads, cancel)
        unit = "spikes"
        if kind == "rate":
            bin_s, unit = float(window.time_edges[1] - window.time_edges[0]), "Hz"
            is_plain = values.dtype == np.uint8 and MIN_BIN_S <= bin_s <= 1 / MIN_BIN_S
            values = lattice_rates(values, bin_s) if is_plain else values / np.diff(window.time_edges)
    elif kind in ("amp_mean", "amp_max"):
        values, n_spikes = _amplitude(columns, window, kept, kind, threads, cancel)
        unit = columns.amp_unit
    else:
        if kind == "cluster":
            categories = np.arange(columns.n_clusters, dtype=np.int32)
        elif categories is None:
            raise BadRequest(f"'{kind}' needs the category of each cluster", "categories")
        values, n_spikes = _majority(columns, window, kept, categories, threads, cancel)
        unit = ""
    return Aggregate(values, window.time_edges, window.depth_edges, kind, unit, n_spikes)


def overview(columns: SpikeColumns) -> Aggregate:
    """Return the counts of the whole session on the lattice, about `OVERVIEW_SIZE` pixels; kept with the columns."""
    counts: Aggregate = columns.lazy.get("overview", lambda: aggregate(columns, None, None, *OVERVIEW_SIZE, snap=True))
    return counts
