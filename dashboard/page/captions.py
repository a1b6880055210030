"""What the page says of the pictures that it shows: status line, colour bars, where the limits stand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tornado.ioloop import IOLoop

from dashboard.page.core import shading
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot import texts
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.heatmap import HeatmapPicture
from dashboard.page.plot.raster import RasterPicture
from dashboard.page.rail.rail import Rail

PAUSE_S = 0.1
"""Words follow the pictures at this distance: each change of them makes the browser lay out the page."""


class Throttle:
    """Runs the last one of the changes that were asked for, and no more often than every so often.

    Parameters
    ----------
    queue : DocumentQueue
        While the page is being built, changes run at once.
    pause_s : float
    """

    def __init__(self, queue: DocumentQueue, pause_s: float = PAUSE_S) -> None:
        self._queue, self._pause_s = queue, pause_s
        self._change: Callable[[], None] | None = None

    def run(self, change: Callable[[], None]) -> None:
        """Ask for a change; one that waits is replaced."""
        if self._queue.is_building:
            change()
            return
        is_waiting, self._change = self._change is not None, change
        if not is_waiting:
            IOLoop.current().call_later(self._pause_s, self._due)

    def _due(self) -> None:
        change, self._change = self._change, None
        if change is not None:
            self._queue.later(change)


class Captions:
    """What the page says of its raster and its heatmap.

    Parameters
    ----------
    state : ViewState
    centre : Centre
    rail : Rail
    queue : DocumentQueue
    """

    def __init__(self, state: ViewState, centre: Centre, rail: Rail, queue: DocumentQueue) -> None:
        self._state, self._centre, self._rail = state, centre, rail
        self._raster, self._heatmap = Throttle(queue), Throttle(queue)

    def of_raster(self, scene: Scene, picture: RasterPicture, coarser: int = 1) -> None:
        """Say what a raster shows, and in how much coarser bins than the screen's pixels."""
        has_limits = picture.levels is not None and picture.levels.scale != "eq"
        self._rail.show_limits(scene.limits(picture.aggregate.kind) if has_limits else None, picture.limits)
        self._raster.run(partial(self._say, scene, picture, coarser))

    def of_heatmap(self, scene: Scene, picture: HeatmapPicture) -> None:
        """Say what a heatmap shows."""
        self._heatmap.run(partial(self._say_heatmap, scene, picture))

    def _say(self, scene: Scene, picture: RasterPicture, coarser: int) -> None:
        palette = shading.palette(self._state.cmap, dark=self._state.dark, is_aside=picture.is_aside)
        self._centre.say(texts.status(scene, picture, coarser), texts.colour_bar(scene, picture, palette))

    def _say_heatmap(self, scene: Scene, picture: HeatmapPicture) -> None:
        palette = shading.palette(self._state.cmap, dark=self._state.dark)
        self._centre.heatmap_bar.object = texts.heatmap_bar(scene, picture, self._state, palette)
