"""Figures of the Raw tab: voltage over channels, RMS over time and depth, spectrum by depth; made once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, Range1d
from bokeh.plotting import figure
from matplotlib import colormaps
from matplotlib.colors import to_hex

from dashboard.analysis.raw.lf_picture import Spectrogram
from dashboard.analysis.raw.maps import DepthImage, QualityMaps, by_depth
from dashboard.analysis.raw.picture import SnippetPicture
from dashboard.analysis.raw.spectra import WINDOW_S
from dashboard.figures import figure as figures
from dashboard.figures.quality import BAND_COLOURS
from dashboard.figures.raw import ink_of
from dashboard.model import raw
from dashboard.model.colours import LABEL_COLOURS
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import lighten, navigable, small, time_ticks
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.raw.picture import TRACES_BELOW

SNIPPET_PX, MAP_PX = 380, 220
N_TICKS = 9
LEVELS = 255
NO_VALUE = "#00000000"


def _levels(name: str) -> tuple[str, ...]:
    """Return the colours of a map of matplotlib, one for each level."""
    return tuple(to_hex(colour) for colour in colormaps[name](np.linspace(0, 1, LEVELS)))


VOLTAGE = {name: _levels(figures.PALETTES[name][0]) for name in raw.PALETTES}
SINKS_RED = _levels("RdBu")
PALETTES = {
    name: tuple(to_hex(colour) for colour in colormaps[name](np.linspace(0, 1, 256))) for name in ("plasma", "inferno")
}
_IMAGE = ("image", "x", "y", "dw", "dh")


class RowsFigure:
    """Values by channel, the lowest at the bottom, a row for each: zero is the middle of the palette."""

    def __init__(self, name: str, palette: tuple[str, ...]) -> None:
        self.figure = small(SNIPPET_PX, "Time from the middle (ms)", "Depth (µm) and region", name=name)
        self.figure.update(min_border_left=96)
        self.figure.yaxis.ticker = self._ticker = FixedTicker(ticks=[])
        self.image = ColumnDataSource({name: [] for name in _IMAGE}, name=f"{name}-data")
        self.mapper = LinearColorMapper(palette=palette, low=1, high=LEVELS, low_color=NO_VALUE)
        self.figure.image(*_IMAGE, source=self.image, color_mapper=self.mapper, level="image")
        lighten(self.figure)

    def fill(self, picture: SnippetPicture, values: npt.NDArray[Any], end: float, at_s: float) -> None:
        """Draw values of the rows of a picture, from -`end` to `end`; NaN has no colour."""
        left, right, step = extent_ms(picture, at_s)
        with np.errstate(invalid="ignore"):
            levels = np.clip((values / end + 1) * (LEVELS / 2), 1, LEVELS)
        image = np.where(np.isfinite(values), levels, 0).astype(np.uint8)
        place = (image, left, -0.5, values.shape[1] * picture.n_pooled * step, len(values))
        self.image.data = dict(zip(_IMAGE, ([value] for value in place), strict=True))
        self.name_rows(picture, left, right, 0.5)

    def name_rows(self, picture: SnippetPicture, left: float, right: float, margin: float) -> None:
        """Let the axes span the rows of a picture; some of them have depth and region."""
        n = len(picture.uv)
        self.figure.x_range.update(start=left, end=right)
        self.figure.y_range.update(start=-margin, end=n - 1 + margin)
        rows = np.unique(np.linspace(0, n - 1, min(n, N_TICKS)).round().astype(int)).tolist()
        self._ticker.ticks = rows
        self.figure.yaxis.major_label_overrides = {
            row: f"{picture.depths_um[row]:,.0f} {picture.regions[row]}".strip() for row in rows
        }


def extent_ms(picture: SnippetPicture, at_s: float) -> tuple[float, float, float]:
    """Return where a picture begins and ends, from its middle, and how long a sample is, in ms."""
    times, step = picture.snippet.times_s, 1e3 / picture.snippet.band.fs_hz
    return (times[0] - at_s) * 1e3 - step / 2, (times[-1] - at_s) * 1e3 + step / 2, step


class SnippetFigure(RowsFigure):
    """Voltage by channel with the spikes in it; lines where few channels are in view."""

    def __init__(self) -> None:
        super().__init__("raw-snippet", VOLTAGE[raw.PALETTES[0]])
        self.traces = ColumnDataSource({"x": [], "y": []}, name="raw-traces-data")
        self.figure.multi_line("x", "y", source=self.traces, line_color="#808080", line_width=1)
        empty: dict[str, list[Any]] = {name: [] for name in ("x", "y", "colour", "size")}
        self.marks = ColumnDataSource(empty, name="raw-marks-data")
        self.figure.scatter(
            "x", "y", size="size", fill_color=None, line_color="colour", line_width=1.6, source=self.marks
        )  # fmt: skip
        lighten(self.figure)

    def show(self, scene: Scene, picture: SnippetPicture, at_s: float, gain_db: int, selected: tuple[int, ...]) -> None:
        """Draw a snippet."""
        uv, n = picture.uv, len(picture.uv)
        end_uv = picture.scale_uv * 10 ** (-gain_db / 20)
        if n >= TRACES_BELOW:
            self.fill(picture, uv, end_uv, at_s)
            self.traces.data = {"x": [], "y": []}
        else:
            left, right, step = extent_ms(picture, at_s)
            self.name_rows(picture, left, right, 1.0)
            along = left + (np.arange(uv.shape[1]) + 0.5) * step * picture.n_pooled
            self.image.data = {name: [] for name in _IMAGE}
            self.traces.data = {
                "x": [along.astype(np.float32)] * n,
                "y": [(row + trace / (2 * end_uv)).astype(np.float32) for row, trace in enumerate(uv)],
            }
        self.marks.data = _mark_data(scene, picture, at_s, selected)


def _mark_data(scene: Scene, picture: SnippetPicture, at_s: float, selected: tuple[int, ...]) -> dict[str, Any]:
    marks = picture.marks
    units = marks.units.tolist()
    colours = [ink_of(scene.sorting, unit, selected) for unit in units]
    sizes = [13 if unit in selected else 8 for unit in units]
    return {"x": (marks.times_s - at_s) * 1e3, "y": marks.rows, "colour": colours, "size": sizes}


class SpectrogramFigure:
    """Power of one channel over time and frequency."""

    def __init__(self) -> None:
        self.figure = small(MAP_PX, "Time from the middle (s)", "Frequency (Hz)", name="raw-spectrogram")
        self._mapper = LinearColorMapper(palette=PALETTES["inferno"], low=0, high=1, nan_color=NO_VALUE)
        self.image = ColumnDataSource({name: [] for name in _IMAGE}, name="raw-spectrogram-data")
        self.figure.image(*_IMAGE, source=self.image, color_mapper=self._mapper, level="image")
        lighten(self.figure)

    def show(self, found: Spectrogram, at_s: float) -> None:
        """Draw the power; a window is as wide as the windows' middles are apart."""
        low, high = DepthImage(found.power_db, found.hz, found.times_s).levels
        self._mapper.update(low=low, high=high)
        apart = float(np.diff(found.times_s[:2]).sum()) or WINDOW_S
        left, width = float(found.times_s[0]) - at_s - apart / 2, apart * len(found.times_s)
        bin_hz = float(found.hz[1] - found.hz[0])
        place = (found.power_db.astype(np.float32), left, -bin_hz / 2, width, bin_hz * len(found.hz))
        self.image.data = dict(zip(_IMAGE, ([value] for value in place), strict=True))
        self.figure.x_range.update(start=left, end=left + width)
        self.figure.y_range.update(start=0, end=float(found.hz[-1]))


class BandFigure:
    """Power of LF by depth, a line for each band, on the raster's depth axis."""

    def __init__(self, axes: Axes) -> None:
        across = Range1d(0, 1)
        self.figure: figure = navigable(
            across, axes.depth, across, axes.depth_limits, only="y", name="raw-bands",
            x_axis_label="Power (dB re 1 V²/Hz)", y_axis_label="Depth (µm)",
        )  # fmt: skip
        self.figure.update(sizing_mode="stretch_width", height=MAP_PX)
        self.lines = ColumnDataSource({name: [] for name in ("x", "y", "colour")}, name="raw-bands-data")
        self.figure.multi_line("x", "y", line_color="colour", line_width=1.5, source=self.lines)
        lighten(self.figure)

    def show(self, maps: QualityMaps) -> None:
        """Draw the mean of the channels at each depth."""
        drawn = [by_depth(values[np.newaxis], maps.depths_um) for values in maps.powers.values()]
        known = np.concatenate([values[np.isfinite(values)] for values, _ in drawn])
        if known.size:
            self.figure.x_range.update(start=float(known.min()) - 2, end=float(known.max()) + 2)
        self.lines.data = {
            "x": [values[0].astype(np.float32) for values, _ in drawn],
            "y": [depths.astype(np.float32) for _, depths in drawn],
            "colour": list(BAND_COLOURS[: len(drawn)]),
        }


class MapFigure:
    """Values over time and depth on the raster's axes, or over frequency and depth."""

    def __init__(self, axes: Axes, name: str, *, over_time: bool, palette: str) -> None:
        self._over_time = over_time
        x_range, limits = (axes.time, axes.time_limits) if over_time else (Range1d(0, 300), Range1d(0, 300))
        self.figure: figure = navigable(
            x_range, axes.depth, limits, axes.depth_limits, only="" if over_time else "y", name=name,
            x_axis_label="Time (s)" if over_time else "Frequency (Hz)", y_axis_label="Depth (µm)",
        )  # fmt: skip
        self.figure.update(sizing_mode="stretch_width", height=MAP_PX)
        if over_time:
            self.figure.xaxis.formatter = time_ticks()
        self._mapper = LinearColorMapper(palette=PALETTES[palette], low=0, high=1, nan_color=NO_VALUE)
        self.image = ColumnDataSource({name: [] for name in _IMAGE}, name=f"{name}-data")
        self.figure.image(*_IMAGE, source=self.image, color_mapper=self._mapper, level="image")
        self.bad = ColumnDataSource({"x": [], "y": [], "colour": []}, name=f"{name}-bad-data")
        if not over_time:
            self.figure.scatter("x", "y", marker="square", size=5, color="colour", source=self.bad)
        lighten(self.figure)

    def show(self, image: DepthImage, palette: str) -> None:
        """Draw an image; rows are as high as their depths are apart, so that none covers another."""
        low, high = image.levels
        self._mapper.update(palette=PALETTES[palette], low=low, high=high)
        depths, along = image.depths_um, image.along
        apart = float(np.median(np.diff(depths))) if len(depths) > 1 else 20.0
        first = float(along[0] - np.diff(along[:2])[0] / 2)
        width = float(along[-1] - along[0]) * len(along) / (len(along) - 1)
        if not self._over_time:
            self.figure.x_range.update(start=max(first, 0.0), end=first + width)
        runs = np.split(np.arange(len(depths)), np.flatnonzero(np.diff(depths) > 1.5 * apart) + 1)
        data: dict[str, list[Any]] = {name: [] for name in _IMAGE}
        for run in runs:
            height = float(depths[run[-1]] - depths[run[0]]) + apart
            values = (image.values[run].astype(np.float32), first, float(depths[run[0]]) - apart / 2, width, height)
            for name, value in zip(_IMAGE, values, strict=True):
                data[name].append(value)
        self.image.data = data

    def show_bad(self, maps: QualityMaps) -> None:
        """Mark the channels that are dead, noisy or outside the brain."""
        if maps.labels is None:
            return
        bad = [row for row in np.flatnonzero(maps.labels) if row < len(maps.depths_um)]
        self.bad.data = {
            "x": [float(self.figure.x_range.end) / 75] * len(bad),
            "y": maps.depths_um[bad],
            "colour": [LABEL_COLOURS[int(maps.labels[row])] for row in bad],
        }
