"""Pictures of time against depth, counted exactly from every spike in view."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.amplitudes import max_tiles, mean_tiles
from dashboard.compute.columns import SpikeColumns
from dashboard.compute.depth_codes import ROW_SHIFT
from dashboard.compute.kernels import (
    I32,
    Filter,
    Grid,
    SpikeArrays,
    count_kept_tiles,
    count_scatter,
    count_tiles,
    count_units,
)
from dashboard.compute.lattice import check_size, check_window, linear_edges, snapped_edges
from dashboard.compute.majorities import NO_VOTE, majority_tiles
from dashboard.compute.parts import find_part
from dashboard.compute.pool import spread
from dashboard.compute.queries import count_in, spikes_in
from dashboard.compute.ranks import SPACING, count_ranks
from dashboard.compute.selections import Kept, kept_spikes, spike_arrays
from dashboard.compute.windows import Window, lay_window
from dashboard.model.errors import BadRequest

__all__ = ["AGGREGATES", "Aggregate", "aggregate", "compile_kernels", "count_in", "spikes_in"]

AGGREGATES = ("count", "rate", "amp_mean", "amp_max", "region", "label", "cluster")
#: Below this share of the spikes, their rows by cluster are read instead of all spikes.
INDEX_BELOW = 1 / 4
#: Below one spike in so many pixels, spikes are counted straight into the image.
SPARSE_PIXELS = 4
#: Cells in which one thread counts votes, 32 MB; an image with more goes in bands of rows.
VOTE_CELLS = 8 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One number per pixel of a window in time and depth.

    Attributes
    ----------
    values : ndarray, shape (height, width)
        Row 0 is the lowest depth. uint32 for counts; float64, in Hz, for rates; float32, NaN where
        no spike is, for amplitudes; int32, -1 where none is, for categories.
    time_edges_s : ndarray, shape (width + 1,), float64
    depth_edges_um : ndarray, shape (height + 1,), float64
        A pixel holds what is on its lower edge and below its upper one; the last pixel of either
        axis holds its upper edge too, as in ``numpy.histogram2d``.
    kind : str
        One of `AGGREGATES`.
    unit : str
        ``"spikes"``, ``"Hz"``, ``"uV"``, ``"a.u."``, or empty.
    n_spikes : int
        Spikes inside, after filters.
    """

    values: npt.NDArray[Any]
    time_edges_s: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    kind: str
    unit: str
    n_spikes: int


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
) -> Window:
    """Return the window that these arguments of `aggregate` describe; `size` is (width, height).

    Raises
    ------
    BadRequest
    """
    width, height = check_size(*size)
    times = default_window(columns.time_range_s) if time_range is None else check_window(time_range, "time_range")
    depths = default_window(columns.depth_range_um) if depth_range is None else check_window(depth_range, "depth_range")
    make = snapped_edges if snap else linear_edges
    return lay_window(columns, make(times, width), make(depths, height))


def _rank_rows(columns: SpikeColumns, edges: npt.NDArray[np.float64]) -> tuple[int, int] | None:
    """Return (first index row, index rows per pixel) where every edge is an edge of the rank index.

    None where one is not, or where a spike lies exactly on the last edge, which the index has in
    the row above.
    """
    row_um = columns.depth_step_um * (1 << ROW_SHIFT)
    places = edges / row_um
    steps = np.diff(places)
    if not (bool((places == np.floor(places)).all()) and steps[0] >= 1 and bool((steps == steps[0]).all())):
        return None
    origin = columns.depth_origin_um / row_um
    on_edge = columns.rank_index.on_edge
    above = places[-1] - origin
    if 0 <= above < on_edge.shape[0] and on_edge[int(above)]:
        return None
    first = places[0] - origin
    if abs(first) > 2**40 or steps[0] > 2**20:
        return None
    return int(first), int(steps[0])


def count_window(
    columns: SpikeColumns, window: Window, kept: Kept, threads: int | None, cancel: threading.Event | None
) -> tuple[npt.NDArray[np.uint32], int]:
    """Return the counts of a window, shape (height, width), and their sum, by the route that is quickest."""
    height, width = window.shape
    n_kept = kept.share(columns, window.n_spikes)
    is_sparse = window.n_spikes < width * height // SPARSE_PIXELS
    part = None if is_sparse else find_part(columns, kept)
    is_few = part is None and kept.by_cluster and n_kept < INDEX_BELOW * window.n_spikes
    image: npt.NDArray[np.uint32] = (np.zeros if is_sparse or is_few else np.empty)(window.shape, dtype=np.uint32)
    spikes, chosen, grid, work = spike_arrays(columns), kept.chosen, window.grid, window.n_spikes
    draw: Callable[[int, int], int]
    if part is not None:
        bounds = part.bounds(window.bounds)
        work = int(bounds[-1] - bounds[0])
        aligned = _rank_rows(columns, window.depth_edges) if work > width * SPACING else None
        if aligned is not None:
            before, codes = part.before(columns.n_codes), part.codes
            work = width * SPACING

            def draw(first: int, last: int) -> int:
                return count_ranks(codes, before, bounds, *aligned, image, first, last)
        else:
            codes, order, grid = part.codes, part.order, grid._replace(bounds=bounds)

            def draw(first: int, last: int) -> int:
                return count_tiles(codes, spikes.depths, order, grid, image, first, last)
    elif is_few:
        index, ids = columns.unit_index, kept.ids
        work = 4 * n_kept

        def draw(first: int, last: int) -> int:
            return count_units(spikes, chosen, grid, index.order, index.offsets, ids, image, first, last)
    else:
        count = count_scatter if is_sparse else count_kept_tiles

        def draw(first: int, last: int) -> int:
            return count(spikes, chosen, grid, image, first, last)

    return image, spread(draw, window.bounds, work + width * height // 8, threads, cancel)


def _amplitude(
    columns: SpikeColumns, window: Window, kept: Kept, kind: str, threads: int | None, cancel: threading.Event | None
) -> tuple[npt.NDArray[np.float32], int]:
    if columns.amps_uv is None:
        raise BadRequest("There are no amplitudes to show", "spikes.amps is missing", "Choose another aggregate")
    image = np.empty(window.shape, dtype=np.float32)
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    tiles = mean_tiles if kind == "amp_mean" else max_tiles

    def draw(first: int, last: int) -> int:
        return tiles(spikes, chosen, grid, image, first, last)

    return image, spread(draw, window.bounds, window.n_spikes + image.size // 8, threads, cancel)


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
    image = np.empty(window.shape, dtype=np.int32)
    height = window.shape[0]
    spikes, chosen, grid = spike_arrays(columns), kept.chosen, window.grid
    reach = _reach(columns, window.depth_edges, votes, len(names))
    n_cells = int(np.maximum(reach[:, 1] - reach[:, 0], 0).sum())
    band = height if n_cells <= VOTE_CELLS else max(1, VOTE_CELLS // len(names))
    n_spikes = 0
    for first_row in range(0, height, band):
        last_row = min(first_row + band, height)
        ranges = np.clip(reach, first_row, last_row)
        ranges[:, 1] = np.maximum(ranges[:, 0], ranges[:, 1])
        starts = np.concatenate([[0], np.cumsum(ranges[:, 1] - ranges[:, 0], dtype=np.int64)])
        draw = partial(_draw_band, spikes, chosen, grid, votes, ranges, starts, (first_row, last_row), image)
        n_spikes += spread(draw, window.bounds, 2 * window.n_spikes + image.size // 4, threads, cancel)
    if len(names) and not np.array_equal(names, np.arange(len(names))):
        table = np.append(names, NO_VOTE).astype(np.int32)
        image = table[image]
    return image, n_spikes


def _draw_band(
    spikes: SpikeArrays,
    chosen: Filter,
    grid: Grid,
    votes: I32,
    ranges: I32,
    starts: npt.NDArray[np.int64],
    band: tuple[int, int],
    image: I32,
    first: int,
    last: int,
) -> int:
    return majority_tiles(spikes, chosen, grid, votes, ranges, starts, *band, image, first, last)


def aggregate(
    columns: SpikeColumns,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    width: int = 1600,
    height: int = 800,
    kind: str = "count",
    *,
    clusters: npt.ArrayLike | None = None,
    amp_range_uv: tuple[float, float] | None = None,
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
    clusters : array-like or None
        Clusters to keep: a bool per id, or ids.
    amp_range_uv : tuple of float or None
        Lower limit, inside, and upper limit, outside; compared with the float32 amplitude.
    categories : array-like of int, shape (n_clusters,), or None
        Category of each cluster id, for ``region`` and ``label``; a negative one votes for nothing.
    snap : bool
        Move the edges outward to multiples of powers of two, whose size depends on the length of
        the window only: counts do not shimmer while the window moves. The answer then has 0.7 to
        1.4 times `width` and `height`, and states its edges.
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
    kept = kept_spikes(columns, clusters, amp_range_uv)
    window = lay_pixels(columns, time_range, depth_range, (width, height), snap)
    values: npt.NDArray[Any]
    if kind in ("count", "rate"):
        values, n_spikes = count_window(columns, window, kept, threads, cancel)
        unit = "spikes"
        if kind == "rate":
            values, unit = values / np.diff(window.time_edges), "Hz"
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


def compile_kernels() -> None:
    """Compile every kernel that a page uses, or load it from numba's cache: at start, not under a user's hand."""
    from dashboard.compute import warmup  # which draws with this module

    warmup.compile_kernels()
