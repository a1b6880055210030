"""Sheet and data file of the Events tab."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from dashboard.analysis.events.picture import EventPicture
from dashboard.export.kinds import files
from dashboard.export.kinds.events import event_sheet
from dashboard.export.kinds.view import Note
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text, counted
from dashboard.page.services.alignment import event_request, render_events
from dashboard.page.services.export_view import ExportView


def aligned(view: ExportView) -> EventPicture:
    """Return what the tab shows, or would show.

    Raises
    ------
    BadRequest
        There is nothing to align to.
    """
    return render_events(event_request(view.scene, view.values), threading.Event())


def draw_events(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of trials, rates and population around the event."""
    return event_sheet(view.subject, style, view.once(aligned), view.values["event"], view.values["split"])


def write_rates(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the rates around the event."""
    event, split = view.values["event"], view.values["split"]
    return files.write_events(path, view.subject, view.once(aligned), event, split, kind), "bins"


def note_rates(view: ExportView) -> Note:
    """Say whose rates they are, around which event."""
    try:
        found = view.once(aligned)
    except BadRequest as error:
        return error.what, ()
    if not found.groups:
        return "no trial can be used", ()
    event, split = view.values["event"], view.values["split"]
    by = f" by {split}, {counted(len(found.groups), 'group')}" if split != "none" else ""
    bins = 1e3 * float(np.diff(found.groups[0].psth.edges_s[:2])[0])
    words = f"{found.subject}, {event}{by}, {found.trials_text(event)}"
    n_rows = sum(len(group.psth.mean_hz) for group in found.groups)
    whole = found.map.zscore.nbytes + sum(group.counts.nbytes for group in found.groups)
    about = f"CSV about {bytes_text(n_rows * files.ROW_BYTES)}, NPZ with the trials at most {bytes_text(whole)}"
    return f"{words}, {bins:.3g} ms bins; {about}", ("csv", "npz")
