"""What the page says of the pictures that it shows: status line, colour bars, where the limits stand."""

from __future__ import annotations

from functools import partial

from dashboard.page.core import shading
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot import texts
from dashboard.page.plot.centre import Centre
from dashboard.page.plot.heatmap import HeatmapPicture
from dashboard.page.plot.raster import RasterPicture
from dashboard.page.rail.rail import Rail


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
        self._state, self._centre, self._rail, self._queue = state, centre, rail, queue

    def of_raster(self, scene: Scene, picture: RasterPicture, coarser: int = 1) -> None:
        """Say what a raster shows, and in how much coarser bins than the screen's pixels."""
        has_limits = picture.levels is not None and picture.levels.scale != "eq"
        self._rail.show_limits(scene.limits(picture.aggregate.kind) if has_limits else None, picture.limits)
        self._queue.follow("words of the raster", partial(self._say, scene, picture, coarser))

    def of_heatmap(self, scene: Scene, picture: HeatmapPicture) -> None:
        """Say what a heatmap shows."""
        self._queue.follow("words of the heatmap", partial(self._say_heatmap, scene, picture))

    def _say(self, scene: Scene, picture: RasterPicture, coarser: int) -> None:
        palette = shading.palette(self._state.cmap, dark=self._state.dark, is_aside=picture.is_aside)
        self._centre.say(texts.status(scene, picture, coarser), texts.colour_bar(scene, picture, palette))

    def _say_heatmap(self, scene: Scene, picture: HeatmapPicture) -> None:
        palette = shading.palette(self._state.cmap, dark=self._state.dark)
        self._centre.heatmap_bar.object = texts.heatmap_bar(scene, picture, self._state, palette)
