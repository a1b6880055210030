"""From decisions to what holds of each unit now, and to what a person can undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dashboard.analysis.curation.subject import Subject
from dashboard.model.curation import ALL_LABELS, CURATED, FLAG, MY_LABEL, NOTE, WITHDRAWN, CurationRules, Decision


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """Return the decisions that hold, oldest first.

    A withdrawal takes back a step of the same author, which may be a withdrawal itself; nobody takes back another's.

    Parameters
    ----------
    decisions : sequence of Decision
        In the order in which they were added.
    """
    gone: set[tuple[str, str]] = set()
    held = []
    for one in reversed(decisions):
        if (one.author, one.step) in gone:
            continue
        if one.kind == WITHDRAWN:
            gone.add((one.author, one.value))
        else:
            held.append(one)
    return held[::-1]


def history(decisions: Iterable[Decision], author: str) -> tuple[list[str], list[str]]:
    """Return which steps somebody can undo, the next one last, and which withdrawals they can withdraw to redo.

    Decisions that were brought in from a file are one step of their author.
    """
    done: list[str] = []
    undone: list[tuple[str, str]] = []
    for one in decisions:
        if one.author != author:
            continue
        if one.kind != WITHDRAWN:
            if not done or done[-1] != one.step:
                done.append(one.step)
                undone.clear()
        elif one.value in done:
            done.remove(one.value)
            undone.append((one.value, one.step))
        elif undone and undone[-1][1] == one.value:
            done.append(undone.pop()[0])
    return done, [step for _, step in undone]


@dataclass(slots=True)
class UnitState:
    """What people say of one unit.

    Attributes
    ----------
    labels : dict of str to dict of str to str
        By category and author, who decided last last; several labels of one person one on each line.
    notes : dict of str to str
        By author.
    flags : list of str
        Who has flagged it.
    """

    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def take(self, one: Decision) -> None:
        """Take one more decision."""
        if one.kind == "label":
            said = self.labels.setdefault(one.name, {})
            said.pop(one.author, None)  # so that who decided last stands last
            if one.value:
                said[one.author] = one.value
        elif one.kind == "note":
            self.notes.pop(one.author, None)
            if one.value:
                self.notes[one.author] = one.value
        elif one.kind == "flag":
            self.flags = [author for author in self.flags if author != one.author]
            if one.value:
                self.flags.append(one.author)

    def label(self, category: str, author: str, precedence: str = "mine") -> str:
        """Return the label that is shown to somebody: see `CurationRules.precedence`; ``''`` where there is none."""
        said = self.labels.get(category, {})
        if precedence == "mine" and author in said:
            return said[author]
        return next(reversed(said.values()), "")


def unit_states(decisions: Sequence[Decision], subject: Subject) -> dict[str, UnitState]:
    """Return what holds of each unit of a sorting that somebody has decided about, by id as text."""
    states: dict[str, UnitState] = {}
    take(states, standing(decisions), subject)
    return states


def take(states: dict[str, UnitState], decisions: Iterable[Decision], subject: Subject) -> None:
    """Have states of units hold further decisions, none of which is withdrawn."""
    for one in decisions:
        own = subject.own(one)
        if own is not None and own.unit in subject.place:
            if own.unit not in states:
                states[own.unit] = UnitState()
            states[own.unit].take(own)


def unit_columns(
    states: Mapping[str, UnitState], subject: Subject, author: str, rules: CurationRules
) -> dict[str, list[str]]:
    """Return columns for a table of the units, in the order of the subject; none where nobody has decided.

    ``my_label`` is what `author` says in the first category, ``curated`` what is shown to them by precedence,
    ``all_labels`` everybody's labels, ``note`` everybody's notes. Further categories are ``my_NAME`` and
    ``curated_NAME``; ``flag`` is there where somebody has flagged a unit.
    """
    if not states:
        return {}
    nothing = UnitState()
    of = [states.get(unit, nothing) for unit in subject.ids]
    found: dict[str, list[str]] = {}
    for index, category in enumerate(rules.categories):
        mine, shown = (MY_LABEL, CURATED) if index == 0 else (f"my_{category.name}", f"curated_{category.name}")
        found[mine] = [_line(state.labels.get(category.name, {}).get(author, "")) for state in of]
        found[shown] = [_line(state.label(category.name, author, rules.precedence)) for state in of]
    found[ALL_LABELS] = [_all_labels(state) if state.labels else "" for state in of]
    found[NOTE] = [" · ".join(f"{who}: {text}" for who, text in state.notes.items()) for state in of]
    if any(state.flags for state in of):
        found[FLAG] = [", ".join(state.flags) for state in of]
    return found


def with_columns(table: pd.DataFrame, found: Mapping[str, list[str]], before: Iterable[str] = ()) -> pd.DataFrame:
    """Return a table of units with columns, in place of those of `before`."""
    gone = [name for name in before if name in table]
    return table.drop(columns=gone).assign(**found) if gone or found else table


def _line(labels: str) -> str:
    return ", ".join(labels.split("\n")) if labels else ""


def _all_labels(state: UnitState) -> str:
    return " · ".join(f"{_line(label)} ({author})" for said in state.labels.values() for author, label in said.items())
