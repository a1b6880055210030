"""Sheets and data files of the Unit tab."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.analysis.events.trials import available_events
from dashboard.analysis.units.bins import UnitBins
from dashboard.export.kinds import files
from dashboard.export.kinds.pairs import pair_sheet, paired_units
from dashboard.export.kinds.unit import Response, chosen_unit, unit_sheet
from dashboard.export.kinds.view import Note
from dashboard.export.origin import last_unit
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text
from dashboard.page.services.alignment import UNIT, event_request, render_events
from dashboard.page.services.export_view import ExportView
from dashboard.page.tabs.unit.words import unit_bins


def _bins(view: ExportView) -> UnitBins:
    return unit_bins(view.values["bins"])


def _lags(view: ExportView) -> str:
    bins = _bins(view)
    return f"± {1e3 * bins.lag_half_s:g} ms, {1e3 * bins.lag_bin_s:g} ms bins"


def _response(view: ExportView) -> Response | str:
    """Return what the last selected unit does around the event of Events, or the first that there is; or why not."""
    trials, unit = view.scene.sorting.trials, view.scene.ids([chosen_unit(view.subject)])
    names = () if trials is None else available_events(trials.table)
    if not names:
        return "the session has no trials"
    event = view.values["event"] if view.values["event"] in names else names[0]
    asked = {**view.values, "selected": unit, "spikes_of": UNIT, "event": event}
    try:
        picture = render_events(event_request(view.scene, asked), threading.Event())
    except BadRequest as error:
        return error.what
    return Response(event, view.values["split"], picture) if picture.groups else "no trial can be used"


def draw_unit(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of the unit that was selected last."""
    return unit_sheet(view.subject, style, _bins(view), _response(view))


def draw_pairs(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of the cross-correlograms of the selected units."""
    return pair_sheet(view.subject, style, _bins(view))


def write_correlogram(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the autocorrelogram of the unit that was selected last."""
    return files.write_correlogram(path, view.subject, kind, _bins(view)), "bins"


def note_correlogram(view: ExportView) -> Note:
    """Say of which unit it is."""
    if not view.subject.selected:
        return "no unit is selected", ()
    return f"unit {last_unit(view.subject)}, {_lags(view)}", ("csv", "npz")


def write_pairs(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the correlograms of the selected units."""
    return files.write_pairs(path, view.subject, kind, _bins(view)), "bins"


def note_pairs(view: ExportView) -> Note:
    """Say of which units they are."""
    try:
        units = paired_units(view.subject)
    except BadRequest:
        return "select two units or more: Shift-click adds one", ()
    bins = _bins(view)
    n_pairs, n_bins = len(units) * (len(units) + 1) // 2, 2 * bins.lag_half_s / bins.lag_bin_s
    about = bytes_text(n_pairs * n_bins * files.ROW_BYTES)
    return f"units {', '.join(map(view.subject.unit_name, units))}, {_lags(view)}, about {about}", ("csv", "npz")
