"""The difference image of two sides of a comparison: spikes of A minus spikes of B."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh.models import LinearColorMapper

from dashboard.analysis.compare.difference import Difference, difference
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import STANDARD_DEVIATIONS
from dashboard.engine.count.raster import aggregate
from dashboard.model.errors import DashboardError
from dashboard.page.core import shading
from dashboard.page.core.axes import Axes
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.live_image import LiveImage, extent, placed
from dashboard.page.core.scene import OVERVIEW_HEIGHT, OVERVIEW_WIDTH, Scene
from dashboard.page.core.state import ViewState

COARSER = 2
"""Screen pixels per bin and side: sorters differ by fractions of a ms and some um, which is no difference."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The two scenes, and the limits of their difference over the whole insertion."""

    a: Scene
    b: Scene
    _density: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def counts(
        self,
        time_range: tuple[float, float] | None,
        depth_range: tuple[float, float] | None,
        width: int,
        height: int,
        cancel: threading.Event | None = None,
    ) -> Difference:
        """Return A - B, in spikes per bin, on one lattice."""
        a, b = (
            aggregate(scene.columns, time_range, depth_range, width, height, kept=scene.kept, snap=True, cancel=cancel)
            for scene in (self.a, self.b)
        )
        return difference(b, a)

    def density(self, cancel: threading.Event | None = None) -> float:
        """Return the default limit in spikes per s and um; it does not change with the window."""
        with self._lock:
            if not self._density:
                columns = self.a.columns
                whole = self.counts(
                    columns.time_range_s if columns.n_spikes else (0.0, 1.0),
                    columns.depth_range_um if columns.depth_range_um[0] < columns.depth_range_um[1] else (0.0, 1.0),
                    OVERVIEW_WIDTH // COARSER,
                    OVERVIEW_HEIGHT // COARSER,
                    cancel,
                )
                spread = STANDARD_DEVIATIONS * float(np.sqrt(np.mean(whole.values**2)))
                self._density.append(spread / _bin_area(whole))
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


def _bin_area(picture: Difference) -> float:
    times, depths = picture.time_edges_s, picture.depth_edges_um
    return float((times[1] - times[0]) * (depths[1] - depths[0]))


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
    limit = max(request.scene.density(cancel) * _bin_area(found), 1.0)
    picture = Aggregate(found.values, found.time_edges_s, found.depth_edges_um, "count", "spikes", 0)
    more, less = found.values[found.values > 0].sum(), -found.values[found.values < 0].sum()
    return DifferencePicture(found.values.astype(np.float32), picture, limit, int(more), int(less))


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

    def _show(self, request: DifferenceRequest, picture: DifferencePicture) -> None:
        self.mapper.update(low=-picture.limit, high=picture.limit)
        self.image.data = placed(picture.image, extent(picture.aggregate))
        self.picture = picture
        self._drawn(picture)

    def _recolour(self, *events: object) -> None:
        self.mapper.palette = list(shading.diverging(dark=self._state.dark))
        if self.picture is not None and self._scene is not None:
            self._drawn(self.picture)
