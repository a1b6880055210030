"""Firing rate over time and depth, in bins that the user chooses; or noise of the recording, as its files have it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import LinearColorMapper

from dashboard.analysis.raw.heat import HeatImage
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.model.errors import DashboardError
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import LiveImage, extent
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState


@dataclass(frozen=True, slots=True)
class HeatmapRequest:
    """One heatmap that was asked for."""

    scene: Scene
    time_range: tuple[float, float]
    depth_range: tuple[float, float]
    time_bin_s: float
    depth_bin_um: float
    width: int
    height: int
    heat: HeatImage | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapPicture:
    """Levels of a heatmap, the values behind them and how many chosen bins one drawn bin holds.

    `heat` is what a picture of the recording shows; None: it is one of rates.
    """

    aggregate: Aggregate
    levels: shading.Levels
    merged: tuple[int, int]
    render_ms: float
    heat: HeatImage | None = None

    @property
    def palette(self) -> str:
        """Name of the palette of a picture of the recording; empty for rates, whose palette is chosen."""
        return self.heat.palette if self.heat is not None else ""


def merge_factor(span: float, bin_size: float, pixels: int) -> int:
    """Return how many bins share a pixel, at least 1.

    The mean rate of that many bins is the rate of the merged bin, so nothing is left out.
    """
    return max(1, int(np.ceil(span / bin_size / max(pixels, 1))))


def render_heat(request: HeatmapRequest, heat: HeatImage) -> HeatmapPicture:
    """Draw a picture of the recording: the mean of its values in each pixel, else the nearest value."""
    started = time.perf_counter()
    drawn = heat.in_pixels(request.time_range, request.depth_range, request.width, request.height)
    low, high = heat.image.levels
    unit = np.clip((drawn.values - low) / (high - low), 0, 1)
    image = np.where(np.isfinite(unit), 1 + np.nan_to_num(unit) * (TOP_LEVEL - 1), 0).astype(np.uint8)
    levels = shading.Levels(image, low, high, "linear")
    return HeatmapPicture(drawn, levels, (1, 1), (time.perf_counter() - started) * 1e3, heat)


def render(request: HeatmapRequest, cancel: threading.Event) -> HeatmapPicture:
    """Draw a request; pure apart from the clock."""
    if request.heat is not None:
        return render_heat(request, request.heat)
    started = time.perf_counter()
    scene = request.scene
    (t0, t1), (d0, d1) = request.time_range, request.depth_range
    merge_t = merge_factor(t1 - t0, request.time_bin_s, request.width)
    merge_d = merge_factor(d1 - d0, request.depth_bin_um, request.height)
    time_bin, depth_bin = request.time_bin_s * merge_t, request.depth_bin_um * merge_d
    # Bins keep their place while the window moves: they are counted from zero.
    t0, d0 = np.floor(t0 / time_bin) * time_bin, np.floor(d0 / depth_bin) * depth_bin
    rates = firing_rate(
        scene.columns,
        time_bin,
        depth_bin,
        (float(t0), float(t1)),
        (float(d0), float(d1)),
        kept=scene.kept,
    )
    low, high = scene.rate_limits(request.depth_bin_um)
    unit = (rates.values.astype(np.float32) / merge_d - np.float32(low)) / np.float32(max(high - low, 1e-9))
    image = (np.clip(unit, 0, 1) * np.float32(TOP_LEVEL)).astype(np.uint8)
    levels = shading.Levels(image, low, high, "linear")
    return HeatmapPicture(rates, levels, (merge_t, merge_d), (time.perf_counter() - started) * 1e3)


class HeatmapView(LiveImage[Scene, HeatmapRequest, HeatmapPicture]):
    """The heatmap figure, on the axes of the raster."""

    title = "The heatmap"

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        drawn: Callable[[HeatmapPicture], None],
        failed: Callable[[DashboardError], None],
        heat: Callable[[Scene, str], HeatImage | None] = lambda scene, kind: None,
    ) -> None:
        follows = ["time_range", "depth_range", "time_bin_s", "depth_bin_um", "show", "heat_of"]
        self._heat = heat
        super().__init__(state, queue, pool, render, failed, follows=follows)
        self._drawn = drawn
        self._make_figure(axes, "heatmap")
        self.mapper = LinearColorMapper(palette=list(shading.palette("binary", dark=False)), low=0, high=255)
        self.image = self._source("image")
        self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper)

    def _asked(self, scene: Scene) -> HeatmapRequest | None:
        state = self._state
        if state.time_range is None or state.depth_range is None or not state.shows("heatmap"):
            return None
        heat = None
        if state.heat_of != "rate":
            try:
                heat = self._heat(scene, state.heat_of)
            except Exception as error:  # noqa: BLE001 - what it shows could not be computed
                self._loop.report(state.heat_of, error)
            if heat is None:
                return None  # it is read: `draw` is called when it is here
        return HeatmapRequest(
            scene, state.time_range, state.depth_range, state.time_bin_s, state.depth_bin_um, *self._pixels(),
            heat,
        )  # fmt: skip

    def draw(self) -> None:
        """Draw what the state asks for, once more."""
        self._request()

    @property
    def shown(self) -> HeatImage | None:
        """The picture of the recording that is on the page; None where rates are."""
        return None if self.picture is None else self.picture.heat

    @staticmethod
    def _images(request: HeatmapRequest, picture: HeatmapPicture) -> Sequence[npt.NDArray[Any] | None]:
        return (picture.levels.image,)

    def _show(self, request: HeatmapRequest, picture: HeatmapPicture) -> None:
        self.image.data = self._placed(picture.levels.image, extent(picture.aggregate))
        self.picture = picture
        self._colour(picture)
        self._drawn(picture)

    def _colour(self, picture: HeatmapPicture) -> None:
        """Give the picture its palette; noise has no colour where it is not known."""
        palette = list(shading.palette(picture.palette or self._state.cmap, dark=self._state.dark))
        low = 1 if picture.palette else 0
        if self.mapper.palette != palette or self.mapper.low != low:
            self.mapper.update(palette=palette, low=low, low_color="#00000000" if low else None)

    def _recolour(self, *events: object) -> None:
        if self.picture is None:
            self.mapper.palette = list(shading.palette(self._state.cmap, dark=self._state.dark))
        elif self._scene is not None:
            self._colour(self.picture)
            self._drawn(self.picture)  # for the colour bar
