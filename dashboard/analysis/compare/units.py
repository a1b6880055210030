"""What became of each unit in another sorting: matched, split, merged, or only here."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.compare.matching import (
    TOLERANCE_S,
    TOLERANCE_UM,
    Agreement,
    SortedSpikes,
    agreement,
    link_units,
    match_spikes,
)
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress

#: Two units are the same from this score on: above it a unit can have one match only. It is what
#: SpikeInterface takes, too.
MATCH_SCORE = 0.5
#: A unit is a part of another where at least this much of its spikes is in that one ...
PART_INSIDE = 0.5
#: ... and it makes up at least this much of it; less is stray spikes.
PART_SHARE = 0.1


class MatchKind(StrEnum):
    """What became of a unit, seen from its own sorting."""

    MATCHED = "matched"
    SPLIT = "split"
    MERGED = "merged"
    ONLY = "only here"
    EMPTY = "no spikes"


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two sortings, unit by unit.

    Attributes
    ----------
    agreement : Agreement
    matches : DataFrame
        One row per matched pair: ``unit_a``, ``unit_b``, ``score``, ``n_shared``, ``n_a``, ``n_b``,
        best first.
    splits : mapping of int to tuple of int
        Unit of A -> the units of B that it fell into, the largest part first.
    merges : mapping of int to tuple of int
        Unit of B -> the units of A that it joins, the largest part first.
    match_a, match_b : ndarray, shape (n_clusters,), of MatchKind
        For A, ``split`` means that B has it in parts, ``merged`` that B has it joined to others;
        for B the same in A's eyes: ``split`` is a part of what A has whole, ``merged`` joins what A
        has apart.
    n_matched_spikes : int
        Spikes of A that have a partner in B, of whatever unit.
    """

    agreement: Agreement
    matches: pd.DataFrame
    splits: dict[int, tuple[int, ...]]
    merges: dict[int, tuple[int, ...]]
    match_a: npt.NDArray[np.object_]
    match_b: npt.NDArray[np.object_]
    n_matched_spikes: int

    def counts(self) -> pd.DataFrame:
        """Return the number of units of each kind of match, one column per sorting."""
        return pd.DataFrame(
            {
                name: [int(np.sum(found == kind)) for kind in MatchKind]
                for name, found in (("a", self.match_a), ("b", self.match_b))
            },
            index=pd.Index([kind.value for kind in MatchKind], name="match"),
        )

    def partners(self, unit: int, of_a: bool = True) -> tuple[int, ...]:
        """Return the units of the other sorting to show beside `unit`: its match, its parts, or its whole.

        Empty where it is only here.
        """
        groups, wholes = (self.splits, self.merges) if of_a else (self.merges, self.splits)
        if unit in groups:
            return groups[unit]
        whole = tuple(key for key, parts in wholes.items() if unit in parts)
        if whole:
            return whole
        mine, theirs = ("unit_a", "unit_b") if of_a else ("unit_b", "unit_a")
        return tuple(int(other) for other in self.matches.loc[self.matches[mine] == unit, theirs])


def _parts(
    whole: npt.NDArray[np.int64],
    part: npt.NDArray[np.int64],
    inside: npt.NDArray[np.float64],
    share: npt.NDArray[np.float64],
) -> dict[int, tuple[int, ...]]:
    """Return units that at least two others are parts of."""
    is_part = (inside >= PART_INSIDE) & (share >= PART_SHARE)
    groups: dict[int, tuple[int, ...]] = {}
    order = np.flatnonzero(is_part)
    # Lowest id first among equal shares.
    order = order[np.lexsort((part[order], -share[order], whole[order]))]
    for key in np.unique(whole[order]):
        members = part[order][whole[order] == key]
        if members.size >= 2:
            groups[int(key)] = tuple(int(member) for member in members)
    return groups


def classify(found: Agreement, n_matched_spikes: int) -> Comparison:
    """Say what became of every unit.

    A unit of A and one of B are *matched* where each scores highest for the other and the score is
    at least `MATCH_SCORE`. A unit is *split* where at least two units of the other sorting are
    parts of it: half of their spikes or more are in it, and each makes up a tenth of it or more;
    *merged* is the same seen from the other side. Split and merged go before matched: a unit whose
    larger part alone would match is shown with all its parts.
    """
    score = found.score
    best_a = np.full(found.n_a.shape[0], -1, dtype=np.int64)
    best_b = np.full(found.n_b.shape[0], -1, dtype=np.int64)
    # Worst first, so that the best is written last; the lowest ids are the last among equals.
    for pair in np.lexsort((-found.units_b, -found.units_a, score)):
        best_a[found.units_a[pair]] = pair
        best_b[found.units_b[pair]] = pair
    pairs = np.arange(score.shape[0])
    mutual = (score >= MATCH_SCORE) & (best_a[found.units_a] == pairs) & (best_b[found.units_b] == pairs)
    splits = _parts(found.units_a, found.units_b, found.part_of_b, found.part_of_a)
    merges = _parts(found.units_b, found.units_a, found.part_of_a, found.part_of_b)
    match_a = np.where(found.n_a > 0, MatchKind.ONLY, MatchKind.EMPTY).astype(object)
    match_b = np.where(found.n_b > 0, MatchKind.ONLY, MatchKind.EMPTY).astype(object)
    match_a[found.units_a[mutual]] = match_b[found.units_b[mutual]] = MatchKind.MATCHED
    for groups, whole, part, kind in (
        (merges, match_b, match_a, MatchKind.MERGED),
        (splits, match_a, match_b, MatchKind.SPLIT),
    ):
        for key, members in groups.items():
            whole[key] = kind
            part[list(members)] = kind
    rows = np.flatnonzero(mutual)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    matches = pd.DataFrame(
        {
            "unit_a": found.units_a[rows],
            "unit_b": found.units_b[rows],
            "score": score[rows],
            "n_shared": found.n_shared[rows],
            "n_a": found.n_a[found.units_a[rows]],
            "n_b": found.n_b[found.units_b[rows]],
        }
    )
    return Comparison(found, matches, splits, merges, match_a, match_b, n_matched_spikes)


def compare_units(
    a: SortedSpikes,
    b: SortedSpikes,
    *,
    tolerance_s: float = TOLERANCE_S,
    tolerance_um: float = TOLERANCE_UM,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Comparison:
    """Match the spikes of two sortings, and say what became of every unit.

    Spikes are matched twice: by time, which shows which units belong together, then with those
    units choosing first (`link_units`).

    Parameters
    ----------
    a, b : SortedSpikes
    tolerance_s, tolerance_um : float
        See `match_spikes`.
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        Tolerances below zero.
    Cancelled
        `cancel` was set.
    """
    match = partial(match_spikes, a, b, tolerance_s=tolerance_s, tolerance_um=tolerance_um, cancel=cancel)

    def report(step: Progress, passes_done: int) -> None:
        progress(replace(step, done=passes_done * step.total + step.done, total=2 * step.total))

    first = match(progress=partial(report, passes_done=0))
    partners = match(linked=link_units(agreement(a, b, first)), progress=partial(report, passes_done=1))
    return classify(agreement(a, b, partners), int(np.sum(partners >= 0)))
