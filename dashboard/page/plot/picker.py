"""Pointing at the raster: what is under the cursor, a click picks a unit, a box picks many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.events import SelectionGeometry, Tap

from dashboard.engine.count.queries import spikes_in
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.page.core.bokeh_figures import inner_size
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import UNMEASURED
from dashboard.page.core.scene import Scene
from dashboard.page.core.sent import finite
from dashboard.page.core.state import ViewState
from dashboard.page.plot import cursor
from dashboard.page.plot.clicks import Clicks
from dashboard.page.plot.heatmap import HeatmapView
from dashboard.page.plot.raster import RasterView


class UnitPicker:
    """Joins the mouse on raster and heatmap to the selection and the read-out.

    Parameters
    ----------
    state : ViewState
    raster, heatmap : RasterView, HeatmapView or None
    queue : DocumentQueue
    show : callable (str) -> None
        Takes the read-out as HTML, empty when the mouse has left.
    """

    def __init__(
        self,
        state: ViewState,
        raster: RasterView,
        heatmap: HeatmapView | None,
        queue: DocumentQueue,
        show: Callable[[str], None],
    ) -> None:
        self._state = state
        self._raster = raster
        self._heatmap = heatmap
        self._show = show
        self._scene: Scene | None = None
        self._cursor = cursor.cursor_source()
        self._cursor.on_change("data", self._moved)
        views: list[tuple[RasterView | HeatmapView, str]] = [(raster, "raster")]
        if heatmap is not None:
            views.append((heatmap, "heatmap"))
        clicks = Clicks(state, queue, self._clicked)
        for view, name in views:
            cursor.follow(view.figure, self._cursor, name)
            clicks.follow(view.figure)
        raster.figure.on_event(SelectionGeometry, self._boxed)

    def open(self, scene: Scene) -> None:
        """Point at another insertion, or at the same one through other filters."""
        self._scene = scene

    def leave(self) -> None:
        """Point at nothing."""
        self._scene = None

    def _unit(self, time_s: float, depth_um: float, plot: Any) -> int | None:
        state = self._state
        if self._scene is None or state.time_range is None or state.depth_range is None:
            return None
        around = cursor.reach(state.time_range, state.depth_range, *inner_size(plot, UNMEASURED))
        return cursor.nearest_unit(self._scene, time_s, depth_um, around)

    def _clicked(self, event: Tap) -> list[UnitId] | None:
        if self._scene is None:
            return None
        unit = self._unit(float(event.x), float(event.y), event.model)
        return [] if unit is None else self._scene.ids([unit])

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        at = cursor.place(new)
        if self._scene is None or at is None:
            self._show("")
            return
        time_s, depth_um, on = at
        view = self._raster if on == "raster" else self._heatmap
        if view is None or view.picture is None:
            return
        unit = self._unit(time_s, depth_um, view.figure)
        self._show(cursor.describe(self._scene, view.picture.aggregate, time_s, depth_um, unit))

    def _boxed(self, event: SelectionGeometry) -> None:
        geometry = event.geometry
        if self._scene is None or not event.final or geometry.get("type") != "rect":
            return
        scene, sides = self._scene, finite(*map(geometry.get, ("x0", "x1", "y0", "y1")))
        if sides is None or not (sides[0] < sides[1] and sides[2] < sides[3]):
            return
        rows = spikes_in(scene.columns, (sides[0], sides[1]), (sides[2], sides[3]), kept=scene.kept)
        units = np.unique(np.asarray(scene.columns.clusters[rows])) if rows is not None else np.zeros(0, np.int64)
        self._state.selected = scene.ids(units)
        n_spikes = 0 if rows is None else len(rows)
        self._show(f"box: {counted(n_spikes, 'spike')} of {counted(len(units), 'unit')} selected")
