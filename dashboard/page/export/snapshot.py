"""What can be taken of one look at the page: figures, data files, code, and what to say of them."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.events.trials import available_events
from dashboard.analysis.units.bins import UnitBins
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export import code, spikes
from dashboard.export.kinds import files as view_files
from dashboard.export.kinds import rows
from dashboard.export.kinds.compare import BothSides, compare_sheet
from dashboard.export.kinds.events import event_sheet
from dashboard.export.kinds.pairs import pair_sheet, paired_units
from dashboard.export.kinds.raster import raster_sheet
from dashboard.export.kinds.rows import Rows, row_sheet
from dashboard.export.kinds.unit import Response, chosen_unit, unit_sheet
from dashboard.export.origin import Subject, in_file_name
from dashboard.export.sheet import PRESETS, Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.texts import bytes_text
from dashboard.page.core import shading
from dashboard.page.core.scene import UNKNOWN, Scene, drawn_kind
from dashboard.page.export.dialog import FigureChoice
from dashboard.page.plot.unit_rows import row_limits, rows_in_view
from dashboard.page.services.alignment import UNIT, event_request, render_events
from dashboard.page.services.difference import OtherSide, Sides
from dashboard.page.services.response_test import read_test, response_columns
from dashboard.page.tabs.unit.words import unit_bins

NO_FILTERS = (("quality", "all"), ("level", "allen"))
"""Words that ask for nothing."""

CELL_BYTES, ROW_BYTES = 12, 130
"""Of a table of clusters, per value; of a text file of what the tabs show, per row."""


class Snapshot:
    """One look at the page, as it was when an export began; what is expensive is computed when it is asked for.

    Parameters
    ----------
    scene : Scene
    values : dict
        Of every parameter of `ViewState`, as they were.
    link : str
        Address that opens it; empty where it is not known.
    other_side : OtherSide or None
        What it is compared with.
    """

    def __init__(
        self, scene: Scene, values: dict[str, Any], link: str = "", other_side: OtherSide | None = None
    ) -> None:
        self._scene, self._values, self._link, self._other_side = scene, values, link, other_side

    @property
    def is_compared(self) -> bool:
        """Whether another side is shown beside it."""
        return self._other_side is not None

    @cached_property
    def subject(self) -> Subject:
        """What is on the screen."""
        return make_subject(self._scene, self._values, self._link)

    @property
    def _last(self) -> str:
        """The unit that was selected last; empty where none is."""
        return self.subject.unit_name(self.subject.selected[-1]) if self.subject.selected else ""

    @property
    def _bins(self) -> UnitBins:
        return unit_bins(self._values["bins"])

    @cached_property
    def _events(self) -> EventPicture:
        """What the Events tab shows, or would show.

        Raises
        ------
        BadRequest
            There is nothing to align to.
        """
        return render_events(event_request(self._scene, self._values), threading.Event())

    def _response(self) -> Response | str:
        """What the last selected unit does around the event of Events, or the first that there is; or why not."""
        trials, unit = self._scene.sorting.trials, self._scene.ids([chosen_unit(self.subject)])
        names = () if trials is None else available_events(trials.table)
        if not names:
            return "the session has no trials"
        event = self._values["event"] if self._values["event"] in names else names[0]
        asked = {**self._values, "selected": unit, "spikes_of": UNIT, "event": event}
        try:
            picture = render_events(event_request(self._scene, asked), threading.Event())
        except BadRequest as error:
            return error.what
        return Response(event, self._values["split"], picture) if picture.groups else "no trial can be used"

    @cached_property
    def _rows(self) -> Rows:
        """Rows of units in view, as the page has or would have them."""
        scene, values = self._scene, self._values
        order = scene.depth_order
        first, last = rows_in_view(values["rows"], len(order))
        ids = order[first:last]
        return Rows(
            ids, first, len(order), row_limits(scene, values["color"], values["limits"]),
            tuple(name.replace(UNKNOWN, "") for name in scene.region_names(ids)),
            scene.regions.colours[scene.regions.of_cluster[ids]],
        )  # fmt: skip

    @cached_property
    def _sides(self) -> BothSides:
        """Both sides of the comparison.

        Raises
        ------
        BadRequest
            Nothing is compared.
        """
        other = self._other_side
        if other is None:
            raise BadRequest("Nothing is compared", "", "Choose what to compare with in the tab Compare")
        is_same = other.scene.columns is self._scene.columns
        is_off = AGGREGATES[self._values["color"]].why_off(other.scene.sorting)  # the page counts then, too
        asked = self._values | {"selected": other.scene.ids(other.selected)}
        b = make_subject(other.scene, asked | ({"color": "count", "limits": None} if is_off else {}), self._link)
        b = replace(b, selection_colours=shading.selection_colours(len(other.selected), other.ranks))
        own = self._scene.sorting.ref
        name = f"{own.sorter.value or 'base'} · {own.revision.value or 'original'}"
        sides = Sides(self._scene, other.scene)
        density = sides.density() if other.has_difference else 0.0
        names = (self.subject.filter_text if is_same else name, other.title)
        return BothSides(self.subject, b, names, other.has_difference, density, other.table, other.note)

    def sheet(self, choice: FigureChoice) -> Sheet:
        """Compute the figure that is wished for.

        Raises
        ------
        BadRequest
            It needs what the insertion, or the selection, does not have.
        """
        style = SheetStyle(PRESETS[choice.preset], choice.theme, choice.is_stamped)
        match choice.what:
            case "unit":
                return unit_sheet(self.subject, style, self._bins, self._response())
            case "pairs":
                return pair_sheet(self.subject, style, self._bins)
            case "rows":
                return row_sheet(self.subject, style, self._rows)
            case "event":
                return event_sheet(self.subject, style, self._events, self._values["event"], self._values["split"])
            case "compare":
                return compare_sheet(self._sides, style)
            case _:
                return raster_sheet(self.subject, choice.what, style)

    def codes(self) -> dict[str, str]:
        """Return code that gives the numbers of the view, by the kinds that the dialog offers."""
        return {
            "dashboard": code.dashboard_snippet(self.subject), "ibllib": code.ibllib_snippet(self.subject)
        }  # fmt: skip

    def file_name(self, name: str, kind: str) -> str:
        """Return what a data file is to be called."""
        subject = self.subject
        unit = f"_cluster{in_file_name(self._last)}" if name == "correlogram" and subject.selected else ""
        return f"{subject.stem}_{name}{unit}.{kind}"

    def write(
        self, path: Path, name: str, kind: str, report: ProgressCallback, cancel: threading.Event
    ) -> tuple[int, str]:
        """Write a data file; return how many it holds, and of what.

        Raises
        ------
        BadRequest
            It needs what the insertion, or the selection, does not have.
        Cancelled
            `cancel` was set; nothing is left behind.
        """
        subject, values = self.subject, self._values
        match name:
            case "clusters":
                return spikes.write_clusters(path, subject, kind), "clusters"
            case "spikes":
                return spikes.write_spikes(path, subject, kind, report, cancel), "spikes"
            case "aggregate":
                return spikes.write_aggregate(path, subject, cancel), "spikes"
            case "rows":
                return rows.write_rows(path, subject, self._rows), "spikes"
            case "psth":
                n = view_files.write_events(path, subject, self._events, values["event"], values["split"], kind)
                return n, "bins"
            case "pairs":
                return view_files.write_pairs(path, subject, kind, self._bins), "bins"
            case "compare":
                return view_files.write_comparison(path, self._sides, kind), "groups" if kind == "csv" else "pixels"
            case _:
                return view_files.write_correlogram(path, subject, kind, self._bins), "bins"

    def notes(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return, for each data file, how large it will be or why it cannot be, and in which formats it can."""
        subject, bins = self.subject, self._bins
        n = subject.n_in_view
        n_clusters = subject.sorting.n_clusters if subject.mask is None else int(subject.mask.sum())
        size = bytes_text(spikes.estimated_bytes(subject, n))
        columns = ", ".join(spikes.spike_columns(subject))
        width, height = spikes.AGGREGATE_SIZE
        resp = ", responses" if response_columns(subject.sorting) else ""
        lags = f"± {1e3 * bins.lag_half_s:g} ms, {1e3 * bins.lag_bin_s:g} ms bins"
        about = bytes_text(n_clusters * (len(subject.sorting.clusters.columns) + 4) * CELL_BYTES)
        table = f"{n_clusters:,} of {subject.sorting.n_clusters:,} clusters, about {about}, all columns{resp}, pid, eid"
        unit = f"cluster {self._last}, {lags}" if subject.selected else "no unit is selected"
        picture = f"{width} × {height} values, at most {bytes_text(width * height * 8)} before compression"
        return {
            "clusters": (table, ("csv", "parquet")),
            "spikes": (f"{n:,} spikes, {size} ({columns})", ("npz", "parquet")),
            "aggregate": (picture, ("npz",)),
            "rows": (f"{len(self._rows.ids):,} units × {width} values, with their ids", ("npz",)),
            "psth": self._note_of_events(),
            "correlogram": (unit, ("csv", "npz") if subject.selected else ()),
            "pairs": self._note_of_pairs(lags),
            "compare": self._note_of_comparison(),
        }

    def _note_of_events(self) -> tuple[str, tuple[str, ...]]:
        try:
            found = self._events
        except BadRequest as error:
            return error.what, ()
        if not found.groups:
            return "no trial can be used", ()
        split = self._values["split"]
        by = f" by {split}, {len(found.groups)} groups" if split != "none" else ""
        bins = 1e3 * float(np.diff(found.groups[0].psth.edges_s[:2])[0])
        words = f"{found.subject}, {self._values['event']}{by}, {found.trials_text(self._values['event'])}"
        n_rows = sum(len(group.psth.mean_hz) for group in found.groups)
        whole = found.map.zscore.nbytes + sum(group.counts.nbytes for group in found.groups)
        about = f"CSV about {bytes_text(n_rows * ROW_BYTES)}, NPZ with the trials at most {bytes_text(whole)}"
        return f"{words}, {bins:.3g} ms bins; {about}", ("csv", "npz")

    def _note_of_pairs(self, lags: str) -> tuple[str, tuple[str, ...]]:
        try:
            units = paired_units(self.subject)
        except BadRequest:
            return "select two units or more: Shift-click adds one", ()
        n_pairs, n_bins = len(units) * (len(units) + 1) // 2, 2 * self._bins.lag_half_s / self._bins.lag_bin_s
        about = bytes_text(n_pairs * n_bins * ROW_BYTES)
        return f"units {', '.join(map(self.subject.unit_name, units))}, {lags}, about {about}", ("csv", "npz")

    def _note_of_comparison(self) -> tuple[str, tuple[str, ...]]:
        other = self._other_side
        if other is None:
            return "nothing is compared", ()
        width, height = spikes.AGGREGATE_SIZE
        most = bytes_text(width * height * (16 if other.has_difference else 8))
        pictures = (
            f"NPZ: {width} × {height} values of A, of B{', A − B' if other.has_difference else ''}, at most {most}"
        )
        if other.table is None:
            return f"{other.title}; {pictures}; {other.note or 'units are not matched yet'}", ("npz",)
        about = bytes_text(len(other.table) * ROW_BYTES)
        return f"{other.title}; CSV: {len(other.table):,} groups of units, about {about}; {pictures}", ("csv", "npz")


def make_subject(scene: Scene, values: dict[str, Any], link: str = "") -> Subject:
    """Return what is exported of a scene.

    Parameters
    ----------
    scene : Scene
    values : dict
        Of every parameter of `ViewState`, as they were.
    link : str
    """
    kind, cmap, selected = values["color"], values["cmap"], scene.indexes(values["selected"])
    if (drawn := drawn_kind(kind, selected)) != kind:  # as on the page: clusters stand aside in greys
        kind, cmap = drawn, "binary"
    filters = {"quality": values["quality"], "level": values["level"], **values["filters"]}
    filters = {word: text for word, text in filters.items() if (word, text) not in NO_FILTERS}
    if set(filters) <= {"level"}:  # which names regions, and keeps nobody out
        filters = {}
    return Subject(
        scene.sorting,
        scene.columns,
        values["time_range"],
        values["depth_range"],
        scene.mask,
        MappingProxyType(filters),
        level=values["level"],
        kind=kind,
        scale=values["scale"],
        limits=values["limits"] or scene.limits(kind),
        cmap=cmap,
        categories=scene.categories(kind),
        heat_bins=(values["time_bin_s"], values["depth_bin_um"]),
        rate_limits=scene.rate_limits(values["depth_bin_um"]),
        selected=selected,
        selection_colours=np.asarray(shading.selection_colours(len(selected)), np.uint8),
        asked=(values["sorter"], values["revision"]),
        event=values["event"],
        test=read_test(values["test"]).words if values["test"] and response_columns(scene.sorting) else "",
        link=link,
        amp_range_uv=scene.amp_range_uv,
    )
