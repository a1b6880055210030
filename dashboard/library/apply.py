"""Decisions about units applied for good: a new folder with other units, and a map from old to new ids."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dashboard.analysis.curation.applied import Applied, apply_plan, plan_of
from dashboard.analysis.curation.splits import split_sizes
from dashboard.analysis.curation.state import unit_states
from dashboard.analysis.curation.subject import Subject
from dashboard.analysis.quality.metrics import COLUMNS, recompute
from dashboard.library.analyzer_folder import write_analyzer_folder
from dashboard.library.convert import convert_to_alf
from dashboard.library.curation import spikeinterface, tables
from dashboard.library.curation.file import CurationFile, first_category, said_of_units, shown_to
from dashboard.library.phy_folder import write_phy_folder
from dashboard.model.conventions import LabelKind
from dashboard.model.curation import CurationRules, Decision
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.files import write_file
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.references import SortingRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.model.tables import rows_csv
from dashboard.model.texts import counted
from dashboard.sources.analyzer.source import AnalyzerSource
from dashboard.sources.base import Source
from dashboard.sources.phy.source import PhySource

KINDS = ("alf", "phy", "analyzer")
MAP, APPLIED = "curation_map.csv", "curation_applied.json"
_MAP_COLUMNS = ("old_unit", "new_unit", "uuid", "spikes")


@dataclass(frozen=True, slots=True)
class AppliedFolder:
    """What was written.

    Attributes
    ----------
    folder : Path
    applied : Applied
    said : tuple of str
        What the layout cannot hold.
    """

    folder: Path
    applied: Applied
    said: tuple[str, ...]


def write_applied(
    sorting: SpikeSorting,
    rows: Sequence[Decision],
    author: str,
    rules: CurationRules,
    folder: Path,
    kind: str,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> AppliedFolder:
    """Write a sorting with its decisions applied, open what was written, and compare the two.

    Beside the sorting lie `MAP`, a row for each unit of before, and `APPLIED`, SpikeInterface's curation of what was
    applied. The folder appears when it is whole and compared; the folder of the source is only read.

    Parameters
    ----------
    sorting : SpikeSorting
        As it was sorted.
    rows : sequence of Decision
        About its insertion.
    author : str
        Whose decisions go first.
    rules : CurationRules
    folder : Path
        New; its parent is there.
    kind : {'alf', 'phy', 'analyzer'}
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        This folder or file exists already, the folder lies in that of the source, or cannot be written.
    DashboardError
        What was written is not the same when it is read.
    Cancelled
        `cancel` was set; nothing is left.
    """
    folder = folder.absolute()
    if folder.exists() or folder.is_symlink():
        raise BadRequest("This folder or file exists already", folder, "Name a folder that is not there")
    if not folder.parent.is_dir():
        raise BadRequest("No such folder", folder.parent, "Make it first")
    read = sorting.identity.files if sorting.identity is not None else ()
    sources = {Path(file.path).parent for file in read if file.path.startswith("/")}
    if sources & {folder.resolve(), *folder.resolve().parents}:
        raise BadRequest("The folder lies in that of the source", folder, "Choose another, which is not read from")
    subject, category = Subject.of(sorting), first_category(rules)
    plan, states = plan_of(rows, subject, author, rules), unit_states(rows, subject)
    applied = apply_plan(sorting, plan)
    if not plan.spans:  # metrics of the other units are of all their spikes
        applied = replace(applied, sorting=_measured(applied, progress, cancel))
    file = said_of_units(applied.states(states), tuple(applied.members), author, rules)
    draft = folder.with_name(f".{folder.name[:40]}.{uuid.uuid4().hex[:12]}.part")
    try:
        draft.mkdir()
        write = {"phy": _write_phy, "alf": _write_alf, "analyzer": _write_analyzer}[kind]
        said = write(applied.sorting, file, category, draft, progress, cancel)
        write_file(draft / MAP, _map(sorting, applied, subject).encode())
        said += tuple(spikeinterface.write(draft / APPLIED, shown_to(author, rows, subject, rules)))
        draft.rename(folder)
    except OSError as error:
        raise BadRequest("Cannot write", error.filename or folder, error.strerror or "") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return AppliedFolder(folder, applied, tuple(dict.fromkeys((applied.sorting.curation, *said))))


def _measured(applied: Applied, progress: ProgressCallback, cancel: threading.Event | None) -> SpikeSorting:
    """Return the sorting with the metrics of the units that were not there before, from their spikes."""
    sorting = applied.sorting
    n_before = sum((new,) == units for new, units in applied.members.items())
    of_label = ("label", "bitwise_fail") if sorting.label_kind is not LabelKind.IBL else ()
    names = [name for name in COLUMNS if name in sorting.clusters and name not in ("cluster_id", *of_label)]
    if n_before == sorting.n_clusters or not names:
        return sorting
    found, clusters = recompute(sorting, progress, cancel, n_before), sorting.clusters.copy()
    for name in names:
        clusters[name] = [*clusters[name].iloc[:n_before].tolist(), *found[name].iloc[n_before:].tolist()]
    return replace(sorting, clusters=clusters)


def _write_alf(
    sorting: SpikeSorting, file: CurationFile, category: str, folder: Path,
    progress: ProgressCallback, cancel: threading.Event | None,
) -> tuple[str, ...]:  # fmt: skip
    columns = tables.alf_columns(file, map(str, sorting.units.values.tolist()), category)
    return convert_to_alf(
        replace(sorting, clusters=sorting.clusters.assign(**columns)), folder, progress, cancel
    ).left_out


def _write_phy(
    sorting: SpikeSorting, file: CurationFile, category: str, folder: Path,
    progress: ProgressCallback, cancel: threading.Event | None,
) -> tuple[str, ...]:  # fmt: skip
    said = write_phy_folder(sorting, folder, progress, cancel)
    said += tuple(tables.write_phy(folder, file, category))
    found, expected = _counts(_opened(PhySource(folder), progress, cancel)), _counts(sorting)
    there = {unit: n for unit, n in expected.items() if n}  # a unit without spikes has no row in phy
    _check_same(found, there, folder)
    if len(there) < len(expected):
        said += (f"{counted(len(expected) - len(there), 'unit')} without spikes are not in phy's files",)
    return said


def _write_analyzer(
    sorting: SpikeSorting, file: CurationFile, category: str, folder: Path,
    progress: ProgressCallback, cancel: threading.Event | None,
) -> tuple[str, ...]:  # fmt: skip
    units = list(map(str, sorting.units.values.tolist()))
    names = dict.fromkeys([category, *(name for said in file.labels.values() for name in said)])
    properties = {name: ["; ".join(file.labels.get(unit, {}).get(name, ())) for unit in units] for name in names}
    properties["note"] = [file.notes.get(unit, "") for unit in units]
    said = write_analyzer_folder(sorting, folder, properties, progress, cancel)
    written = _opened(AnalyzerSource(folder), progress, cancel)
    _check_same(_counts(written), _counts(sorting), folder)
    return said


def _opened(source: Source, progress: ProgressCallback, cancel: threading.Event | None) -> SpikeSorting:
    (insertion,) = source.insertions()
    return source.open(insertion, SortingRequest(), progress=progress, cancel=cancel)


def _counts(sorting: SpikeSorting) -> dict[Any, int]:
    found = np.bincount(sorting.unit_indexes().reshape(-1), minlength=sorting.n_clusters)
    return dict(zip(sorting.units.values.tolist(), found.tolist(), strict=True))


def _check_same(found: dict[Any, int], expected: dict[Any, int], folder: Path) -> None:
    if found != expected:
        raise DashboardError("What was written has other units", folder, "Report it: nothing was kept")


def _map(sorting: SpikeSorting, applied: Applied, subject: Subject) -> str:
    counts = np.bincount(sorting.unit_indexes().reshape(-1), minlength=sorting.n_clusters).tolist()
    parts = {unit: split_sizes(value) for unit, value in applied.plan.splits}
    rows = [
        (unit, new, uuid, size)
        for unit, uuid, count in zip(subject.ids, subject.uuids, counts, strict=True)
        for new, size in zip(applied.new_of_old[unit] or ("",), parts.get(unit, (count,)), strict=True)
    ]
    return rows_csv(_MAP_COLUMNS, (dict(zip(_MAP_COLUMNS, row, strict=True)) for row in rows))
