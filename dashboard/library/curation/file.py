"""What a file of a curation says, whatever its format; from decisions, and to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.analysis.curation.proposals import proposals
from dashboard.analysis.curation.splits import Parts, groups_of_parts, parts_of_groups, read_split, write_split
from dashboard.analysis.curation.state import UnitState, unit_states
from dashboard.analysis.curation.subject import Subject, write_merge
from dashboard.model.curation import QUALITY, REMOVED, SPLIT, CurationRules, Decision
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted
from dashboard.model.unit_ids import write_ids

_NAMED = 8
MAX_NAME = 100
"""Characters of the name of a decision in the database."""


class LabelChoice(NamedTuple):
    """The labels of a category, and whether a unit has one at most."""

    labels: tuple[str, ...]
    is_exclusive: bool = True


class UnitSplit(NamedTuple):
    """A unit that is several.

    Attributes
    ----------
    unit : str
    groups : tuple of ndarray of int64
        Places of the spikes of each part among those of the unit, in order of time; what is in none is one part more.
    n_spikes : int or None
        That the unit has, where the file says it.
    new_ids : tuple of str
        Of the parts; empty where the file gives none.
    """

    unit: str
    groups: tuple[npt.NDArray[np.int64], ...]
    n_spikes: int | None = None
    new_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurationFile:
    """What is said of the units of one sorting.

    Attributes
    ----------
    units : tuple of str
        Ids of all units; empty where the format does not say.
    choices : mapping of str to LabelChoice
        By category.
    labels : mapping of str to mapping of str to tuple of str
        By unit and category.
    notes : mapping of str to str
        By unit.
    merges : tuple of tuple of str
    removed : tuple of str
    splits : tuple of UnitSplit
    merged_ids : tuple of str
        Of the new unit of each merge, ``''`` where the file gives none; empty where no format does.
    left_out : tuple of str
        A sentence for each thing that was there and is no decision, or cannot be written.
    """

    units: tuple[str, ...] = ()
    choices: Mapping[str, LabelChoice] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    merges: tuple[tuple[str, ...], ...] = ()
    removed: tuple[str, ...] = ()
    splits: tuple[UnitSplit, ...] = ()
    merged_ids: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def ids_are_numbers(self) -> bool:
        """Whether every id of the units is a whole number."""
        return all(unit.removeprefix("-").isdecimal() for unit in self.units)


def shown_to(author: str, decisions: Sequence[Decision], subject: Subject, rules: CurationRules) -> CurationFile:
    """Return what is shown to somebody as curated, by the rules' precedence."""
    held = proposals(decisions, subject, author, rules.precedence)[::-1]
    merged = tuple(one.units for one in held if not one.parts)
    parts = ((one, read_split(one.parts)) for one in held if one.parts)
    splits = tuple(
        UnitSplit(one.units[0], groups_of_parts(of), len(of), one.new) for one, of in parts if of is not None
    )
    file = said_of_units(unit_states(decisions, subject), subject.ids, author, rules, merged, splits)
    return replace(file, merged_ids=tuple(next(iter(one.new), "") for one in held if not one.parts))


def said_of_units(
    states: Mapping[str, UnitState],
    ids: tuple[str, ...],
    author: str,
    rules: CurationRules,
    merged: tuple[tuple[str, ...], ...] = (),
    splits: tuple[UnitSplit, ...] = (),
) -> CurationFile:
    """Return what is shown to somebody of some units, by what holds of each."""
    choices = {one.name: LabelChoice(one.labels, one.is_exclusive) for one in rules.categories}
    labels: dict[str, dict[str, tuple[str, ...]]] = {}
    notes: dict[str, str] = {}
    removed = []
    for unit in ids:
        state = states.get(unit)
        if state is None:
            continue
        for name in state.labels:
            found = tuple(one for one in state.label(name, author, rules.precedence).split("\n") if one)
            if not found:
                continue
            if name == REMOVED:
                removed.append(unit)
                continue
            labels.setdefault(unit, {})[name] = found
            before = choices.get(name, LabelChoice(()))
            more = tuple(one for one in found if one not in before.labels)
            choices[name] = LabelChoice((*before.labels, *more), before.is_exclusive and len(found) == 1)
        if state.notes:
            notes[unit] = state.notes.get(author, next(reversed(state.notes.values())))
    return CurationFile(ids, choices, labels, notes, merged, tuple(removed), splits)


def decisions_of(file: CurationFile, subject: Subject, author: str) -> tuple[list[Decision], list[str]]:
    """Return what a file says as decisions of its author, and a sentence for each thing that did not match."""
    found = [
        subject.decide(author, "label", "\n".join(labels), unit, name=name)
        for unit, said in file.labels.items()
        for name, labels in said.items()
        if unit in subject.place
    ]
    found += [subject.decide(author, "note", text, unit) for unit, text in file.notes.items() if unit in subject.place]
    found += [subject.decide(author, "label", REMOVED, u, name=REMOVED) for u in file.removed if u in subject.place]
    for group, new in zip(file.merges, file.merged_ids or ("",) * len(file.merges), strict=True):
        if all(unit in subject.place for unit in group):
            found.append(subject.decide(author, "merge", write_merge(group), name=write_ids([new] if new else [])))
    named = {*file.labels, *file.notes, *file.removed, *(unit for group in file.merges for unit in group)}
    named |= {split.unit for split in file.splits}
    report = list(file.left_out)
    for split in file.splits:
        if (row := subject.place.get(split.unit)) is not None:
            try:
                parts = _parts(split, subject.n_spikes[row] if subject.n_spikes else None)
                names = write_ids(split.new_ids)
                if len(names) > MAX_NAME:
                    names = ""
                    report.append(f"Ids that the file gives the parts of unit {split.unit} are too long, and left out")
                found.append(subject.decide(author, SPLIT, write_split(parts), split.unit, name=names))
            except BadRequest as error:
                report.append(f"The split of unit {split.unit} is left out: {error}")
    if unknown := sorted(named - set(subject.place)):
        some = ", ".join(unknown[:_NAMED]) + (f" and {len(unknown) - _NAMED} more" * (len(unknown) > _NAMED))
        report.append(
            f"{len(unknown):,} of {counted(len(named), 'unit')} are not in this sorting, and are left out: {some}"
        )
    absent = len(set(file.units) ^ set(subject.ids)) if file.units else 0
    if absent:
        report.append(
            f"The file is of a sorting with {counted(len(file.units), 'unit')}, this one has {len(subject.ids):,}; "
            f"{absent:,} are in one of them only"
        )
    return found, report


def _parts(split: UnitSplit, n_spikes: int | None) -> Parts:
    n_named = n_spikes if split.n_spikes is None else split.n_spikes
    if n_named is None or n_spikes not in (None, n_named):
        raise BadRequest("It is of another number of spikes", f"{n_named} there", f"{n_spikes} here")
    return parts_of_groups(split.groups, n_named)


def first_category(rules: CurationRules) -> str:
    """Return the category that formats with one label write."""
    return rules.categories[0].name if rules.categories else QUALITY.name
