"""Proposals to take several units for one, or one for several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.analysis.curation.splits import read_split, split_text
from dashboard.analysis.curation.state import standing
from dashboard.analysis.curation.subject import Subject, merged_units, new_units
from dashboard.model.curation import MERGE, SPLIT, Decision


@dataclass(frozen=True, slots=True)
class Proposal:
    """Units that somebody takes for one, or a unit that they take for several.

    Attributes
    ----------
    units : tuple of str
        Ids: at least two of a merge, the one of a split.
    author : str
    step : str
        Of the decision.
    parts : str
        Of a split: see `dashboard.analysis.curation.splits.write_split`; empty of a merge.
    new : tuple of str
        Ids that a file gives to what it comes to; empty where none does.
    """

    units: tuple[str, ...]
    author: str
    step: str
    parts: str = ""
    new: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is proposed, in words."""
        return f"{self.units[0]} is {split_text(self.parts)}" if self.parts else " + ".join(self.units)


def proposals(decisions: Sequence[Decision], subject: Subject, author: str, precedence: str = "mine") -> list[Proposal]:
    """Return the proposals that are shown to somebody: no two share a unit.

    Of two that do, the one that the rule of precedence names holds: one's own, else the last.

    Parameters
    ----------
    decisions : sequence of Decision
        Of the insertion, in the order in which they were added.
    """
    held = [one for one in standing(decisions) if one.kind in (MERGE, SPLIT) and one.spikes == subject.spikes]
    held.reverse()
    if precedence == "mine":
        held.sort(key=lambda one: one.author != author)
    taken: set[str] = set()
    found = []
    for one in held:
        parts = one.value if one.kind == SPLIT else ""
        units = (one.unit,) if parts else merged_units(one)
        is_one = taken.isdisjoint(units) and all(unit in subject.place for unit in units)
        if is_one and not (parts and read_split(parts) is None):
            taken.update(units)
            found.append(Proposal(units, one.author, one.step, parts, new_units(one)))
    return found


def proposal_columns(found: Sequence[Proposal], subject: Subject) -> dict[str, list[str]]:
    """Return columns ``merge`` and ``split`` for a table of the units; none of a kind that nobody proposes."""
    columns = {}
    for name in (MERGE, SPLIT):
        held = [one for one in found if bool(one.parts) == (name == SPLIT)]
        words = {unit: f"{one.text} ({one.author})" for one in held for unit in one.units}
        if words:
            columns[name] = [words.get(unit, "") for unit in subject.ids]
    return columns
