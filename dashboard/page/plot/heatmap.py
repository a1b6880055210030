"""Firing rate over time and depth, in bins that the user chooses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from bokeh.models import BoxZoomTool, ColumnDataSource, LinearColorMapper, PanTool

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.model.errors import DashboardError
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import inner_size, navigable, time_ticks
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot.raster import MAX_PIXELS, MIN_PIXELS, UNMEASURED, extent


@dataclass(frozen=True, slots=True)
class HeatmapRequest:
    """One heatmap that was asked for."""

    scene: Scene
    time_range: tuple[float, float]
    depth_range: tuple[float, float]
    time_bin_s: float
    depth_bin_um: float
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapPicture:
    """Levels of a heatmap, the rates behind them and how many chosen bins one drawn bin holds."""

    aggregate: Aggregate
    levels: shading.Levels
    merged: tuple[int, int]
    render_ms: float


def merge_factor(span: float, bin_size: float, pixels: int) -> int:
    """Return how many bins share a pixel, at least 1.

    The mean rate of that many bins is the rate of the merged bin, so nothing is left out.
    """
    return max(1, int(np.ceil(span / bin_size / max(pixels, 1))))


def render(request: HeatmapRequest, cancel: threading.Event) -> HeatmapPicture:
    """Draw a request; pure apart from the clock."""
    started = time.perf_counter()
    scene = request.scene
    (t0, t1), (d0, d1) = request.time_range, request.depth_range
    merge_t = merge_factor(t1 - t0, request.time_bin_s, request.width)
    merge_d = merge_factor(d1 - d0, request.depth_bin_um, request.height)
    time_bin, depth_bin = request.time_bin_s * merge_t, request.depth_bin_um * merge_d
    # Bins keep their place while the window moves: they are counted from zero.
    t0, d0 = np.floor(t0 / time_bin) * time_bin, np.floor(d0 / depth_bin) * depth_bin
    rates = firing_rate(
        scene.columns,
        time_bin,
        depth_bin,
        (float(t0), float(t1)),
        (float(d0), float(d1)),
        kept=scene.kept,
    )
    low, high = scene.rate_limits(request.depth_bin_um)
    unit = (rates.values.astype(np.float32) / merge_d - np.float32(low)) / np.float32(max(high - low, 1e-9))
    image = (np.clip(unit, 0, 1) * np.float32(TOP_LEVEL)).astype(np.uint8)
    levels = shading.Levels(image, low, high, "linear")
    return HeatmapPicture(rates, levels, (merge_t, merge_d), (time.perf_counter() - started) * 1e3)


class HeatmapView:
    """The heatmap figure, on the axes of the raster."""

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        drawn: Callable[[HeatmapPicture], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._state = state
        self._drawn = drawn
        self._scene: Scene | None = None
        self.picture: HeatmapPicture | None = None
        self.figure = navigable(
            axes.time,
            axes.depth,
            axes.time_limits,
            axes.depth_limits,
            name="heatmap",
            x_axis_label="Time (s)",
            y_axis_label="Depth (µm)",
        )
        self.figure.xaxis.formatter = time_ticks()
        self.mapper = LinearColorMapper(palette=list(shading.palette("binary", dark=False)), low=0, high=255)
        self.image = ColumnDataSource(
            {"image": [np.zeros((1, 1), np.uint8)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        )
        self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper)
        self.pan, self.box_zoom = PanTool(), BoxZoomTool()
        self.figure.add_tools(self.pan, self.box_zoom)
        self.figure.toolbar.active_drag = self.pan
        self._loop: RenderLoop[HeatmapRequest, HeatmapPicture] = RenderLoop(queue, pool, render, self._apply, failed)
        state.param.watch(self._request, ["time_range", "depth_range", "time_bin_s", "depth_bin_um", "show"])
        state.param.watch(self._recolour, ["cmap", "dark"])
        state.param.watch(self._change_mode, "mode")
        self.figure.on_change("inner_width", self._resized)
        self.figure.on_change("inner_height", self._resized)

    def open(self, scene: Scene) -> None:
        """Draw another insertion, or the same one through other filters."""
        self._loop.cancel()
        self._scene = scene
        self._request()

    def draw_now(self) -> None:
        """Draw at once what was asked for."""
        self._loop.draw_now()

    def close(self) -> None:
        """Stop rendering."""
        self._loop.close()

    def _resized(self, attribute: str, old: int | None, new: int | None) -> None:
        self._request()

    def _change_mode(self, event: object) -> None:
        self.figure.toolbar.active_drag = self.box_zoom if self._state.mode == "zoom" else self.pan

    def _request(self, *events: object) -> None:
        state = self._state
        if self._scene is None or state.time_range is None or state.depth_range is None or not state.shows("heatmap"):
            return
        self._loop.request(
            HeatmapRequest(
                self._scene,
                state.time_range,
                state.depth_range,
                state.time_bin_s,
                state.depth_bin_um,
                *np.clip(inner_size(self.figure, UNMEASURED), MIN_PIXELS, MAX_PIXELS).tolist(),
            )
        )

    def _apply(self, request: HeatmapRequest, picture: HeatmapPicture) -> None:
        if request.scene is not self._scene:
            return
        x, y, width, height = extent(picture.aggregate)
        self.image.data = {"image": [picture.levels.image], "x": [x], "y": [y], "dw": [width], "dh": [height]}
        self.picture = picture
        self._drawn(picture)

    def _recolour(self, *events: object) -> None:
        self.mapper.palette = list(shading.palette(self._state.cmap, dark=self._state.dark))
        if self._scene is not None and self.picture is not None:
            self._drawn(self.picture)  # for the colour bar
