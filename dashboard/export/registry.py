"""Sheets and data files: entries of plain values; what they name is imported when it is first used.

Those here are of the view itself; tabs bring theirs in their entries. Choices of the dialog, formats and names of files
are derived from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dashboard.export.kinds.rows import Rows
    from dashboard.export.origin import Subject


class View(Protocol):
    """What the functions that entries name are given: one look at the page."""

    @property
    def subject(self) -> Subject:
        """What is on the screen."""

    @property
    def rows(self) -> Rows:
        """Rows of units in view."""


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A figure on paper.

    Attributes
    ----------
    name : str
        In names of files.
    title : str
        In the dialog.
    draw : str
        ``"module:function"`` of a view and a `dashboard.export.sheet.SheetStyle`, which returns a
        `dashboard.export.sheet.Sheet`, or raises BadRequest where the view does not have what it needs.
    is_first : bool
        Whether the dialog offers it first while its tab is open, if it is the first of the tab that says so.
    needs_shown : bool
        Whether only while the tab has something for exports beside the state.
    """

    name: str
    title: str
    draw: str
    is_first: bool = False
    needs_shown: bool = False


@dataclass(frozen=True, slots=True)
class DataFileEntry:
    """A data file.

    Attributes
    ----------
    name : str
        In names of files.
    title : str
        In the dialog.
    formats : tuple of str
        Of ``"csv"``, ``"npz"``, ``"parquet"``.
    write : str
        ``"module:function"`` of view, path, format, progress callback and cancel event, which returns how many it has
        written, and of what; or raises BadRequest or Cancelled, and then leaves nothing behind.
    note : str
        ``"module:function"`` of a view, which returns how large the file will be or why it cannot be, and the formats
        in which it can.
    names_unit : bool
        Whether the name of the file has the selected unit's.
    """

    name: str
    title: str
    formats: tuple[str, ...]
    write: str
    note: str
    names_unit: bool = False


_VIEW = "dashboard.export.kinds.view"

SHEETS = (
    SheetEntry("raster", "Raster", f"{_VIEW}:draw_raster"),
    SheetEntry("layout", "Raster, heatmap, drift", f"{_VIEW}:draw_layout"),
    SheetEntry("rows", "Raster by units", f"{_VIEW}:draw_rows"),
)
"""Sheets of the view."""

DATA_FILES = (
    DataFileEntry(
        "clusters", "Units that pass the filters, with all columns", ("csv", "parquet"), f"{_VIEW}:write_clusters",
        f"{_VIEW}:note_clusters",
    ),
    DataFileEntry(
        "spikes", "Spikes in the window that pass", ("npz", "parquet"), f"{_VIEW}:write_spikes", f"{_VIEW}:note_spikes"
    ),
    DataFileEntry(
        "aggregate", "The raster as numbers, with the edges of its bins", ("npz",), f"{_VIEW}:write_aggregate",
        f"{_VIEW}:note_aggregate",
    ),
    DataFileEntry(
        "rows", "The raster by units as numbers, with the edges of its bins", ("npz",), f"{_VIEW}:write_rows",
        f"{_VIEW}:note_rows",
    ),
)  # fmt: skip
"""Data files of the view."""
