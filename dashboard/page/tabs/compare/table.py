"""The table of matched units: one row per group, and which units it selects on either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models.widgets.tables import NumberFormatter

from dashboard.analysis.compare.tables import COLUMNS, KINDS, rows_passing
from dashboard.page.core.assets import asset
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import html_pane
from dashboard.page.core.scene import UNKNOWN, Scene
from dashboard.page.tabs.compare.state import EVERY

TALL_CSS = ":host { min-height: max(320px, calc(100vh - 440px)) !important; } .tabulator { height: 100% !important; }"
"""On a tall screen the table has what the rest of the tab leaves."""

PAGE_SIZE = 100
TABLE_PX = 320
"""Least height: a table that stretches is given no room in a tab that scrolls, and draws no rows."""

MAX_NAMED = 4
TITLES = {
    "kind": "units are",
    "a": "A",
    "b": "B",
    "score": "agreement",
    "depth": "depth (µm)",
    "region": "region",
    "n_shared": "shared spikes",
    "n_a": "spikes A",
    "n_b": "spikes B",
}
TOOLTIPS = {
    "score": "Share of the spikes of either unit that coincide; 1: all. For a unit that is only in one "
    "sorting: the best that any unit of the other reaches",
    "n_shared": "Coincident spikes; the line above the table says within what",
    "depth": "Of the first unit",
}


class PairRows:
    """The table; its rows are those groups of which a unit passes the filters.

    Parameters
    ----------
    picked : callable (units of A, units of B) -> None
    queue : DocumentQueue
    groups : param.Parameter
        Of the kind of group that the table has.
    """

    def __init__(
        self,
        picked: Callable[[tuple[int, ...], tuple[int, ...]], None],
        queue: DocumentQueue,
        groups: param.Parameter,
    ) -> None:
        self._picked, self._queue = picked, queue
        self._is_moving = False
        self._marked: tuple[Sequence[int], Sequence[int]] = ((), ())
        self._all = pd.DataFrame(columns=list(COLUMNS))
        self._shown = self._all
        self._scenes: tuple[Scene, Scene] | None = None
        self.kind = pmui.Select.from_param(
            groups,
            label="Rows",
            description=None,
            size="small",
            variant="outlined",
            margin=(6, 10),
            width=220,
        )
        self.kind.param.watch(self._refresh, "value")
        self.widget = pn.widgets.Tabulator(
            _display(self._all, None),
            formatters={
                "score": NumberFormatter(format="0.00"),
                **{name: NumberFormatter(format="0,0", nan_format="–") for name in ("depth", "n_shared", "n_a", "n_b")},
            },
            show_index=False,
            disabled=True,
            pagination="remote",
            page_size=PAGE_SIZE,
            selectable=1,
            layout="fit_data",
            theme="simple",
            sizing_mode="stretch_width",
            height=TABLE_PX,
            titles=TITLES,
            header_tooltips=TOOLTIPS,
            stylesheets=[asset("page/core/table.css"), TALL_CSS],
        )
        self.widget.param.watch(self._clicked, "selection")
        self.words = html_pane(margin=(4, 10, 0, 10))
        self.panel = pn.Column(
            self.words,
            self.kind,
            self.widget,
            sizing_mode="stretch_width",
            margin=0,
            visible=False,
        )

    def open(self, table: pd.DataFrame, a: Scene, b: Scene, how: str = "") -> None:
        """Show the groups of two sides; `how` says how they were found."""
        self._scenes = (a, b)
        self._all = table[rows_passing(table, a.mask, b.mask)]
        counts = self._all["kind"].value_counts()
        words = " · ".join(f"{kind} {int(counts.get(kind, 0)):,}" for kind in KINDS)
        aside = f"<br>{how}" if how else ""
        self.words.object = f'<div class="notes" role="status">{words}{aside}</div>'
        # A table that is filled while it is out of sight draws no rows until the window is resized.
        self.panel.visible = True
        self._queue.later(self._refresh)

    @property
    def table(self) -> pd.DataFrame | None:
        """Groups of which a unit passes the filters, of whatever kind; None where there is nothing to show."""
        return None if self._scenes is None else self._all

    def hide(self) -> None:
        """There is nothing to show."""
        self._scenes = None
        self.panel.visible = False

    def select(self, units_a: Sequence[int], units_b: Sequence[int]) -> None:
        """Mark the row of the first selected unit, by index; nothing is picked by that."""
        self._marked = (units_a, units_b)
        side, units = ("units_a", units_a) if units_a else ("units_b", units_b)
        rows = [place for place, members in enumerate(self._shown[side]) if units and units[0] in members]
        self._is_moving = True
        try:
            self.widget.selection = rows[:1]
        finally:
            self._is_moving = False

    def _refresh(self, *events: object) -> None:
        if self._is_moving or self._scenes is None:
            return
        kind = self.kind.value
        chosen = self._all if kind == EVERY else self._all[self._all["kind"] == kind]
        self._shown = chosen.reset_index(drop=True)
        self._is_moving = True
        try:
            self.widget.param.update(value=_display(self._shown, self._scenes), selection=[])
        finally:
            self._is_moving = False
        self.select(*self._marked)

    def _clicked(self, event: Any) -> None:
        if not self._is_moving and event.new:
            row = self._shown.iloc[event.new[0]]
            self._marked = (row["units_a"], row["units_b"])
            self._picked(row["units_a"], row["units_b"])


def _names(scene: Scene, units: tuple[int, ...]) -> str:
    named = ", ".join(map(str, scene.ids(units[:MAX_NAMED])))
    return f"{named} …" if len(units) > MAX_NAMED else named


def _display(table: pd.DataFrame, scenes: tuple[Scene, Scene] | None) -> pd.DataFrame:
    """Return the table as the page has it: ids as text, depth and region of the first unit."""
    depths, regions = np.full(len(table), np.nan), [""] * len(table)
    names: list[list[str]] = [[], []]
    if scenes is not None:
        names = [
            [_names(scene, units) for units in table[side]]
            for scene, side in zip(scenes, ("units_a", "units_b"), strict=True)
        ]
        for place, (units_a, units_b) in enumerate(zip(table["units_a"], table["units_b"], strict=True)):
            scene, unit = (scenes[0], units_a[0]) if units_a else (scenes[1], units_b[0])
            depths[place] = scene.unit_depths[unit]
            regions[place] = scene.region_names(np.array([unit]))[0].replace(UNKNOWN, "")
    return pd.DataFrame(
        {
            "kind": table["kind"].astype(str).to_numpy(dtype=object),
            "a": np.array(names[0], dtype=object),
            "b": np.array(names[1], dtype=object),
            "score": table["score"].to_numpy(dtype=np.float64),
            "depth": depths,
            "region": np.array(regions, dtype=object),
            "n_shared": table["n_shared"].to_numpy(dtype=np.int64),
            "n_a": table["n_a"].to_numpy(dtype=np.int64),
            "n_b": table["n_b"].to_numpy(dtype=np.int64),
        }
    )
