"""The raster: every spike of the window, re-aggregated whenever the window or the picture changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    BoxSelectTool,
    BoxZoomTool,
    ColumnDataSource,
    HoverTool,
    LinearColorMapper,
    PanTool,
)

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from dashboard.model.errors import DashboardError
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import inner_size, navigable, time_ticks
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.scene import Scene, drawn_kind
from dashboard.page.core.state import ViewState
from dashboard.page.plot.overlay import NOWHERE, draw_overlay

logger = logging.getLogger(__name__)

MAX_MARKS = 4_000
"""Spikes in view up to which each is drawn as a mark that tells its own values."""

UNMEASURED, MIN_PIXELS, MAX_PIXELS = (800, 450), 64, 4_096
"""Size of a frame that the browser has not laid out yet; bounds of an image side, whatever a browser reports."""


@dataclass(frozen=True, slots=True)
class RasterRequest:
    """One picture that was asked for.

    Attributes
    ----------
    selected : tuple of int
        Indexes of units.
    ranks : tuple of int
        Place among the selection's colours of each selected unit; empty: in their order.
    before : RasterPicture or None
        A picture of the same aggregate, which need not be counted again.
    """

    scene: Scene
    time_range: tuple[float, float]
    depth_range: tuple[float, float]
    width: int
    height: int
    color: str
    scale: str
    limits: tuple[float, float] | None
    selected: tuple[int, ...]
    ranks: tuple[int, ...] = ()
    before: RasterPicture | None = None

    @property
    def is_aside(self) -> bool:
        """Whether clusters stand aside in grey for the selected ones in their colours."""
        return self.kind != self.color

    @property
    def kind(self) -> str:
        """What is aggregated: where clusters stand aside, how many spikes there are."""
        return drawn_kind(self.color, self.selected)

    def counts_as(self, other: RasterRequest) -> bool:
        """Whether the same spikes are counted in the same pixels: only scale, limits or selection differ."""
        return self.scene is other.scene and self._pixels == other._pixels

    @property
    def _pixels(self) -> tuple[object, ...]:
        return self.time_range, self.depth_range, self.width, self.height, self.kind


@dataclass(frozen=True, slots=True, eq=False)
class RasterPicture:
    """What a render gives: levels or colours, marks when few, and what it cost.

    Attributes
    ----------
    is_aside : bool
        Whether counts are to be in greys, for the selected units to stand out in their colours.
    """

    aggregate: Aggregate
    levels: shading.Levels | None
    rgba: npt.NDArray[np.uint32] | None
    marks: dict[str, npt.NDArray[np.generic] | list[str]] | None
    overlay: npt.NDArray[np.uint32] | None
    overlay_extent: tuple[float, float, float, float]
    limits: tuple[float, float]
    n_in_view: int
    n_hidden: int
    render_ms: float
    is_aside: bool = False

    def looks_as(self, limits: tuple[float, float], scale: str) -> bool:
        """Whether the same counts look the same with these limits and this scale."""
        return self.levels is None or (self.limits == limits and self.levels.scale == scale)


def extent(picture: Aggregate) -> tuple[float, float, float, float]:
    """Return x, y, width, height of an aggregate in s and um, as Bokeh places an image."""
    times, depths = picture.time_edges_s, picture.depth_edges_um
    return (
        float(times[0]),
        float(depths[0]),
        float(times[-1] - times[0]),
        float(depths[-1] - depths[0]),
    )


def narrowed(counted: Aggregate) -> Aggregate:
    """Return counts in the narrowest type that holds them: a session keeps its picture for as long as it shows it."""
    if counted.values.dtype.kind != "u" or counted.values.dtype == np.uint8:
        return counted
    return replace(counted, values=counted.values.astype(np.min_scalar_type(int(counted.values.max(initial=0)))))


def render(request: RasterRequest, cancel: threading.Event) -> RasterPicture:
    """Draw a request; pure apart from the clock."""
    started = time.perf_counter()
    scene, kind = request.scene, request.kind
    before = request.before
    if before is None:
        counted, n_in_view = _count(request, cancel)
    else:
        counted, n_in_view = before.aggregate, before.n_in_view
    limits = request.limits or scene.limits(kind)
    if before is not None and before.looks_as(limits, request.scale):
        levels, rgba = before.levels, before.rgba  # they need not be sent again either
    elif (categories := scene.categories(kind)) is not None:
        levels, rgba = None, shading.categorical(counted.values, categories.colours)
    else:
        levels, rgba = shading.shade(counted, limits, request.scale, spread=shading.needs_spread(counted)), None
    marks = _marks(request, n_in_view) if n_in_view <= MAX_MARKS else None
    overlay, overlay_extent = None, NOWHERE
    if request.selected:
        size = (request.width, request.height)
        overlay, overlay_extent = draw_overlay(
            scene, request.selected, request.ranks, request.time_range, request.depth_range, size
        )
    counted = narrowed(counted)
    elapsed_ms, hidden = (time.perf_counter() - started) * 1e3, 0 if n_in_view else _hidden(request)
    return RasterPicture(
        counted, levels, rgba, marks, overlay, overlay_extent, limits, n_in_view, hidden, elapsed_ms, request.is_aside
    )


def _count(request: RasterRequest, cancel: threading.Event) -> tuple[Aggregate, int]:
    """Return the aggregate of a request, and how many spikes are exactly in its window."""
    scene, categories = request.scene, request.scene.categories(request.kind)
    counted = aggregate(
        scene.columns,
        request.time_range,
        request.depth_range,
        request.width,
        request.height,
        request.kind,
        kept=scene.kept,
        categories=None if categories is None else categories.of_cluster,
        snap=True,
        cancel=cancel,
    )
    n_in_view = count_in(scene.columns, request.time_range, request.depth_range, kept=scene.kept)
    return counted, n_in_view


def _hidden(request: RasterRequest) -> int:
    """Return how many spikes of the window the filters hide; asked only where none is left."""
    scene = request.scene
    if scene.kept.everything:
        return 0
    return count_in(scene.columns, request.time_range, request.depth_range)


def _marks(request: RasterRequest, n_in_view: int) -> dict[str, npt.NDArray[np.generic] | list[str]]:
    scene, columns = request.scene, request.scene.columns
    rows = spikes_in(columns, request.time_range, request.depth_range, kept=scene.kept)
    assert rows is not None, "no limit was given"
    clusters = np.asarray(columns.clusters[rows]).astype(np.int32)
    amplitudes = scene.amplitude_texts(rows)
    return {
        "time": np.asarray(columns.times_s[rows]),
        "depth": np.asarray(columns.depths_um[rows], dtype=np.float64),
        "cluster": scene.names(clusters),
        "amplitude": amplitudes,
        "region": scene.region_names(clusters),
        "colour": scene.mark_colours(clusters, request.color, request.selected, request.ranks),
    }


class RasterView:
    """The raster figure and what feeds it.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    pool : ThreadPoolExecutor
    drawn : callable (RasterPicture) -> None
        Told of every picture that reached the browser, for the status line and the colour bar.
    failed : callable (DashboardError) -> None
    name : str
        Of the figure's model, and the start of its sources' names.

    Attributes
    ----------
    ranks : dict of int to int
        Place among the selection's colours of selected units by index; those that are absent stand in their order.
    """

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        drawn: Callable[[RasterPicture], None],
        failed: Callable[[DashboardError], None],
        name: str = "raster",
    ) -> None:
        self._state = state
        self._name = name
        self.ranks: dict[int, int] = {}
        self._drawn = drawn
        self._scene: Scene | None = None
        self.picture: RasterPicture | None = None
        self._shown: RasterRequest | None = None
        self.pixel_ratio = 1.0
        self.figure = navigable(
            axes.time,
            axes.depth,
            axes.time_limits,
            axes.depth_limits,
            name=name,
            x_axis_label="Time (s)",
            y_axis_label="Depth along probe (µm)",
        )
        self.figure.xaxis.formatter = time_ticks()
        self._make_renderers()
        self._make_tools()
        self._loop: RenderLoop[RasterRequest, RasterPicture] = RenderLoop(queue, pool, render, self._apply, failed)
        state.param.watch(self._request, ["time_range", "depth_range", "color", "scale", "limits", "selected", "show"])
        state.param.watch(self._recolour, ["cmap", "dark"])
        self.figure.on_change("inner_width", self._resized)
        self.figure.on_change("inner_height", self._resized)

    def _make_renderers(self) -> None:
        self.mapper = LinearColorMapper(
            palette=list(shading.palette("binary", dark=False)), low=1, high=TOP_LEVEL, low_color="#00000000"
        )
        empty = np.zeros((1, 1), np.uint8)
        place = {"x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        self.image = ColumnDataSource({"image": [empty], **place}, name=f"{self._name}-image")
        self._image = self.figure.image(
            "image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper, level="image"
        )
        clear = np.zeros((1, 1), np.uint32)
        self.colours = ColumnDataSource({"image": [clear], **place}, name=f"{self._name}-colours")
        self._colours = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.colours, level="image")
        self._colours.visible = False
        self.marks = ColumnDataSource(
            {name: [] for name in ("time", "depth", "cluster", "amplitude", "region", "colour")},
            name=f"{self._name}-marks",
        )
        self._marks = self.figure.scatter(
            "time", "depth", source=self.marks, marker="square", size=4, fill_color="colour", line_color=None
        )
        self._marks.nonselection_glyph = None
        self.overlay = ColumnDataSource({"image": [clear], **place}, name=f"{self._name}-overlay")
        self._overlay = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.overlay)
        self._overlay.visible = False

    def _make_tools(self) -> None:
        self.pan = PanTool()
        self.box_zoom = BoxZoomTool()
        self.box_select = BoxSelectTool(persistent=False, continuous=False)
        hover = HoverTool(
            renderers=[self._marks],
            tooltips=[
                ("time", "@time{0.000000} s"),
                ("depth", "@depth{0.0} µm"),
                ("unit", "@cluster"),
                ("amplitude", "@amplitude"),
                ("region", "@region"),
            ],
        )
        self.figure.add_tools(self.pan, self.box_zoom, self.box_select, hover)
        self.figure.toolbar.active_drag = self.pan
        self._state.param.watch(self._change_mode, "mode")

    def _change_mode(self, event: object) -> None:
        tools = {"pan": self.pan, "zoom": self.box_zoom, "select": self.box_select}
        self.figure.toolbar.active_drag = tools[self._state.mode]

    def open(self, scene: Scene) -> None:
        """Draw another insertion, or the same one through other filters."""
        self._loop.cancel()
        self._scene = scene
        self._request()

    def leave(self) -> None:
        """Let go of what is drawn: nothing here keeps its insertion alive."""
        self._loop.cancel()
        self._scene = self.picture = self._shown = None

    def auto_limits(self) -> None:
        """Fit the colour limits to what is in view, once."""
        if self.picture is not None:
            self._state.limits = shading.default_limits(self.picture.aggregate)

    def draw_now(self) -> None:
        """Draw at once what was asked for."""
        self._loop.draw_now()

    def close(self) -> None:
        """Stop rendering."""
        self._loop.close()

    def _resized(self, attribute: str, old: int | None, new: int | None) -> None:
        self._request()

    def _request(self, *events: object) -> None:
        state = self._state
        if self._scene is None or state.time_range is None or state.depth_range is None or not state.shows("raster"):
            return
        selected = self._scene.indexes(state.selected)
        request = RasterRequest(
            self._scene,
            state.time_range,
            state.depth_range,
            *self._pixels(),
            state.color,
            state.scale,
            state.limits,
            selected,
            tuple(self.ranks.get(unit, place) for place, unit in enumerate(selected)) if self.ranks else (),
        )
        if self._shown is not None and request.counts_as(self._shown):
            request = replace(request, before=self.picture)
        self._loop.request(request)

    def _pixels(self) -> tuple[int, int]:
        width, height = np.clip(
            np.array(inner_size(self.figure, UNMEASURED)) * self.pixel_ratio, MIN_PIXELS, MAX_PIXELS
        ).astype(int)
        return int(width), int(height)

    def _apply(self, request: RasterRequest, picture: RasterPicture) -> None:
        if request.scene is not self._scene:
            return
        x, y, width, height = extent(picture.aggregate)
        place = {"x": [x], "y": [y], "dw": [width], "dh": [height]}
        has_marks = picture.marks is not None
        before = self.picture
        if picture.levels is not None and not has_marks and (before is None or picture.levels is not before.levels):
            self.image.data = {"image": [picture.levels.image], **place}
        if picture.rgba is not None and not has_marks and (before is None or picture.rgba is not before.rgba):
            self.colours.data = {"image": [picture.rgba], **place}
        if picture.marks is not None:
            self.marks.data = picture.marks
        self._image.visible = picture.levels is not None and not has_marks
        self._colours.visible = picture.rgba is not None and not has_marks
        self._marks.visible = has_marks
        if picture.overlay is not None:
            x, y, width, height = picture.overlay_extent
            self.overlay.data = {"image": [picture.overlay], "x": [x], "y": [y], "dw": [width], "dh": [height]}
        self._overlay.visible = picture.overlay is not None
        # Without the request's own picture before, or every picture would be kept for good.
        self.picture, self._shown = picture, replace(request, before=None)
        self._follow_palette()
        self._drawn(picture)

    def _follow_palette(self) -> None:
        is_aside = self.picture is not None and self.picture.is_aside
        self.mapper.palette = list(shading.palette(self._state.cmap, dark=self._state.dark, is_aside=is_aside))

    def _recolour(self, *events: object) -> None:
        self._follow_palette()
        if self.marks.data["time"] is not None:
            self._request()
