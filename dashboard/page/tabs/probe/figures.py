"""Figures of the Probe tab: units on their channels, amplitude by depth, correlation of depths; made once."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    PanTool,
    Range1d,
)
from bokeh.plotting import figure

from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import lighten, navigable
from dashboard.page.core.scene import Scene
from dashboard.page.plot.profiles import LINE, ProfilePicture
from dashboard.page.plot.strip import NO_REGION
from dashboard.page.tabs.probe.marks import NAMES
from dashboard.page.tabs.probe.picture import Shank, SpikesPicture, Units

MAP_PX = 178
CORRELATION_PX = (404, 366)
SIDE_UM = 14.0
"""The shank is drawn so much wider than its columns of channels."""

MARGIN_UM = 10.0
REGION_ALPHA = 0.3
SITE = "#808080"
RING_PX = 19


class ProbeMap:
    """Units on their channels, with the regions along each shank."""

    def __init__(self, axes: Axes, marks: ColumnDataSource, ring: ColumnDataSource) -> None:
        self.figure = _along_depth(axes, "probe-map", "Lateral (µm)")
        self.figure.update(sizing_mode="stretch_height", width=MAP_PX)
        self.figure.yaxis.axis_label = "Depth along probe (µm)"
        self._ticker = self.figure.xaxis.ticker = FixedTicker(ticks=[])
        self.regions = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top", "colour")})
        self.figure.quad(
            left="left", right="right", bottom="bottom", top="top", fill_color="colour", fill_alpha=REGION_ALPHA,
            line_color="#ffffff", line_alpha=0.3, source=self.regions,
        )  # fmt: skip
        self.sites = ColumnDataSource({"x": [], "y": []}, name="probe-sites-data")
        self.figure.scatter("x", "y", marker="square", size=3, color=SITE, alpha=0.3, source=self.sites)
        _add_marks(self.figure, "lateral", marks, ring)
        lighten(self.figure)

    def show(self, scene: Scene, units: Units) -> None:
        """Draw shanks and channels; the marks come by themselves."""
        layout, (bottom, top) = units.layout, scene.columns.depth_range_um
        if len(layout.sites):
            bottom, top = float(np.nanmin(layout.sites[:, 1])), float(np.nanmax(layout.sites[:, 1]))
        data: dict[str, list[Any]] = {name: [] for name in self.regions.data}
        for shank in layout.shanks:
            left = shank.drawn_um - SIDE_UM
            right = shank.drawn_um + shank.right_um - shank.left_um + SIDE_UM
            spans = [(span.bottom_um, span.top_um, "#{:02x}{:02x}{:02x}".format(*span.rgb)) for span in shank.regions]
            for low, high, colour in spans or [(bottom, top, NO_REGION)]:
                for name, value in zip(data, (left, right, low, high, colour), strict=True):
                    data[name].append(value)
        self.regions.data = data
        self.sites.data = {"x": layout.sites[:, 0], "y": layout.sites[:, 1]}
        left, right = min(data["left"], default=-SIDE_UM), max(data["right"], default=SIDE_UM)
        self.figure.x_range.update(start=left - MARGIN_UM, end=right + MARGIN_UM)
        ticks = shank_ticks(layout.shanks)
        self._ticker.ticks = list(ticks)
        self.figure.xaxis.major_label_overrides = ticks


def shank_ticks(shanks: tuple[Shank, ...]) -> dict[float, str]:
    """Return where the lateral axis has ticks, and what they say: the true position, in um.

    The outermost columns of a single shank; of several, the first column of each.
    """
    ticks = {shank.drawn_um: f"{shank.left_um:,.0f}" for shank in shanks}
    if len(shanks) == 1:
        shank = shanks[0]
        ticks[shank.drawn_um + shank.right_um - shank.left_um] = f"{shank.right_um:,.0f}"
    return ticks


class AmplitudeDepth:
    """Amplitude by depth, a mark per unit or all spikes under those of the selected units; or a line by depth."""

    def __init__(self, axes: Axes, marks: ColumnDataSource, ring: ColumnDataSource) -> None:
        self.figure = _along_depth(axes, "probe-amplitudes", "Amplitude (µV)")
        self.figure.update(sizing_mode="stretch_both", min_border_left=6, min_border_right=12)
        self.figure.yaxis.visible = False
        self.figure.xaxis.ticker = BasicTicker(desired_num_ticks=5)
        empty = {"image": [np.zeros((1, 1), np.uint32)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        self.image = ColumnDataSource(empty, name="probe-spikes-data")
        self._image = self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.image, level="image")
        self._image.visible = False
        self._marks, self._ring = _add_marks(self.figure, "amplitude", marks, ring)
        self.line = ColumnDataSource({"value": [], "depth": []}, name="probe-profile-data")
        self._line = self.figure.line("value", "depth", source=self.line, line_color=LINE, line_width=1.4)
        lighten(self.figure)

    def show_units(self, units: Units, unit: str) -> None:
        """Show a mark per unit; the axis holds all of them, whatever the filters."""
        amplitudes = units.amplitudes.values
        amplitudes = amplitudes[np.isfinite(amplitudes)]
        self.figure.x_range.update(start=0, end=1.06 * float(amplitudes.max(initial=0.0)) or 1.0)
        self.figure.xaxis.axis_label = f"Amplitude ({unit})"
        self._show(self._marks)

    def show_spikes(self, picture: SpikesPicture, unit: str) -> None:
        """Show all spikes."""
        (left, right), (low, high) = picture.amp_range, picture.depth_range
        place = {"x": [left], "y": [low], "dw": [right - left], "dh": [high - low]}
        self.image.data = {"image": [picture.image], **place}
        self.figure.x_range.update(start=left, end=right)
        self.figure.xaxis.axis_label = f"Amplitude ({unit})"
        self._show(self._image)

    def show_profile(self, picture: ProfilePicture, label: str) -> None:
        """Show a line by depth."""
        self.line.data = {"value": picture.values, "depth": picture.depth_um}
        self.figure.x_range.update(start=0, end=picture.end)
        self.figure.xaxis.axis_label = label
        self._show(self._line)

    def _show(self, chosen: Any) -> None:
        for drawn in (self._image, self._marks, self._line):
            drawn.visible = drawn is chosen
        self._ring.visible = chosen is not self._line


def mark_source() -> ColumnDataSource:
    """Return what both figures draw their marks from."""
    return ColumnDataSource({name: [] for name in NAMES}, name="probe-units-data")


def ring_source() -> ColumnDataSource:
    """Return the place of the ring around the unit that a click would pick."""
    return ColumnDataSource({"lateral": [], "amplitude": [], "depth": []}, name="probe-ring-data")


def _along_depth(axes: Axes, name: str, label: str) -> figure:
    """Return a figure on the depth axis of the raster."""
    plot = navigable(
        Range1d(0, 1), axes.depth, axes.time_limits, axes.depth_limits, only="y", name=name, x_axis_label=label
    )
    plot.update(css_classes=["navigable"], min_border_bottom=42)
    plot.add_tools(PanTool(dimensions="height"))
    for axis in plot.axis:
        axis.axis_label_text_font_size = "11px"
        axis.major_label_text_font_size = "10px"
    return plot


def _add_marks(plot: figure, x: str, marks: ColumnDataSource, ring: ColumnDataSource) -> tuple[Any, Any]:
    drawn = plot.scatter(
        x, "depth", size="size", fill_color="fill", line_color="line", line_width="width", fill_alpha="alpha",
        line_alpha="alpha", source=marks,
    )  # fmt: skip
    around = plot.scatter(x, "depth", size=RING_PX, fill_color=None, line_color=SITE, line_width=2, source=ring)
    return drawn, around
