"""Figures as files: PNG, SVG and PDF, complete or not there, with their provenance inside."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from dashboard.engine.build import SpikeColumns
from dashboard.export.figure import FigureRequest, figure_sheet
from dashboard.export.sheet import write_sheet
from dashboard.model.errors import BadRequest
from dashboard.model.files import whole_file
from dashboard.model.sorting import SpikeSorting

FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


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
    write_sheet(file, figure_sheet(sorting, columns, request), kind)


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
