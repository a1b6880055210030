"""A figure whose image is drawn anew whenever what it shows changes: raster, rows of units, heatmap, difference."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from bokeh.models import BoxZoomTool, ColumnDataSource, PanTool, Range1d, Tool
from bokeh.plotting import figure

from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.errors import DashboardError
from dashboard.page.core.axes import Axes
from dashboard.page.core.bokeh_figures import SegmentBorders, inner_size, navigable, time_ticks
from dashboard.page.core.document_queue import REST_S, DocumentQueue, Rest, Timer
from dashboard.page.core.line import deflate, packed
from dashboard.page.core.render_loop import FIRST_S, RenderLoop
from dashboard.page.core.state import ViewState

UNMEASURED, MIN_PIXELS, MAX_PIXELS = (800, 450), 64, 4_096
"""Size of a frame that the browser has not laid out yet; bounds of an image side, whatever a browser reports."""

MAX_PIXEL_RATIO = 3.0

Extent = tuple[float, float, float, float]
"""x, y, width and height in s and um, as Bokeh places an image."""

NOWHERE: Extent = (0.0, 0.0, 1.0, 1.0)
"""Place of an image before there is one."""

MIN_PART_OF_BUDGET = 0.2
"""A picture of fewer bytes, as a share of what it may have, lets the next one be finer."""

SELECTED = "selected"
"""Value of the state that keys change faster than a picture is drawn: pictures follow their first one and their end."""

MOVES = frozenset(("time_range", "depth_range", "rows"))
"""Values of the state that the hand moves."""

Shown = TypeVar("Shown")
Request = TypeVar("Request")
Picture = TypeVar("Picture")


@dataclass(frozen=True, slots=True)
class Order(Generic[Request]):
    """A request, and how its picture is to leave.

    Attributes
    ----------
    coarser : int
        Pixels of the screen that share a bin's side at least.
    budget : int or None
        Most bytes of the picture: it is made coarser until it has no more. None: any.
    is_packed : bool
        Whether it leaves compressed.
    """

    request: Request
    coarser: int = 1
    budget: int | None = None
    is_packed: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Made(Generic[Request, Picture]):
    """A picture that was drawn for an order; `deflated` are its images' compressed forms, by their ``id``."""

    request: Request
    picture: Picture
    coarser: int
    n_bytes: int
    deflated: dict[int, bytes]


def extent(picture: Aggregate) -> Extent:
    """Return the place of an aggregate."""
    times, depths = picture.time_edges_s, picture.depth_edges_um
    return (
        float(times[0]),
        float(depths[0]),
        float(times[-1] - times[0]),
        float(depths[-1] - depths[0]),
    )


def make(
    render: Callable[[Any, threading.Event], Picture],
    images: Callable[[Any, Picture], Sequence[npt.NDArray[Any] | None]],
    order: Order[Any],
    cancel: threading.Event,
) -> Made[Any, Picture]:
    """Draw an order on a thread: in bins so coarse that the picture has no more bytes than it may."""
    coarser, request = order.coarser, order.request
    while True:
        if coarser > 1:
            size = {side: max(1, getattr(order.request, side) // coarser) for side in ("width", "height")}
            request = replace(order.request, **size)
        picture = render(request, cancel)
        found = [image for image in images(request, picture) if image is not None]
        deflated = {
            id(image): deflate(np.ascontiguousarray(image), is_picture=True) for image in found if order.is_packed
        }
        n_bytes = sum(len(data) for data in deflated.values())
        if order.budget is None or n_bytes <= order.budget or min(request.width, request.height) < 2 * MIN_PIXELS:
            return Made(request, picture, coarser, n_bytes, deflated)
        coarser *= 2


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
    coarser : int
        Pixels of the screen that share a side of a bin of what is shown: above 1 on a slow line while the hand moves.
    figure : bokeh figure
    tools : dict of str to Tool
        By mode of the page.
    """

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
        self.coarser, self.pixel_ratio = 1, 1.0
        self._made: Made[Request, Picture] | None = None
        self._next_coarser = 1
        self._rest: Timer | None = None
        self._picks = Rest(queue, self._request)
        self._loop: RenderLoop[Order[Request], Made[Request, Picture]] = RenderLoop(
            queue,
            pool,
            lambda order, cancel: make(render, self._images, order, cancel),
            self._apply,
            failed,
            title=self.title,
            has_room=lambda: not queue.line.is_full,
        )
        state.param.watch(self._request, [name for name in follows if name != SELECTED])
        if SELECTED in follows:
            state.param.watch(self._picks.ask, SELECTED)
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
        self._borders = SegmentBorders(self.figure)
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
        self._picks.cancel()
        if self._rest is not None:
            self._rest.cancel()
        self._scene = self.picture = None

    def measure(self, pixel_ratio: float) -> None:
        """Draw as many pixels as the screen has for each CSS pixel: 1 to `MAX_PIXEL_RATIO`, 1 where it is no number."""
        ratio = min(max(1.0, pixel_ratio), MAX_PIXEL_RATIO)
        if ratio != self.pixel_ratio:
            self.pixel_ratio = ratio
            self._request()

    def draw_now(self, seconds: float = FIRST_S) -> None:
        """Draw at once what was asked for, and wait for it so long."""
        self._loop.draw_now(seconds)

    def close(self) -> None:
        """Stop rendering."""
        self._loop.close()

    @abstractmethod
    def _asked(self, scene: Shown) -> Request | None:
        """Return what to draw of a scene as the state is; None where nothing is shown."""

    @staticmethod
    @abstractmethod
    def _images(request: Any, picture: Any) -> Sequence[npt.NDArray[Any] | None]:
        """Return the images of a picture that leave for the browser, or may; called on any thread."""

    def _is_kept(self, request: Request) -> bool:
        """Whether the browser has the picture that is asked for."""
        return False

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

    def _request(self, *events: Any) -> None:
        if self._scene is None or self._state.time_range is None:
            return
        request = self._asked(self._scene)
        if request is None:
            return
        line = self._queue.line
        is_moving = any(event.name in MOVES for event in events)
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if is_moving and line.budget is not None:
            self._rest = self._queue.after(REST_S, self._draw_in_full)
            coarser = 1 if self._is_kept(request) else self._next_coarser
            self._loop.request(Order(request, coarser, line.budget))
        else:
            self._loop.request(Order(request, is_packed=not line.is_fast))

    def _draw_in_full(self) -> None:
        """Draw what stands still as finely as the screen can show it."""
        self._rest = None
        if self.coarser > 1 or not self._loop.is_idle:
            self._request()

    def _apply(self, order: Order[Request], made: Made[Request, Picture]) -> None:
        if not self._is_open(made.request):
            return
        if order.budget is not None and made.n_bytes:
            is_small = made.n_bytes < MIN_PART_OF_BUDGET * order.budget
            self._next_coarser = max(1, made.coarser // 2) if is_small else made.coarser
        self.coarser, self._made = made.coarser, made
        self._borders.show(self._starts(made.request))
        self._show(made.request, made.picture)
        self._made = None

    def _placed(self, image: npt.NDArray[Any], where: Extent) -> dict[str, list[Any]]:
        """Return the columns of an image of the picture that is being shown, in the form in which it is to leave."""
        return placed(packed(image, self._made.deflated.get(id(image)) if self._made is not None else None), where)

    def _is_open(self, request: Any) -> bool:
        return request.scene is self._scene

    @staticmethod
    def _starts(request: Any) -> tuple[float, ...]:
        """Return where segments of the recording begin that is shown, in s."""
        found: tuple[float, ...] = request.scene.sorting.segment_starts_s
        return found

    def _resized(self, attribute: str, old: int | None, new: int | None) -> None:
        self._request()

    def _change_mode(self, *events: object) -> None:
        self.figure.toolbar.active_drag = self.tools.get(self._state.mode, self.tools["pan"])
