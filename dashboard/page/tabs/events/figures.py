"""Figures of the Events tab: trial raster, PSTH, population map; made once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, LinearColorMapper, Span
from matplotlib import colormaps
from matplotlib.colors import to_hex

from dashboard.analysis.events.maps import EventMap
from dashboard.analysis.events.picture import GroupPicture, pooled_groups, raster_limits, theme_ink
from dashboard.analysis.units.clouds import opacity
from dashboard.page.core.bokeh_figures import QUIET, small
from dashboard.page.core.shading import diverging

BWR = tuple(to_hex(colour) for colour in colormaps["bwr"](np.linspace(0, 1, 256)))
Z_LIMIT = 10.0
"""IBL's limits of the population map, in standard deviations of the baseline."""


class TrialRaster:
    """Spikes by trial and time from the event, groups one above the other in their colours."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Time from event (s)", "Trials", name="event-raster")
        self.images = ColumnDataSource({name: [] for name in ("image", "x", "y", "dw", "dh")}, name="event-raster-data")
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.images, level="image")
        self.figure.add_layout(Span(location=0, dimension="height", line_color=QUIET, line_width=1))
        self.borders = ColumnDataSource({"y": []})
        self.figure.hspan(y="y", source=self.borders, line_color=QUIET, line_alpha=0.6, line_width=1)

    def show(
        self,
        groups: tuple[GroupPicture, ...],
        event: str,
        edges_s: npt.NDArray[np.float64],
        *,
        is_single: bool,
        dark: bool,
    ) -> None:
        """Draw the trials; the first group is at the bottom."""
        start, end = float(edges_s[0]), float(edges_s[-1])
        rows = pooled_groups(groups, is_single=is_single)
        levels = _levels(rows, is_single=is_single)
        data: dict[str, list[Any]] = {name: [] for name in ("image", "x", "y", "dw", "dh")}
        bottom = 0
        borders = []
        for group, alpha in zip(groups, levels, strict=True):
            colour = theme_ink(group.group.color, dark=dark)
            image = np.empty((*alpha.shape, 4), np.uint8)
            image[..., :3] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            image[..., 3] = alpha
            values = (image.view(np.uint32)[..., 0], start, bottom, end - start, len(group.counts))
            for name, value in zip(data, values, strict=True):
                data[name].append(value)
            bottom += len(group.counts)
            borders.append(bottom)
        self.images.data = data
        self.borders.data = {"y": borders[:-1]}
        self.figure.xaxis.axis_label = f"Time from {event} (s)"
        self.figure.x_range.update(start=start, end=end)
        self.figure.y_range.update(start=0, end=max(bottom, 1))


def _levels(rows: list[npt.NDArray[np.float64]], *, is_single: bool) -> list[npt.NDArray[np.uint8]]:
    """Return opacities: by the logarithm of a unit's counts, else linear between the limits."""
    if is_single:
        return [opacity(row.astype(np.int64)) for row in rows]
    low, high = raster_limits(rows, is_single=False)
    return [np.round(255 * np.clip((row - low) / (high - low), 0, 1)).astype(np.uint8) for row in rows]


class PsthFigure:
    """Mean rate around the event, a line per group, with bands of one standard error on either side."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Time from event (s)", "Rate (Hz)", name="event-psth")
        self.bands = ColumnDataSource({"x": [], "y": [], "colour": []})
        self.figure.patches("x", "y", source=self.bands, fill_color="colour", fill_alpha=0.22, line_color=None)
        self.lines = ColumnDataSource({"x": [], "y": [], "colour": []}, name="event-psth-data")
        self.figure.multi_line("x", "y", source=self.lines, line_color="colour", line_width=1.8)
        self.figure.add_layout(Span(location=0, dimension="height", line_color=QUIET, line_width=1))

    def show(self, groups: tuple[GroupPicture, ...], event: str, *, dark: bool) -> None:
        """Draw the groups."""
        lines: dict[str, list[Any]] = {"x": [], "y": [], "colour": []}
        bands: dict[str, list[Any]] = {"x": [], "y": [], "colour": []}
        low, high, edges = np.inf, 0.0, np.array([0.0, 1.0])
        for group in groups:
            psth, colour = group.psth, theme_ink(group.group.color, dark=dark)
            edges = psth.edges_s
            line: tuple[Any, ...] = (psth.centres_s, psth.mean_hz, colour)
            for name, value in zip(lines, line, strict=True):
                lines[name].append(value)
            error = np.nan_to_num(psth.sem_hz)
            above, below = psth.mean_hz + error, psth.mean_hz - error
            low, high = min(low, float(below.min())), max(high, float(above.max()))
            if np.isfinite(psth.sem_hz).all():
                outline = np.concatenate([psth.centres_s, psth.centres_s[::-1]])
                band: tuple[Any, ...] = (outline, np.concatenate([above, below[::-1]]), colour)
                for name, value in zip(bands, band, strict=True):
                    bands[name].append(value)
        self.bands.data, self.lines.data = bands, lines
        self.figure.xaxis.axis_label = f"Time from {event} (s)"
        self.figure.x_range.update(start=float(edges[0]), end=float(edges[-1]))
        low = 0.0 if not np.isfinite(low) or low < 0.5 * high else 0.95 * low
        self.figure.y_range.update(start=low, end=1.05 * high or 1.0)


def map_palette(*, dark: bool) -> tuple[str, ...]:
    """Return the colours of z-scores; zero is the ground of the theme."""
    return diverging(dark=True) if dark else BWR


class MapFigure:
    """The population around the event: depth by time, as z-scores of the baseline."""

    def __init__(self, height: int) -> None:
        self.figure = small(height, "Time from event (s)", "Depth along probe (µm)", name="event-map")
        self._mapper = LinearColorMapper(palette=list(BWR), low=-Z_LIMIT, high=Z_LIMIT, nan_color="#80808040")
        self.image = ColumnDataSource({name: [] for name in ("image", "x", "y", "dw", "dh")}, name="event-map-data")
        self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self._mapper, level="image")
        self._onset = Span(location=0, dimension="height", line_color="#000000", line_width=1)
        self.figure.add_layout(self._onset)

    def show(self, found: EventMap, event: str, *, dark: bool) -> None:
        """Draw a map."""
        self._mapper.palette = list(map_palette(dark=dark))
        self._onset.line_color = "#ffffff" if dark else "#000000"
        (start, end), (low, high) = found.time_edges_s[[0, -1]], found.depth_edges_um[[0, -1]]
        self.image.data = {
            "image": [found.zscore.astype(np.float32)],
            "x": [float(start)],
            "y": [float(low)],
            "dw": [float(end - start)],
            "dh": [float(high - low)],
        }
        self.figure.xaxis.axis_label = f"Time from {event} (s)"
        self.figure.x_range.update(start=float(start), end=float(end))
        self.figure.y_range.update(start=float(low), end=float(high))
