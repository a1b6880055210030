"""Sheet and data file of the Summary tab: the quality of the recording by depth."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.analysis.raw.maps import QualityMaps
from dashboard.export.kinds.quality import maps_of, quality_sheet, write_quality
from dashboard.export.kinds.view import Note
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.noise import Noise
from dashboard.model.progress import ProgressCallback
from dashboard.page.services.export_view import ExportView


def _maps(view: ExportView) -> tuple[QualityMaps, Noise]:
    return maps_of(view.subject)


def draw_quality(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of the quality of the recording.

    Raises
    ------
    DashboardError
        There are no files of it, or they cannot be fetched.
    """
    return quality_sheet(view.subject, style, view.once(_maps)[0])


def write(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the quality of the recording."""
    return write_quality(path, view.subject, *view.once(_maps), kind)


def note(view: ExportView) -> Note:
    """Say what it is; the files are read when it is written."""
    return "RMS, LF power by band, bad channels: by depth (csv), over time and by channel (npz)", ("csv", "npz")
