"""A figure whose image is drawn anew whenever what it shows changes: raster, rows of units, heatmap, difference."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from bokeh.models import BoxZoomTool, ColumnDataSource, PanTool, Range1d, Tool
from bokeh.plotting import figure

from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.errors import DashboardError
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import inner_size, navigable, time_ticks
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.render_loop import RenderLoop
from dashboard.page.core.state import ViewState

UNMEASURED, MIN_PIXELS, MAX_PIXELS = (800, 450), 64, 4_096
"""Size of a frame that the browser has not laid out yet; bounds of an image side, whatever a browser reports."""

Extent = tuple[float, float, float, float]
"""x, y, width and height in s and um, as Bokeh places an image."""

NOWHERE: Extent = (0.0, 0.0, 1.0, 1.0)
"""Place of an image before there is one."""

Shown = TypeVar("Shown")
Request = TypeVar("Request")
Picture = TypeVar("Picture")


def extent(picture: Aggregate) -> Extent:
    """Return the place of an aggregate."""
    times, depths = picture.time_edges_s, picture.depth_edges_um
    return (
        float(times[0]),
        float(depths[0]),
        float(times[-1] - times[0]),
        float(depths[-1] - depths[0]),
    )


def placed(image: npt.NDArray[Any], where: Extent) -> dict[str, list[Any]]:
    """Return the columns of an image's data source."""
    x, y, width, height = where
    return {"image": [image], "x": [x], "y": [y], "dw": [width], "dh": [height]}


class LiveImage(ABC, Generic[Shown, Request, Picture]):
    """What the live figures share: their axes and tools, one render in flight, the newest request wins.

    A view says what to ask for (`_asked`) and shows what came (`_show`); it calls `_make_figure` before anything is
    asked for.

    Parameters
    ----------
    state : ViewState
    queue : DocumentQueue
    pool : ThreadPoolExecutor
    render : callable (request, cancel event) -> picture
        Runs on a thread of `pool`.
    failed : callable (DashboardError) -> None
    follows, recoloured : sequence of str
        Names of values of the state: with a change of the first a picture is asked for, with one of the second
        `_recolour` is called.

    Attributes
    ----------
    picture
        What is shown; None before the first picture.
    pixel_ratio : float
        Pixels of an image for each CSS pixel of the frame.
    figure : bokeh figure
    tools : dict of str to Tool
        By mode of the page.
    """

    pixel_ratio = 1.0
    title = "This view"
    """What it is called where it could not be drawn."""

    def __init__(
        self,
        state: ViewState,
        queue: DocumentQueue,
        pool: ThreadPoolExecutor,
        render: Callable[[Request, threading.Event], Picture],
        failed: Callable[[DashboardError], None],
        *,
        follows: Sequence[str],
        recoloured: Sequence[str] = ("cmap", "dark"),
    ) -> None:
        self._state, self._queue = state, queue
        self._scene: Shown | None = None
        self.picture: Picture | None = None
        self._loop: RenderLoop[Request, Picture] = RenderLoop(
            queue, pool, render, self._apply, failed, title=self.title
        )
        state.param.watch(self._request, list(follows))
        state.param.watch(self._recolour, list(recoloured))
        state.param.watch(self._change_mode, "mode")

    def _make_figure(
        self,
        axes: Axes,
        name: str,
        depth_label: str = "Depth (µm)",
        *more: Tool,
        rows: tuple[Range1d, Range1d] | None = None,
        select: Tool | None = None,
    ) -> None:
        """Make the figure on the page's axes; `rows` is another vertical axis and its limits."""
        vertical, limits = rows or (axes.depth, axes.depth_limits)
        self.figure: figure = navigable(
            axes.time, vertical, axes.time_limits, limits, name=name, y_axis_label=depth_label
        )
        self.figure.xaxis.formatter = time_ticks(" s")
        self.tools: dict[str, Tool] = {"pan": PanTool(), "zoom": BoxZoomTool(dimensions="both")}
        if select is not None:
            self.tools["select"] = select
        self.figure.add_tools(*self.tools.values(), *more)
        self._change_mode()
        for side in ("inner_width", "inner_height"):
            self.figure.on_change(side, self._resized)

    def _source(self, part: str, dtype: type[np.generic] = np.uint8) -> ColumnDataSource:
        """Return an empty source of an image of the figure."""
        return ColumnDataSource(placed(np.zeros((1, 1), dtype), NOWHERE), name=f"{self.figure.name}-{part}")

    def open(self, scene: Shown) -> None:
        """Draw another insertion, or the same one through other filters."""
        self._loop.cancel()
        self._scene = scene
        self._request()

    def leave(self) -> None:
        """Let go of what is drawn: nothing here keeps its insertion alive."""
        self._loop.cancel()
        self._scene = self.picture = None

    def draw_now(self) -> None:
        """Draw at once what was asked for."""
        self._loop.draw_now()

    def close(self) -> None:
        """Stop rendering."""
        self._loop.close()

    @abstractmethod
    def _asked(self, scene: Shown) -> Request | None:
        """Return what to draw of a scene as the state is; None where nothing is shown."""

    @abstractmethod
    def _show(self, request: Request, picture: Picture) -> None:
        """Bring a picture of the scene that is open to the browser."""

    @abstractmethod
    def _recolour(self, *events: object) -> None:
        """Follow the palette and the theme."""

    def _pixels(self, coarser: int = 1) -> tuple[int, int]:
        """Return width and height of the image that fills the frame, in bins of `coarser` pixels."""
        size = np.array(inner_size(self.figure, UNMEASURED)) * self.pixel_ratio / coarser
        width, height = np.clip(size, MIN_PIXELS // coarser, MAX_PIXELS // coarser).astype(int).tolist()
        return width, height

    def _request(self, *events: object) -> None:
        if self._scene is not None and self._state.time_range is not None:
            request = self._asked(self._scene)
            if request is not None:
                self._loop.request(request)

    def _apply(self, request: Request, picture: Picture) -> None:
        if self._is_open(request):
            self._show(request, picture)

    def _is_open(self, request: Any) -> bool:
        return request.scene is self._scene

    def _resized(self, attribute: str, old: int | None, new: int | None) -> None:
        self._request()

    def _change_mode(self, *events: object) -> None:
        self.figure.toolbar.active_drag = self.tools.get(self._state.mode, self.tools["pan"])
