"""Bokeh figures that share one look: axes, borders, navigation by wheel and drag."""

from __future__ import annotations

from typing import Any

from bokeh.core.property.descriptors import UnsetValueError
from bokeh.events import DoubleTap, MouseWheel, Pinch, PinchStart
from bokeh.models import (
    AllIndices,
    AllLabels,
    BasicTicker,
    BasicTickFormatter,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    GlyphRenderer,
    Grid,
    Metric,
    MetricLength,
    Range1d,
    ScaleBar,
    UnionRenderers,
)
from bokeh.plotting import figure

from dashboard.model.colours import SEGMENT_COLOUR

LEFT_BORDER_PX = 67
"""Room for the depth axis; the same in every row, so that frames line up."""

RIGHT_BORDER_PX = 6

_WHEEL = """
// The wheel zooms time about the cursor; over the depth axis, or with Alt, it zooms depth.
// A pinch zooms both: that of a trackpad comes as a wheel with the control key and in small steps, that of two fingers
// on a screen with the scale since it began.
const { alt, ctrl } = cb_obj.modifiers
const is_touch = cb_obj.event_name != "wheel"
const over_axis = cb_obj.sx < left
const vertical = only == "y" || (only == "" && !is_touch && (over_axis || alt))
let delta = ctrl && Math.abs(cb_obj.delta) < 50 ? 8 * cb_obj.delta : cb_obj.delta
if (is_touch) {
  if (cb_obj.event_name == "pinchstart") return x_range.pinched = 1
  delta = 480 * Math.log(cb_obj.scale / x_range.pinched)
  x_range.pinched = cb_obj.scale
}
const zoom = (range, limits, at, least) => {
  const most = limits.end - limits.start
  const span = range.end - range.start
  if (!isFinite(at) || span <= 0) return
  const wanted = span * Math.exp(-Math.max(-240, Math.min(240, delta)) / 480)
  const factor = Math.min(Math.max(wanted, least), most) / span
  let start = at - (at - range.start) * factor
  let end = start + span * factor
  if (start < limits.start) { end += limits.start - start; start = limits.start }
  if (end > limits.end) { start = Math.max(limits.start, start - (end - limits.end)); end = limits.end }
  range.setv({start, end})
}
const is_pinch = (ctrl || is_touch) && only == ""
if (!vertical || is_pinch) zoom(x_range, x_limits, cb_obj.x, 0.002)
if (vertical || is_pinch) zoom(y_range, y_limits, cb_obj.y, 4)
"""

TIME_TICKS = """
// Minutes and seconds would hide what people type into a script, so time stays in seconds.
// The formatter is kept: to make one takes longer than to write a number.
self.seconds_format ??= new Intl.NumberFormat("en-US", {maximumFractionDigits: 6})
return self.seconds_format.format(tick)
"""


def navigable(
    x_range: Range1d,
    y_range: Range1d,
    x_limits: Range1d,
    y_limits: Range1d,
    *,
    only: str = "",
    **options: Any,
) -> figure:
    """Return a figure whose wheel zooms `x_range` or `y_range` within their limits.

    Parameters
    ----------
    x_range, y_range : Range1d
        Shared with every figure that must move along.
    x_limits, y_limits : Range1d
        The whole extent, beyond which nothing is shown.
    only : {'', 'x', 'y'}
        The one axis that the wheel zooms; '' decides by place and Alt.
    """
    plot = plain(x_range=x_range, y_range=y_range, **options)
    limits = {"x_range": x_range, "y_range": y_range, "x_limits": x_limits, "y_limits": y_limits}
    zoom = CustomJS(args={**limits, "left": LEFT_BORDER_PX, "only": only}, code=_WHEEL)
    plot.js_on_event(MouseWheel, zoom)
    if not only:  # two fingers zoom it, and not the page
        plot.styles = {"touch-action": "none"}
        for event in (PinchStart, Pinch):
            plot.js_on_event(event, zoom)
    reset = "x_range.setv({start: x_limits.start, end: x_limits.end});" if only != "y" else ""
    reset += "y_range.setv({start: y_limits.start, end: y_limits.end});" if only != "x" else ""
    plot.js_on_event(DoubleTap, CustomJS(args=limits, code=reset))
    return plot


TITLES = {
    "overview": "Firing rate of all units over the whole session, with the window in view",
    "drift": "Drift that the sorter estimated and removed, a line for each depth",
    "raster": "Raster of spikes by time and depth",
    "beside": "Raster of spikes by time and depth, side B of the comparison",
    "arriving": "Spikes that have come so far, by time and depth",
    "difference": "Difference of spikes, A minus B, by time and depth",
    "heatmap": "Heatmap by time and depth",
    "strip": "Brain regions along the probe",
    "profile": "Firing rate by depth in the window in view",
    "amplitude-profile": "Mean amplitude by depth in the window in view",
    "unit-raster": "Raster with a row for each unit, by time",
    "unit-strip": "Brain regions of the units, by row",
    "unit-rates": "Firing rate of each unit in the window in view",
}
"""What figures of the centre show, by their names; those of tabs have the titles of their parts."""


def entitle(plot: figure, title: str) -> None:
    """Say what a figure shows, for who cannot see it: figure_names.js has its canvas say so."""
    if plot.tags != [title]:
        plot.tags = [title]


def plain(**options: Any) -> figure:
    """Return a figure without toolbar in the look of the page."""
    settings: dict[str, Any] = {
        "toolbar_location": None,
        "tools": [],
        "min_border_left": LEFT_BORDER_PX,
        "min_border_right": RIGHT_BORDER_PX,
        "min_border_top": 4,
        "min_border_bottom": 4,
        "sizing_mode": "stretch_both",
        "background_fill_alpha": 0,
        "border_fill_alpha": 0,
        "outline_line_color": "#808080",
        "outline_line_alpha": 0.35,
        "lod_threshold": None,
    }
    plot = figure(**{**settings, **options})
    entitle(plot, TITLES.get(options.get("name", ""), ""))
    plot.grid.visible = False
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "11px"
        axis.axis_label_standoff = 1
        axis.major_label_standoff = 3
        axis.major_tick_out = 3
        axis.minor_tick_line_color = None
        axis.axis_line_alpha = 0.35
        axis.major_tick_in = 0
    plot.yaxis.formatter = BasicTickFormatter(use_scientific=False)
    return plot


def lighten(plot: figure) -> None:
    """Take out of a finished figure what it does not use: every model costs each session memory and time.

    Bokeh makes glyphs for what is not selected and what is muted, and a grid, a title, a filter and policies of its
    own for every renderer and axis.
    """
    plot.center = [item for item in plot.center if not isinstance(item, Grid)]
    if plot.title is not None and not plot.title.text:
        plot.title = None
    everything, union, labels = AllIndices(), UnionRenderers(), AllLabels()
    for axis in plot.axis:
        if isinstance(axis.major_label_policy, AllLabels):
            axis.major_label_policy = labels
    for renderer in plot.renderers:
        if isinstance(renderer, GlyphRenderer):
            renderer.update(nonselection_glyph=None, muted_glyph=None)
            renderer.view.filter = everything
            renderer.data_source.selection_policy = union


def inner_size(plot: figure, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a figure's frame in CSS pixels, as the browser last reported them."""
    try:
        return plot.inner_width or otherwise[0], plot.inner_height or otherwise[1]
    except UnsetValueError:  # nothing was laid out yet
        return otherwise


def scale_bars(time: Range1d, depth: Range1d) -> tuple[ScaleBar, ScaleBar]:
    """Return bars of a round length in time and in depth for the lower left corner of a picture."""
    look: dict[str, Any] = {
        "label_text_font_size": "11px", "padding": 2, "border_line_color": None, "background_fill_alpha": 0.6,
        "bar_line_color": "#7986cb", "bar_line_width": 2, "label_standoff": 2,
        "bar_length": 0.08, "length_sizing": "adaptive",
    }  # fmt: skip
    seconds, microns = Metric(base_unit="s", include=["s", "ms", "µs"]), MetricLength(include=["µm", "mm"])
    across = ScaleBar(range=time, unit="s", dimensional=seconds, location="bottom_left", margin=8, **look)
    look |= {"orientation": "vertical", "location": "bottom_left", "margin": 42}
    return across, ScaleBar(range=depth, unit="µm", dimensional=microns, **look)


class SegmentBorders:
    """Lines where segments of a recording begin, over a figure whose x axis is time; made when there are some.

    Parameters
    ----------
    plot : figure
    """

    def __init__(self, plot: figure) -> None:
        self._plot = plot
        self.source: ColumnDataSource | None = None

    def show(self, starts_s: tuple[float, ...]) -> None:
        """Draw these, and no others."""
        if self.source is None:
            if not starts_s:
                return
            self.source = ColumnDataSource({"time": []}, name=f"{self._plot.name}-segments")
            self._plot.vspan(
                x="time", source=self.source, line_color=SEGMENT_COLOUR, line_dash="dashed", line_width=1.5,
                level="annotation",
            )  # fmt: skip
        if list(self.source.data["time"]) != list(starts_s):
            self.source.data = {"time": list(starts_s)}


def time_ticks(unit: str = "") -> CustomJSTickFormatter:
    """Return the formatter of time axes: seconds with thousands separated.

    Parameters
    ----------
    unit : str
        After each number, where the axis has no label: ``" s"``.
    """
    return CustomJSTickFormatter(code=TIME_TICKS.rstrip() + (f" + {unit!r}" if unit else ""))


QUIET = "#808080"


LEFT_PX = 52
"""Room for an axis of small figures."""


RIGHT_PX = 14
"""Room for the half of a number that stands at the end of an axis."""


def small(height: int, x_label: str, y_label: str, **options: Any) -> figure:
    """Return a figure of the dock: as wide as its place, with both axes labelled."""
    plot = plain(
        sizing_mode="stretch_width", height=height, min_border_left=LEFT_PX, min_border_right=RIGHT_PX,
        x_axis_label=x_label, y_axis_label=y_label,
        x_range=options.pop("x_range", None) or Range1d(0, 1), y_range=options.pop("y_range", None) or Range1d(0, 1),
        **options,
    )  # fmt: skip
    for axis in plot.axis:
        axis.axis_label_text_font_size = "11px"
        axis.major_label_text_font_size = "10px"
        axis.ticker = BasicTicker(desired_num_ticks=4)
    return plot
