"""A sorting with what people have decided: merged units are one, removed units and bad spans are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.curation.merges import merges
from dashboard.analysis.curation.spans import BadSpan, bad_spans
from dashboard.analysis.curation.state import UnitState, unit_columns, unit_states, with_columns
from dashboard.analysis.curation.subject import Subject
from dashboard.engine.build import build_columns
from dashboard.engine.columns.columns import LazyIndexes, SpikeColumns, read_only
from dashboard.model.conventions import DepthKind
from dashboard.model.curation import REMOVED, CurationRules, Decision
from dashboard.model.identity import Identity
from dashboard.model.sorting import SpikeSorting, Templates
from dashboard.model.texts import counted

_OF_PLACE = (
    "channels", "depths", "axial_um", "lateral_um", "rawInd", "acronym", "atlas_id", "x", "y", "z", "shank",
)  # fmt: skip
"""Columns that a merged unit has from that of its units with most spikes."""

_SUMS = ("spike_count", "n_spikes", "num_spikes", "firing_rate")
"""Columns whose value of a merged unit is the sum of those of its units; what is in neither list is not known."""

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
    """

    merges: tuple[tuple[str, ...], ...] = ()
    removed: tuple[str, ...] = ()
    spans: tuple[BadSpan, ...] = ()
    authors: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Units that are shown as one."""
        return (*self.merges, self.tried) if self.tried else self.merges

    @property
    def is_empty(self) -> bool:
        """Whether all stays as it is."""
        return not (self.groups or self.removed or self.spans)


def plan_of(decisions: Sequence[Decision], subject: Subject, author: str, rules: CurationRules) -> CurationPlan:
    """Return what decisions change of a sorting, by the rules' precedence.

    Spans of everybody hold. A unit that is merged is not removed as well.

    Parameters
    ----------
    decisions : sequence of Decision
        Of the insertion, in the order in which they were added.
    subject : Subject
    author : str
        Whose decisions go first.
    rules : CurationRules
    """
    held = merges(decisions, subject, author, rules.precedence)[::-1]
    merged = {unit for merge in held for unit in merge.units}
    states = unit_states(decisions, subject)
    removed = {
        unit: state
        for unit, state in states.items()
        if state.label(REMOVED, author, rules.precedence) == REMOVED and unit not in merged
    }
    spans = bad_spans(decisions, subject)
    authors = [merge.author for merge in held] + [span.author for span in spans]
    authors += [who for state in removed.values() for who, label in state.labels[REMOVED].items() if label]
    return CurationPlan(
        tuple(merge.units for merge in held), tuple(removed), tuple(spans), tuple(dict.fromkeys(authors))
    )


@dataclass(frozen=True, eq=False)
class Applied:
    """A sorting after a plan.

    Attributes
    ----------
    plan : CurationPlan
    sorting : SpikeSorting
        Merged units stand last, with ids that no unit had; see `apply_plan`.
    new_of_old : mapping of str to str
        Id after it by the id before; ``''`` for a unit that is left out.
    members : mapping of str to tuple of str
        Ids before it by the id after it.
    of : ndarray, shape (n_units_before,), int32
        Index after it of each unit; -1 for one that is left out.
    rows : ndarray, shape (n_spikes,), int64, or None
        Rows of the spikes before it; None where none is left out.
    """

    plan: CurationPlan
    sorting: SpikeSorting
    new_of_old: Mapping[str, str]
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
            Of that; they are shared where no spike is left out and none has the depth of its unit.
        """
        if self.rows is not None or before.depth_kind is DepthKind.UNIT or before.n_without_depth:
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
        return replace(before, ids=ids, uuids=("",) * len(ids))

    def states(self, states: Mapping[str, UnitState]) -> dict[str, UnitState]:
        """Return what people say of the units after it.

        A merged unit has the label that all of its units have of which somebody says one, and everybody's notes.
        """
        found = {}
        for new, members in self.members.items():
            said = [states[unit] for unit in members if unit in states]
            if said:
                found[new] = said[0] if len(members) == 1 else _together(said)
        return found


def apply_plan(sorting: SpikeSorting, plan: CurationPlan) -> Applied:
    """Return a sorting with merged units as one, without removed units and without the spikes in bad spans.

    New ids are those that SpikeInterface gives: the largest id and one more, or ``merge0`` where ids are texts that are
    no numbers. A merged unit has the place of that of its units with most spikes, and no metrics and no label of IBL's
    tests: these were of its units. The sorting that is given does not change.

    Parameters
    ----------
    sorting : SpikeSorting
    plan : CurationPlan
    """
    n, units = sorting.n_clusters, list(map(str, sorting.units.values.tolist()))
    place = {unit: index for index, unit in enumerate(units)}
    groups = [[place[unit] for unit in group] for group in plan.groups]
    removed = [unit for unit in plan.removed if unit not in plan.tried]
    aside = {index for group in groups for index in group} | {place[unit] for unit in removed}
    stay = [index for index in range(n) if index not in aside]
    of = np.full(n, -1, np.int32)
    of[stay] = np.arange(len(stay))
    for k, group in enumerate(groups):
        of[group] = len(stay) + k
    indexes = np.asarray(sorting.unit_indexes()).reshape(-1)
    counts = np.bincount(indexes, minlength=n)
    keep = _kept(sorting, plan.spans, indexes, of, place)
    largest = [max(group, key=lambda index: counts[index]) for group in groups]
    ids = [*sorting.units.values[stay].tolist(), *_new_ids(sorting, len(groups))]
    rows = None if keep.all() else np.flatnonzero(keep)
    after = replace(
        sorting,
        clusters=_table(sorting.clusters, stay, groups, largest, ids),
        spikes=_spikes(sorting, of[indexes], rows),
        templates=_templates(sorting, stay, groups, largest, counts),
        n_dropped=sorting.n_dropped - _n_dropped(sorting, indexes, keep),
        n_without_depth=sorting.n_without_depth - _n_without_depth(sorting, keep),
        identity=_identity(sorting.identity, plan),
        curation=_said(plan, int((~keep).sum())),
        later=(),
    )
    members: dict[str, tuple[str, ...]] = {str(ids[k]): (units[index],) for k, index in enumerate(stay)}
    members |= {str(ids[len(stay) + k]): group for k, group in enumerate(plan.groups)}
    new_of_old = {unit: str(ids[of[index]]) if of[index] >= 0 else "" for unit, index in place.items()}
    return Applied(plan, after, MappingProxyType(new_of_old), MappingProxyType(members), of, rows)


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


def _new_ids(sorting: SpikeSorting, n: int) -> list[Any]:
    """Return ids as ``spikeinterface.core.sorting_tools.generate_unit_ids_for_merge_group`` does by ``append``."""
    values = sorting.units.values.tolist()
    if not sorting.units.are_text:
        return [max(values, default=-1) + 1 + k for k in range(n)]
    if all(unit.isdigit() for unit in values):
        return [str(max(map(int, values), default=-1) + 1 + k) for k in range(n)]
    return [name for name in (f"merge{k}" for k in range(n + len(values))) if name not in set(values)][:n]


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


def _table(
    table: pd.DataFrame, stay: list[int], groups: list[list[int]], largest: list[int], ids: list[Any]
) -> pd.DataFrame:
    found = table.iloc[[*stay, *largest]].copy()
    found.index = pd.Index(ids, name=table.index.name, dtype=table.index.dtype if ids else None)
    if not groups:
        return found
    for name in map(str, table):
        if name in _OF_PLACE:
            continue
        values, before = found[name], table[name]
        if name in _SUMS:
            of_merged: list[Any] = [before.iloc[group].sum() for group in groups]
        elif pd.api.types.is_numeric_dtype(values):  # of whole numbers and of yes and no, too
            values, of_merged = values.astype(np.float64), [np.nan] * len(groups)
        else:
            values, of_merged = values.astype(object), [None] * len(groups)
        found[name] = [*values.iloc[: len(stay)].tolist(), *of_merged]
    return found


def _templates(
    sorting: SpikeSorting, stay: list[int], groups: list[list[int]], largest: list[int], counts: npt.NDArray[np.int64]
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
    waveforms = np.zeros((len(stay) + len(groups), *templates.waveforms.shape[1:]), np.float32)
    channels = np.full((len(waveforms), *templates.channels.shape[1:]), -1, np.int64)
    for row, unit in enumerate([*stay, *largest]):
        if is_there[unit]:
            waveforms[row], channels[row] = templates.waveforms[rows[unit]], templates.channels[rows[unit]]
    for row, group in enumerate(groups, len(stay)):
        for column, channel in enumerate(channels[row].tolist()):
            traces, weights = [], []
            for unit in group if channel >= 0 else ():
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
    digest = hashlib.sha256(repr((plan.groups, plan.removed, plan.spans)).encode()).hexdigest()[:32]
    return Identity.of_states(before.files, f"{before.metrics} with the curation {digest}", before.folders)


def _said(plan: CurationPlan, n_excluded: int) -> str:
    merged = sum(map(len, plan.merges))
    parts = [
        f"{merged:,} units are merged into {len(plan.merges):,}" * bool(plan.merges),
        f"{counted(len(plan.removed), 'unit')} left out" * bool(plan.removed),
        f"{counted(len(plan.spans), 'bad span')} left out" * bool(plan.spans),
    ]
    decided = ", ".join(part for part in parts if part) or "nothing to change" * (not plan.tried)
    sentences = [
        f"curation of {', '.join(plan.authors) or 'nobody'} applied: {decided}" * bool(decided),
        f"units {' + '.join(plan.tried)} are shown as one, which is not decided" * bool(plan.tried),
        f"{counted(n_excluded, 'spike')} not shown" * bool(n_excluded),
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
