"""Two sortings, revisions, probes or filters side by side: difference images, and units by region and quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.anatomy.regions import at_level
from dashboard.analysis.filters.clusters import LABEL_TOLERANCE
from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.errors import BadRequest


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One picture minus another.

    Attributes
    ----------
    values : ndarray, shape (height, width), float64
        ``b - a``; NaN where either has no value.
    limits : (float, float)
        Shared limits of the two pictures: the smallest and the largest value of either.
    difference_limit : float
        Largest absolute difference: the difference is drawn from minus to plus this.
    time_edges_s, depth_edges_um : ndarray
    unit : str
    """

    values: npt.NDArray[np.float64]
    limits: tuple[float, float]
    difference_limit: float
    time_edges_s: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    unit: str


def difference(a: Aggregate, b: Aggregate) -> Difference:
    """Subtract two pictures on the same edges.

    Raises
    ------
    BadRequest
        Their edges or their kinds differ, or they show categories.
    """
    if a.kind != b.kind or np.issubdtype(a.values.dtype, np.signedinteger):
        raise BadRequest("These pictures have no difference", f"{a.kind} and {b.kind}", "Colour both by density")
    if not (np.array_equal(a.time_edges_s, b.time_edges_s) and np.array_equal(a.depth_edges_um, b.depth_edges_um)):
        raise BadRequest("Only pictures on the same edges can be subtracted", a.kind, "Give both the same window")
    first, second = a.values.astype(np.float64), b.values.astype(np.float64)
    values = second - first
    both = np.concatenate([first[np.isfinite(first)], second[np.isfinite(second)]])
    finite = values[np.isfinite(values)]
    return Difference(
        values,
        (float(both.min()), float(both.max())) if both.size else (0.0, 0.0),
        float(np.abs(finite).max()) if finite.size else 0.0,
        a.time_edges_s,
        a.depth_edges_um,
        a.unit,
    )


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
