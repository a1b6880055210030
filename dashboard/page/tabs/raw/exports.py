"""Sheet, data file and code of the Raw tab: what it shows."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.export.kinds.raw import raw_sheet, write_raw
from dashboard.export.kinds.view import Note
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text, counted
from dashboard.page.services.export_view import ExportView
from dashboard.page.tabs.raw.picture import SnippetRequest


def shown(view: ExportView) -> tuple[SnippetRequest, SnippetPicture]:
    """Return what the tab shows.

    Raises
    ------
    BadRequest
        It shows nothing of this insertion.
    """
    found: tuple[SnippetRequest, SnippetPicture] | None = view.of_tabs.get("raw")
    if found is None:
        raise BadRequest("The tab Raw shows no voltage", "", "Open it, and wait for its picture")
    return found


def draw_raw(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of the snippet."""
    request, picture = shown(view)
    values = view.values
    return raw_sheet(
        view.subject, style, picture, request.at_s, values["raw_db"], request.selected, values["raw_palette"]
    )


def write_voltage(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write the snippet."""
    request, picture = shown(view)
    return write_raw(path, view.subject, picture, request.at_s, kind), "samples"


def note_voltage(view: ExportView) -> Note:
    """Say how long it is, of how many channels."""
    try:
        _, picture = shown(view)
    except BadRequest as error:
        return f"{error.what}: {error.remedy}", ()
    n_channels, n = picture.snippet.volts.shape
    shape = f"{counted(n_channels, 'channel')} × {counted(n, 'sample')}"
    return f"{shape}, at most {bytes_text(4 * n_channels * n)}", ("npz",)


def code(view: ExportView) -> str:
    """Return code that reads the same voltage; empty where the tab shows none."""
    if view.of_tabs.get("raw") is None:
        return ""
    request, picture = shown(view)
    half, n = request.width_s / 2, picture.snippet.volts.shape
    ends = f"{request.at_s - half!r}, {request.at_s + half!r}"
    return (
        "\n# The raw voltage, in file order; channels.rawInd names the columns.\n"
        f'voltage = sorting.raw.read({ends}, band="{request.band}", step="{request.step}")  # {n[0]} x {n[1]}\n'
        f'picture = sorting.plot.raw({request.at_s!r}, {request.width_s!r}, band="{request.band}", '
        f'step="{request.step}", palette="{view.values["raw_palette"]}")\n'
    )
