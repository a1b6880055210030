"""Sortings of any source written in IBL's layout, and read back to see that nothing changed."""

from __future__ import annotations

import shutil
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.library.columns_file import BLOCK, write_column
from dashboard.library.open import open_insertion
from dashboard.model.conventions import DepthKind, LabelKind
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.progress import ProgressCallback, ignore_progress
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.folder import FolderSource

# Of the channel of a unit: they are read from the channels.
_OF_CHANNELS = ("axial_um", "lateral_um", "rawInd", "acronym", "atlas_id", "x", "y", "z")


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written.

    Attributes
    ----------
    folder : Path
        Of the sorting: ``OUT/subject[/date/number]/alf/probe/sorter``.
    n_spikes, n_units : int
    left_out : tuple of str
        What ALF cannot say, or says otherwise.
    """

    folder: Path
    n_spikes: int
    n_units: int
    left_out: tuple[str, ...]


def convert_to_alf(
    sorting: SpikeSorting,
    out: Path,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> Converted:
    """Write a sorting in IBL's layout below a folder, open it from there, and compare the two.

    Amplitudes and waveforms are written where they are peak-to-peak volts, as ALF has them. Ids that are texts become
    rows, with the text in a column ``unit_id`` of the metrics.

    Parameters
    ----------
    sorting : SpikeSorting
    out : Path
        Made where it is not there; a sorting that is there already is not written over.
    progress : callable
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        The sorting is there already, or `out` cannot be written or lies in the folder of the source.
    DashboardError
        What was written is not the same when it is read.
    Cancelled
        `cancel` was set; nothing is left.
    """
    insertion = sorting.ref.insertion
    session = out / insertion.session
    folder = session / "alf" / insertion.probe / (_file_name(sorting.ref.sorter.value) or "sorting")
    if folder.exists():
        raise BadRequest("There is a sorting already", folder, "Remove it, or choose another folder")
    files = sorting.identity.files if sorting.identity is not None else ()
    if any(Path(file.path).parent in (folder, *folder.parents) for file in files if file.path.startswith("/")):
        raise BadRequest("The folder is that of the source", out, "Choose another folder: sources are never written to")
    # What is not whole lies in a tree of its own.
    draft = out / f".{uuid.uuid4().hex[:12]}.part"
    inner = draft / folder.relative_to(out)
    try:
        inner.mkdir(parents=True)
        left_out = _write(sorting, inner, progress, cancel)
        _compare(sorting, draft, progress, cancel)
        folder.parent.mkdir(parents=True, exist_ok=True)
        trials = inner.parents[1] / "_ibl_trials.table.pqt"
        target = session / "alf" / trials.name
        if trials.exists() and not target.exists():
            trials.rename(target)
        inner.rename(folder)
    except OSError as error:
        raise BadRequest("Cannot write", error.filename or out, error.strerror or "") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Converted(folder, sorting.n_spikes, sorting.n_clusters, left_out)


def _file_name(name: str) -> str:
    """Return a name as that of a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name).strip(".")


def _write(
    sorting: SpikeSorting, folder: Path, progress: ProgressCallback, cancel: threading.Event | None
) -> tuple[str, ...]:
    left_out = [sentence for _, sentence in sorting.differences.values()]
    spikes, channels = sorting.spikes, sorting.channels
    are_ids = not sorting.units.are_text and len(sorting.unit_ids) > 0 and int(sorting.unit_ids.min()) >= 0
    order = np.argsort(sorting.unit_ids, kind="stable") if are_ids else np.arange(sorting.n_clusters)
    ids = sorting.unit_ids[order] if are_ids else order
    units = sorting.clusters.iloc[order]
    write_column(
        folder / "spikes.times.npy", sorting.n_spikes, np.float64, lambda rows: spikes.times_s[rows], progress, cancel
    )
    names = sorting.unit_ids if are_ids else np.arange(sorting.n_clusters)
    write_column(
        folder / "spikes.clusters.npy", sorting.n_spikes, np.int64 if ids.max(initial=0) >= 1 << 31 else np.int32,
        lambda rows: names[sorting.unit_indexes(rows)], progress, cancel,
    )  # fmt: skip
    if spikes.depths_um is not None and sorting.depth_kind is DepthKind.SPIKE:
        depths = spikes.depths_um
        write_column(
            folder / "spikes.depths.npy", sorting.n_spikes, depths.dtype, lambda rows: depths[rows], progress, cancel
        )
    has_volts = sorting.amps_are_volts and not sorting.amps_at_peak
    if spikes.amps_v is not None and has_volts:
        amps = spikes.amps_v
        write_column(
            folder / "spikes.amps.npy", sorting.n_spikes, amps.dtype, lambda rows: amps[rows], progress, cancel
        )
    elif spikes.amps_v is not None:
        left_out.append("amplitudes are not written: ALF's are peak-to-peak volts")
    for name in ("samples", "templates"):
        if (column := spikes.extra.get(name)) is not None:
            path = folder / f"spikes.{name}.npy"
            write_column(path, sorting.n_spikes, column.dtype, column.__getitem__, progress, cancel)
    if {"axial_um", "lateral_um"} <= set(channels):
        np.save(folder / "channels.localCoordinates.npy", channels[["lateral_um", "axial_um"]].to_numpy())
    if "rawInd" in channels:
        np.save(folder / "channels.rawInd.npy", channels["rawInd"].to_numpy(np.int64))
    if "atlas_id" in channels:
        np.save(folder / "channels.brainLocationIds_ccf_2017.npy", channels["atlas_id"].to_numpy(np.int64))
        if {"x", "y", "z"} <= set(channels):
            np.save(folder / "channels.mlapdv.npy", channels[["x", "y", "z"]].to_numpy() * 1e6)
    if "channels" in units:
        np.save(folder / "clusters.channels.npy", units["channels"].to_numpy(np.int64))
    if "depths" in units:
        np.save(folder / "clusters.depths.npy", units["depths"].to_numpy(np.float64))
    _metrics(sorting, units, ids).to_parquet(folder / "clusters.metrics.pqt", index=False)
    templates = sorting.templates
    if templates is not None and has_volts:
        of_units = "templates" not in spikes.extra
        name = "clusters" if of_units else "templates"
        waveforms, near = np.asarray(templates.waveforms, np.float32), np.asarray(templates.channels)
        np.save(folder / f"{name}.waveforms.npy", waveforms[order] if of_units else waveforms)
        np.save(folder / f"{name}.waveformsChannels.npy", near[order] if of_units else near)
    elif templates is not None:
        left_out.append("waveforms are not written: ALF's are in volts")
    if sorting.trials is not None and len(sorting.trials):
        sorting.trials.table.to_parquet(folder.parents[1] / "_ibl_trials.table.pqt", index=False)
    return tuple(left_out)


def _metrics(sorting: SpikeSorting, units: pd.DataFrame, ids: npt.NDArray[Any]) -> pd.DataFrame:
    """Return the table of the units without what is read from other files."""
    own = units.drop(columns=[name for name in (*_OF_CHANNELS, "channels", "depths", "cluster_id") if name in units])
    own = own.drop(columns=[] if sorting.label_kind in (LabelKind.IBL, LabelKind.FILE) else ["label"], errors="ignore")
    table = own.reset_index(drop=True)
    for name in table:
        if table[name].dtype == object:
            table[name] = table[name].map(lambda value: None if pd.isna(value) else str(value))
    table.insert(0, "cluster_id", ids)
    if sorting.units.are_text:
        table.insert(1, "unit_id", units.index.astype(str))
    return table


def _compare(sorting: SpikeSorting, root: Path, progress: ProgressCallback, cancel: threading.Event | None) -> None:
    """Open what was written and hold it against what it was made of.

    Raises
    ------
    DashboardError
        Something differs.
    """
    source = FolderSource(root)
    (insertion,) = source.insertions()
    written = open_insertion(
        insertion, source=source, cache=root / "cache", lazy=True, progress=progress, cancel=cancel
    )
    shutil.rmtree(root / "cache", ignore_errors=True)
    has_volts = sorting.amps_are_volts and not sorting.amps_at_peak
    pairs: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any] | None]] = [
        ("times", sorting.spikes.times_s, written.spikes.times_s)
    ]
    if sorting.depth_kind is DepthKind.SPIKE and sorting.spikes.depths_um is not None:
        pairs.append(("depths", sorting.spikes.depths_um, written.spikes.depths_um))
    if has_volts and sorting.spikes.amps_v is not None:
        pairs.append(("amplitudes", sorting.spikes.amps_v, written.spikes.amps_v))
    for start in range(0, sorting.n_spikes, BLOCK):
        rows = slice(start, start + BLOCK)
        for name, before, after in pairs:
            if after is None or not np.array_equal(before[rows], after[rows], equal_nan=True):
                raise DashboardError(f"What was written has other {name}", root, "Report it: nothing was kept")
        before_units = sorting.units.at(sorting.unit_indexes(rows))
        after_units = written.units.at(written.unit_indexes(rows))
        if sorting.units.are_text or int(sorting.unit_ids.min(initial=0)) < 0:
            before_units = sorting.unit_indexes(rows)
        if not np.array_equal(before_units, after_units):
            raise DashboardError("What was written has other units", root, "Report it: nothing was kept")
    if not np.array_equal(np.sort(sorting.unit_depths_um), np.sort(written.unit_depths_um), equal_nan=True):
        raise DashboardError("What was written has other depths of units", root, "Report it: nothing was kept")
