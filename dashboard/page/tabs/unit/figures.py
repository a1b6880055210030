"""Figures of the Unit tab: made once, filled for every unit that is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import BasicTicker, ColumnDataSource, LinearColorMapper, Span
from bokeh.plotting import figure

from dashboard.analysis.units.amplitudes import N_BINS, AmplitudeHistogram
from dashboard.analysis.units.correlograms import Correlogram
from dashboard.analysis.units.isi import CONTAMINATION_PCT, IsiHistogram, RefractoryTest
from dashboard.analysis.units.templates import TemplatePicture, lay_template
from dashboard.page.core.bokeh_figures import QUIET, small, time_ticks
from dashboard.page.core.clouds import Cloud
from dashboard.page.core.shading import hex_colour, palette

BAR = "#5c6bc0"
LIMIT = "#d55e00"
"""Lines of thresholds, and what fails them."""

HIGH = "#0072b2"
"""Bars that the noise cut-off compares the lowest ones with."""

MEAN = "#e69f00"
NOTHING = "#00000000"


class Histogram:
    """Bars over x, with a line at a level."""

    def __init__(self, height: int, x_label: str, y_label: str, name: str) -> None:
        self.figure = small(height, x_label, y_label, name=name)
        self.bars = ColumnDataSource({"left": [], "right": [], "top": []}, name=f"{name}-data")
        self.figure.quad(
            left="left", right="right", bottom=0, top="top", source=self.bars, fill_color=BAR, line_color=None
        )
        self.level = Span(location=0, dimension="width", line_color=MEAN, line_dash="dashed", visible=False)
        self.figure.add_layout(self.level)

    def show(self, edges: npt.NDArray[np.float64], tops: npt.NDArray[Any], level: float | None = None) -> None:
        """Draw bars between `edges`."""
        self.bars.data = {"left": edges[:-1], "right": edges[1:], "top": tops}
        most = max(float(np.max(tops, initial=0)), level or 0.0)
        self.figure.x_range.update(start=float(edges[0]), end=float(edges[-1]))
        self.figure.y_range.update(start=0, end=1.08 * most or 1.0)
        self.level.update(location=level or 0.0, visible=level is not None)

    def show_lags(self, found: Correlogram, rate_hz: float) -> None:
        """Draw a correlogram as rates, with the mean rate of the other unit as a line."""
        half = found.bin_s / 2
        edges = 1e3 * np.append(found.lags_s - half, found.lags_s[-1] + half)
        self.show(edges, found.rate_hz, rate_hz)

    def show_intervals(self, found: IsiHistogram) -> None:
        """Draw the histogram of intervals."""
        self.show(1e3 * found.edges_s, found.counts)


class RefractoryFigure:
    """Confidence of the sliding test over refractory period and contamination."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Refractory period (ms)", "Contamination (%)", name="unit-refractory")
        inks = list(palette("binary", dark=False))
        self._mapper = LinearColorMapper(palette=inks, low=0, high=100, nan_color=NOTHING)
        self.image = ColumnDataSource(
            {name: [] for name in ("image", "x", "y", "dw", "dh")}, name="unit-refractory-data"
        )
        self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self._mapper, level="image")
        line = Span(location=CONTAMINATION_PCT, dimension="width", line_color=LIMIT, line_dash="dashed", line_width=1.5)
        self.figure.add_layout(line)
        self.contour = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self.contour, line_color="#0072b2", line_width=2)

    def apply_theme(self, *, dark: bool) -> None:
        """Let what the test is sure of be the ink of the theme."""
        self._mapper.palette = list(palette("binary", dark=dark))

    def show(self, test: RefractoryTest) -> None:
        """Draw one unit's test; nothing where it has too few spikes for one."""
        periods, levels = 1e3 * test.periods_s, test.contamination_pct
        start, end = float(periods[0]), float(periods[-1])
        low, high = float(levels[0]), float(levels[-1])
        self.figure.x_range.update(start=start, end=end)
        self.figure.y_range.update(start=low, end=high)
        self.image.data = {
            "image": [test.confidence_pct.astype(np.float32)],
            "x": [start],
            "y": [low],
            "dw": [end - start],
            "dh": [high - low],
        }
        self.contour.data = {"x": periods, "y": test.contour_pct}


class CloudFigure:
    """Spikes over time as a picture, in the colours of the selection."""

    def __init__(self, height: int, label: str, name: str, *, time_axis: bool = True) -> None:
        self.figure = small(height, "Time (s)" if time_axis else "", label, name=name)
        self.figure.xaxis.formatter = time_ticks()
        empty = {"image": [np.zeros((1, 1), np.uint32)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
        self.image = ColumnDataSource(empty, name=f"{name}-data")
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.image, level="image")
        self.limits = limit_lines(self.figure)

    def show(self, found: Cloud, limits: tuple[float, float] | None = None) -> None:
        """Draw the spikes, with lines at the limits of what passes, where there are any."""
        show_limits(self.limits, limits)
        (start, end), (low, high) = found.time_range_s, found.value_range
        self.image.data = {"image": [found.image], "x": [start], "y": [low], "dw": [end - start], "dh": [high - low]}
        self.figure.x_range.update(start=start, end=end)
        self.figure.y_range.update(start=low, end=high)


def limit_lines(plot: figure) -> tuple[Span, Span]:
    """Return lines across a figure, for `show_limits`."""
    low, high = (
        Span(dimension="width", line_color=QUIET, line_width=1.5, line_dash="dashed", visible=False) for _ in range(2)
    )
    plot.add_layout(low)
    plot.add_layout(high)
    return low, high


def show_limits(lines: tuple[Span, Span], limits: tuple[float, float] | None) -> None:
    """Draw lines at limits; none at an open end."""
    for line, limit in zip(lines, limits or (-np.inf, np.inf), strict=True):
        line.update(location=limit if np.isfinite(limit) else 0.0, visible=bool(np.isfinite(limit)))


class AmplitudeBars:
    """Histogram beside amplitudes over time, with the bins that the noise cut-off compares."""

    def __init__(self, height: int, beside: figure) -> None:
        self.figure = small(height, "Spikes", "", y_range=beside.y_range, name="unit-amplitudes")
        self.figure.update(sizing_mode="fixed", width=110, min_border_left=4)
        self.figure.yaxis.visible = False
        self.figure.xaxis.ticker = BasicTicker(desired_num_ticks=2)
        self.bars = ColumnDataSource({"bottom": [], "top": [], "right": [], "colour": []}, name="unit-amplitudes-data")
        self.figure.quad(
            left=0, right="right", bottom="bottom", top="top", source=self.bars, fill_color="colour", line_color=None
        )
        self.limits = limit_lines(self.figure)

    def show(self, found: AmplitudeHistogram, limits: tuple[float, float] | None = None) -> None:
        """Draw the histogram that the test looks at; where it has no verdict, or other bins are wanted, the plain one.

        Bars over the bins that the test compares have their colours.
        """
        show_limits(self.limits, limits)
        noise = found.noise
        is_tests_own = bool(noise.counts.size) and len(found.counts) == N_BINS
        counts, edges = (noise.counts, noise.edges_uv) if is_tests_own else (found.counts, found.edges_uv)
        colours = np.full(len(counts), BAR, dtype=object)
        low_bins = np.array([noise.low_bin] if noise.low_bin >= 0 else [], dtype=np.int64)
        for bins, colour in ((noise.high_bins, HIGH), (low_bins, LIMIT)):
            for low, high in zip(noise.edges_uv[bins], noise.edges_uv[bins + 1], strict=True):
                colours[(edges[:-1] < high) & (edges[1:] > low)] = colour
        self.bars.data = {"bottom": edges[:-1], "top": edges[1:], "right": counts, "colour": list(colours)}
        self.figure.x_range.update(start=0, end=1.05 * float(counts.max(initial=0)) or 1.0)


class RateFigure:
    """Firing rate over the session, a line per unit."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Time (s)", "Rate (Hz)", name="unit-rate")
        self.figure.xaxis.formatter = time_ticks()
        self.lines = ColumnDataSource({"x": [], "y": [], "colour": []}, name="unit-rate-data")
        self.figure.multi_line("x", "y", line_color="colour", line_width=1.3, source=self.lines)

    def show(
        self,
        edges_s: npt.NDArray[np.float64],
        rates_hz: tuple[npt.NDArray[np.float64], ...],
        unit_colours: npt.NDArray[np.uint8],
    ) -> None:
        """Draw steps."""
        corners = np.repeat(edges_s, 2)[1:-1]
        colours = [hex_colour(colour) for colour in unit_colours]
        steps = [np.repeat(rate, 2) for rate in rates_hz]
        self.lines.data = {"x": [corners] * len(steps), "y": steps, "colour": colours}
        most = max((float(step.max(initial=0)) for step in steps), default=0.0)
        self.figure.x_range.update(start=float(edges_s[0]), end=float(edges_s[-1]))
        self.figure.y_range.update(start=0, end=1.08 * most or 1.0)


class TemplateFigure:
    """Mean waveforms at the places of their channels, with scale bars."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Lateral position (µm)", "Depth along probe (µm)", name="unit-template")
        self.traces = ColumnDataSource({"x": [], "y": [], "colour": []}, name="unit-template-data")
        self.figure.multi_line("x", "y", line_color="colour", line_width=1.4, source=self.traces)
        self.bars = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
        self.figure.segment("x0", "y0", "x1", "y1", source=self.bars, line_color=QUIET, line_width=2)
        self.words = ColumnDataSource({"x": [], "y": [], "text": []})
        self.figure.text(
            "x", "y", "text", source=self.words, text_color=QUIET, text_font_size="10px", text_baseline="bottom"
        )

    def show(self, template: TemplatePicture, unit: str) -> None:
        """Draw one unit's template."""
        traces, bars, words = lay_template(template, unit)
        self.traces.data = {**traces, "colour": [LIMIT if is_peak else BAR for is_peak in template.is_peak]}
        self.bars.data, self.words.data = bars, words
        x = np.concatenate([*self.traces.data["x"], bars["x1"]])
        y = np.concatenate([*self.traces.data["y"], bars["y0"]])
        self.figure.x_range.update(start=float(x.min()) - 6, end=float(x.max()) + 16)
        self.figure.y_range.update(start=min(float(y.min()) - 6, words["y"][0] - 8), end=float(y.max()) + 6)
