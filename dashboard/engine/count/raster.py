"""Pictures of time against depth, counted exactly from every spike in view."""

from __future__ import annotations

import threading
from typing import Any

import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept, checked
from dashboard.engine.count.aggregate import Aggregate, PixelRequest
from dashboard.engine.count.lattice import check_size, check_window, linear_edges
from dashboard.engine.count.lattice_counts import NOT_COUNTED, SPIKES_PER_WORK, lay_lattice
from dashboard.engine.count.registry import AGGREGATES, AMPLITUDE, AggregateKind
from dashboard.engine.count.window import Window, lay_window
from dashboard.engine.threads import WORK_PER_THREAD
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.registry import load

#: Spikes on the lattice from which a second thread is worth it; fewer are counted in the call that lays the window.
AT_ONCE = 2 * WORK_PER_THREAD * SPIKES_PER_WORK
#: Pixels of the picture of the whole session that is kept with its columns.
OVERVIEW_SIZE = (2048, 768)


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
    columns.check_placed()
    width, height = check_size(*size)
    times = default_window(columns.time_range_s) if time_range is None else check_window(time_range, "time_range")
    depths = default_window(columns.depth_range_um) if depth_range is None else check_window(depth_range, "depth_range")
    if snap:
        return lay_lattice(columns, times, depths, (width, height), most)
    return lay_window(columns, linear_edges(times, width), linear_edges(depths, height))


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
        Name of an entry of `dashboard.engine.count.registry.AGGREGATES`.
    kept : Kept or None
        Which spikes; None: all.
    categories : array-like of int, shape (n_clusters,), or None
        Category of each cluster id, where the entry has categories; a negative one
        votes for nothing.
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
    entry, kept = AGGREGATES[kind], checked(columns, kept)
    most = AT_ONCE if entry.grows_with and kept.everything else NOT_COUNTED
    window = lay_pixels(columns, time_range, depth_range, (width, height), snap, most)
    values, n_spikes = _draw(entry, PixelRequest(columns, window, kept, categories, threads, cancel))
    unit = columns.amp_unit if entry.unit == AMPLITUDE else entry.unit
    none = -1 if entry.categories else None
    return Aggregate(values, window.time_edges, window.depth_edges, kind, unit, n_spikes, none)


def _draw(entry: AggregateKind, request: PixelRequest) -> tuple[npt.NDArray[Any], int]:
    """Run the kernel of an aggregate; that of another package may fail, which is one line then."""
    try:
        values, n_spikes = load(entry.kernel)(request)
        if values.shape != request.window.shape:
            raise ValueError(f"an image of shape {values.shape}, not {request.window.shape}")
    except DashboardError:
        raise
    except Exception as error:
        if entry.name in AGGREGATES.own:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise BadRequest(f"The plug-in's aggregate {entry.name} failed", reason, "Choose another aggregate") from error
    return values, n_spikes


def overview(columns: SpikeColumns) -> Aggregate:
    """Return the counts of the whole session on the lattice, about `OVERVIEW_SIZE` pixels; kept with the columns."""
    counts: Aggregate = columns.lazy.get("overview", lambda: aggregate(columns, None, None, *OVERVIEW_SIZE, snap=True))
    return counts
