"""The raster with a row for each unit, in order of depth: stands in for raster and heatmap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
from bokeh.events import SelectionGeometry, Tap
from bokeh.models import (
    BasicTicker,
    BoxSelectTool,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
)

from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.engine.count.unit_raster import unit_raster
from dashboard.model.errors import DashboardError
from dashboard.model.texts import counted
from dashboard.model.unit_ids import UnitId
from dashboard.page.core import shading
from dashboard.page.core.assets import asset
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import LiveImage, extent
from dashboard.page.core.scene import Scene
from dashboard.page.core.sent import finite
from dashboard.page.core.sizes import AXIS_PX
from dashboard.page.core.state import ViewState
from dashboard.page.plot import cursor, texts
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.clicks import Clicks
from dashboard.page.plot.unit_margin import UnitMargin
from dashboard.page.plot.unit_rows import (
    RowsPicture,
    RowsRequest,
    describe,
    raster_kind,
    render_rows,
    rows_in_view,
    title,
)

SHOWN = "clusters"
"""Word of ``show`` for this view."""


class UnitRaster(LiveImage[Scene, RowsRequest, RowsPicture]):
    """The figure and what feeds it; both are made when they are first asked for.

    Parameters
    ----------
    state : ViewState
    axes : Axes
        Whose time axis it shares.
    pool : ThreadPoolExecutor
    queue : DocumentQueue
    centre : Centre
        In which it stands, and whose colour bar, status line and read-out it writes while it is shown.
    drawn : callable ((float, float) or None, (float, float)) -> None
        Told of every picture that is on its way to the browser: the default limits, None where it has none, and those
        it has, both as the raster has them.
    failed : callable (DashboardError) -> None

    Attributes
    ----------
    picture : RowsPicture or None
        What is shown.
    rows : Range1d
        Rows in view, counted from the tip.
    """

    title = "The raster of units"

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        centre: Centre,
        drawn: Callable[[tuple[float, float] | None, tuple[float, float]], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        follows = ["time_range", "rows", "color", "scale", "limits", "selected", "show"]
        super().__init__(state, queue, pool, render_rows, failed, follows=follows)
        self._axes, self._centre, self._drawn = axes, centre, drawn
        self._is_moving = self._is_made = False

    # -- making ----------------------------------------------------------------------------------

    def _make(self) -> None:
        self._is_made = True
        axes = self._axes
        self.rows, self.row_limits = Range1d(start=0, end=1), Range1d(start=0, end=1)
        select = BoxSelectTool(persistent=False)
        label = "Units in order of depth (row, from the tip)"
        self._make_figure(axes, "unit-raster", label, rows=(self.rows, self.row_limits), select=select)
        self.figure.min_border_bottom = AXIS_PX
        self.figure.yaxis.ticker = BasicTicker(min_interval=1)
        self.figure.yaxis.formatter = NumeralTickFormatter(format="0,0")
        self.figure.css_classes = ["navigable"]
        self.mapper = LinearColorMapper(palette=self._palette(), low=1, high=TOP_LEVEL, low_color="#00000000")
        self.image = self._source("image")
        self.colours, self.overlay = self._source("colours", np.uint32), self._source("overlay", np.uint32)
        self._image = self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper)
        self._follow_palette()
        self._colours, self._overlay = (
            self.figure.image_rgba("image", "x", "y", "dw", "dh", source=source)
            for source in (self.colours, self.overlay)
        )
        where = cursor.cursor_source()
        where.name = "unit-cursor"
        where.on_change("data", self._moved)
        cursor.follow(self.figure, where, SHOWN)
        Clicks(self._state, self._queue, self._clicked).follow(self.figure)
        self.figure.on_event(SelectionGeometry, self._boxed)
        for name in ("start", "end"):
            self.rows.on_change(name, self._zoomed)
        pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both", margin=0)
        self.margin = UnitMargin(self._state, axes, self.rows, self.row_limits)
        row = pn.Row(
            pane, *self.margin.panes, sizing_mode="stretch_both", margin=0,
            styles={"flex": "3 1 0", "min-height": "220px"}, stylesheets=[asset("page/centre.css")],
        )  # fmt: skip
        self._centre.stand_units(row)

    def _follow_palette(self) -> None:
        colours = self._palette()
        self.mapper.update(palette=colours, low_color=colours[0])  # where nothing is counted

    def _palette(self) -> list[str]:
        return list(shading.palette(self._state.cmap, dark=self._state.dark))

    # -- drawing ---------------------------------------------------------------------------------

    def _asked(self, scene: Scene) -> RowsRequest | None:
        state = self._state
        if state.time_range is None or not state.shows(SHOWN):
            return None
        if not self._is_made:
            self._make()
        n_units = len(scene.depth_order)
        rows = rows_in_view(state.rows, n_units)
        self._is_moving = True
        try:
            self.row_limits.update(start=0, end=max(n_units, 1))
            start, end = state.rows if state.rows is not None and rows != (0, n_units) else (0, max(n_units, 1))
            self.rows.update(start=start, end=end)
        finally:
            self._is_moving = False
        asked = (state.time_range, rows, *self._pixels(), state.color, state.scale, state.limits)
        return RowsRequest(scene, *asked, scene.indexes(state.selected))

    @staticmethod
    def _images(request: RowsRequest, picture: RowsPicture) -> Sequence[npt.NDArray[Any] | None]:
        return (picture.levels.image if picture.levels is not None else None, picture.rgba, picture.overlay)

    def _show(self, request: RowsRequest, picture: RowsPicture) -> None:
        if not self._state.shows(SHOWN):
            return
        where = extent(picture.aggregate)
        for source, glyph, image in (
            (self.image, self._image, picture.levels.image if picture.levels is not None else None),
            (self.colours, self._colours, picture.rgba),
            (self.overlay, self._overlay, picture.overlay),
        ):
            if image is not None:
                source.data = self._placed(image, where)
            glyph.visible = image is not None
        self.picture = picture
        self.margin.show(request.scene, picture)
        self._centre.say(texts.status(request.scene, picture, self.coarser), self._bar(request, picture))
        has_limits = picture.levels is not None and picture.levels.scale != "eq"
        default = request.scene.limits(raster_kind(request.color)) if has_limits else None
        self._drawn(default, request.limits or default or (0.0, 1.0))

    def auto_limits(self) -> None:
        """Fit the colour limits to what is in view, once."""
        if self.picture is not None and self._scene is not None:
            top = shading.default_limits(self.picture.aggregate)[1]
            share = top / self._scene.row_limits[1]
            self._state.limits = (0.0, share * self._scene.limits(raster_kind(self._state.color))[1])

    def _bar(self, request: RowsRequest, picture: RowsPicture) -> str:
        words = f'<span class="title">{escape(title(picture, request.color))}</span>'
        if picture.levels is not None:
            return f'<div class="bar-row">{words}{texts.scale_bar(picture.levels, tuple(self._palette()))}</div>'
        names = texts.legend_chips(request.scene.legend(request.color), "the Allen atlas")
        return f'<div class="bar-row">{words}{names}</div>'

    def _recolour(self, *events: object) -> None:
        if self._is_made:
            self._follow_palette()
            self._request()

    # -- what the hand does ----------------------------------------------------------------------

    def _change_mode(self, *events: object) -> None:
        if self._is_made:
            super()._change_mode()

    def _zoomed(self, attribute: str, old: float, new: float) -> None:
        edges = finite(self.rows.start, self.rows.end)
        if not self._is_moving and edges and edges[0] < edges[1]:
            is_whole = (self.rows.start, self.rows.end) == (self.row_limits.start, self.row_limits.end)
            self._state.rows = None if is_whole else edges

    def _moved(self, attribute: str, old: Any, new: Any) -> None:
        words, at = "", cursor.place(new)
        if self._scene is not None and self.picture is not None and at is not None:
            words, _ = describe(self._scene, self.picture, *at[:2])
        self._centre.readout.object = f'<div class="readout">{words}</div>'

    def _clicked(self, event: Tap) -> list[UnitId] | None:
        if self._scene is None or self.picture is None:
            return None
        _, unit = describe(self._scene, self.picture, float(event.x), float(event.y))
        return [] if unit is None else self._scene.ids([unit])

    def _boxed(self, event: SelectionGeometry) -> None:
        """Select the units in a box that have a spike in it."""
        geometry, scene = event.geometry, self._scene
        if scene is None or not event.final or geometry.get("type") != "rect":
            return
        if (sides := finite(*map(geometry.get, ("x0", "x1", "y0", "y1")))) is None:
            return
        span, low, high = (sides[0], sides[1]), max(0, int(np.floor(sides[2]))), max(0, int(np.ceil(sides[3])))
        ids = scene.depth_order[low:high]
        if not len(ids) or not span[0] < span[1]:
            return
        counts = unit_raster(scene.columns, ids, span, 1, kept=scene.kept).values.sum(axis=1)
        self._state.selected = scene.ids(ids[counts > 0])
        words = f"box: {counted(int(counts.sum()), 'spike')} of {counted(int((counts > 0).sum()), 'unit')} selected"
        self._centre.readout.object = f'<div class="readout">{words}</div>'
