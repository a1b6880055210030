"""The cluster table of the dock: sortable, read-only, its selection owned by the state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html import escape
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboard.compute.cluster_rates import cluster_rates
from dashboard.compute.filters import AMPLITUDE_COLUMNS
from dashboard.compute.probe import region_names
from dashboard.compute.spike_columns import SpikeColumns
from dashboard.model.sorting import SpikeSorting
from dashboard.views.figures import asset
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState
from dashboard.views.table_columns import N_BINS, WIDTH_PX, failed_tests, sparklines
from dashboard.views.turns import Turns

LEADING = ("cluster_id", "label", "firing_rate", "activity", "amp_uv", "depths", "acronym", "failed", "beryl", "cosmos")
"""Columns that stand first, in this order, where they exist."""

TESTED = {"resp_change_hz": "Δ rate (Hz)", "resp_auc": "AUC", "resp_p": "p", "resp_q": "q"}
"""Columns of the test of responses, which stand after the label, and their words; a split's have its group after."""

CHANGED = {
    "change_verdict": "A to B",
    **{
        f"change_{name}{end}{unit}": f"Δ {words} A→B{of}"
        for name, unit, words in (
            ("depth", "_um", "depth (µm)"),
            ("amp", "_uv", "amp (µV)"),
            ("amp", "_au", "amp (a.u.)"),
            ("rate", "_hz", "rate (Hz)"),
        )
        for end, of in (("", ""), ("_low", ", from"), ("_high", ", to"))
    },
    "change_rate_ratio": "rate B / A",
    "change_rate_ratio_low": "rate B / A, from",
    "change_rate_ratio_high": "rate B / A, to",
}
"""Columns of two spans of the session, which stand after those, and their words; limits are of 95 % intervals."""

HIDDEN = ("uuids", "x", "y", "z", "atlas_id")
"""Kept out of the table: ids and coordinates that nobody sorts by."""

TITLES = {
    "cluster_id": "id",
    "firing_rate": "rate (Hz)",
    "failed": "tests failed",
    "activity": "rate over time",
    "amp_uv": "amp (µV)",
    "amp_au": "amp (a.u.)",
    "depths": "depth (µm)",
    "acronym": "region",
    "drift": "depth jitter (µm/h)",
    "ks2_label": "Kilosort label",
    "KSLabel": "Kilosort label",
}
"""Words of the field for the columns' names on disk."""

PAGE_SIZE = 100
ROW_PX = 28
TITLE_PX, VALUE_PX, ARROW_PX, PADDING_PX = 7, 7, 32, 18
"""Of letters in titles and in cells, of the arrow that sorts, of the sides of a cell."""


_activities: WeakKeyDictionary[SpikeColumns, list[str]] = WeakKeyDictionary()


def cluster_table(sorting: SpikeSorting) -> pd.DataFrame:
    """Return the clusters as shown: leading columns first, amplitudes in uV, region levels added.

    Returns
    -------
    DataFrame, index = cluster id
    """
    clusters = sorting.clusters
    table = clusters.drop(columns=[name for name in HIDDEN if name in clusters])
    if sorting.label_is_kilosorts:  # no IBL label, and not to be taken for one
        named = any(name in table for name in ("KSLabel", "ks2_label"))
        table = table.drop(columns="label") if named else table.rename(columns={"label": "KSLabel"})
    table["cluster_id"] = clusters.index.to_numpy()
    failed = failed_tests(sorting)
    if failed is not None:
        table["failed"] = failed
    amplitude = next((name for name in AMPLITUDE_COLUMNS if name in clusters), None)
    if amplitude is not None:
        values = clusters[amplitude].to_numpy(dtype=np.float64)
        table["amp_uv" if sorting.amps_are_volts else "amp_au"] = values * (1e6 if sorting.amps_are_volts else 1)
    if "atlas_id" in clusters:
        ids = np.nan_to_num(clusters["atlas_id"].to_numpy(dtype=np.float64)).astype(np.int64)
        table["beryl"] = region_names(ids, "beryl")
        table["cosmos"] = region_names(ids, "cosmos")
    return _in_order(table)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the leading columns first, those of a test of responses after the label."""
    tested = [name for kind in TESTED for name in table if str(name).startswith(kind)]
    tested += [name for name in CHANGED if name in table]
    first = [name for name in (*LEADING[:2], *tested, *LEADING[2:], "amp_au") if name in table]
    return table[[*first, *(name for name in table if name not in first)]]


class ClusterTable:
    """The table widget; its rows are those clusters that pass the filters.

    Attributes
    ----------
    panel, rows : Column
        The table with its tools, and the table alone.
    """

    title = "Clusters"
    follows_hidden = True

    def __init__(self, state: ViewState, pool: ThreadPoolExecutor, turns: Turns) -> None:
        self._state = state
        self._pool = pool
        self._turns = turns
        self._is_moving = False
        self._table = pd.DataFrame({"cluster_id": pd.Series(dtype=np.int64)})
        self.widget: Any = None
        self._scene: Scene | None = None
        self._drawn: tuple[SpikeColumns, list[str]] | None = None
        self._box = pn.Column(sizing_mode="stretch_both", margin=0)
        self._choose = pmui.Toggle(label="Columns", size="small", variant="outlined", margin=(4, 4))
        self._search = pmui.Toggle(label="Search rows", size="small", variant="outlined", margin=(4, 4))
        self._names: dict[str, str] = {}
        self._ranked_by: str | None = None
        self._amplitude = ""
        self._columns = pmui.CheckBoxGroup(options=[], value=[], inline=True, margin=(0, 8), visible=False)
        self.panel = pn.Column(
            pn.Row(self._choose, self._search, margin=(0, 4)),
            pn.Column(self._columns, sizing_mode="stretch_width", margin=0, max_height=170, scroll="y-auto"),
            self._box,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.rows = self._box
        self._make()
        self._choose.param.watch(lambda event: self._columns.param.update(visible=event.new), "value")
        self._search.param.watch(lambda event: self._make(), "value")
        self._columns.param.watch(self._hide, "value")
        state.param.watch(self._selected, "selected")

    def _make(self) -> None:
        """Put a new widget on the page: one that changes its columns before it is laid out breaks in the browser."""
        before: list[dict[str, Any]] = self.widget.sorters if self.widget is not None else []
        self.widget = pn.widgets.Tabulator(
            self._table,
            sorters=[sorter for sorter in before if sorter["field"] in self._table],
            formatters=_formatters(self._table),
            show_index=False,
            disabled=True,
            pagination="remote",
            page_size=PAGE_SIZE,
            selectable=True,
            layout="fit_data",
            widths=_widths(self._table),  # or the browser measures every cell, time and again
            configuration={"rowHeight": ROW_PX},  # likewise
            theme="simple",
            sizing_mode="stretch_both",
            titles=_titles(self._table),
            hidden_columns=self._hidden(),
            header_filters=_header_filters(self._table) if self._search.value else None,
            header_tooltips={
                **dict.fromkeys(("amp_uv", "amp_au"), self._amplitude),
                "label": "Share of the three IBL tests that pass; 1 is an IBL good unit",
                "failed": "Which of the three IBL tests the unit fails",
                "activity": "Firing rate over the session, from zero to the unit's own maximum",
                "drift": "Summed depth change per hour; grows with the number of spikes",
            },
            stylesheets=[asset("table.css")],
        )
        self.widget.param.watch(self._picked, "selection")
        self._box[:] = [self.widget]

    def _hidden(self) -> list[str]:
        return [name for title, name in self._names.items() if title not in self._columns.value]

    def _hide(self, event: Any) -> None:
        if not self._is_moving:
            self._make()
            self._selected()

    def open(self, scene: Scene) -> None:
        """Show the clusters of another insertion, or those that pass other filters."""
        self._scene = scene
        if self._drawn is None or self._drawn[0] is not scene.columns:
            # A table that is given other values before the browser has laid it out keeps the first ones.
            if not self._turns.is_building:
                self._pool.submit(self._draw, scene)
                return
            self._drawn = scene.columns, activity(scene.columns)
        table = _with_activity(cluster_table(scene.sorting), self._drawn[1])
        if scene.mask is not None:
            table = table[scene.mask[: len(table)]]
        if self._ranked_by is not None and self._ranked_by in table:
            table = table.sort_values(self._ranked_by, ascending=False, kind="stable")
        self._amplitude = amplitude_words(scene.sorting)
        is_alike = table.dtypes.equals(self._table.dtypes)
        self._table = table
        self._is_moving = True
        try:
            if is_alike:
                self.widget.param.update(value=table, selection=[])
            else:
                self._offer()
                self._make()
        finally:
            self._is_moving = False
        self._selected()

    def _offer(self) -> None:
        """Offer the columns to choose from; those that were hidden before stay so."""
        hidden = self._hidden()
        titles = _words(self._table)
        self._names = {titles.get(name, name): name for name in map(str, self._table.columns)}
        shown = [title for title, name in self._names.items() if name not in hidden]
        self._columns.param.update(options=list(self._names), value=shown)

    def _draw(self, scene: Scene) -> None:
        """Draw the rates over time, in a thread of the pool."""
        try:
            lines = activity(scene.columns)
        except OSError:  # the file went away under the memory map: the table does without
            lines = [""] * scene.columns.n_clusters
        drawn = scene.columns, lines
        self._turns.later(partial(self._take, drawn))

    def _take(self, drawn: tuple[SpikeColumns, list[str]]) -> None:
        if self._scene is not None and self._scene.columns is drawn[0]:
            self._drawn = drawn
            self.open(self._scene)

    def close(self) -> None:
        """Nothing runs here."""

    def sort_by(self, name: str) -> None:
        """Rank the rows by a column, the largest first, and show the table; its headers sort further."""
        self._ranked_by = name
        if self.widget.sorters:
            self.widget.sorters = []
        if self._scene is not None:
            self.open(self._scene)
        # A table that is turned to in the same turn would be laid out with the rows that it had.
        self._turns.later(partial(self._state.param.update, tab=self.title))

    def ids(self) -> list[int]:
        """Ids of the rows in the order on screen, the user's sorting included."""
        return [int(index) for index in self.widget.current_view.index]

    def _picked(self, event: Any) -> None:
        if not self._is_moving:
            chosen = [int(index) for index in self._table.index[list(event.new)]]
            before = self._state.selected
            shown = [cluster for cluster in before if cluster in self._table.index]
            if shown and set(shown) < set(chosen):  # a row was added: so stay those that a filter hides
                chosen += [cluster for cluster in before if cluster not in shown]
            kept = [cluster for cluster in before if cluster in chosen]
            self._state.selected = kept + [cluster for cluster in chosen if cluster not in kept]

    def _selected(self, *events: object) -> None:
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
    """Return the rate over time of each cluster id as a line; the same words for every session."""
    lines = _activities.get(columns)
    if lines is None:
        lines = _activities[columns] = sparklines(cluster_rates(columns, N_BINS).rate_hz)
    return lines


def _with_activity(table: pd.DataFrame, drawn: list[str]) -> pd.DataFrame:
    """Return the table with the lines after the rate."""
    # As objects: pandas would copy strings for each session.
    lines = pd.Series([drawn[int(cluster)] for cluster in table.index], index=table.index, dtype=object)
    return _in_order(table.assign(activity=lines))


def _header_filters(table: pd.DataFrame) -> dict[str, Any]:
    """Return a field below each title: at least a number, or a part of a word."""
    filters: dict[str, Any] = {}
    for name in map(str, table.columns):
        if name == "cluster_id":
            filters[name] = {"type": "number", "func": "=", "placeholder": "="}
        elif pd.api.types.is_numeric_dtype(table[name]):
            filters[name] = {"type": "number", "func": ">=", "placeholder": "≥"}
        elif name != "activity":
            filters[name] = {"type": "input", "func": "like", "placeholder": "contains"}
    return filters


def _words(table: pd.DataFrame) -> dict[str, str]:
    """Return words for the names of columns; those of a test carry the group of trials."""
    tested = {
        str(name): " ".join([words, *str(name).removeprefix(kind).split("_")]).strip()
        for kind, words in TESTED.items()
        for name in table
        if str(name).startswith(kind)
    }
    return TITLES | CHANGED | tested


def _titles(table: pd.DataFrame) -> dict[str, str]:
    """Return what heads each column; Tabulator takes it for HTML, and names of columns come from files."""
    words = _words(table)
    return {name: escape(words.get(name, name)) for name in map(str, table.columns)}


def _formatters(table: pd.DataFrame) -> dict[str, Any]:
    """Return number formats that keep columns narrow and digits honest."""
    from bokeh.models.widgets.tables import NumberFormatter, ScientificFormatter

    whole = {"depths", "axial_um", "lateral_um"}
    formats: dict[str, Any] = {"activity": {"type": "html"}} if "activity" in table else {}
    for name in map(str, table.columns):
        if pd.api.types.is_integer_dtype(table[name]) or name in whole:
            formats[name] = NumberFormatter(format="0,0" if name != "cluster_id" else "0", nan_format="–")
        elif name.startswith(("resp_p", "resp_q")):
            # From 0.01 up as it is, to three places: 0.049 is another answer than 0.051, and neither is 0.
            formats[name] = ScientificFormatter(precision=3, power_limit_low=-3, nan_format="–")
        elif pd.api.types.is_float_dtype(table[name]):
            formats[name] = NumberFormatter(format="0.0" if name in ("amp_uv", "amp_au") else "0.00", nan_format="–")
    return formats


def _widths(table: pd.DataFrame) -> dict[str, int]:
    """Return the width of each column in px: room for its title and for the longest of its values."""
    titles = _titles(table)
    widths = {}
    for name in map(str, table.columns):
        is_text = not pd.api.types.is_numeric_dtype(table[name]) and name != "activity"
        longest = int(table[name].astype(str).str.len().max()) if is_text and len(table) else 6
        if name.startswith(("resp_p", "resp_q")):
            longest = len("1.234e-56")
        widths[name] = max(TITLE_PX * len(titles.get(name, name)) + ARROW_PX, VALUE_PX * min(longest, 40) + PADDING_PX)
    return widths | ({"activity": WIDTH_PX + 2 * PADDING_PX} if "activity" in table else {})
