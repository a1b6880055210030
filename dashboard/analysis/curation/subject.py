"""The sorting that decisions are about: which units it has, and which decisions are of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dashboard.model.curation import SPLIT, WITHDRAWN, Decision
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId, read_ids, write_ids

_BLOCK = 1 << 22


def spikes_identity(sorting: SpikeSorting) -> str:
    """Return the number of spikes and a hash of the unit of each, in their order, whatever the type on disk."""
    clusters = sorting.spikes.clusters
    digest = hashlib.blake2b(digest_size=16)
    for first in range(0, len(clusters), _BLOCK):
        digest.update(np.ascontiguousarray(clusters[first : first + _BLOCK], dtype="<i8").data)
    if sorting.spikes.clusters_are_rows:
        digest.update("\n".join(map(str, sorting.units.values.tolist())).encode())
    return f"{len(clusters)}:{digest.hexdigest()}"


@dataclass(frozen=True)
class Subject:
    """A sorting as decisions name it.

    Attributes
    ----------
    insertion : str
        Key.
    collection, revision : str
    spikes : str
        `spikes_identity`.
    ids : tuple of str
        Ids of its units, in their order, as text.
    uuids : tuple of str
        Of the units, ``''`` where one has none.
    n_spikes : tuple of int
        Of the units; empty where they were not counted.
    """

    insertion: str
    collection: str
    revision: str
    spikes: str
    ids: tuple[str, ...]
    uuids: tuple[str, ...]
    n_spikes: tuple[int, ...] = ()

    @classmethod
    def of(cls, sorting: SpikeSorting, spikes: str | None = None) -> Subject:
        """Return that of a sorting; reads the units of all spikes, and hashes them unless `spikes` is known."""
        n = sorting.n_clusters
        named = sorting.clusters["uuids"].tolist() if "uuids" in sorting.clusters else [""] * n
        return cls(
            sorting.ref.insertion.key,
            sorting.ref.collection,
            sorting.ref.revision.value or "",
            spikes or spikes_identity(sorting),
            tuple(map(str, sorting.clusters.index.tolist())),
            tuple(uuid if isinstance(uuid, str) else "" for uuid in named),
            tuple(np.bincount(sorting.unit_indexes().reshape(-1), minlength=n).tolist()),
        )

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Row of each unit, by id as text."""
        return {unit: row for row, unit in enumerate(self.ids)}

    @cached_property
    def _by_uuid(self) -> Mapping[str, str]:
        return {uuid: unit for unit, uuid in zip(self.ids, self.uuids, strict=True) if uuid}

    def decide(self, author: str, kind: str, value: str, unit: UnitId | str = "", *, name: str = "") -> Decision:
        """Return a decision about a unit of this sorting, or about all of it."""
        row = self.place.get(str(unit))
        uuid = self.uuids[row] if row is not None else ""
        return Decision(
            author, self.insertion, kind, value, str(unit), uuid, name, collection=self.collection,
            revision=self.revision, spikes=self.spikes,
        )  # fmt: skip

    def own(self, decision: Decision) -> Decision | None:
        """Return a decision with the ids of this sorting; None where it is of another one.

        One of the same spikes is of it as it is. One of other spikes, of a revision for instance, is of the unit with
        the same uuid; but a split, which names single spikes.
        """
        if decision.spikes == self.spikes:
            return decision
        unit = self._by_uuid.get(decision.uuid) if decision.uuid and decision.kind != SPLIT else None
        return None if unit is None else replace(decision, unit=unit)

    def left_behind(self, decisions: Iterable[Decision]) -> list[Decision]:
        """Return those about units of other spikes that no unit here is."""
        return [one for one in decisions if one.kind != WITHDRAWN and self.own(one) is None]


def merged_units(decision: Decision) -> tuple[str, ...]:
    """Return the ids of a merge, as text."""
    return tuple(map(str, read_ids(decision.value)))


def new_units(decision: Decision) -> tuple[str, ...]:
    """Return the ids that a file gives to what a merge or a split comes to, as text; nothing where it gives none."""
    try:
        return tuple(map(str, read_ids(decision.name)))
    except ValueError:
        return ()


def write_merge(units: Iterable[UnitId]) -> str:
    """Return the value of a merge."""
    return write_ids(units)
