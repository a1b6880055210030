"""Sheets and data files of the view itself: raster, rows of units, clusters, spikes."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.export import spikes
from dashboard.export.kinds import rows
from dashboard.export.kinds.raster import raster_sheet
from dashboard.export.registry import View
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text, counted

CELL_BYTES = 12
"""Of a table of clusters, per value."""

Note = tuple[str, tuple[str, ...]]
"""How large a file will be or why it cannot be, and the formats in which it can."""


def draw_raster(view: View, style: SheetStyle) -> Sheet:
    """Return a sheet of the raster alone."""
    return raster_sheet(view.subject, "raster", style)


def draw_layout(view: View, style: SheetStyle) -> Sheet:
    """Return a sheet of raster, heatmap and drift."""
    return raster_sheet(view.subject, "layout", style)


def draw_rows(view: View, style: SheetStyle) -> Sheet:
    """Return a sheet of the raster with a row for each unit."""
    return rows.row_sheet(view.subject, style, view.rows)


def write_clusters(
    view: View, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the clusters that pass."""
    return spikes.write_clusters(path, view.subject, kind), "units"


def note_clusters(view: View) -> Note:
    """Say how many clusters pass."""
    subject = view.subject
    n = subject.sorting.n_clusters if subject.mask is None else int(subject.mask.sum())
    about = bytes_text(n * (len(subject.sorting.clusters.columns) + 4) * CELL_BYTES)
    columns = f"all columns{', responses' if subject.test else ''}, pid, eid"
    return f"{n:,} of {counted(subject.sorting.n_clusters, 'unit')}, about {about}, {columns}", ("csv", "parquet")


def write_spikes(
    view: View, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the spikes in view that pass."""
    return spikes.write_spikes(path, view.subject, kind, report, cancel), "spikes"


def note_spikes(view: View) -> Note:
    """Say how many spikes are in view."""
    subject = view.subject
    n = subject.n_in_view
    size, columns = bytes_text(spikes.estimated_bytes(subject, n)), ", ".join(spikes.spike_columns(subject))
    return f"{counted(n, 'spike')}, {size} ({columns})", ("npz", "parquet")


def write_aggregate(
    view: View, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the picture."""
    return spikes.write_aggregate(path, view.subject, cancel), "spikes"


def note_aggregate(view: View) -> Note:
    """Say how large the picture is."""
    width, height = spikes.AGGREGATE_SIZE
    return f"{width} × {height} values, at most {bytes_text(width * height * 8)} before compression", ("npz",)


def write_rows(view: View, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event) -> tuple[int, str]:
    """Write the spikes of each unit in view by time."""
    return rows.write_rows(path, view.subject, view.rows), "spikes"


def note_rows(view: View) -> Note:
    """Say how many units are in view."""
    return f"{counted(len(view.rows.ids), 'unit')} × {spikes.AGGREGATE_SIZE[0]} values, with their ids", ("npz",)
