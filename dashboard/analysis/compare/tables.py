"""Comparisons as tables: one row per group of units that belong together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.compare.units import Comparison, MatchKind

IN_BOTH, SPLIT, MERGED, ONLY_A, ONLY_B = "in both", "split in B", "merged in B", "only in A", "only in B"
KINDS = (IN_BOTH, SPLIT, MERGED, ONLY_A, ONLY_B)
COLUMNS = ("kind", "units_a", "units_b", "score", "n_shared", "n_a", "n_b")

Units = tuple[int, ...]
Group = tuple[str, Units, Units]


def pair_table(compared: Comparison) -> pd.DataFrame:
    """Return what became of every unit that has spikes, one row per group.

    Parameters
    ----------
    compared : Comparison

    Returns
    -------
    DataFrame, one row per group
        ``kind`` (one of `KINDS`), ``units_a`` and ``units_b`` (tuples of indexes, the largest part first),
        ``score`` (shared spikes over all that the group has; for units that are only in one sorting the
        best that any unit of the other reaches), ``n_shared``, ``n_a``, ``n_b`` (spikes).
        Ordered by kind, then by score from the best.
    """
    found = compared.agreement
    groups: list[Group] = [(SPLIT, (unit,), parts) for unit, parts in compared.splits.items()]
    groups += [(MERGED, parts, (unit,)) for unit, parts in compared.merges.items()]
    seen_a, seen_b = _members(groups)
    for a, b in compared.matches[["unit_a", "unit_b"]].itertuples(index=False):
        if a not in seen_a and b not in seen_b:
            groups.append((IN_BOTH, (int(a),), (int(b),)))
    seen_a, seen_b = _members(groups)
    groups += [(ONLY_A, (int(unit),), ()) for unit in np.flatnonzero(compared.match_a != MatchKind.EMPTY)
               if unit not in seen_a]  # fmt: skip
    groups += [(ONLY_B, (), (int(unit),)) for unit in np.flatnonzero(compared.match_b != MatchKind.EMPTY)
               if unit not in seen_b]  # fmt: skip
    shared = dict(zip(zip(found.units_a.tolist(), found.units_b.tolist(), strict=True), found.n_shared.tolist(),
                      strict=True))  # fmt: skip
    best_a, best_b = np.zeros(found.n_a.shape[0]), np.zeros(found.n_b.shape[0])
    np.maximum.at(best_a, found.units_a, found.score)
    np.maximum.at(best_b, found.units_b, found.score)
    rows = []
    for kind, units_a, units_b in groups:
        n_a, n_b = int(found.n_a[list(units_a)].sum()), int(found.n_b[list(units_b)].sum())
        n_shared = sum(shared.get((a, b), 0) for a in units_a for b in units_b)
        if units_a and units_b:
            score = n_shared / (n_a + n_b - n_shared)
        else:
            score = float(best_a[units_a[0]] if units_a else best_b[units_b[0]])
        rows.append((kind, units_a, units_b, score, n_shared, n_a, n_b))
    return _sorted(rows)


def same_units_table(
    n_spikes: npt.NDArray[np.int64], in_a: npt.NDArray[np.bool_], in_b: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """Return the table of two filters of one sorting: a unit is the same where its id is.

    Parameters
    ----------
    n_spikes : ndarray, shape (n_clusters,), int64
        Spikes of each cluster id; units without any are left out.
    in_a, in_b : ndarray, shape (n_clusters,), bool
        Whether each filter lets a cluster pass.

    Returns
    -------
    DataFrame
        As `pair_table` returns it; units in neither are left out.
    """
    rows = []
    for unit in np.flatnonzero((in_a | in_b) & (n_spikes > 0)).tolist():
        n, a, b = int(n_spikes[unit]), bool(in_a[unit]), bool(in_b[unit])
        kind = IN_BOTH if a and b else ONLY_A if a else ONLY_B
        rows.append((kind, (unit,) * a, (unit,) * b, float(a and b), n * (a and b), n * a, n * b))
    return _sorted(rows)


def rows_passing(
    table: pd.DataFrame, keep_a: npt.NDArray[np.bool_] | None, keep_b: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Return which rows have a unit that passes the filters of its side.

    Parameters
    ----------
    table : DataFrame
        From `pair_table`.
    keep_a, keep_b : ndarray, shape (n_clusters,), bool, or None
        By cluster id; None lets all pass.

    Returns
    -------
    ndarray, shape (n_rows,), bool
    """
    passing = [
        any(keep_a is None or keep_a[unit] for unit in units_a)
        or any(keep_b is None or keep_b[unit] for unit in units_b)
        for units_a, units_b in zip(table["units_a"], table["units_b"], strict=True)
    ]
    return np.array(passing, dtype=np.bool_)


def _members(groups: Iterable[Group]) -> tuple[set[int], set[int]]:
    units_a: set[int] = set()
    units_b: set[int] = set()
    for _, of_a, of_b in groups:
        units_a.update(of_a)
        units_b.update(of_b)
    return units_a, units_b


def _sorted(rows: list[tuple[str, Units, Units, float, int, int, int]]) -> pd.DataFrame:
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = sorted(rows, key=lambda row: (order[row[0]], -row[3], row[1], row[2]))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"score": np.float64, "n_shared": np.int64, "n_a": np.int64, "n_b": np.int64})
