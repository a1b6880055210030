"""Tables with a row for each unit: phy's TSV, CSV, and ALF's namespace table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from dashboard.library.curation.file import CurationFile, LabelChoice
from dashboard.model.curation import QUALITY
from dashboard.model.errors import BadRequest
from dashboard.model.files import whole_file, write_file
from dashboard.model.sorting import SpikeSorting
from dashboard.model.tables import csv_text
from dashboard.model.texts import counted
from dashboard.sources.readers import DAMAGED, MAX_COLUMNS, read_parquet

GROUPS, NOTES = "cluster_group.tsv", "cluster_notes.tsv"
UNIT_COLUMNS = ("cluster_id", "unit")
MAX_BYTES = 64 << 20
_NOT_SORTED = "unsorted"
"""phy's word for a unit without a group."""


def write_phy(folder: Path, file: CurationFile, category: str) -> list[str]:
    """Write phy's two files into a folder, which is made; return what they cannot hold.

    Each has a row for every unit: SpikeInterface leaves out units that one of the tables lacks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = {unit: said[category][0] for unit, said in file.labels.items() if category in said}
    for name, title, said_of, otherwise in ((GROUPS, "group", groups, _NOT_SORTED), (NOTES, "notes", file.notes, "")):
        texts = (f"{unit}\t{' '.join(said_of.get(unit, otherwise).split())}" for unit in file.units)
        lines = [f"cluster_id\t{title}", *texts]
        write_file(folder / name, ("\n".join(lines) + "\n").encode())
    said = _without_place(file, "these files")
    others = {name for labels in file.labels.values() for name in labels} - {category}
    if others or file.removed:
        said.append(f"Only labels of {category} have a place in these files")
    return said


def read_phy(path: Path) -> CurationFile:
    """Read a folder with phy's files, or one of them.

    Raises
    ------
    BadRequest
        There is none, or it cannot be read.
    """
    paths = [path / GROUPS, path / NOTES] if path.is_dir() else [path]
    found = [one for one in paths if one.is_file()]
    if not found:
        raise BadRequest(f"There is no {GROUPS} and no {NOTES}", path, "Name the folder, or one of the files")
    labels: dict[str, dict[str, tuple[str, ...]]] = {}
    notes: dict[str, str] = {}
    for one in found:
        table = _read_text(one, "\t")
        unit = _unit_column(table, one)
        names = [str(name) for name in table if name != unit]
        if len(names) != 1:
            raise BadRequest("A file of phy has two columns", one, f"This one has {len(table.columns)}")
        rows = [(key, value) for key, value in zip(table[unit], table[names[0]], strict=True) if value]
        if names[0] in ("notes", "note"):
            notes |= dict(rows)
        else:
            name = QUALITY.name if names[0] == "group" else names[0]
            for key, value in rows:
                if value != _NOT_SORTED:
                    labels.setdefault(key, {})[name] = (value,)
    return CurationFile((), {}, labels, notes)


def write_csv(path: Path, file: CurationFile) -> list[str]:
    """Write a row for each unit that somebody has decided about; return what it cannot hold."""
    write_file(path, csv_text(_table(file)).encode())
    return _without_place(file, "this table")


def read_csv(path: Path) -> CurationFile:
    """Read a table: a column ``unit`` or ``cluster_id``, ``note`` where there is one, and a column for each category.

    Raises
    ------
    BadRequest
        It cannot be read, or names no unit.
    """
    table = _read_text(path, ",")
    unit = _unit_column(table, path)
    labels: dict[str, dict[str, tuple[str, ...]]] = {}
    notes: dict[str, str] = {}
    removed = []
    for row in table.to_dict("records"):
        key = row.pop(unit)
        for name, text in ((str(name), str(text)) for name, text in row.items()):
            text = text.removeprefix("'") if text[1:2] in ("=", "+", "-", "@") else text
            if not text or name == "uuid":
                continue
            if name in ("note", "notes"):
                notes[key] = text
            elif name == "removed":
                removed.append(key)
            else:
                labels.setdefault(key, {})[name] = tuple(one for one in text.split("; ") if one)
    return CurationFile((), {}, labels, notes, (), tuple(removed))


def _table(file: CurationFile) -> pd.DataFrame:
    names = list(dict.fromkeys([*file.choices, *(name for said in file.labels.values() for name in said)]))
    about = [unit for unit in file.units if unit in {*file.labels, *file.notes, *file.removed}]
    columns: dict[str, list[str]] = {"unit": about}
    for name in names:
        columns[name] = ["; ".join(file.labels.get(unit, {}).get(name, ())) for unit in about]
    if file.removed:
        columns["removed"] = ["removed" if unit in file.removed else "" for unit in about]
    columns["note"] = [file.notes.get(unit, "") for unit in about]
    return pd.DataFrame(columns)


def write_alf(path: Path, file: CurationFile, sorting: SpikeSorting, category: str) -> list[str]:
    """Write a table of metrics for a namespace, ``_NAME_clusters.metrics.pqt``: the sorting's own and what people say.

    ``label`` stays what it was, IBL's; the curated label is the column ``curated``, notes are ``curated_note``.

    Raises
    ------
    BadRequest
        The name is not that of a namespace, or ids are texts, which ALF has none of.
    """
    name = path.name.removesuffix(".clusters.metrics.pqt").removesuffix("clusters.metrics.pqt")
    if not (len(name) > 2 and name.startswith("_") and name.endswith("_") and name[1:-1].isalnum()):
        raise BadRequest("A namespace table is named after its namespace", path.name, "_NAME_clusters.metrics.pqt")
    if sorting.units.are_text:
        raise BadRequest("ALF has numbers for ids, this sorting has texts", sorting.title)
    others = {*map(str, sorting.channels), "uuids", "channels", "depths", "my_label", "curated", "all_labels", "note"}
    metrics = sorting.clusters.drop(columns=[one for one in map(str, sorting.clusters) if one in others])
    ids = sorting.clusters.index.to_numpy()
    table = metrics.assign(cluster_id=ids, **alf_columns(file, map(str, ids.tolist()), category)).reset_index(drop=True)
    with whole_file(path) as draft:
        table.to_parquet(draft)
    return _without_place(file, "this table")


def alf_columns(file: CurationFile, ids: Iterable[str], category: str) -> dict[str, list[str]]:
    """Return the columns ``curated`` and ``curated_note`` of units, in their order."""
    ids = list(ids)
    return {
        "curated": ["; ".join(file.labels.get(unit, {}).get(category, ())) for unit in ids],
        "curated_note": [file.notes.get(unit, "") for unit in ids],
    }


def read_alf(path: Path) -> CurationFile:
    """Read a namespace table that `write_alf` has written.

    Raises
    ------
    BadRequest
        It cannot be read, or has no column ``curated``.
    """
    try:
        table = read_parquet(path)
    except (*DAMAGED, OSError) as error:
        raise BadRequest("Cannot read the table", path, f"{error!s:.100}".partition("\n")[0]) from None
    if not {"cluster_id", "curated"} <= set(map(str, table)) or not table.columns.is_unique:
        raise BadRequest("The table has no columns cluster_id and curated", path, "Is it a curation?")
    labels, notes = {}, {}
    for unit, label in zip(table["cluster_id"], table["curated"], strict=True):
        if label:
            labels[str(unit)] = {QUALITY.name: tuple(str(label).split("; "))}
    for unit, text in zip(table["cluster_id"], table.get("curated_note", [""] * len(table)), strict=True):
        if text:
            notes[str(unit)] = str(text)
    units, choices = tuple(map(str, table["cluster_id"])), {QUALITY.name: LabelChoice(QUALITY.labels)}
    return CurationFile(units, choices, labels, notes)


def _without_place(file: CurationFile, where: str) -> list[str]:
    kinds = (("merge", file.merges), ("split", file.splits))
    said = (counted(len(held), f"{name} has", f"{name}s have") for name, held in kinds if held)
    return [f"{text} no place in {where}" for text in said]


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRequest("The table is too large", path, f"{MAX_BYTES >> 20} MiB at most")
        text = path.read_text(encoding="utf-8-sig")
        quoting: Any = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator, quoting=quoting) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise BadRequest("Cannot read the table", path, getattr(error, "strerror", None) or str(error)[:100]) from None
    if not rows:
        raise BadRequest("The table is empty", path)
    names = [name.strip() for name in rows[0]]
    if len(names) > MAX_COLUMNS:
        raise BadRequest(f"The table has {counted(len(names), 'column')}", path, f"{MAX_COLUMNS:,} at most")
    if wrong := next((n for n, row in enumerate(rows, 1) if len(row) != len(names)), 0):
        raise BadRequest("A row has more or fewer cells than the title", path, f"Row {wrong}")
    return pd.DataFrame({name: [row[k].strip() for row in rows[1:]] for k, name in enumerate(names)}, dtype=object)


def _unit_column(table: pd.DataFrame, path: Path) -> str:
    found = next((name for name in UNIT_COLUMNS if name in table), None)
    if found is None:
        raise BadRequest(f"No column {' or '.join(UNIT_COLUMNS)}", path, f"It has: {', '.join(table.columns)[:100]}")
    return found
