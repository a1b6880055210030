"""Proposals to take several units for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.analysis.curation.state import standing
from dashboard.analysis.curation.subject import Subject, merged_units
from dashboard.model.curation import MERGE, Decision


@dataclass(frozen=True, slots=True)
class Merge:
    """Units that somebody takes for one.

    Attributes
    ----------
    units : tuple of str
        Ids, at least two.
    author : str
    step : str
        Of the decision.
    """

    units: tuple[str, ...]
    author: str
    step: str


def merges(decisions: Sequence[Decision], subject: Subject, author: str, precedence: str = "mine") -> list[Merge]:
    """Return the proposals that are shown to somebody: no two share a unit.

    Of two that do, the one that the rule of precedence names holds: one's own, else the last.

    Parameters
    ----------
    decisions : sequence of Decision
        Of the insertion, in the order in which they were added.
    """
    held = [one for one in standing(decisions) if one.kind == "merge" and one.spikes == subject.spikes]
    held.reverse()
    if precedence == "mine":
        held.sort(key=lambda one: one.author != author)
    taken: set[str] = set()
    found = []
    for one in held:
        units = merged_units(one)
        if taken.isdisjoint(units) and all(unit in subject.place for unit in units):
            taken.update(units)
            found.append(Merge(units, one.author, one.step))
    return found


def merge_column(found: Sequence[Merge], subject: Subject) -> dict[str, list[str]]:
    """Return the column ``merge`` for a table of the units: which units each is one with; none without proposals."""
    if not found:
        return {}
    words = {unit: f"{' + '.join(merge.units)} ({merge.author})" for merge in found for unit in merge.units}
    return {MERGE: [words.get(unit, "") for unit in subject.ids]}
