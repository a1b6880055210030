"""Sheet and data file of the Compare tab."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.kinds import files
from dashboard.export.kinds.compare import BothSides, compare_sheet
from dashboard.export.kinds.view import Note
from dashboard.export.sheet import Sheet, SheetStyle
from dashboard.export.spikes import AGGREGATE_SIZE
from dashboard.model.colours import selection_colours
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text, counted
from dashboard.page.services.difference import OtherSide, Sides
from dashboard.page.services.export_view import ExportView, make_subject


def _other_side(view: ExportView) -> OtherSide | None:
    return view.of_tabs.get("compare")


def both_sides(view: ExportView) -> BothSides:
    """Return both sides of the comparison.

    Raises
    ------
    BadRequest
        Nothing is compared.
    """
    other = _other_side(view)
    if other is None:
        raise BadRequest("Nothing is compared", "", "Choose what to compare with in the tab Compare")
    is_same = other.scene.columns is view.scene.columns
    is_off = AGGREGATES[view.values["color"]].why_off(other.scene.sorting)  # the page counts then, too
    asked = view.values | {"selected": other.scene.ids(other.selected)}
    b = make_subject(other.scene, asked | ({"color": "count", "limits": None} if is_off else {}), view.link)
    b = replace(b, selection_colours=selection_colours(len(other.selected), other.ranks))
    own = view.scene.sorting.ref
    name = f"{own.sorter.value or 'base'} · {own.revision.value or 'original'}"
    density = Sides(view.scene, other.scene).density() if other.has_difference else 0.0
    names = (view.subject.filter_text if is_same else name, other.title)
    return BothSides(view.subject, b, names, other.has_difference, density, other.table, other.note)


def draw_comparison(view: ExportView, style: SheetStyle) -> Sheet:
    """Return a sheet of both sides and their difference."""
    return compare_sheet(view.once(both_sides), style)


def write_comparison(
    view: ExportView, path: Path, kind: str, report: ProgressCallback, cancel: threading.Event
) -> tuple[int, str]:
    """Write what became of the units, or the pictures of both sides."""
    n = files.write_comparison(path, view.once(both_sides), kind)
    return n, "groups" if kind == "csv" else "pixels"


def note_comparison(view: ExportView) -> Note:
    """Say what is compared."""
    other = _other_side(view)
    if other is None:
        return "nothing is compared", ()
    width, height = AGGREGATE_SIZE
    most = bytes_text(width * height * (16 if other.has_difference else 8))
    pictures = f"NPZ: {width} × {height} values of A, of B{', A − B' if other.has_difference else ''}, at most {most}"
    if other.table is None:
        return f"{other.title}; {pictures}; {other.note or 'units are not matched yet'}", ("npz",)
    about = bytes_text(len(other.table) * files.ROW_BYTES)
    groups = counted(len(other.table), "group")
    return f"{other.title}; CSV: {groups} of units, about {about}; {pictures}", ("csv", "npz")
