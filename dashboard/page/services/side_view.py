"""The other side of a comparison under the raster: pane B, and the difference image."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html import escape
from typing import Any

import panel as pn
from bokeh.plotting import figure

from dashboard.model.errors import DashboardError
from dashboard.page.core.assets import asset
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import LEFT_BORDER_PX
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import style_sheets
from dashboard.page.core.scene import Scene
from dashboard.page.core.sizes import AXIS_PX, STRIP_PX
from dashboard.page.core.state import ViewState, shown_shanks, toggle_region
from dashboard.page.plot import texts
from dashboard.page.plot.centre import SIDE, Centre
from dashboard.page.plot.picker import UnitPicker
from dashboard.page.plot.raster import RasterPicture, RasterView
from dashboard.page.plot.strip import StripView
from dashboard.page.rail.colours import colours_off
from dashboard.page.services import difference
from dashboard.page.services.difference import DifferencePicture, DifferenceView, Sides

"""Height of a time axis without its label, which the difference below has."""

SHARED = ("time_range", "depth_range", "color", "scale", "limits", "cmap", "mode", "dark")
"""What pane B takes over from the raster, A."""


class SideView:
    """Pane B, drawn as the raster is, and the difference; both on the raster's axes.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    raster : RasterView
        Side A.
    centre : Centre
        Where they take a place under the raster, which is made when there is something to show.
    pool : ThreadPoolExecutor
    queue : DocumentQueue
    show : callable (str) -> None
        Takes what is under the cursor, as HTML.
    failed : callable (DashboardError) -> None

    Attributes
    ----------
    other : ViewState
        That of pane B: the raster's, with a selection of B's units.
    """

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        raster: RasterView,
        centre: Centre,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        show: Callable[[str], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._state, self._a = state, raster
        self._title, self._note = "", ""
        self._scene: Scene | None = None
        self._centre = centre
        self.other = ViewState(show="raster")
        self.raster = RasterView(self.other, axes, pool, queue, self._drawn, failed, name="beside")
        self.difference = DifferenceView(state, axes, pool, queue, self._subtracted, failed)
        self.strip = StripView(axes, partial(toggle_region, state))
        self._picking = UnitPicker(
            self.other, self.raster, None, queue, lambda words: show(f"B: {words}" if words else "")
        )
        css = style_sheets()
        line: dict[str, Any] = {
            "stylesheets": css, "margin": (0, 8, 0, LEFT_BORDER_PX), "height": 20, "sizing_mode": "stretch_width",
        }  # fmt: skip
        self.words = pn.pane.HTML("", **line)
        self.bar = pn.pane.HTML("", **line)
        for plot in (self.raster.figure, self.difference.figure, self.strip.figure):
            plot.min_border_bottom = AXIS_PX
            plot.css_classes = ["navigable"]
        self.strip.figure.update(sizing_mode="stretch_height", width=STRIP_PX, css_classes=["navigable", "beside-dock"])
        self._b = _row(
            _pane(self.raster.figure),
            _pane(self.strip.figure),
            styles=SIDE,
        )
        self._minus = _row(
            _pane(self.difference.figure),
            pn.Spacer(width=STRIP_PX),
            styles={"flex": "1 1 0", "min-height": "110px"},
        )
        self._words = pn.Row(self.words, sizing_mode="stretch_width", margin=0, height=22, visible=False)
        self._bar = pn.Row(self.bar, sizing_mode="stretch_width", margin=0, height=22, visible=False)
        self.rows = [self._words, self._b, self._bar, self._minus]
        state.param.watch(self._follow, list(SHARED))

    def open(self, sides: Sides, title: str, note: str, *, has_difference: bool) -> None:
        """Show both sides.

        Parameters
        ----------
        sides : Sides
        title : str
            What B is.
        note : str
            What a reader should know of it.
        has_difference : bool
            Whether one place on both depth axes is one place in the brain.
        """
        self._scene, self._title = sides.b, title
        off = colours_off(sides.b.sorting)
        self._note = f"{off[self._state.color]}. {note}" if self._state.color in off else note
        for view in (self.raster, self.difference):
            view.measure(self._a.pixel_ratio)
        self._follow()
        self.words.object = self._line()
        self._words.visible = self._b.visible = True
        self._bar.visible = self._minus.visible = has_difference
        self.raster.open(sides.b)
        self._picking.open(sides.b)
        b, shanks = sides.b.sorting, shown_shanks(self._state)
        self.strip.open(b.channels, self._state.level, b.histology, shanks)
        if has_difference:
            self.difference.open(sides)
        else:
            self.difference.leave()
        self._centre.compare(self.rows)

    def leave(self) -> None:
        """Let go of B and fold away."""
        self._scene = None
        for row in self.rows:
            row.visible = False
        self.raster.leave()
        self._picking.leave()
        self.difference.leave()
        self._centre.compare([])

    def close(self) -> None:
        """Stop rendering."""
        self.raster.close()
        self.difference.close()

    def _follow(self, *events: object) -> None:
        """Take over the raster's window and colours, its limits too: what looks alike is alike."""
        if self._scene is None:
            return
        values = {name: getattr(self._state, name) for name in SHARED}
        if values["color"] in colours_off(self._scene.sorting):
            values["color"] = "count"
        picture = self._a.picture
        is_alike = picture is not None and (picture.is_aside or picture.aggregate.kind == values["color"])
        if values["limits"] is None and picture is not None and is_alike:
            values["limits"] = picture.limits
        self.other.param.update(**values)

    def match_limits(self, picture: RasterPicture) -> None:
        """Take over the limits of a picture of A that was drawn."""
        if self._scene is not None and self.other.limits != picture.limits:
            self._follow()

    def _drawn(self, picture: RasterPicture) -> None:
        self.words.object = self._line(picture)

    def _line(self, picture: RasterPicture | None = None) -> str:
        if self._scene is None:
            return ""
        status = escape(texts.status(self._scene, picture, self.raster.coarser))
        is_alike = self.other.color == self._state.color
        colours = "colours as above" if is_alike else "coloured by count"
        words = f'<b title="A, above, is what is open">B: {escape(self._title)}</b><span class="title">{status}</span>'
        note = f"{colours}. {escape(self._note)}"
        whole = f"{colours}{', limits too' if is_alike else ''}. {escape(self._note)}"
        return f'<div class="bar-row cut">{words}<span class="title" title="{whole}">{note}</span></div>'

    def _subtracted(self, picture: DifferencePicture) -> None:
        self.bar.object = difference.bar(picture, dark=self._state.dark)


def _pane(plot: figure) -> pn.pane.Bokeh:
    return pn.pane.Bokeh(plot, sizing_mode=plot.sizing_mode, margin=0)


def _row(*items: Any, styles: dict[str, str]) -> pn.Row:
    sheets = [asset("page/centre.css")]
    return pn.Row(*items, sizing_mode="stretch_both", margin=0, styles=styles, stylesheets=sheets, visible=False)
