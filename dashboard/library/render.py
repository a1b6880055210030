"""Draw a window of an opened sorting: the public `render`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.anatomy.probe import NO_REGION
from dashboard.config.plugins import add_plugins
from dashboard.config.settings import load as load_settings
from dashboard.engine.build import build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.aggregate import Aggregate, with_category_ids, with_ids
from dashboard.engine.count.raster import aggregate as compute_aggregate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import BadRequest
from dashboard.model.registry import load
from dashboard.model.sorting import SpikeSorting, units_on_shank
from dashboard.version import __version__


def render(
    sorting: SpikeSorting,
    time_range: tuple[float, float] | None = None,
    depth_range: tuple[float, float] | None = None,
    width: int = 1600,
    height: int = 800,
    aggregate: str = "count",
    clusters: npt.ArrayLike | None = None,
    *,
    amp_range_uv: tuple[float, float] | None = None,
    shank: int | None = None,
    cache: str | Path | None = None,
) -> Aggregate:
    """Return one number per pixel of a window in time and depth, from every spike in it.

    Parameters
    ----------
    sorting : SpikeSorting
    time_range, depth_range : tuple of float or None
        In s and um; None: all spikes.
    width, height : int
        Pixels.
    aggregate : str
        ``count``, ``rate``, ``amp_mean``, ``amp_max``, or by majority ``region`` (an Allen id, negative on the
        left; the least int32 where there is none, as ``Aggregate.none`` says), ``label``
        (tests passed: 0 to 3), ``unit_rate`` (see `dashboard.engine.count.rate_classes`), ``cluster`` (an id, and
        where there is none -1; the least int64 where ids can be negative, and ``""`` where they are texts), ``shank``
        (its number, the least int32 where there is none).
    clusters : array-like or None
        Units to keep: a bool per row of ``sorting.clusters``, or ids.
    amp_range_uv : tuple of float or None
        Amplitudes of single spikes to keep: the lower limit is inside, the upper one is not.
    shank : int or None
        Units to keep: those on one shank, as the column ``shank`` of the clusters numbers them. None: those of all
        shanks, which lie over each other where they have the same depths.
    cache : str, Path or None
        As in `open_insertion`.

    Returns
    -------
    Aggregate
        ``values`` of shape (height, width), row 0 = lowest depth, with ``time_edges_s`` and
        ``depth_edges_um``. Counts (uint32) equal ``numpy.histogram2d`` on these edges.

    Raises
    ------
    BadRequest
        An argument cannot be used, or the sorting lacks what `aggregate` needs.
    """
    if aggregate not in AGGREGATES:
        add_plugins(load_settings().plugins)
    entry = AGGREGATES[aggregate]
    if reason := entry.why_off(sorting):
        raise BadRequest(f"{entry.title} cannot be shown", f"{sorting.title}, {reason}", "Choose another aggregate")
    folder = Path(cache).expanduser() if cache is not None else load_settings().cache
    columns = build_columns(sorting, folder)
    if clusters is not None:
        clusters = _kept(sorting, clusters)
    kept = kept_spikes(columns, clusters, amp_range_uv)
    if shank is not None:
        on_shank = np.flatnonzero(units_on_shank(sorting, shank))
        kept = kept.only(np.intersect1d(on_shank, np.flatnonzero(kept.keep)))
    categories: Any = None
    ids = load(entry.ids)(sorting, columns, level="allen") if entry.ids else None
    if ids is not None:  # any whole numbers, which the majority takes by their order
        known = np.unique(ids[ids != NO_REGION])
        categories = np.where(ids != NO_REGION, np.searchsorted(known, ids), -1).astype(np.int32)
    elif (found := entry.categories_of(sorting, columns, "allen")) is not None:
        categories = found.of_cluster
    image = compute_aggregate(
        columns, time_range, depth_range, width, height, aggregate, categories=categories,
        kept=kept,
    )  # fmt: skip
    insertion = sorting.ref.insertion
    limits = (
        "" if amp_range_uv is None else f", amplitude {amp_range_uv[0]:g} to {amp_range_uv[1]:g} {sorting.amp_unit}"
    )
    on_one = "" if shank is None else f" on shank {shank}"
    origin = {
        "insertion": insertion.key,
        "pid": insertion.pid or "none",
        "sorter": sorting.ref.sorter.value or "base",
        "revision": sorting.ref.revision.value or "original",
        "histology": str(sorting.histology),
        "filters": ("all units" if clusters is None else "some units") + on_one + limits,
        **({"applied": sorting.curation} if sorting.curation else {}),
        "version": f"spike-dashboard {__version__}",
    }
    image = replace(image, origin=origin)
    return with_ids(image, sorting.units) if ids is None else with_category_ids(image, known, NO_REGION)


def _kept(sorting: SpikeSorting, clusters: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a mask, or ids as indexes; what is neither is left for the engine to refuse."""
    given = np.asarray(clusters)
    if sorting.units.are_indexes or given.dtype == np.bool_ or given.ndim != 1:
        return given
    return sorting.units.indexes(given.tolist())
