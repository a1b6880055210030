"""Two sortings, revisions, probes or filters side by side: difference images, and units by region and quality."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.filters.clusters import LABEL_TOLERANCE
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.raster import aggregate
from dashboard.model.errors import BadRequest

COARSER = 2
"""Pixels per bin and side of a difference: sorters differ by fractions of a ms and some um, which is no difference."""


Side = tuple[SpikeColumns, Kept | None]
"""Spikes of one side of a comparison, and which of them count; None for all."""


def count_both(
    a: Side,
    b: Side,
    time_range: tuple[float, float] | None,
    depth_range: tuple[float, float] | None,
    width: int,
    height: int,
    *,
    snap: bool = False,
    cancel: threading.Event | None = None,
) -> tuple[Aggregate, Aggregate]:
    """Return the spikes per bin of both sides on the same edges; arguments as in `dashboard.engine.count.raster`."""
    first, second = (
        aggregate(columns, time_range, depth_range, width, height, kept=kept, snap=snap, cancel=cancel)
        for columns, kept in (a, b)
    )
    return first, second


def subtract(a: Aggregate, b: Aggregate) -> Aggregate:
    """Return ``a - b`` of two pictures on the same edges, float64; NaN where either has no value.

    Raises
    ------
    BadRequest
        Their edges or their kinds differ, or they show categories.
    """
    if a.kind != b.kind or np.issubdtype(a.values.dtype, np.signedinteger):
        raise BadRequest("These pictures have no difference", f"{a.kind} and {b.kind}", "Colour both by density")
    if not (np.array_equal(a.time_edges_s, b.time_edges_s) and np.array_equal(a.depth_edges_um, b.depth_edges_um)):
        raise BadRequest("Only pictures on the same edges can be subtracted", a.kind, "Give both the same window")
    values = a.values.astype(np.float64) - b.values
    return replace(a, values=values, n_spikes=a.n_spikes - b.n_spikes)


def bin_area(picture: Aggregate) -> float:
    """Return the size of a bin, in s times um."""
    return float(np.diff(picture.time_edges_s[:2])[0] * np.diff(picture.depth_edges_um[:2])[0])


def difference_limit(picture: Aggregate, density: float) -> float:
    """Return the limit of the colours of a difference, in spikes per bin; one spike is never past it.

    Parameters
    ----------
    picture : Aggregate
    density : float
        The limit in spikes per s and um.
    """
    return max(density * bin_area(picture), 1.0)


def units_by_region(clusters: pd.DataFrame, level: str = "beryl") -> pd.DataFrame:
    """Count units per region, good ones and all.

    Parameters
    ----------
    clusters : DataFrame, one row per cluster
        `SpikeSorting.clusters`. Without brain locations all units are in one region, ``''``.
    level : {'allen', 'beryl', 'cosmos'}

    Returns
    -------
    DataFrame, index = acronym, most units first
        ``n_units`` and ``n_good`` (IBL's good units, ``label == 1``; NaN where there is no label).

    Raises
    ------
    BadRequest
        No such level.
    """
    known = clusters["acronym"] if "acronym" in clusters else pd.Series("", index=clusters.index)
    good = (clusters["label"] - 1).abs() <= LABEL_TOLERANCE if "label" in clusters else None
    regions = pd.Index(at_level(known.to_numpy(dtype=object), level), name="region")
    frame = pd.DataFrame({"n_units": np.ones(len(clusters), dtype=np.int64)}, index=regions)
    frame["n_good"] = np.nan if good is None else good.to_numpy(dtype=np.int64)
    counted = frame.groupby(level="region").sum(min_count=1)
    return counted.sort_values("n_units", ascending=False, kind="stable")


def units_side_by_side(a: pd.DataFrame, b: pd.DataFrame, level: str = "beryl") -> pd.DataFrame:
    """Count units per region in two cluster tables.

    Returns
    -------
    DataFrame, index = acronym, most units first
        ``n_units_a``, ``n_units_b``, ``n_good_a``, ``n_good_b``; 0 where a sorting has none there, NaN where that is
        not known: it has no labels, or no brain locations.

    Raises
    ------
    BadRequest
        No such level.
    """
    counts_a, counts_b = units_by_region(a, level), units_by_region(b, level)
    regions = counts_a.index.union(counts_b.index)
    table = pd.DataFrame(index=regions)
    for name in ("n_units", "n_good"):
        for side, counts in (("a", counts_a), ("b", counts_b)):
            known = name == "n_units" or counts[name].notna().any()
            table[f"{name}_{side}"] = counts[name].reindex(regions, fill_value=0) if known else np.nan
    order = (table["n_units_a"] + table["n_units_b"]).sort_values(ascending=False, kind="stable").index
    for side, clusters in (("a", a), ("b", b)):
        if "acronym" not in clusters:
            table.loc[regions != "", [f"n_units_{side}", f"n_good_{side}"]] = np.nan
    return table.loc[order]
