"""The raster: every spike of the window, re-aggregated whenever the window or the picture changes."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool, LinearColorMapper

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import DashboardError
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import scale_bars
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import NOWHERE, Extent, LiveImage, extent
from dashboard.page.core.scene import Scene, drawn_kind
from dashboard.page.core.state import ViewState
from dashboard.page.plot.ink import follow_theme
from dashboard.page.plot.overlay import draw_overlay

logger = logging.getLogger(__name__)

SAME_SPAN = 1e-6
"""A window's length wavers by rounding while it is moved along."""

MARGIN = 0.2
"""Share of the window that is drawn on each side while it is moved along: what comes into view is there already."""

NEAR = 0.1
"""Where less than this share of the window is left beside it, it is drawn anew, before the hand comes to the end."""

MAX_MARKS = 4_000
"""Spikes in view up to which each is drawn as a mark that tells its own values."""


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
        A picture that holds the window in bins of the same size, which need not be counted again.
    margin : float
        Share of the window that is drawn on each side besides, as far as there are spikes.
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
    margin: float = 0.0

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

    def pans(self, other: RasterRequest) -> bool:
        """Whether the window has only been moved along: bins of the same size, other spikes."""
        windows = ((self.time_range, other.time_range), (self.depth_range, other.depth_range))
        return (
            self.scene is other.scene
            and self.kind == other.kind
            and not self.shows(other)
            and all(math.isclose(new[1] - new[0], old[1] - old[0], rel_tol=SAME_SPAN) for new, old in windows)
        )

    def is_inside(self, picture: RasterPicture) -> bool:
        """Whether a picture holds the window, and as much beside it as a hand moves until the next one is there."""
        x, y, width, height = extent(picture.aggregate)
        columns = self.scene.columns
        (t0, t1), _ = _widened(self.time_range, 1, NEAR, columns.time_range_s)
        (d0, d1), _ = _widened(self.depth_range, 1, NEAR, columns.depth_range_um)
        return x <= t0 and t1 <= x + width and y <= d0 and d1 <= y + height

    def shows(self, other: RasterRequest) -> bool:
        """Whether the window is the same, in as many pixels or others."""
        return (self.time_range, self.depth_range) == (other.time_range, other.depth_range)

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
    overlay_extent: Extent
    limits: tuple[float, float]
    n_in_view: int
    n_hidden: int
    render_ms: float
    is_aside: bool = False

    @property
    def image(self) -> npt.NDArray[np.uint8] | None:
        """The levels' image; None where there are none."""
        return None if self.levels is None else self.levels.image

    def looks_like(self, other: RasterPicture) -> bool:
        """Whether the image is that of another picture, and not only equal to it."""
        return self.image is other.image and self.rgba is other.rgba

    def looks_as(self, limits: tuple[float, float], scale: str) -> bool:
        """Whether the same counts look the same with these limits and this scale."""
        return self.levels is None or (self.limits == limits and self.levels.scale == scale)


def _equal(image: npt.NDArray[Any] | None, old: npt.NDArray[Any] | None) -> bool:
    return image is not None and old is not None and np.array_equal(image, old)


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
    counted = _count(request, cancel) if before is None else before.aggregate
    n_in_view = count_in(scene.columns, request.time_range, request.depth_range, kept=scene.kept)
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


def _widened(
    window: tuple[float, float], pixels: int, margin: float, limits: tuple[float, float]
) -> tuple[tuple[float, float], int]:
    """Return a window with its margins, as far as there are spikes, and the pixels that it then has."""
    start, end = window
    room = margin * (end - start)
    wide = min(start, max(start - room, limits[0])), max(end, min(end + room, limits[1]))
    return wide, round(pixels * (wide[1] - wide[0]) / (end - start))


def _count(request: RasterRequest, cancel: threading.Event) -> Aggregate:
    """Return the aggregate of a request."""
    scene, categories = request.scene, request.scene.categories(request.kind)
    columns, margin = scene.columns, request.margin
    times, width = _widened(request.time_range, request.width, margin, columns.time_range_s)
    depths, height = _widened(request.depth_range, request.height, margin, columns.depth_range_um)
    return aggregate(
        columns,
        times,
        depths,
        width,
        height,
        request.kind,
        kept=scene.kept,
        categories=None if categories is None else categories.of_cluster,
        snap=True,
        cancel=cancel,
    )


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


class RasterView(LiveImage[Scene, RasterRequest, RasterPicture]):
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

    title = "The raster"

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
        follows = ["time_range", "depth_range", "color", "scale", "limits", "selected", "show"]
        super().__init__(state, queue, pool, render, failed, follows=follows)
        self.ranks: dict[int, int] = {}
        self._colouring: tuple[Sequence[str], str] | None = None
        self._drawn = drawn
        self._shown: RasterRequest | None = None
        hover = HoverTool(
            tooltips=[
                ("time", "@time{0.000000} s"),
                ("depth", "@depth{0.0} µm"),
                ("unit", "@cluster"),
                ("amplitude", "@amplitude"),
                ("region", "@region"),
            ],
        )
        box_select = BoxSelectTool(persistent=False, continuous=False)
        self._make_figure(axes, name, "Depth along probe (µm)", hover, select=box_select)
        self._make_renderers()
        bars = scale_bars(axes.time, axes.depth)
        for bar in bars:
            self.figure.add_layout(bar)
        follow_theme(state, *bars)
        hover.renderers = [self._marks]

    def _make_renderers(self) -> None:
        self.mapper = LinearColorMapper(
            palette=list(shading.palette("binary", dark=False)), low=1, high=TOP_LEVEL, low_color="#00000000"
        )
        self.image, self.colours = self._source("image"), self._source("colours", np.uint32)
        self.overlay = self._source("overlay", np.uint32)
        self._image = self.figure.image(
            "image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper, level="image"
        )
        self._colours = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.colours, level="image")
        self._colours.visible = False
        self.marks = ColumnDataSource(
            {name: [] for name in ("time", "depth", "cluster", "amplitude", "region", "colour")},
            name=f"{self.figure.name}-marks",
        )
        self._marks = self.figure.scatter(
            "time", "depth", source=self.marks, marker="square", size=4, fill_color="colour", line_color=None
        )
        self._marks.nonselection_glyph = None
        self._overlay = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.overlay)
        self._overlay.visible = False

    def leave(self) -> None:  # noqa: D102 - as the live image says
        super().leave()
        self._shown = None

    def auto_limits(self) -> None:
        """Fit the colour limits to what is in view, once."""
        if self._shown is not None:
            in_view = _count(replace(self._shown, margin=0.0), threading.Event())
            self._state.limits = shading.default_limits(in_view)

    def _asked(self, scene: Scene) -> RasterRequest | None:
        state = self._state
        if state.time_range is None or state.depth_range is None or not state.shows("raster"):
            return None
        selected = scene.indexes(state.selected)
        request = RasterRequest(
            scene,
            state.time_range,
            state.depth_range,
            *self._pixels(),
            state.color,
            state.scale,
            state.limits,
            selected,
            tuple(self.ranks.get(unit, place) for place, unit in enumerate(selected)) if self.ranks else (),
        )
        if self._shown is None or self.picture is None:
            return request
        if request.pans(self._shown):
            request = replace(request, margin=MARGIN)
            is_there = self.coarser == 1 and request.is_inside(self.picture)
        else:
            if request.shows(self._shown):
                request = replace(request, margin=self._shown.margin)
            is_there = request.counts_as(self._shown)
        return replace(request, before=self.picture) if is_there else request

    def _is_kept(self, request: RasterRequest) -> bool:
        return request.before is not None

    @staticmethod
    def _images(request: RasterRequest, picture: RasterPicture) -> Sequence[npt.NDArray[Any] | None]:
        if picture.marks is not None:
            return (picture.overlay,)
        if request.before is not None and picture.looks_like(request.before):
            return (picture.overlay,)
        return (picture.image, picture.rgba, picture.overlay)

    def _show(self, request: RasterRequest, picture: RasterPicture) -> None:
        where = extent(picture.aggregate)
        has_marks = picture.marks is not None
        before, is_same_window = self.picture, self._shown is not None and request.shows(self._shown)
        for source, image, old in (
            (self.image, picture.image, None if before is None else before.image),
            (self.colours, picture.rgba, None if before is None else before.rgba),
        ):
            is_there = image is old or (is_same_window and _equal(image, old))
            if image is not None and not has_marks and not is_there:
                source.data = self._placed(image, where)
        if picture.marks is not None:
            self.marks.data = picture.marks
        self._image.visible = picture.levels is not None and not has_marks
        self._colours.visible = picture.rgba is not None and not has_marks
        self._marks.visible = has_marks
        if picture.overlay is not None:
            self.overlay.data = self._placed(picture.overlay, picture.overlay_extent)
        self._overlay.visible = picture.overlay is not None
        # Without the request's own picture before, or every picture would be kept for good.
        self.picture, self._shown = picture, replace(request, before=None)
        self._follow_palette()
        self._drawn(picture)

    def _follow_palette(self) -> None:
        is_aside = self.picture is not None and self.picture.is_aside
        colours = shading.palette(self._state.cmap, dark=self._state.dark, is_aside=is_aside)
        # Where nothing is counted the picture has the colour of zero, which any count then differs from.
        kind = self.picture.aggregate.kind if self.picture is not None else "count"
        low_color = colours[0] if AGGREGATES[kind].zero_is_empty else "#00000000"
        if (colours, low_color) != self._colouring:  # Bokeh looks at every colour, 2 ms at each picture
            self._colouring = colours, low_color
            self.mapper.update(palette=list(colours), low_color=low_color)

    def _recolour(self, *events: object) -> None:
        self._follow_palette()
        if self.marks.data["time"] is not None:
            self._request()
