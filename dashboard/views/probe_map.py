"""The Probe tab: units on their channels, and amplitude by depth of units and of every spike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure

from dashboard.compute.levels import TOP_LEVEL, level_image
from dashboard.compute.probe_maps import amplitude_plane, lay_out_shanks
from dashboard.model.errors import DashboardError
from dashboard.views import shading
from dashboard.views.axes import Axes
from dashboard.views.figures import asset, inner_size, navigable
from dashboard.views.rendering import RenderLoop
from dashboard.views.scene import LABEL_COLOURS, LABELS, UNKNOWN, Scene
from dashboard.views.state import ViewState
from dashboard.views.turns import Turns

GREY = "#9e9e9e"
REACH_PX = 16.0
"""A click further than this from any unit picks none."""
MAP_PX = 150
LEAST_SIZE, MOST_SIZE = 3.0, 14.0
"""Diameters in px of the least and the most active unit; the area grows with the rate."""
TICKS_UV = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
COLOURS = {"label (tests passed)": "label", "brain region": "region", "firing rate": "rate", "peak to trough": "trough"}
TROUGH_COLUMNS = ("peak_to_trough", "peakToTrough")
UNITS = ("unit", "x", "depth", "amp", "amplitude", "rate", "region", "size", "colour", "ring", "ring_width")


@dataclass(frozen=True, slots=True)
class PlaneRequest:
    """The cloud of all spikes that was asked for."""

    scene: Scene
    log_range: tuple[float, float]
    depth_range: tuple[float, float]
    width: int
    height: int


def render(request: PlaneRequest, cancel: threading.Event) -> npt.NDArray[np.uint8]:
    """Draw the cloud: spikes per bin, on a logarithmic scale."""
    counts = amplitude_plane(
        request.scene.columns, request.log_range, request.depth_range, request.width, request.height,
        keep=request.scene.mask, cancel=cancel,
    )  # fmt: skip
    return level_image(counts, (0.0, max(float(counts.max()), 1.0)), "log")


class ProbeTab:
    """Probe map and amplitude-depth scatter, on the raster's depth axis; a click picks the nearest unit.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    pool : ThreadPoolExecutor
    turns : Turns
    failed : callable (DashboardError) -> None
    """

    title = "Probe"
    follows_hidden = False

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        turns: Turns,
        failed: Callable[[DashboardError], None],
    ) -> None:
        self._state, self._axes = state, axes
        self._scene: Scene | None = None
        self.across, self.amps = Range1d(start=0, end=60), Range1d(start=1, end=3)
        whole = Range1d(start=0, end=60), Range1d(start=0, end=4)
        self.map = self._figure(self.across, whole[0], "probe-map", "Across (µm)", "Depth along probe (µm)", only="y")
        self.scatter = self._figure(self.amps, whole[1], "amplitude-depth", "Amplitude (µV)", None)
        self.scatter.yaxis.visible = False
        self.scatter.min_border_left = 8
        self.scatter.xaxis.ticker = FixedTicker(ticks=[float(np.log10(tick)) for tick in TICKS_UV])
        self.scatter.xaxis.formatter = CustomJSTickFormatter(
            code="return Math.round(Math.pow(10, tick)).toLocaleString('en-US')"
        )
        self.channels = ColumnDataSource({"x": [], "depth": []})
        self.map.scatter(
            "x",
            "depth",
            source=self.channels,
            marker="square",
            size=3,
            fill_color=GREY,
            fill_alpha=0.35,
            line_color=None,
        )
        self.mapper = LinearColorMapper(
            palette=list(shading.palette("binary", dark=False)), low=1, high=TOP_LEVEL, low_color="#00000000"
        )
        self.cloud = ColumnDataSource(
            {"image": [np.zeros((1, 1), np.uint8)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]},
            name="probe-cloud",
        )
        self._cloud = self.scatter.image(
            "image", "x", "y", "dw", "dh", source=self.cloud, color_mapper=self.mapper, level="image", alpha=0.6
        )
        self.units = ColumnDataSource({name: [] for name in UNITS}, name="probe-units")
        for plot, x in ((self.map, "x"), (self.scatter, "amp")):
            marks = plot.scatter(
                x, "depth", source=self.units, size="size", fill_color="colour", line_color="ring", fill_alpha=0.85,
                line_width="ring_width",
            )  # fmt: skip
            marks.nonselection_glyph = None
            plot.add_tools(HoverTool(renderers=[marks], tooltips=[
                ("unit", "@unit"), ("depth", "@depth{0} µm"), ("amplitude", "@amplitude"),
                ("rate", "@rate{0.00} Hz"), ("region", "@region"),
            ]))  # fmt: skip
            plot.on_event(Tap, self._tapped)
        css = [asset("page.css")]
        self.colour = pmui.Select(
            label="Colour", options=COLOURS, value="label", size="small", variant="outlined", margin=(8, 10), width=220
        )
        self.spikes = pmui.Checkbox(label="All spikes", value=True, size="small", margin=(12, 4))
        self._legend = pn.pane.HTML("", stylesheets=css, margin=(0, 10), sizing_mode="stretch_width")
        self._note = pn.pane.HTML("", stylesheets=css, margin=(0, 10), sizing_mode="stretch_width")
        self.colour.param.watch(self._mark, "value")
        self.spikes.param.watch(self._draw, "value")
        self.map.update(sizing_mode="stretch_height", width=MAP_PX)
        self._panel = pn.Column(
            pn.Row(self.colour, self.spikes, margin=0),
            self._legend,
            self._note,
            pn.Row(
                pn.pane.Bokeh(self.map, sizing_mode="stretch_height", margin=0),
                pn.pane.Bokeh(self.scatter, sizing_mode="stretch_both", margin=0),
                sizing_mode="stretch_both",
                margin=0,
                min_height=300,
            ),
            sizing_mode="stretch_both",
            margin=0,
        )
        self._loop: RenderLoop[PlaneRequest, npt.NDArray[np.uint8]] = RenderLoop(
            turns, pool, render, self._apply, failed
        )
        state.param.watch(self._selected, "selected")
        state.param.watch(self._recolour, "dark")
        state.param.watch(self._draw, "depth_range")
        state.param.watch(self._turned, "tab")

    def _figure(self, x: Range1d, limits: Range1d, name: str, label: str, depth: str | None, only: str = "") -> figure:
        plot = navigable(
            x, self._axes.depth, limits, self._axes.depth_limits, only=only, name=name, x_axis_label=label,
            y_axis_label=depth,
        )  # fmt: skip
        plot.css_classes = ["navigable"]
        plot.min_border_bottom = 42
        return plot

    @property
    def panel(self) -> Any:
        """What the dock shows."""
        return self._panel

    def open(self, scene: Scene) -> None:
        """Show another insertion, or those of its units that pass other filters."""
        self._loop.cancel()
        self._scene = scene
        sorting = scene.sorting
        layout = lay_out_shanks(self._lateral(), self._unit_channels())
        self._x = layout.units_um
        margin = 12.0
        self.across.update(start=-margin, end=max(layout.width_um, 1.0) + margin)
        depths = sorting.channels["axial_um"].to_numpy(np.float64) if "axial_um" in sorting.channels else np.zeros(0)
        self.channels.data = {"x": layout.channels_um, "depth": depths[: len(layout.channels_um)]}
        n_shanks = len(layout.centres_um)
        self.map.xaxis.axis_label = "Across (µm)" if n_shanks < 2 else f"{n_shanks} shanks, side by side"
        self.map.xaxis.major_label_text_alpha = 1.0 if n_shanks < 2 else 0.0
        unit = "µV" if sorting.amps_are_volts else "a.u."
        self.scatter.xaxis.axis_label = f"Amplitude ({unit}, log)"
        amps = self._amps
        known = amps[np.isfinite(amps) & (amps > 0)]
        low, high = (np.log10(known.min()) - 0.3, np.log10(known.max()) + 0.3) if known.size else (0.0, 3.0)
        self.amps.update(start=float(low), end=float(high))
        self._mark()
        self._draw()

    def close(self) -> None:
        """Stop rendering."""
        self._loop.close()

    def _lateral(self) -> npt.NDArray[np.float64]:
        assert self._scene is not None
        channels = self._scene.sorting.channels
        return channels["lateral_um"].to_numpy(np.float64) if "lateral_um" in channels else np.zeros(len(channels))

    def _unit_channels(self) -> npt.NDArray[np.int64]:
        assert self._scene is not None
        clusters = self._scene.sorting.clusters
        if "channels" not in clusters:
            return np.full(len(clusters), -1, np.int64)
        return np.nan_to_num(clusters["channels"].to_numpy(np.float64), nan=-1).astype(np.int64)

    @property
    def _amps(self) -> npt.NDArray[np.float64]:
        """Amplitude of each unit, as the table has it; NaN where it is not known."""
        assert self._scene is not None
        sorting = self._scene.sorting
        name = next((name for name in ("amps", "amp_median") if name in sorting.clusters), None)
        if name is None:
            return np.full(sorting.n_clusters, np.nan)
        return sorting.clusters[name].to_numpy(np.float64) * (1e6 if sorting.amps_are_volts else 1.0)

    def _rates(self) -> npt.NDArray[np.float64]:
        assert self._scene is not None
        columns = self._scene.columns
        duration = max(columns.time_range_s[1] - columns.time_range_s[0], 1e-9)
        return self._scene.spikes_per_cluster[: self._scene.sorting.n_clusters] / duration

    def _mark(self, *events: object) -> None:
        """Draw the units that pass, in the colours asked for."""
        scene = self._scene
        if scene is None:
            return
        n = scene.sorting.n_clusters
        passing = np.arange(n) if scene.mask is None else np.flatnonzero(scene.mask[:n])
        ids = scene.sorting.clusters.index.to_numpy()
        rates, amps = self._rates(), self._amps
        most = max(float(rates.max()) if n else 1.0, 1e-9)
        size = np.sqrt(LEAST_SIZE**2 + (MOST_SIZE**2 - LEAST_SIZE**2) * rates / most)
        colours, legend, note = self._colours()
        unit = "µV" if scene.sorting.amps_are_volts else "a.u."
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(amps)
        self.units.data = {
            "unit": ids[passing],
            "x": self._x[passing],
            "depth": scene.unit_depths[:n][passing],
            "amp": np.where(np.isfinite(logs), logs, np.nan)[passing],
            "amplitude": [f"{amp:.1f} {unit}" if np.isfinite(amp) else UNKNOWN for amp in amps[passing]],
            "rate": rates[passing],
            "region": scene.region_names(passing),
            "size": size[passing],
            "colour": [colours[place] for place in passing],
            **self._rings(ids[passing]),
        }
        self._legend.object = f'<div class="bar-row many"><span class="title">area: rate</span>{legend}</div>'
        if scene.columns.amps_uv is None:
            reason = scene.sorting.missing_reason("spikes.amps") or "there are no amplitudes"
            note = f"No cloud of spikes: {reason}. {note}"
        elif not np.isfinite(amps).any():
            note = f"Units have no amplitude in the table. {note}"
        self._note.object = f'<div class="notes">{escape(note)}</div>' if note else ""

    def _rings(self, ids: npt.NDArray[np.integer]) -> dict[str, list[Any]]:
        selected = self._state.selected
        colours = [shading.hex_colour(colour) for colour in shading.selection_colours(len(selected))]
        chosen = dict(zip(selected, colours, strict=True))
        ink = "#ffffff80" if self._state.dark else "#00000060"
        return {
            "ring": [chosen.get(int(unit), ink) for unit in ids],
            "ring_width": [3.0 if int(unit) in chosen else 0.5 for unit in ids],
        }

    def _colours(self) -> tuple[list[str], str, str]:
        """Return the colour of each unit, a legend, and why a colour cannot be used."""
        scene = self._scene
        assert scene is not None
        n = scene.sorting.n_clusters
        match self.colour.value:
            case "label":
                if reason := scene.sorting.why_no_labels:
                    return [GREY] * n, "", f"No labels: {reason}."
                table = [shading.hex_colour(colour) for colour in LABEL_COLOURS]
                chips = _chips(zip(LABELS, table, strict=True))
                return [table[label] if label >= 0 else GREY for label in scene.labels[:n]], chips, ""
            case "region":
                category = scene.categories("region")
                if category is None or "atlas_id" not in scene.sorting.clusters:
                    return [GREY] * n, "", "No regions: there are no brain locations."
                table = [shading.hex_colour(colour) for colour in scene.colours("region")]
                return [table[k] for k in category[:n]], '<span class="title">colours of the region strip</span>', ""
            case "rate":
                return *_scalar(np.log10(np.maximum(self._rates(), 1e-3)), "Hz", log=True), ""
            case _:
                name = next((name for name in TROUGH_COLUMNS if name in scene.sorting.clusters), None)
                if name is None:
                    return [GREY] * n, "", "The clusters have no peak to trough times."
                return *_scalar(scene.sorting.clusters[name].to_numpy(np.float64), "ms", log=False), ""

    def _selected(self, *events: object) -> None:
        if self._scene is None or self._state.tab != self.title:
            return
        rings = self._rings(np.asarray(self.units.data["unit"]))
        self.units.data = {**self.units.data, **rings}

    def _turned(self, event: object) -> None:
        self._selected()
        self._draw()

    def _draw(self, *events: object) -> None:
        scene, state = self._scene, self._state
        self._cloud.visible = bool(self.spikes.value) and scene is not None and scene.columns.amps_uv is not None
        if scene is None or not self._cloud.visible or state.depth_range is None or state.tab != self.title:
            return
        width, height = np.clip(inner_size(self.scatter, (240, 400)), 16, 2048).tolist()
        log_range = float(self.amps.start), float(self.amps.end)
        self._loop.request(PlaneRequest(scene, log_range, state.depth_range, width, height))

    def _apply(self, request: PlaneRequest, image: npt.NDArray[np.uint8]) -> None:
        if request.scene is self._scene:
            (x0, x1), (y0, y1) = request.log_range, request.depth_range
            self.cloud.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def _recolour(self, *events: object) -> None:
        self.mapper.palette = list(shading.palette("binary", dark=self._state.dark))
        self._selected()

    def _tapped(self, event: Tap) -> None:
        plot = event.model
        x = np.asarray(self.units.data["x" if plot is self.map else "amp"], dtype=np.float64)
        if event.x is None or event.y is None or not x.size:
            return
        width, height = inner_size(plot, (MAP_PX, 400))
        across = (x - event.x) / (plot.x_range.end - plot.x_range.start) * width
        along = (
            (np.asarray(self.units.data["depth"]) - event.y) / (self._axes.depth.end - self._axes.depth.start) * height
        )
        distance = np.where(np.isfinite(across + along), np.hypot(across, along), np.inf)
        nearest = int(distance.argmin())
        unit = [int(self.units.data["unit"][nearest])] if distance[nearest] <= REACH_PX else []
        if event.modifiers and (event.modifiers.get("shift") or event.modifiers.get("ctrl")):
            kept = [other for other in self._state.selected if other not in unit]
            unit = kept if len(kept) < len(self._state.selected) else kept + unit
        self._state.selected = unit


def _scalar(values: npt.NDArray[np.float64], unit: str, *, log: bool) -> tuple[list[str], str]:
    """Return viridis colours of values, and their bar as HTML."""
    palette = shading.palette("viridis", dark=False)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [2, 98]) if known.size else (0.0, 1.0)
    share = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-9), 0, 1)
    colours = [
        palette[int(255 * part)] if np.isfinite(value) else GREY for part, value in zip(share, values, strict=True)
    ]
    ends = (10**low, 10**high) if log else (low, high)
    stops = ",".join(palette[index] for index in range(0, 256, 17))
    bar = f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i>'
    return colours, f"<span>{ends[0]:.2g}</span>{bar}<span>{ends[1]:.3g} {unit}{', log' if log else ''}</span>"


def _chips(entries: Any) -> str:
    return "".join(
        f'<span class="chip"><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in entries
    )
