"""The difference image of two sides of a comparison: spikes of A minus spikes of B."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh.models import LinearColorMapper

from dashboard.analysis.compare.difference import COARSER, bin_area, count_both, difference_limit, subtract
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import STANDARD_DEVIATIONS
from dashboard.engine.count.raster import default_window
from dashboard.model.errors import DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import LiveImage, extent
from dashboard.page.core.scene import OVERVIEW_HEIGHT, OVERVIEW_WIDTH, Scene
from dashboard.page.core.state import ViewState

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The two scenes, and the limits of their difference over the whole insertion."""

    a: Scene
    b: Scene
    _density: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sorting(self) -> SpikeSorting:
        """That of A, on whose axes both are drawn."""
        return self.a.sorting

    def counts(
        self, times: Range, depths: Range, width: int, height: int, cancel: threading.Event | None = None
    ) -> Aggregate:
        """Return A - B, in spikes per bin, on one lattice."""
        a, b = ((scene.columns, scene.kept) for scene in (self.a, self.b))
        return subtract(*count_both(a, b, times, depths, width, height, snap=True, cancel=cancel))

    def density(self, cancel: threading.Event | None = None) -> float:
        """Return the default limit in spikes per s and um; it does not change with the window."""
        with self._lock:
            if not self._density:
                columns = self.a.columns
                times, depths = default_window(columns.time_range_s), default_window(columns.depth_range_um)
                size = (OVERVIEW_WIDTH // COARSER, OVERVIEW_HEIGHT // COARSER)
                whole = self.counts(times, depths, *size, cancel)
                spread = STANDARD_DEVIATIONS * float(np.sqrt(np.mean(whole.values**2)))
                self._density.append(spread / bin_area(whole))
            return self._density[0]


@dataclass(frozen=True, slots=True, eq=False)
class OtherSide:
    """The other side as it is shown, for an export.

    Attributes
    ----------
    scene : Scene
    title : str
    has_difference : bool
    table : DataFrame or None
        Groups of units that belong together, as far as they pass the filters; None where none are matched.
    note : str
        Within what spikes coincide, or why nothing is matched.
    selected, ranks : tuple of int
        Indexes of the selected units of B, and the places of their colours.
    """

    scene: Scene
    title: str
    has_difference: bool
    table: pd.DataFrame | None
    note: str
    selected: tuple[int, ...] = ()
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DifferenceRequest:
    """One difference image that was asked for."""

    scene: Sides
    time_range: tuple[float, float]
    depth_range: tuple[float, float]
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class DifferencePicture:
    """A - B as drawn; `limit` is that of the palette on either side of zero, in spikes per bin."""

    image: npt.NDArray[np.float32]
    aggregate: Aggregate
    limit: float
    n_more: int
    n_less: int


def render(request: DifferenceRequest, cancel: threading.Event) -> DifferencePicture:
    """Draw a request."""
    found = request.scene.counts(request.time_range, request.depth_range, request.width, request.height, cancel)
    more, less = found.values[found.values > 0].sum(), -found.values[found.values < 0].sum()
    limit = difference_limit(found, request.scene.density(cancel))
    return DifferencePicture(found.values.astype(np.float32), found, limit, int(more), int(less))


def bar(picture: DifferencePicture, *, dark: bool) -> str:
    """Return the colour bar of a difference as HTML."""
    palette = shading.diverging(dark=dark)
    stops = ",".join(palette[index] for index in range(0, 256, 17))
    limit = f"{picture.limit:,.0f}" if picture.limit >= 100 else f"{picture.limit:.3g}"
    words = f"A − B, spikes per {shading.bin_text(picture.aggregate)}"
    sums = f"{picture.n_more:,} more in A, {picture.n_less:,} in B"
    return (
        f'<div class="bar-row"><b>Difference</b><span class="title">{escape(words)}</span><span>−{limit} (B)</span>'
        f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i><span>+{limit} (A)</span>'
        f'<span class="title" title="Summed over the bins in view">{escape(sums)}</span></div>'
    )


class DifferenceView(LiveImage[Sides, DifferenceRequest, DifferencePicture]):
    """The figure of the difference, on the axes of the raster.

    Parameters
    ----------
    state : ViewState
    axes : Axes
    pool : ThreadPoolExecutor
    queue : DocumentQueue
    drawn : callable (DifferencePicture) -> None
    failed : callable (DashboardError) -> None
    """

    title = "The difference"

    def __init__(
        self,
        state: ViewState,
        axes: Axes,
        pool: ThreadPoolExecutor,
        queue: DocumentQueue,
        drawn: Callable[[DifferencePicture], None],
        failed: Callable[[DashboardError], None],
    ) -> None:
        follows = ["time_range", "depth_range"]
        super().__init__(state, queue, pool, render, failed, follows=follows, recoloured=["dark"])
        self._drawn = drawn
        self._make_figure(axes, "difference")
        self.mapper = LinearColorMapper(palette=list(shading.diverging(dark=False)), low=-1, high=1)
        self.image = self._source("image", np.float32)
        self.figure.image("image", "x", "y", "dw", "dh", source=self.image, color_mapper=self.mapper)

    def _asked(self, scene: Sides) -> DifferenceRequest | None:
        state = self._state
        if state.time_range is None or state.depth_range is None:
            return None
        return DifferenceRequest(scene, state.time_range, state.depth_range, *self._pixels(COARSER))

    @staticmethod
    def _images(request: DifferenceRequest, picture: DifferencePicture) -> Sequence[npt.NDArray[Any] | None]:
        return (picture.image,)

    def _show(self, request: DifferenceRequest, picture: DifferencePicture) -> None:
        self.mapper.update(low=-picture.limit, high=picture.limit)
        self.image.data = self._placed(picture.image, extent(picture.aggregate))
        self.picture = picture
        self._drawn(picture)

    def _recolour(self, *events: object) -> None:
        self.mapper.palette = list(shading.diverging(dark=self._state.dark))
        if self.picture is not None and self._scene is not None:
            self._drawn(self.picture)
