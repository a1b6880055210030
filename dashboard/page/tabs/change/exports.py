"""Sheet of the Change tab."""

from __future__ import annotations

import threading

from dashboard.analysis.change.change import ChangeRequest, render_change
from dashboard.export.kinds.change import change_sheet
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.page.services.export_view import ExportView


def draw_change(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of how far units moved between the spans.

    Raises
    ------
    BadRequest
        There are no two spans, or they cannot be compared.
    """
    before, after, scene = view.values["before"], view.values["after"], view.scene
    if before is None or after is None:
        raise BadRequest("There are no two spans", "", "Draw both over the overview with Shift held")
    request = ChangeRequest(scene.columns, before, after, scene.sorting.amps_are_volts, scene.sorting.drift)
    return change_sheet(view.subject, style, render_change(request, threading.Event()))
