"""The cluster table of the dock: sortable, read-only, its selection owned by the state."""

from __future__ import annotations

import logging
from functools import partial
from html import escape
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboard.analysis.anatomy.probe import region_names
from dashboard.analysis.filters.clusters import AMPLITUDE_COLUMNS
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.cluster_rates import cluster_rates
from dashboard.model.conventions import LabelKind
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.assets import asset
from dashboard.page.core.late import late
from dashboard.page.core.panes import html_pane
from dashboard.page.core.scene import Scene
from dashboard.page.core.tab import BaseTab, TabServices
from dashboard.page.tabs.clusters import state
from dashboard.page.tabs.clusters.columns import N_BINS, failed_tests, sparklines
from dashboard.page.tabs.clusters.formats import (
    CHANGED,
    CURATED,
    TESTED,
    column_formats,
    column_titles,
    column_widths,
    column_words,
    test_tooltips,
)
from dashboard.page.tabs.clusters.state import TableState
from dashboard.page.tabs.clusters.widget import (
    HINT,
    ClusterRows,
    header_configuration,
    header_fields,
    refusals,
    searches,
)

logger = logging.getLogger(__name__)

LABELS = ("label", "quality", "KSLabel", "ks2_label")
LEADING = (
    "cluster_id", *LABELS, "acronym", "depths", "firing_rate", "amp_uv", "amp_au", "failed", "activity", "beryl",
    "cosmos",
)  # fmt: skip
"""Columns that stand first, in this order, where they exist."""

SHOWN = LEADING[: LEADING.index("activity")]
"""Columns that are shown until somebody chooses others; what is computed on the page is shown, too."""

SORTED_BY: dict[str, Any] = {"field": "depths", "dir": "desc"}
"""Rows stand as the units do in the raster, until somebody sorts them otherwise."""

HIDDEN = ("uuids", "x", "y", "z", "atlas_id")
"""Kept out of the table: ids and coordinates that nobody sorts by."""

PAGE_SIZE = 100
ROW_PX = 28
_activities: WeakKeyDictionary[SpikeColumns, list[str]] = WeakKeyDictionary()


MAX_WHOLE = 2**53
"""Whole numbers beyond it are no numbers of a browser, which would show others: they are shown as text."""


def cluster_table(sorting: SpikeSorting) -> pd.DataFrame:
    """Return the clusters as shown: leading columns first, amplitudes in uV, region levels added.

    Returns
    -------
    DataFrame, index = id of the unit
    """
    clusters = sorting.clusters
    table = clusters.drop(columns=[name for name in HIDDEN if name in clusters])
    if sorting.label_kind is LabelKind.KILOSORT:  # no IBL label, and not to be taken for one
        named = any(name in table for name in ("KSLabel", "ks2_label"))
        table = table.drop(columns="label", errors="ignore") if named else table.rename(columns={"label": "KSLabel"})
    table["cluster_id"] = clusters.index.to_numpy()
    failed = failed_tests(sorting)
    if failed is not None:
        table["failed"] = failed
    amplitude = next((name for name in AMPLITUDE_COLUMNS if name in clusters), None)
    if amplitude is not None:
        values = clusters[amplitude].to_numpy(dtype=np.float64)
        table["amp_uv" if sorting.amps_are_volts else "amp_au"] = values * sorting.amp_scale
    if "atlas_id" in clusters:
        ids = np.nan_to_num(clusters["atlas_id"].to_numpy(dtype=np.float64)).astype(np.int64)
        table["beryl"] = region_names(ids, "beryl")
        table["cosmos"] = region_names(ids, "cosmos")
    for name in table:
        whole = table[name]
        if pd.api.types.is_integer_dtype(whole) and not whole.dropna().between(-MAX_WHOLE, MAX_WHOLE).all():
            table[name] = whole.astype(str)
    return _in_order(table)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the leading columns first, those of a test of responses after the label."""
    tested = [name for kind in TESTED for name in table if str(name).startswith(kind)]
    tested += [name for name in CHANGED if name in table]
    tested = [name for name in CURATED if name in table] + tested
    n_first = 1 + len(LABELS)
    first = [name for name in (*LEADING[:n_first], *tested, *LEADING[n_first:]) if name in table]
    return table[[*first, *(name for name in table if name not in first)]]


class ClusterTable(BaseTab[TabServices]):
    """The table widget; its rows are those clusters that pass the filters.

    Attributes
    ----------
    panel, rows : Column
        The table with its tools, and the table alone.
    """

    def __init__(self, services: TabServices, title: str) -> None:
        super().__init__(services, title, ())
        self._is_moving = self._is_picking = self._is_writing = False
        self._own = services.states[TableState]
        self._table = pd.DataFrame({"cluster_id": pd.Series(dtype=np.int64)})
        self.widget: Any = None
        self._drawn: tuple[SpikeColumns, list[str]] | None = None
        self._box = pn.Column(sizing_mode="stretch_both", margin=0)
        self._choose = pmui.Toggle(label="Columns", size="small", variant="outlined", margin=(4, 4))
        self._search = pmui.Toggle(label="Search rows", size="small", variant="outlined", margin=(4, 4))
        self._searches = html_pane(margin=(0, 12))
        self._names: dict[str, str] = {}
        self._revealed: SpikeColumns | None = None
        self._ranked_by = ""
        self._amplitude = ""
        self._columns = pmui.CheckBoxGroup(options=[], value=[], inline=True, margin=(0, 8), visible=False)
        self.part("clusters", "The table", self.refusal)
        self.panel = pn.Column(
            self.refusal,
            pn.Row(self._choose, self._search, margin=(0, 4)),
            late(self._columns, sizing_mode="stretch_width", max_height=170, scroll="y-auto"),
            self._box,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.rows = self._box
        self._search.value = bool(self._own.table_search)
        self._make()
        self._choose.param.watch(lambda event: self._columns.param.update(visible=event.new), "value")
        self._search.param.watch(self._open_searches, "value")
        self._own.param.watch(self._follow_link, ["table_sort", "table_search"])
        self._columns.param.watch(self._hide, "value")
        self._state.param.watch(self._selected, "selected")
        self._state.param.watch(lambda event: self.sort_by(event.new), "ranked_by", onlychanged=False)

    def _write(self, **values: str) -> None:
        """Take what a person set at the table into the state, which links are written from."""
        self._is_writing = True
        try:
            self._own.param.update(**values)
        finally:
            self._is_writing = False

    def _follow_link(self, *events: object) -> None:
        if self._is_writing:
            return
        if self._search.value != bool(self._own.table_search):
            self._search.value = not self._search.value
        else:
            self._remake()

    def _open_searches(self, event: Any) -> None:
        if not event.new:
            self._write(table_search="")
        self._remake()

    def _make(self, *, is_first_page: bool = False) -> None:
        """Put a new widget on the page: one that changes its columns before it is laid out breaks in the browser."""
        before = self.widget
        hidden = self._hidden()
        there = [name for name in map(str, self._table.columns) if name not in hidden]
        page = before.page if before is not None and not is_first_page else 1
        wanted = state.sorters(self._own.table_sort) or [SORTED_BY]
        sorters = [one for one in wanted if one["field"] in self._table]
        filters = [one for one in state.filters(self._own.table_search) if one["field"] in there]
        searching: dict[str, Any] = {}
        if self._search.value:
            searching = {"header_filters": header_fields(self._table), "filters": filters}
        self.widget = ClusterRows(
            self._table,
            sorters=sorters,
            page=page,
            formatters=column_formats(self._table),
            show_index=False,
            disabled=True,
            pagination="remote",
            page_size=PAGE_SIZE,
            selectable=True,
            layout="fit_data",
            widths=column_widths(self._table),  # or the browser measures every cell, time and again
            configuration={
                "rowHeight": ROW_PX,  # likewise
                **(header_configuration(self._table, filters) if self._search.value else {}),
            },
            theme="simple",
            sizing_mode="stretch_both",
            titles=column_titles(self._table),
            hidden_columns=hidden,
            header_tooltips={
                **dict.fromkeys(("amp_uv", "amp_au"), self._amplitude),
                "label": "Share of the three IBL tests that pass; 1 is an IBL good unit",
                "failed": "Which of the three IBL tests the unit fails",
                "activity": "Firing rate over the session, from zero to the unit's own maximum",
                "drift": "Summed depth change per hour; grows with the number of spikes",
                **test_tooltips(self._table),
            },
            stylesheets=[asset("page/core/table.css")],
            **searching,
        )
        self.widget.param.watch(self._picked, "selection")
        self.widget.param.watch(self._searched, "filters")
        self.widget.param.watch(self._sorted, "sorters")
        self._fit_page()
        self._say_searches()
        self._box[:] = [*([self._searches] if self._search.value else []), self.widget]

    def _fit_page(self) -> None:
        """Turn to the last page where there is no longer one of the number that is shown."""
        if self.widget.page > 1:
            last = max(1, -(-len(self.widget.current_view) // PAGE_SIZE))
            if self.widget.page > last:
                self.widget.page = last

    def _sorted(self, event: Any) -> None:
        self._write(table_sort="" if event.new == [SORTED_BY] else state.write_sort(event.new))

    def _searched(self, event: Any) -> None:
        self._write(table_search=state.write_search(searches(event.new)))
        self._queue.later(self._follow_searches)

    def _follow_searches(self) -> None:
        self._fit_page()
        self._say_searches()

    def _say_searches(self) -> None:
        """Say which searches cannot be read and so hide nothing, or what can be searched for."""
        if self._search.value:
            self.widget.refused = found = refusals(self._table, self.widget.filters)
            titles = column_words(self._table)
            lines = [f"{titles.get(name, name)}: {why}" for name, why in found]
            words = "<br>".join(map(escape, lines)) or escape(HINT)
            self._searches.object = f'<div class="notes {"refused" if lines else "dim"}">{words}</div>'

    def _reveal(self) -> None:
        """Turn to the page of the unit that was selected last, unless one of the selected is on the page already."""
        selected = self._state.selected
        if not selected:
            return
        places = self.widget.current_view.index.get_indexer(pd.Index(selected))
        pages = {int(place) // PAGE_SIZE + 1 for place in places if place >= 0}
        if pages and self.widget.page not in pages and places[-1] >= 0:
            self.widget.page = int(places[-1]) // PAGE_SIZE + 1

    def _hidden(self) -> list[str]:
        return [name for title, name in self._names.items() if title not in self._columns.value]

    def _hide(self, event: Any) -> None:
        if not self._is_moving:
            self._remake()

    def _remake(self) -> None:
        self._make()
        self._selected()

    def open(self, scene: Scene) -> None:
        """Show the clusters of another insertion, or those that pass other filters."""
        self._scene = scene
        if self._drawn is None or self._drawn[0] is not scene.columns:
            # A table that is given other values before the browser has laid it out keeps the first ones.
            if not self._queue.is_building:
                self._services.pool.submit(self._draw, scene)
                return
            self._drawn = scene.columns, activity(scene.columns)
        self.refusal.object = ""
        self.draw("clusters", self._show, scene, self._drawn[1])

    def _show(self, scene: Scene, lines: list[str]) -> None:
        table = _with_activity(cluster_table(scene.sorting), lines)
        table = _second(table, self._ranked_by)
        if scene.mask is not None:
            table = table[scene.mask[: len(table)]]
        self._amplitude = amplitude_words(scene.sorting)
        is_alike = table.dtypes.equals(self._table.dtypes)
        self._table = table
        self._is_moving = True
        try:
            if not is_alike:
                self._offer()
                self._make()
            elif not (table.index.equals(self.widget.value.index) and self.widget.take_cells(table)):
                self.widget.param.update(value=table, selection=[])
                self._fit_page()
        finally:
            self._is_moving = False
        if self._revealed is not scene.columns:  # what a link selects is looked for
            self._revealed = scene.columns
            self._reveal()
        self._selected()

    def _offer(self) -> None:
        """Offer the columns to choose from; those that were hidden before stay so."""
        known, hidden = set(self._names.values()), self._hidden()
        titles = column_words(self._table)
        self._names = {titles.get(name, name): name for name in map(str, self._table.columns)}
        shown = [
            title
            for title, name in self._names.items()
            if (name not in hidden if name in known else name in SHOWN or _is_computed(name))
        ]
        self._columns.param.update(options=list(self._names), value=shown)

    def _draw(self, scene: Scene) -> None:
        """Draw the rates over time, in a thread of the pool."""
        try:
            lines = activity(scene.columns)
        except Exception:  # the file went away under the memory map, for one: the table does without
            logger.exception("rates over time of the table failed")
            lines = [""] * scene.columns.n_clusters
        drawn = scene.columns, lines
        self._queue.later(partial(self._take, drawn))

    def _take(self, drawn: tuple[SpikeColumns, list[str]]) -> None:
        if self._scene is not None and self._scene.columns is drawn[0]:
            self._drawn = drawn
            self.open(self._scene)

    def close(self) -> None:
        """Nothing runs here."""

    def sort_by(self, name: str) -> None:
        """Rank the rows by a column, which then stands second, the largest first, and show the table."""
        self._ranked_by = name
        self._table = _second(self._table, name)
        # A new widget: one that is out of sight would lose the order that it is given.
        self._write(table_sort=f"-{name}")
        self._make(is_first_page=True)
        self._selected()
        # A table that is turned to in the same turn would be laid out with the rows that it had.
        self._queue.later(partial(self._state.param.update, tab=self.title))

    def press(self, key: str) -> None:
        """Select the next or the previous unit of the table."""
        ids, step = self.ids(), 1 if key == "j" else -1
        stops = set(self._services.walked(ids))
        if stops:
            current = self._state.selected[-1] if self._state.selected else None
            position = ids.index(current) + step if current in ids else (0 if step > 0 else -1)
            while ids[position % len(ids)] not in stops:
                position += step
            self._state.selected = [ids[position % len(ids)]]

    def ids(self) -> list[UnitId]:
        """Ids of the rows in the order on screen, the user's sorting included."""
        ids: list[UnitId] = self.widget.current_view.index.tolist()
        return ids

    def _picked(self, event: Any) -> None:
        if not self._is_moving:
            chosen = self._table.index[list(event.new)].tolist()
            before = self._state.selected
            shown = [cluster for cluster in before if cluster in self._table.index]
            if shown and set(shown) < set(chosen):  # a row was added: so stay those that a filter hides
                chosen += [cluster for cluster in before if cluster not in shown]
            kept = [cluster for cluster in before if cluster in chosen]
            self._is_picking = True
            try:
                self._state.selected = kept + [cluster for cluster in chosen if cluster not in kept]
            finally:
                self._is_picking = False

    def _selected(self, *events: object) -> None:
        if events and not self._is_picking:
            self._reveal()
        positions = self._table.index.get_indexer(pd.Index(self._state.selected))
        self._is_moving = True
        try:
            self.widget.selection = [int(position) for position in positions if position >= 0]
        finally:
            self._is_moving = False


def amplitude_words(sorting: SpikeSorting) -> str:
    """Return which amplitude the clusters have; empty where they have none."""
    column = next((name for name in AMPLITUDE_COLUMNS if name in sorting.clusters), "")
    return {"amps": "Mean amplitude of the unit's spikes", "amp_median": "Median amplitude of the unit's spikes"}.get(
        column, ""
    )


def activity(columns: SpikeColumns) -> list[str]:
    """Return the rate over time of each unit as a line, by index; the same words for every session."""
    lines = _activities.get(columns)
    if lines is None:
        lines = _activities[columns] = sparklines(cluster_rates(columns, N_BINS).rate_hz)
    return lines


def _is_computed(name: str) -> bool:
    """Tell whether a column was asked for on the page."""
    return name in CHANGED or name in CURATED or name.startswith(tuple(TESTED))


def _second(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the table with a column in the second place, where it has it."""
    names = list(table)
    return table[[names[0], name, *(other for other in names[1:] if other != name)]] if name in names[1:] else table


def _with_activity(table: pd.DataFrame, drawn: list[str]) -> pd.DataFrame:
    """Return the table with the lines after the rate."""
    # As objects: pandas would copy strings for each session.
    lines = pd.Series(drawn[: len(table)], index=table.index, dtype=object)
    return _in_order(table.assign(activity=lines))
