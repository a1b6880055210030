"""What goes along the raster: session rate with the window, drift, rate by depth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    CustomJSTickFormatter,
    GlyphRenderer,
    HoverTool,
    Label,
    Range1d,
    RangeTool,
)

from dashboard.engine.count.rates import MIN_SPIKES_FOR_AMPLITUDE, PROFILE_BIN_UM, depth_profile, population_rate
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import Drift, Trials
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import QUIET, SegmentBorders, navigable, plain, time_ticks
from dashboard.page.core.document_queue import DocumentQueue, Timer
from dashboard.page.core.panes import html_pane
from dashboard.page.core.render_loop import COALESCE_S, FIRST_S, RenderLoop
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot.ink import follow_theme

RATE_BIN_S = 1.0
LINE = "#5c6bc0"
DRIFT_PALETTE = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
"""Viridis in nine steps, from the tip upwards."""


TICK, TASK, PASSIVE = "#e69f00", "#e69f00", "#9e9e9e"
LEGEND = (
    f'<div class="ticks"><i style="color:{TICK}">❘</i> stimuli<br>'
    f'<i style="color:{TASK}">■</i> task<br><i style="color:{PASSIVE}">■</i> passive</div>'
)
"""What ticks and shades of the overview are; it stands left of them."""


class OverviewView:
    """The whole session in one strip: population rate, trials, and the window to drag."""

    def __init__(self, axes: Axes) -> None:
        self.figure = plain(x_range=axes.time_limits, y_range=Range1d(0, 1), name="overview")
        self.figure.update(min_border_bottom=16, min_border_top=2)
        self.figure.xaxis.formatter = time_ticks(" s")
        self.figure.yaxis.ticker = []
        self.figure.yaxis.formatter = CustomJSTickFormatter(code="return tick + ' kHz'")
        for axis in self.figure.axis:
            axis.update(major_label_text_font_size="10px", major_label_standoff=1, major_tick_out=2)
        self.rate = ColumnDataSource({"time": [], "rate": []})
        self.trials = ColumnDataSource({"time": [], "top": [], "bottom": []})
        self.periods = ColumnDataSource({"start": [], "end": [], "colour": [], "what": []}, name="overview-periods")
        strips = self.figure.quad(  # of strips a tooltip stands in the middle of the figure, and over the mouse
            left="start",
            right="end",
            bottom=0,
            top=1e6,
            source=self.periods,
            fill_color="colour",
            fill_alpha=0.2,
            line_color=None,
        )
        self.figure.varea(x="time", y1=0, y2="rate", source=self.rate, fill_color=LINE, fill_alpha=0.55)
        self.figure.segment("time", "bottom", "time", "top", source=self.trials, line_color=TICK, line_width=1)
        words = [("", "@what: @start{0,0} to @end{0,0} s")]
        hover = HoverTool(renderers=[strips], tooltips=words, point_policy="follow_mouse", attachment="below")
        self.figure.add_tools(hover)
        self._borders = SegmentBorders(self.figure)
        self.legend = html_pane("", css_classes=["overview-legend"], margin=0, sizing_mode="fixed", width=64)
        tool = RangeTool(x_range=axes.time)
        tool.overlay.update(fill_color=LINE, fill_alpha=0.18, line_color=LINE, line_alpha=1, line_width=1.5)
        self.figure.add_tools(tool)
        self.figure.toolbar.active_multi = "auto"

    def open(self, scene: Scene, trials: Trials | None) -> None:
        """Show another insertion."""
        edges, rate_hz = population_rate(scene.columns, RATE_BIN_S, kept=scene.kept)
        kilohertz = rate_hz / 1e3
        top = float(np.percentile(kilohertz, 99.9)) * 1.25 if len(kilohertz) else 1.0
        self.figure.y_range.update(start=0, end=top or 1.0)
        self.figure.yaxis.ticker = [round(float(top or 1.0) / 1.25, 1)]
        self.rate.data = {"time": (edges[:-1] + edges[1:]) / 2, "rate": np.minimum(kilohertz, top)}
        self._borders.show(scene.sorting.segment_starts_s)
        self.trials.data = trial_ticks(trials, top or 1.0)
        self.periods.data = periods(trials)
        self.legend.object = LEGEND if trials is not None else ""


def periods(trials: Trials | None) -> dict[str, list[Any]]:
    """Return the period of the task, from the first trial to the last, and the passive one, where they are known."""
    data: dict[str, list[Any]] = {"start": [], "end": [], "colour": [], "what": []}
    spans = []
    if trials is not None:
        names = [name for name in ("intervals_0", "intervals_1", "stimOn_times") if name in trials.table]
        times = trials.table[names].to_numpy(dtype=np.float64)
        if np.isfinite(times).any():
            spans.append(
                (float(np.nanmin(times)), float(np.nanmax(times)), TASK, "task; each tick is a stimulus onset")
            )
        if trials.passive_s is not None:
            spans.append((*trials.passive_s, PASSIVE, "passive period"))
    for span in spans:
        for name, value in zip(data, span, strict=True):
            data[name].append(value)
    return data


def trial_ticks(trials: Trials | None, top: float) -> dict[str, npt.NDArray[np.float64]]:
    """Return the ticks of stimulus onsets along the upper edge."""
    if trials is None or "stimOn_times" not in trials.table:
        onsets = np.zeros(0)
    else:
        onsets = trials.table["stimOn_times"].to_numpy(dtype=np.float64)
        onsets = onsets[np.isfinite(onsets)]
    return {"time": onsets, "bottom": np.full(len(onsets), top * 0.88), "top": np.full(len(onsets), top)}


REMOVED = "removed by the sorter"
"""What the drift file holds, wherever it is shown: neither residual of the spikes nor displacement of units."""


class DriftView:
    """Motion that the sorter estimated and removed, one line per depth."""

    def __init__(self, axes: Axes) -> None:
        self.figure = navigable(
            axes.time,
            Range1d(-1, 1),
            axes.time_limits,
            axes.depth_limits,
            only="x",
            name="drift",
            y_axis_label="µm",
        )
        self.figure.xaxis.visible = False
        self.figure.yaxis.ticker = BasicTicker(desired_num_ticks=2)
        self.figure.add_layout(
            Label(
                x=3,
                y=24,
                x_units="screen",
                y_units="screen",
                text=f"{REMOVED}; dark: tip, yellow: top",
                text_color=QUIET,
                text_font_size="10px",
            )
        )
        self.lines: list[GlyphRenderer] = []
        # The nearest estimate of the line, not the height of the cursor.
        words = [("", f"{REMOVED} $name: @um{{0.0}} µm at @time{{0,0.0}} s")]
        self._hover = HoverTool(renderers=[], tooltips=words, attachment="below", line_policy="nearest")
        self.figure.add_tools(self._hover)

    def open(self, drift: Drift | None) -> None:
        """Show the drift of another insertion; nothing where it is missing."""
        n_depths = 0 if drift is None else drift.um.shape[1]
        while len(self.lines) < n_depths:
            source = ColumnDataSource({"time": [], "um": []})
            self.lines.append(self.figure.line("time", "um", line_width=1, source=source))
        self._hover.renderers = self.lines[:n_depths]
        for line in self.lines[n_depths:]:
            line.data_source.data = {"time": [], "um": []}
        if drift is None:
            return
        low, high = float(np.nanmin(drift.um)), float(np.nanmax(drift.um))
        # In 32 bits, which are 4 ms and less than is drawn: half of what the page took to its first raster.
        is_fine = np.abs(drift.times_s).max(initial=0) < MAX_IN_32_BITS_S
        times = drift.times_s.astype(np.float32) if is_fine else drift.times_s
        margin = max((high - low) * 0.1, 0.5)
        self.figure.y_range.update(start=low - margin, end=high + margin)
        for index, (line, where) in enumerate(zip(self.lines, drift_places(drift), strict=False)):
            line.name = where
            line.glyph.line_color = DRIFT_PALETTE[int(index * (len(DRIFT_PALETTE) - 1) / max(n_depths - 1, 1))]
            line.data_source.data = {"time": times, "um": drift.um[:, index].astype(np.float32)}


MAX_IN_32_BITS_S = 2.0**16
"""Times beyond this, such as those of a clock on the wall, are sent to the browser in 64 bits."""


def drift_places(drift: Drift) -> list[str]:
    """Return in words at which depth each line of the drift was estimated; lines are in order from the tip."""
    if drift.depths_um is not None:
        return [f"at {depth:,.0f} µm" for depth in drift.depths_um]
    n_depths = drift.um.shape[1]
    return [f"depth {k} of {n_depths} from the tip" for k in range(1, n_depths + 1)]


PROFILE_PAUSE_S = 0.12
"""The profile follows the raster: for a whole session it takes five times as long to count."""

SETTLED_S = 0.3
"""Amplitudes are summed when the window has stood still for so long: they cost three times as much."""


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """A rate, or a mean amplitude, by depth that was asked for."""

    scene: Scene
    time_range: tuple[float, float]
    bin_um: float = PROFILE_BIN_UM
    of_amplitudes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ProfilePicture:
    """Corners of the step line: depth in um against rate in Hz, or mean amplitude as the spikes have it.

    Attributes
    ----------
    depth_um, values : ndarray, shape (2 * n_bins,), float64
    n_bins, n_known : int
        Bins that have spikes, and those of them that have a value.
    """

    depth_um: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    n_bins: int
    n_known: int

    @property
    def end(self) -> float:
        """Where an axis from zero ends."""
        return float(np.nanmax(self.values, initial=0.0)) * 1.05 or 1.0


def render_profile(request: ProfileRequest, cancel: threading.Event) -> ProfilePicture:
    """Compute the profile by depth of a window; without amplitudes, that of amplitudes is NaN everywhere.

    Raises
    ------
    BadRequest
        The bins make no sense.
    """
    scene = request.scene
    profile = depth_profile(
        scene.columns,
        request.bin_um,
        request.time_range,
        kept=scene.kept,
        amplitudes=request.of_amplitudes,
    )
    values, has_spikes = profile.rate_hz, profile.counts > 0
    if request.of_amplitudes:
        values = np.full(len(values), np.nan) if profile.amp_mean_uv is None else profile.amp_mean_uv
    n_known = int((has_spikes & np.isfinite(values)).sum())
    edges = profile.depth_edges_um
    return ProfilePicture(np.repeat(edges, 2)[1:-1], np.repeat(values, 2), int(has_spikes.sum()), n_known)


class DepthProfileView:
    """Firing rate, or mean amplitude, by depth of the window in view.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    pool : ThreadPoolExecutor
    queue : DocumentQueue
    failed : callable (DashboardError) -> None
    of_amplitudes : bool
        It then stands beside the heatmap, and follows when that is on the page.
    """

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        failed: Callable[[DashboardError], None],
        *,
        of_amplitudes: bool = False,
    ) -> None:
        self._state = state
        self._scene: Scene | None = None
        self._of_amplitudes = of_amplitudes
        self.figure = navigable(
            Range1d(0, 1),
            axes.depth,
            axes.time_limits,
            axes.depth_limits,
            only="y",
            name="amplitude-profile" if of_amplitudes else "profile",
            outline_line_color=None,
        )
        # It lies over the edge of a picture, and takes no room: its scale stands inside.
        self.figure.update(min_border_left=0, min_border_right=2)
        self.figure.axis.visible = False
        self._unit = "" if of_amplitudes else f"Hz / {PROFILE_BIN_UM:g} µm"
        self.scale = scale_label()
        self.figure.add_layout(self.scale)
        follow_theme(state, self.scale)
        self.line = ColumnDataSource({"value": [], "depth": []}, name=f"{self.figure.name}-line")
        self.figure.line("value", "depth", source=self.line, line_color=LINE, line_width=1.2)
        self._loop: RenderLoop[ProfileRequest, ProfilePicture] = RenderLoop(
            queue,
            pool,
            render_profile,
            self._apply,
            failed,
            COALESCE_S if of_amplitudes else PROFILE_PAUSE_S,
            title="The amplitude by depth" if of_amplitudes else "The rate by depth",
        )
        self._queue = queue
        self._timer: Timer | None = None
        state.param.watch(self._request, ["time_range", "show"] if of_amplitudes else "time_range")

    def open(self, scene: Scene) -> None:
        """Show another insertion, or the same one through other filters."""
        self._scene = scene
        if self._of_amplitudes:
            self._unit = amplitude_label(scene)
        self._request()

    def draw_now(self, seconds: float = FIRST_S) -> None:
        """Draw at once what was asked for, and wait for it so long."""
        self._loop.draw_now(seconds)

    def close(self) -> None:
        """Stop rendering."""
        self._scene = None
        self._loop.close()

    def _request(self, *events: object) -> None:
        if not self._of_amplitudes:
            self._ask()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._queue.after(SETTLED_S, self._ask)

    def _ask(self) -> None:
        self._timer = None
        scene, time_range = self._scene, self._state.time_range
        is_seen = not self._of_amplitudes or self._state.shows("heatmap")
        if scene is not None and scene.columns.is_placed and time_range is not None and is_seen:
            self._loop.request(ProfileRequest(scene, time_range, of_amplitudes=self._of_amplitudes))

    def _apply(self, request: ProfileRequest, picture: ProfilePicture) -> None:
        if request.scene is self._scene:
            self.figure.x_range.end = picture.end
            self.scale.text = f"{self._unit}\n0 – {picture.end:.3g}"
            self.line.data = {"value": picture.values, "depth": picture.depth_um}


def scale_label() -> Label:
    """Return the words at the foot of a profile that say what its width stands for."""
    return Label(
        x=2, y=2, x_units="screen", y_units="screen", text="", text_font_size="11px", background_fill_alpha=0.85
    )  # fmt: skip


def amplitude_label(scene: Scene) -> str:
    """Return what the axis of mean amplitudes says: its unit, and which bins are blank."""
    if scene.columns.amps_uv is None:
        return "no amplitudes"
    unit = scene.sorting.amp_unit
    return f"mean {unit} (n ≥ {MIN_SPIKES_FOR_AMPLITUDE})"
