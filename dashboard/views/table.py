"""The cluster table of the dock: sortable, read-only, its selection owned by the state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import panel as pn

from dashboard.compute.probe import region_names
from dashboard.model.sorting import SpikeSorting
from dashboard.views.figures import asset
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState

LEADING = ("cluster_id", "label", "firing_rate", "amp_uv", "depths", "acronym", "beryl", "cosmos")
"""Columns that stand first, in this order, where they exist."""

HIDDEN = ("uuids", "x", "y", "z", "atlas_id")
"""Kept out of the table: ids and coordinates that nobody sorts by."""

TITLES = {
    "cluster_id": "id",
    "firing_rate": "rate (Hz)",
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
    amplitude = next((name for name in ("amps", "amp_median") if name in clusters), None)
    if amplitude is not None:
        values = clusters[amplitude].to_numpy(dtype=np.float64)
        table["amp_uv" if sorting.amps_are_volts else "amp_au"] = values * (1e6 if sorting.amps_are_volts else 1)
    if "atlas_id" in clusters:
        ids = np.nan_to_num(clusters["atlas_id"].to_numpy(dtype=np.float64)).astype(np.int64)
        table["beryl"] = region_names(ids, "beryl")
        table["cosmos"] = region_names(ids, "cosmos")
    first = [name for name in (*LEADING, "amp_au") if name in table]
    return table[[*first, *(name for name in table if name not in first)]]


class ClusterTable:
    """The table widget; its rows are those clusters that pass the filters."""

    title = "Clusters"
    follows_hidden = True

    def __init__(self, state: ViewState) -> None:
        self._state = state
        self._is_moving = False
        self._table = pd.DataFrame({"cluster_id": pd.Series(dtype=np.int64)})
        self._box = pn.Column(sizing_mode="stretch_both", margin=0)
        self._make()
        state.param.watch(self._selected, "selected")

    def _make(self) -> None:
        """Put a new widget on the page: one that changes its columns before it is laid out breaks in the browser."""
        self.widget = pn.widgets.Tabulator(
            self._table,
            formatters=_formatters(self._table),
            show_index=False,
            disabled=True,
            pagination="remote",
            page_size=PAGE_SIZE,
            selectable=True,
            layout="fit_data",
            theme="simple",
            sizing_mode="stretch_both",
            titles=TITLES,
            header_tooltips={
                "label": "Share of the three IBL tests that pass; 1 is an IBL good unit",
                "drift": "Summed depth change per hour; grows with the number of spikes",
            },
            stylesheets=[asset("table.css")],
        )
        self.widget.param.watch(self._picked, "selection")
        self._box[:] = [self.widget]

    def open(self, scene: Scene) -> None:
        """Show the clusters of another insertion, or those that pass other filters."""
        table = cluster_table(scene.sorting)
        if scene.mask is not None:
            table = table[scene.mask[: len(table)]]
        is_alike = table.dtypes.equals(self._table.dtypes)
        self._table = table
        self._is_moving = True
        try:
            if is_alike:
                self.widget.param.update(value=table, selection=[])
            else:
                self._make()
        finally:
            self._is_moving = False
        self._selected()

    @property
    def panel(self) -> Any:
        """What the dock shows."""
        return self._box

    def close(self) -> None:
        """Nothing runs here."""

    def ids(self) -> list[int]:
        """Ids of the rows in the order on screen, the user's sorting included."""
        return [int(index) for index in self.widget.current_view.index]

    def _picked(self, event: Any) -> None:
        if not self._is_moving:
            chosen = [int(index) for index in self._table.index[list(event.new)]]
            kept = [cluster for cluster in self._state.selected if cluster in chosen]
            self._state.selected = kept + [cluster for cluster in chosen if cluster not in kept]

    def _selected(self, *events: object) -> None:
        positions = self._table.index.get_indexer(pd.Index(self._state.selected))
        self._is_moving = True
        try:
            self.widget.selection = [int(position) for position in positions if position >= 0]
        finally:
            self._is_moving = False


def _formatters(table: pd.DataFrame) -> dict[str, Any]:
    """Return number formats that keep columns narrow and digits honest."""
    from bokeh.models.widgets.tables import NumberFormatter

    whole = {"depths", "axial_um", "lateral_um"}
    formats: dict[str, Any] = {}
    for name in map(str, table.columns):
        if pd.api.types.is_integer_dtype(table[name]) or name in whole:
            formats[name] = NumberFormatter(format="0,0" if name != "cluster_id" else "0", nan_format="–")
        elif pd.api.types.is_float_dtype(table[name]):
            formats[name] = NumberFormatter(format="0.0" if name in ("amp_uv", "amp_au") else "0.00", nan_format="–")
    return formats
