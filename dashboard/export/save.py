"""Figures as files: PNG, SVG and PDF, complete or not there, with their provenance inside."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl

from dashboard.engine.build import SpikeColumns
from dashboard.export.drawing import bar_title
from dashboard.export.figure import Drawing, FigureRequest, draw_figure, prepare, what_is_shown
from dashboard.model.errors import BadRequest
from dashboard.model.files import whole_file
from dashboard.model.sorting import SpikeSorting
from dashboard.version import __version__

FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same on every machine
    "font.size": 9.0,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text as text
    "svg.hashsalt": "spike-dashboard",  # the same figure gives the same file
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names of subjects may hold dollar signs
}

drawing_lock = threading.Lock()
"""Style and fonts are global in matplotlib: one figure is drawn at a time."""


def render_figure(
    file: IO[bytes], sorting: SpikeSorting, columns: SpikeColumns, request: FigureRequest, kind: str
) -> None:
    """Draw a figure into an open file.

    Parameters
    ----------
    file : binary file, open for writing
    sorting : SpikeSorting
    columns : SpikeColumns
        Of the same sorting.
    request : FigureRequest
    kind : {'png', 'svg', 'pdf'}
        In SVG and PDF text stays text and the raster is embedded as it is.

    Raises
    ------
    BadRequest
        Something that was asked for does not exist: colour map, aggregate, region level, label.
    """
    drawing = prepare(sorting, columns, request)
    with drawing_lock, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = draw_figure(drawing)
        figure.savefig(file, format=kind, dpi=drawing.layout.dpi, metadata=_metadata(drawing, kind))


def write_figure(path: Path, sorting: SpikeSorting, columns: SpikeColumns, request: FigureRequest) -> None:
    """Draw a figure into a file, which appears only when it is complete.

    Parameters
    ----------
    path : Path
        Ending in .png, .svg or .pdf.
    sorting, columns, request
        As for `render_figure`.

    Raises
    ------
    BadRequest
        As `render_figure`; and where the file cannot be written, or its ending is another.
    """
    if path.suffix.lower() not in FORMATS:
        raise BadRequest(f"Cannot write '{path.suffix}' files", path, f"Use one of {', '.join(FORMATS)}")
    try:
        with whole_file(path) as draft, draft.open("wb") as file:
            render_figure(file, sorting, columns, request, FORMATS[path.suffix.lower()])
    except OSError as error:
        raise BadRequest("Cannot write the figure", path, str(error.strerror)) from error


def _metadata(drawing: Drawing, kind: str) -> dict[str, Any]:
    """Return the provenance as the format stores it."""
    sorting, insertion = drawing.sorting, drawing.sorting.ref.insertion
    shown = what_is_shown(drawing).replace("  ·  ", "; ")
    program = f"spike-dashboard {__version__}"
    details = [
        f"insertion {insertion.key}",
        f"pid {insertion.pid or 'none'}",
        f"collection {sorting.ref.collection}",
        f"sorter {sorting.ref.sorter.value or 'base'}",
        f"revision {sorting.ref.revision.value or 'original'}",
        shown,
        bar_title(drawing.picture) if drawing.marks is None else "one mark per spike",
    ]
    description = "; ".join(details)
    if kind == "png":
        return {"Title": sorting.title, "Description": description, "Software": program, "Source": insertion.key}
    if kind == "pdf":
        return {"Title": sorting.title, "Subject": description, "Creator": program}
    return {"Title": sorting.title, "Description": description, "Creator": program, "Source": insertion.key}
