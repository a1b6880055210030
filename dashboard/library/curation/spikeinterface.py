"""SpikeInterface's curation JSON: version 2 is written; 0 (sortingview), 1, 2 and several steps of 2 are read.

Source: spikeinterface.curation.curation_model of 0.105; what it refuses is refused here, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dashboard.analysis.curation.splits import MAX_PARTS
from dashboard.library.curation.file import CurationFile, LabelChoice, UnitSplit
from dashboard.model.errors import BadRequest
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json
from dashboard.model.texts import counted
from dashboard.sources.readers import DAMAGED

VERSIONS = ("1", "2")
MAX_STEPS = 1_000
"""Of a file of several steps, each of which is held against all units."""


def write(path: Path, file: CurationFile) -> list[str]:
    """Write version 2; return a sentence for each thing that it cannot hold."""
    ids = {unit: int(unit) if file.ids_are_numbers else unit for unit in file.units}
    proposed = {unit for group in file.merges for unit in group} | {split.unit for split in file.splits}
    removed = [unit for unit in file.removed if unit not in proposed]
    content = {
        "format_version": "2",
        "unit_ids": [ids[unit] for unit in file.units],
        "label_definitions": {
            # It wants two options at least.
            name: {"label_options": [*labels, *["other"] * (2 - len(labels))], "exclusive": is_exclusive}
            for name, (labels, is_exclusive) in file.choices.items()
        },
        "manual_labels": [
            {"unit_id": ids[unit], "labels": {name: list(labels) for name, labels in said.items()}}
            for unit, said in file.labels.items()
        ],
        "merges": [
            {"unit_ids": [ids[unit] for unit in group]} | _new(file, "new_unit_id", (new,))
            for group, new in zip(file.merges, file.merged_ids or ("",) * len(file.merges), strict=True)
        ],
        "splits": [
            {"unit_id": ids[split.unit], "mode": "indices", "indices": [group.tolist() for group in split.groups]}
            | _new(file, "new_unit_ids", split.new_ids)
            for split in file.splits
        ],
        "removed": [ids[unit] for unit in removed],
    }  # fmt: skip
    write_file(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
    said = [f"{counted(len(file.notes), 'note has', 'notes have')} no place in this format"] if file.notes else []
    if len(removed) < len(file.removed):
        said.append("A unit that is merged or split is not removed as well")
    return said


def _new(file: CurationFile, name: str, ids: tuple[str, ...]) -> dict[str, Any]:
    """Return the field with ids of new units; nothing where there are none, or they are not such as the others."""
    if not all(ids) or not ids or set(ids) & set(file.units):
        return {}
    if file.ids_are_numbers and not all(one.isdecimal() for one in ids):
        return {}
    found = list(map(int, ids)) if file.ids_are_numbers else list(ids)
    return {name: found if name.endswith("s") else found[0]}


def read(path: Path) -> CurationFile:
    """Read any version.

    Raises
    ------
    BadRequest
        It is no such file, or contradicts itself.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict):
            raise ValueError("not an object")
        if "curation_steps" in content:
            if len(steps := _list(content, "curation_steps")) > MAX_STEPS:
                raise ValueError(f"{counted(len(steps), 'step')}, more than {MAX_STEPS:,}")
            return _steps([_one(step) for step in steps])
        return _one(content)
    except OSError as error:
        raise BadRequest("Cannot read the curation", path, error.strerror or "") from None
    except DAMAGED as error:
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise BadRequest("No curation that can be taken", path, reason[:200]) from None


def _one(content: Mapping[str, Any]) -> CurationFile:
    version = content.get("format_version")
    if version is None and ("labelsByUnit" in content or "mergeGroups" in content):
        return _checked(_sortingview(content))
    if str(version) not in VERSIONS:
        raise ValueError(f"format version {version!s:.20} is not 0, 1 or 2")
    is_first = str(version) == "1"
    choices = {
        str(name): LabelChoice(tuple(map(str, one["label_options"])), bool(one.get("exclusive", True)))
        for name, one in content.get("label_definitions", {}).items()
    }
    labels = {}
    for one in _list(content, "manual_labels"):
        said = {key: value for key, value in one.items() if key != "unit_id"} if is_first else one.get("labels", {})
        labels[str(one["unit_id"])] = {str(name): tuple(map(str, values)) for name, values in said.items() if values}
    if is_first:
        groups = [tuple(map(str, group)) for group in _list(content, "merge_unit_groups")]
        merged_ids: tuple[str, ...] = ("",) * len(groups)
    else:
        groups = [tuple(map(str, one["unit_ids"])) for one in _list(content, "merges")]
        new_ids = (one.get("new_unit_id") for one in _list(content, "merges"))
        merged_ids = tuple("" if new is None else str(new) for new in new_ids)
    splits = [] if is_first else _list(content, "splits")
    removed = tuple(map(str, _list(content, "removed_units" if is_first else "removed")))
    units = tuple(map(str, _list(content, "unit_ids")))
    new, taken_up = {unit for unit in merged_ids if unit}, {*groups_of(groups), *removed}
    for one in splits:
        _check_split(one, taken_up)
        taken_up.add(str(one["unit_id"]))
        new |= set(map(str, one.get("new_unit_ids") or ()))
    if taken := new & set(units):
        raise ValueError(f"the new unit {min(taken)} is there already")
    return _checked(
        CurationFile(units, choices, labels, {}, tuple(groups), removed, tuple(map(_split, splits)), merged_ids)
    )


def _sortingview(content: Mapping[str, Any]) -> CurationFile:
    said_of = content.get("labelsByUnit", {})
    labels = {str(unit): {"all_labels": tuple(map(str, said))} for unit, said in said_of.items() if said}
    groups = tuple(tuple(map(str, group)) for group in _list(content, "mergeGroups"))
    choices = {"all_labels": LabelChoice(tuple(map(str, _list(content, "labelChoices"))), False)}
    return CurationFile((), choices, labels, {}, groups)


def _checked(file: CurationFile) -> CurationFile:
    """Refuse what contradicts itself."""
    merged = groups_of(file.merges)
    if any(len(set(group)) < 2 for group in file.merges):
        raise ValueError("a merge has fewer than two units")
    if len(set(merged)) < len(merged):
        raise ValueError("a unit is in two merges")
    if both := set(merged) & set(file.removed):
        raise ValueError(f"unit {min(both)} is merged and removed")
    known = set(file.units)
    if known and (unknown := {*file.labels, *merged, *file.removed, *(one.unit for one in file.splits)} - known):
        raise ValueError(f"unit {min(unknown)} is not in its list of units")
    for unit, said in file.labels.items():
        for name, labels in said.items():
            if name not in file.choices:
                raise ValueError(f"unit {unit} has a label of the category {name:.40}, which is not defined")
            if file.choices[name].is_exclusive and len(labels) > 1:
                raise ValueError(f"unit {unit} has two labels of {name:.40}, which excludes that")
    return file


def _split(one: Mapping[str, Any]) -> UnitSplit:
    new = tuple(map(str, one.get("new_unit_ids") or ()))
    if one.get("mode") == "labels":
        labels = np.asarray(_list(one, "labels"), np.int64)
        names = np.unique(labels)
        if len(names) > MAX_PARTS:
            raise ValueError(f"the split of unit {one['unit_id']} has {counted(len(names), 'part')}")
        groups = [np.flatnonzero(labels == name) for name in names]
        return UnitSplit(str(one["unit_id"]), tuple(groups[:-1]), len(labels), new)
    places = tuple(np.asarray(group, np.int64) for group in _list(one, "indices"))
    return UnitSplit(str(one["unit_id"]), places, None, new)


def _check_split(one: Mapping[str, Any], others: set[str]) -> None:
    if (unit := str(one["unit_id"])) in others:
        raise ValueError(f"unit {unit} is split, and merged, removed or split once more as well")
    spikes = [spike for part in one.get("indices") or () for spike in part]
    if len(set(spikes)) < len(spikes):
        raise ValueError(f"the split of unit {unit} has a spike twice")


def _steps(files: list[CurationFile]) -> CurationFile:
    """Return several steps as one, about the units of the first; what is said of a merged unit is of its units.

    What is said of a part of a unit is left out.
    """
    if not files:
        raise ValueError("there is no step")
    members: dict[str, tuple[str, ...]] = {unit: (unit,) for unit in files[0].units}
    labels: dict[str, Mapping[str, tuple[str, ...]]] = {}
    choices: dict[str, LabelChoice] = {}
    removed, splits, unknown, given = [], [], set[str](), set[str]()
    for file in files:
        choices |= file.choices
        named = {*file.labels, *groups_of(file.merges), *file.removed, *(one.unit for one in file.splits)}
        unknown |= named - set(members)
        labels |= {
            unit: {**labels.get(unit, {}), **said} for new, said in file.labels.items() for unit in members.get(new, ())
        }
        removed += [unit for new in file.removed for unit in members.pop(new, ())]
        for group, new in zip(file.merges, file.merged_ids or ("",) * len(file.merges), strict=True):
            if unknown.isdisjoint(group):
                units = tuple(unit for one in group for unit in members.pop(one))
                members[new or " + ".join(units)] = units
                given.add(new)
        for split in file.splits:
            if members.get(split.unit) == (split.unit,):
                splits.append(split)
                del members[split.unit]
            else:
                unknown.add(split.unit)
    merged = {new: units for new, units in members.items() if len(units) > 1}
    some = ", ".join(sorted(unknown))
    left_out = f"A later step speaks of parts of units that an earlier one made, which is left out: {some}"
    return CurationFile(
        files[0].units, choices, labels, {}, tuple(merged.values()), tuple(removed), tuple(splits),
        tuple(new if new in given else "" for new in merged), (left_out,) if unknown else (),
    )  # fmt: skip


def groups_of(groups: Any) -> list[str]:
    """Return the units of all merges."""
    return [unit for group in groups for unit in group]


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name) or []
    if not isinstance(found, list):
        raise ValueError(f"{name} is no list")
    return found
