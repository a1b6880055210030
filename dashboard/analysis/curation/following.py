"""Decisions about units of another sorting, for the units here that share their spikes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.analysis.compare.units import compare_units
from dashboard.analysis.curation.state import standing
from dashboard.analysis.curation.subject import Subject, merged_units, write_merge
from dashboard.analysis.inputs import matchable
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.curation import SPLIT, Decision
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.sorting import SpikeSorting

_REASON = "follows decision "


@dataclass(frozen=True, slots=True)
class Followed:
    """A decision about a unit of another sorting, and the unit here that it would be of.

    Attributes
    ----------
    decision : Decision
    units : tuple of str
        Ids here; several for a merge; empty where a unit has no match.
    score : float
        Shared spikes over all that either unit has; of a merge the least.
    """

    decision: Decision
    units: tuple[str, ...]
    score: float

    def as_own(self, subject: Subject, by: str) -> Decision:
        """Return the decision of its author about the unit here, once `by` has confirmed it."""
        one = self.decision
        unit = "" if one.kind == "merge" else self.units[0]
        value = write_merge(self.units) if one.kind == "merge" else one.value
        where = f"{one.collection} {one.revision or 'original'}".strip()
        why = f"{_REASON}{one.id}: unit {one.unit or one.value} of {where}, agreement {self.score:.2f}"
        found = subject.decide(one.author, one.kind, value, unit, name=one.name)
        return replace(found, imported_by=by, reason=why)


def left_behind(decisions: Sequence[Decision], subject: Subject) -> list[Decision]:
    """Return what holds of units of other sortings, and nobody has confirmed for a unit here.

    Of several decisions of a person about one thing it is the last one; spans of all units hold everywhere.
    """
    held = standing(decisions)
    done = {one.reason.removeprefix(_REASON).partition(":")[0] for one in held if one.reason.startswith(_REASON)}
    last = {
        (one.author, one.spikes, one.unit, one.kind, one.name, one.value if one.kind in ("merge", "span") else ""): one
        for one in subject.left_behind(held)
        if one.unit or one.kind == "merge"
    }
    return [one for one in last.values() if one.value and str(one.id) not in done]


def follow(
    left: Sequence[Decision],
    before: tuple[SpikeSorting, SpikeColumns],
    now: tuple[SpikeSorting, SpikeColumns],
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> list[Followed]:
    """Return decisions about units of a sorting with the units of another one that match, the best first.

    Parameters
    ----------
    left : sequence of Decision
        About units of `before`.
    before, now : tuple of SpikeSorting and SpikeColumns
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    shanks = [
        sorting.clusters["shank"].to_numpy() if "shank" in sorting.clusters else None for sorting, _ in (before, now)
    ]
    if any(of_one is None for of_one in shanks):
        shanks = [None, None]
    a, b = (matchable(columns, of_one) for (_, columns), of_one in zip((before, now), shanks, strict=True))
    matches = compare_units(a, b, progress=progress, cancel=cancel).matches
    of = {
        str(before[0].units.of(int(unit_a))): (str(now[0].units.of(int(unit_b))), float(score))
        for unit_a, unit_b, score in zip(matches["unit_a"], matches["unit_b"], matches["score"], strict=True)
    }
    found = []
    for one in left:
        named = merged_units(one) if one.kind == "merge" else (one.unit,)
        there = [of[unit] for unit in named if unit in of and one.kind != SPLIT]  # other spikes than it names
        is_whole = len(there) == len(named)
        units = tuple(unit for unit, _ in there) if is_whole else ()
        found.append(Followed(one, units, min(score for _, score in there) if is_whole else 0.0))
    return sorted(found, key=lambda one: -one.score)
