"""A sorting with what people have decided: units merged and split, removed units and bad spans left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.curation.proposals import proposals
from dashboard.analysis.curation.spans import BadSpan, bad_spans
from dashboard.analysis.curation.splits import read_split, rows_in_time, split_sizes
from dashboard.analysis.curation.state import UnitState, unit_columns, unit_states, with_columns
from dashboard.analysis.curation.subject import Subject
from dashboard.engine.build import build_columns
from dashboard.engine.columns.columns import LazyIndexes, SpikeColumns, read_only
from dashboard.model.conventions import DepthKind
from dashboard.model.curation import REMOVED, CurationRules, Decision
from dashboard.model.errors import DashboardError
from dashboard.model.identity import Identity
from dashboard.model.sorting import SpikeSorting, Templates
from dashboard.model.texts import counted

_OF_PLACE = (
    "channels", "depths", "axial_um", "lateral_um", "rawInd", "acronym", "atlas_id", "x", "y", "z", "shank",
)  # fmt: skip
"""Columns that a merged unit has from that of its units with most spikes, and a part from its unit."""

_SUMS = ("spike_count", "n_spikes", "num_spikes", "firing_rate")
"""Columns whose value of a merged unit is the sum of those of its units, and of a part its share by spikes; what is in
neither list is not known.
"""

MAX_DIGITS = 16
"""Of an id that is a number: more are not whole numbers of a browser."""

_SHARED_INDEXES = ("ticks", "rank_index", "depth_range", "overview")


@dataclass(frozen=True, slots=True)
class CurationPlan:
    """What is to be changed of a sorting.

    Attributes
    ----------
    merges : tuple of tuple of str
        Ids of the units that are one, each unit in one at most.
    removed : tuple of str
        Units that are left out.
    spans : tuple of BadSpan
        Spikes in them are left out.
    authors : tuple of str
        Whose decisions these are.
    tried : tuple of str
        Units that are shown as one before anybody has decided it; none of them is in a merge.
    splits : tuple of (str, str)
        Units that are several, and their parts as `dashboard.analysis.curation.splits.write_split` writes them; none of
        them is in a merge.
    named : tuple of (str, tuple of str)
        The first unit of a merge, or the one that is split, and ids of what it comes to, where a file gives them.
    """

    merges: tuple[tuple[str, ...], ...] = ()
    removed: tuple[str, ...] = ()
    spans: tuple[BadSpan, ...] = ()
    authors: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    splits: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Units that are shown as one."""
        return (*self.merges, self.tried) if self.tried else self.merges

    @property
    def is_empty(self) -> bool:
        """Whether all stays as it is."""
        return not (self.groups or self.splits or self.removed or self.spans)


def plan_of(
    decisions: Sequence[Decision],
    subject: Subject,
    author: str,
    rules: CurationRules,
    states: Mapping[str, UnitState] | None = None,
) -> CurationPlan:
    """Return what decisions change of a sorting, by the rules' precedence.

    Spans of everybody hold. A unit that is merged or split is not removed as well.

    Parameters
    ----------
    decisions : sequence of Decision
        Of the insertion, in the order in which they were added.
    subject : Subject
    author : str
        Whose decisions go first.
    rules : CurationRules
    states : mapping of str to UnitState, optional
        What the decisions come to, where it is known.
    """
    held = proposals(decisions, subject, author, rules.precedence)[::-1]
    proposed = {unit for one in held for unit in one.units}
    states = unit_states(decisions, subject) if states is None else states
    removed = {
        unit: state
        for unit, state in states.items()
        if state.label(REMOVED, author, rules.precedence) == REMOVED and unit not in proposed
    }
    spans = bad_spans(decisions, subject)
    authors = [one.author for one in held] + [span.author for span in spans]
    authors += [who for state in removed.values() for who, label in state.labels[REMOVED].items() if label]
    return CurationPlan(
        tuple(one.units for one in held if not one.parts), tuple(removed), tuple(spans),
        tuple(dict.fromkeys(authors)), splits=tuple((one.units[0], one.parts) for one in held if one.parts),
        named=tuple((one.units[0], one.new) for one in held if one.new),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Made:
    """A unit that was not there: index of the one whose place it has, indexes of those it is of, its share of them."""

    place: int
    members: tuple[int, ...]
    share: float = 1.0


@dataclass(frozen=True, eq=False)
class Applied:
    """A sorting after a plan.

    Attributes
    ----------
    plan : CurationPlan
    sorting : SpikeSorting
        Merged units stand behind those that stay, then parts of units, with ids that no unit had; see `apply_plan`.
    new_of_old : mapping of str to tuple of str
        Ids after it by the id before: several of a unit that is split, none of one that is left out.
    members : mapping of str to tuple of str
        Ids before it by the id after it.
    of : ndarray, shape (n_units_before,), int32
        Index after it of each unit, of a unit that is split of its first part; -1 for one that is left out.
    rows : ndarray, shape (n_spikes,), int64, or None
        Rows of the spikes before it; None where none is left out.
    """

    plan: CurationPlan
    sorting: SpikeSorting
    new_of_old: Mapping[str, tuple[str, ...]]
    members: Mapping[str, tuple[str, ...]]
    of: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64] | None

    def columns(self, before: SpikeSorting, columns: SpikeColumns) -> SpikeColumns:
        """Return the columns of the new sorting, in memory.

        Parameters
        ----------
        before : SpikeSorting
            What the plan was applied to.
        columns : SpikeColumns
            Of that; they are shared where no unit is split, no spike is left out and none has the depth of its unit.
        """
        if self.rows is not None or self.plan.splits or before.depth_kind is DepthKind.UNIT or before.n_without_depth:
            return build_columns(self.sorting)
        n = self.sorting.n_clusters
        table = self.of.astype(np.uint16 if n <= 1 << 16 else np.uint32)
        shared = {name: value for name, value in columns.lazy.values.items() if name in _SHARED_INDEXES}
        return replace(
            columns, clusters=read_only(table[columns.clusters]), n_clusters=n, lazy=LazyIndexes(values=shared)
        )

    def subject(self, before: Subject) -> Subject:
        """Return the subject with the units after it, for their columns."""
        ids = tuple(self.members)
        return replace(before, ids=ids, uuids=("",) * len(ids), n_spikes=())

    def states(self, states: Mapping[str, UnitState]) -> dict[str, UnitState]:
        """Return what people say of the units after it.

        A merged unit has the label that all of its units have of which somebody says one, and everybody's notes; a part
        has what is said of its unit.
        """
        found = {}
        for new, members in self.members.items():
            said = [states[unit] for unit in members if unit in states]
            if said:
                found[new] = said[0] if len(members) == 1 else _together(said)
        return found


def apply_plan(sorting: SpikeSorting, plan: CurationPlan) -> Applied:
    """Return a sorting with units merged and split, without removed units and without the spikes in bad spans.

    New ids are those that a file gave, where no unit has them, else SpikeInterface's: the largest id that
    is not removed and one more, or ``merge0`` and ``ID-split0`` where ids are texts that are no numbers. A merged unit
    has the place of that of its units with most spikes, a part the place and the template of its unit; neither has
    metrics or a label of IBL's tests: these were of other units. The sorting that is given does not change.

    Parameters
    ----------
    sorting : SpikeSorting
    plan : CurationPlan

    Raises
    ------
    DashboardError
        A split is of another number of spikes than its unit has.
    """
    n, units = sorting.n_clusters, list(map(str, sorting.units.values.tolist()))
    place = {unit: index for index, unit in enumerate(units)}
    groups = [[place[unit] for unit in group] for group in plan.groups]
    splits = [(place[unit], value) for unit, value in plan.splits if unit not in plan.tried]
    removed = [unit for unit in plan.removed if unit not in plan.tried]
    aside = {*(index for group in groups for index in group), *(place[unit] for unit in removed)}
    aside |= {index for index, _ in splits}
    stay = [index for index in range(n) if index not in aside]
    of = np.full(n, -1, np.int32)
    of[stay] = np.arange(len(stay))
    for k, group in enumerate(groups):
        of[group] = len(stay) + k
    indexes = np.asarray(sorting.unit_indexes()).reshape(-1)
    counts = np.bincount(indexes, minlength=n)
    made = [_Made(max(group, key=lambda index: counts[index]), tuple(group)) for group in groups]
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]] = []
    for index, value in splits:
        of[index] = first = len(stay) + len(made)
        rows_of_unit, part = rows_in_time(sorting, indexes, index), read_split(value)
        if part is None or len(part) != len(rows_of_unit):
            what = f"{counted(sum(split_sizes(value)), 'spike')}, and the unit has {len(rows_of_unit):,}"
            raise DashboardError(f"A split of unit {units[index]} is of {what}", "", "Withdraw it")
        parts.append((rows_of_unit, (first + part).astype(np.int32)))
        made += [_Made(index, (index,), size / len(part)) for size in split_sizes(value)]
    after = of[indexes]
    for rows_of_unit, new in parts:
        after[rows_of_unit] = new
    keep = _kept(sorting, plan.spans, indexes, of, place)
    names = [units[index] for index, value in splits for _ in split_sizes(value)]
    here = [unit for unit in sorting.units.values.tolist() if str(unit) not in removed]
    named = dict(plan.named)
    wanted = [next(iter(named.get(group[0], ())), "") for group in plan.groups]
    for index, value in splits:
        n_parts, given = len(split_sizes(value)), named.get(units[index], ())
        wanted += given if len(given) == n_parts else [""] * n_parts
    ids = [*sorting.units.values[stay].tolist(), *_new_ids(sorting, here, len(groups), names, wanted)]
    rows = None if keep.all() else np.flatnonzero(keep)
    found = replace(
        sorting,
        clusters=_table(_outside(sorting, plan.spans, indexes, keep, place), stay, made, ids),
        spikes=_spikes(sorting, after, rows),
        templates=_templates(sorting, stay, made, counts),
        n_dropped=sorting.n_dropped - _n_dropped(sorting, indexes, keep),
        n_without_depth=sorting.n_without_depth - _n_without_depth(sorting, keep),
        identity=_identity(sorting.identity, plan),
        curation=_said(plan, int((~keep).sum())),
        later=(),
        open_samples=_of_rows(sorting.open_samples, rows),
    )
    members: dict[str, tuple[str, ...]] = {str(ids[k]): (units[index],) for k, index in enumerate(stay)}
    for new_id, one in zip(ids[len(stay) :], made, strict=True):
        members[str(new_id)] = tuple(units[index] for index in one.members)
    news: dict[str, list[str]] = {unit: [] for unit in units}
    for new_id, olds in members.items():
        for unit in olds:
            news[unit].append(new_id)
    new_of_old = {unit: tuple(found_ids) for unit, found_ids in news.items()}
    return Applied(plan, found, MappingProxyType(new_of_old), MappingProxyType(members), of, rows)


def curated(sorting: SpikeSorting, decisions: Sequence[Decision], author: str, rules: CurationRules) -> SpikeSorting:
    """Return a sorting with decisions applied, and with their columns: see `plan_of`, `apply_plan`, `unit_columns`."""
    subject = Subject.of(sorting)
    applied = apply_plan(sorting, plan_of(decisions, subject, author, rules))
    states = applied.states(unit_states(decisions, subject))
    found = unit_columns(states, applied.subject(subject), author, rules)
    return replace(applied.sorting, clusters=with_columns(applied.sorting.clusters, found))


def _kept(
    sorting: SpikeSorting,
    spans: Sequence[BadSpan],
    indexes: npt.NDArray[Any],
    of: npt.NDArray[np.int32],
    place: Mapping[str, int],
) -> npt.NDArray[np.bool_]:
    keep: npt.NDArray[np.bool_] = of[indexes] >= 0
    times = np.asarray(sorting.spikes.times_s).reshape(-1) if spans else np.empty(0)
    for span in spans:
        inside = (times >= span.start_s) & (times < span.end_s)
        keep &= ~(inside & (indexes == place[span.unit]) if span.unit else inside)
    return keep


def _new_ids(sorting: SpikeSorting, here: list[Any], n_merged: int, split: list[str], wanted: list[str]) -> list[Any]:
    """Return ids of merged units, then of parts.

    As ``generate_unit_ids_for_merge_group`` and ``generate_unit_ids_for_split`` of
    ``spikeinterface.core.sorting_tools`` do by ``append``.

    Parameters
    ----------
    sorting : SpikeSorting
    here : list
        Ids of the units that are not removed.
    n_merged : int
    split : list of str
        Id of the unit of each part.
    wanted : list of str
        Id that a file gives each of them, ``''`` for none; one that a unit has, or that is no number where ids are
        numbers, is not taken.
    """
    are_text, taken = sorting.units.are_text, set(map(str, here))
    given = [""] * len(wanted)
    for k, name in enumerate(wanted):
        if name and name not in taken and (are_text or (name.isdecimal() and len(name) < MAX_DIGITS)):
            given[k] = name
            taken.add(name)
    if not are_text or all(unit.isdigit() for unit in taken):
        free = map(str, count(max(map(int, taken), default=-1) + 1))
        found = [name or next(free) for name in given]
        return found if are_text else list(map(int, found))
    merged = (name for k in count() if (name := f"merge{k}") not in taken)
    made = [next(merged) if not name and k < n_merged else name for k, name in enumerate(given)]
    parts = [f"{unit}-split{split[:k].count(unit)}" for k, unit in enumerate(split)]
    return [*made[:n_merged], *(name or part for name, part in zip(made[n_merged:], parts, strict=True))]


def _spikes(sorting: SpikeSorting, units: npt.NDArray[np.int32], rows: npt.NDArray[np.int64] | None) -> Any:
    spikes = sorting.spikes
    if rows is None:
        return replace(spikes, clusters=units, clusters_are_rows=True)
    return replace(
        spikes,
        times_s=spikes.times_s[rows],
        clusters=units[rows],
        depths_um=None if spikes.depths_um is None else spikes.depths_um[rows],
        amps_v=None if spikes.amps_v is None else spikes.amps_v[rows],
        extra=MappingProxyType({name: column[rows] for name, column in spikes.extra.items()}),
        clusters_are_rows=True,
    )


def _of_rows(read: Any, rows: npt.NDArray[np.int64] | None) -> Any:
    """Return what reads of spikes that stayed, where `read` is given rows of the file."""
    return read if read is None or rows is None else lambda own: read(rows[own])


def _outside(
    sorting: SpikeSorting,
    spans: Sequence[BadSpan],
    indexes: npt.NDArray[Any],
    keep: npt.NDArray[np.bool_],
    place: Mapping[str, int],
) -> pd.DataFrame:
    """Return the table of units with counts and rates of what lies outside the spans."""
    table, n = sorting.clusters, sorting.n_clusters
    names = [name for name in _SUMS if name in table]
    if not spans or not names:
        return table
    times = np.asarray(sorting.spikes.times_s).reshape(-1)
    first, last = float(np.nanmin(times)), float(np.nanmax(times))
    span_s = max(last - first, 1e-9)
    left = np.full(n, 1 - _covered_s(spans, "", first, last) / span_s)
    for unit in {span.unit for span in spans if span.unit}:
        left[place[unit]] = 1 - _covered_s(spans, unit, first, last) / span_s
    counts, kept = (np.bincount(of_spikes, minlength=n) for of_spikes in (indexes, indexes[keep]))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(counts > 0, kept / counts, 1.0)
        rates = np.where(left > 0, share / left, np.nan)
    return table.assign(**{name: table[name] * (rates if name == "firing_rate" else share) for name in names})


def _covered_s(spans: Sequence[BadSpan], unit: str, first: float, last: float) -> float:
    """Return how much of a recording is in spans of all units or of one; where they overlap, it counts once."""
    total, end = 0.0, first
    for span in sorted(spans):
        if span.unit in ("", unit):
            total += max(min(span.end_s, last) - max(span.start_s, end), 0.0)
            end = max(end, min(span.end_s, last))
    return total


def _table(table: pd.DataFrame, stay: list[int], made: list[_Made], ids: list[Any]) -> pd.DataFrame:
    found = table.iloc[[*stay, *(one.place for one in made)]].copy()
    found.index = pd.Index(ids, name=table.index.name, dtype=table.index.dtype if ids else None)
    if not made:
        return found
    for name in map(str, table):
        if name in _OF_PLACE:
            continue
        values, before = found[name], table[name]
        if name in _SUMS:
            of_made: list[Any] = [one.share * before.iloc[list(one.members)].sum() for one in made]
        elif pd.api.types.is_numeric_dtype(values):  # of whole numbers and of yes and no, too
            values, of_made = values.astype(np.float64), [np.nan] * len(made)
        else:
            values, of_made = values.astype(object), [None] * len(made)
        found[name] = [*values.iloc[: len(stay)].tolist(), *of_made]
    return found


def _templates(
    sorting: SpikeSorting, stay: list[int], made: list[_Made], counts: npt.NDArray[np.int64]
) -> Templates | None:
    """Return templates with a row for each unit; a merged unit's is the mean by spikes, on the channels of its largest.

    Those of a sorter, of which the spikes say which they were found with, stay as they are.
    """
    templates = sorting.templates
    is_of_sorter = templates is not None and templates.dataset.startswith("templates.")
    if templates is None or (is_of_sorter and "templates" in sorting.spikes.extra):
        return templates
    by_id = is_of_sorter and not sorting.units.are_text
    rows = sorting.unit_ids if by_id else np.arange(sorting.n_clusters)
    is_there = (rows >= 0) & (rows < len(templates.waveforms))
    waveforms = np.zeros((len(stay) + len(made), *templates.waveforms.shape[1:]), np.float32)
    channels = np.full((len(waveforms), *templates.channels.shape[1:]), -1, np.int64)
    for row, unit in enumerate([*stay, *(one.place for one in made)]):
        if is_there[unit]:
            waveforms[row], channels[row] = templates.waveforms[rows[unit]], templates.channels[rows[unit]]
    for row, one in enumerate(made, len(stay)):
        for column, channel in enumerate(channels[row].tolist()):
            traces, weights = [], []
            for unit in one.members if channel >= 0 and len(one.members) > 1 else ():
                at = np.flatnonzero(templates.channels[rows[unit]] == channel) if is_there[unit] else np.empty(0)
                if len(at):
                    traces.append(np.asarray(templates.waveforms[rows[unit]][:, int(at[0])], np.float64))
                    weights.append(max(int(counts[unit]), 1))
            if traces:
                waveforms[row, :, column] = np.average(traces, axis=0, weights=weights)
    name = f"rows of {templates.dataset} by id" if is_of_sorter else templates.dataset
    return replace(templates, waveforms=waveforms, channels=channels, dataset=name)


def _n_dropped(sorting: SpikeSorting, indexes: npt.NDArray[Any], keep: npt.NDArray[np.bool_]) -> int:
    """Return how many of the spikes that are left out were in no view before: without time, or without depth."""
    if not sorting.n_dropped or keep.all():
        return 0
    gone = np.flatnonzero(~keep)
    is_dropped = ~np.isfinite(np.asarray(sorting.spikes.times_s).reshape(-1)[gone])
    by_unit = sorting.unit_depths_um[indexes[gone]]
    own = by_unit if sorting.spikes.depths_um is None else np.asarray(sorting.spikes.depths_um).reshape(-1)[gone]
    return int((is_dropped | ~(np.isfinite(own) | np.isfinite(by_unit))).sum())


def _n_without_depth(sorting: SpikeSorting, keep: npt.NDArray[np.bool_]) -> int:
    if not sorting.n_without_depth or sorting.spikes.depths_um is None or keep.all():
        return 0
    return int((~np.isfinite(np.asarray(sorting.spikes.depths_um).reshape(-1)[~keep])).sum())


def _identity(before: Identity | None, plan: CurationPlan) -> Identity | None:
    if before is None:
        return None
    changed = (plan.groups, plan.removed, plan.spans, *plan.splits, *plan.named)
    digest = hashlib.sha256(repr(changed).encode()).hexdigest()[:32]
    return Identity.of_states(before.files, f"{before.metrics} with the curation {digest}", before.folders)


def _said(plan: CurationPlan, n_excluded: int) -> str:
    merged = sum(map(len, plan.merges))
    n_parts = sum(len(split_sizes(value)) for _, value in plan.splits)
    parts = [
        f"{counted(merged, 'unit is', 'units are')} merged into {len(plan.merges):,}" * bool(plan.merges),
        f"{counted(len(plan.splits), 'unit')} split into {n_parts:,}" * bool(plan.splits),
        f"{counted(len(plan.removed), 'unit')} left out" * bool(plan.removed),
        f"{counted(len(plan.spans), 'bad span')} left out" * bool(plan.spans),
    ]
    decided = ", ".join(part for part in parts if part) or "nothing to change" * (not plan.tried)
    sentences = [
        f"curation of {', '.join(plan.authors) or 'nobody'} applied: {decided}" * bool(decided),
        f"units {' + '.join(plan.tried)} are shown as one, which is not decided" * bool(plan.tried),
        f"{counted(n_excluded, 'spike')} not shown" * bool(n_excluded),
        "counts and rates of units are those outside the spans, other metrics of all spikes" * bool(plan.spans),
    ]
    return "; ".join(sentence for sentence in sentences if sentence)


def _together(said: Sequence[UnitState]) -> UnitState:
    found = UnitState(flags=list(dict.fromkeys(who for state in said for who in state.flags)))
    for name in dict.fromkeys(name for state in said for name in state.labels):
        of_units = [state.labels[name] for state in said if state.labels.get(name)]
        labels = {}
        for who in dict.fromkeys(who for labels_of in of_units for who in labels_of):
            of_author = {labels_of[who] for labels_of in of_units if who in labels_of}
            if len(of_author) == 1:
                labels[who] = of_author.pop()
        found.labels[name] = labels
    for state in said:
        for who, text in state.notes.items():
            found.notes[who] = f"{found.notes[who]} / {text}" if who in found.notes else text
    return found
