"""What can be taken of one look at the page: sheets, data files, code, and what to say of them."""

from __future__ import annotations

import threading
from pathlib import Path

from dashboard.export import code
from dashboard.export.origin import in_file_name, last_unit
from dashboard.export.registry import DATA_FILES, SHEETS, DataFileEntry, SheetEntry
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.export.tables import head_with_units
from dashboard.model.progress import ProgressCallback
from dashboard.model.registry import load
from dashboard.page.services.export_view import ExportView
from dashboard.page.tabs.registry import TABS


def sheets() -> dict[str, SheetEntry]:
    """Return every sheet by its name: those of the view, then those of tabs."""
    return {entry.name: entry for entry in (*SHEETS, *(sheet for tab in TABS for sheet in tab.sheets))}


def data_files() -> dict[str, DataFileEntry]:
    """Return every data file by its name: those of the view, then those of tabs."""
    return {entry.name: entry for entry in (*DATA_FILES, *(file for tab in TABS for file in tab.data_files))}


class Snapshot(ExportView):
    """One look at the page, and what can be taken of it."""

    def first_sheet(self) -> str:
        """Return the sheet that is offered first: the open tab's, else that of the pictures."""
        for tab in TABS:
            if tab.title == self.values["tab"]:
                for sheet in tab.sheets:
                    if sheet.is_first and not (sheet.needs_shown and self.of_tabs.get(tab.name) is None):
                        return sheet.name
        return "rows" if self.values["show"] == "clusters" else "layout"

    def sheet(self, name: str, style: SheetStyle) -> Sheet:
        """Compute a sheet.

        Raises
        ------
        BadRequest
            It needs what the insertion, or the selection, does not have.
        """
        sheet: Sheet = load(sheets()[name].draw)(self, style)
        return sheet

    def codes(self) -> dict[str, str]:
        """Return code that gives the numbers of the view, by the kinds that the dialog offers."""
        own = "".join(load(tab.code)(self) for tab in TABS if tab.code and tab.title == self.values["tab"])
        return {
            "dashboard": code.dashboard_snippet(self.subject) + own, "ibllib": code.ibllib_snippet(self.subject)
        }  # fmt: skip

    def file_name(self, name: str, kind: str) -> str:
        """Return what a data file is to be called."""
        subject, has_unit = self.subject, data_files()[name].names_unit
        unit = f"_cluster{in_file_name(last_unit(subject))}" if has_unit and subject.selected else ""
        return f"{subject.stem}_{name}{unit}.{kind}"

    def write(
        self, path: Path, name: str, kind: str, report: ProgressCallback, cancel: threading.Event, *,
        header_units: bool = False,
    ) -> tuple[int, str]:  # fmt: skip
        """Write a data file, with units in the header of a CSV where that is asked; return how many it holds, of what.

        Raises
        ------
        BadRequest
            It needs what the insertion, or the selection, does not have.
        Cancelled
            `cancel` was set; nothing is left behind.
        """
        written: tuple[int, str] = load(data_files()[name].write)(self, path, kind, report, cancel)
        if kind == "csv" and header_units:
            head_with_units(path, are_volts=self.scene.sorting.amps_are_volts)
        return written

    def notes(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return, for each data file, how large it will be or why it cannot be, and in which formats it can."""
        return {name: load(entry.note)(self) for name, entry in data_files().items()}
