"""Pointing at the raster: what is under the cursor, a click picks a unit, a box picks many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.events import DoubleTap, SelectionGeometry, Tap
from tornado.ioloop import IOLoop

from dashboard.compute.queries import spikes_in
from dashboard.views import cursor
from dashboard.views.figures import inner_size
from dashboard.views.heatmap import HeatmapView
from dashboard.views.raster import UNMEASURED, RasterView
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState
from dashboard.views.turns import Turns

DOUBLE_CLICK_S = 0.28
"""A click waits this long to see whether it is the first half of a double click, which resets."""


class Picking:
    """Joins the mouse on raster and heatmap to the selection and the read-out.

    Parameters
    ----------
    state : ViewState
    raster, heatmap : RasterView, HeatmapView or None
    turns : Turns
    show : callable (str) -> None
        Takes the read-out as HTML, empty when the mouse has left.
    """

    def __init__(
        self,
        state: ViewState,
        raster: RasterView,
        heatmap: HeatmapView | None,
        turns: Turns,
        show: Callable[[str], None],
    ) -> None:
        self._state = state
        self._raster = raster
        self._heatmap = heatmap
        self._turns = turns
        self._show = show
        self._scene: Scene | None = None
        self._click: object | None = None
        self._cursor = cursor.cursor_source()
        self._cursor.on_change("data", self._moved)
        views: list[tuple[RasterView | HeatmapView, str]] = [(raster, "raster")]
        if heatmap is not None:
            views.append((heatmap, "heatmap"))
        for view, name in views:
            cursor.follow(view.figure, self._cursor, name)
            view.figure.on_event(Tap, self._tapped)
            view.figure.on_event(DoubleTap, self._double_tapped)
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

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        if self._scene is None or not new["x"] or new["x"][0] is None or new["y"][0] is None:
            self._show("")
            return
        time_s, depth_um = float(new["x"][0]), float(new["y"][0])
        view = self._raster if new["on"][0] == "raster" else self._heatmap
        if view is None or view.picture is None:
            return
        unit = self._unit(time_s, depth_um, view.figure)
        self._show(cursor.describe(self._scene, view.picture.aggregate, time_s, depth_um, unit))

    def _tapped(self, event: Tap) -> None:
        if self._scene is None or event.x is None or event.y is None:
            return
        unit = self._unit(float(event.x), float(event.y), event.model)
        adds = bool(event.modifiers and (event.modifiers.get("shift") or event.modifiers.get("ctrl")))
        self._click = click = object()
        IOLoop.current().call_later(DOUBLE_CLICK_S, lambda: self._turns.later(lambda: self._pick(click, unit, adds)))

    def _double_tapped(self, event: DoubleTap) -> None:
        self._click = None

    def _pick(self, click: object, unit: int | None, adds: bool) -> None:
        if click is not self._click:
            return
        chosen = [] if unit is None else [unit]
        if adds:
            kept = [cluster for cluster in self._state.selected if cluster != unit]
            # A second click with the key held takes the unit out again.
            chosen = kept if unit in self._state.selected else kept + chosen
        self._state.selected = chosen

    def _boxed(self, event: SelectionGeometry) -> None:
        geometry = event.geometry
        if self._scene is None or not event.final or geometry.get("type") != "rect":
            return
        scene = self._scene
        rows = spikes_in(
            scene.columns,
            (float(geometry["x0"]), float(geometry["x1"])),
            (float(geometry["y0"]), float(geometry["y1"])),
            clusters=scene.mask,
            amp_range_uv=scene.amp_range_uv,
        )
        units = np.unique(np.asarray(scene.columns.clusters[rows])) if rows is not None else np.zeros(0, np.int64)
        self._state.selected = [int(unit) for unit in units]
        n_spikes = 0 if rows is None else len(rows)
        self._show(f"box: {n_spikes:,} spikes of {len(units):,} units selected")
