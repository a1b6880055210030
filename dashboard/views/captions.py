"""What the page says of the pictures that it shows: status line, colour bars, where the limits stand."""

from __future__ import annotations

from dashboard.views import shading, texts
from dashboard.views.heatmap import HeatmapPicture
from dashboard.views.page import Centre
from dashboard.views.rail import Rail
from dashboard.views.raster import RasterPicture
from dashboard.views.scene import Scene
from dashboard.views.state import ViewState


def caption_raster(state: ViewState, scene: Scene, picture: RasterPicture, centre: Centre, rail: Rail) -> None:
    """Say what a raster shows."""
    palette = shading.palette(state.cmap, dark=state.dark)
    centre.say(texts.status(scene, picture), texts.colour_bar(state, scene, picture, palette))
    has_limits = picture.levels is not None and picture.levels.scale != "eq"
    rail.show_limits(scene.limits(state.color) if has_limits else None, picture.limits)


def caption_heatmap(state: ViewState, scene: Scene, picture: HeatmapPicture, centre: Centre) -> None:
    """Say what a heatmap shows."""
    palette = shading.palette(state.cmap, dark=state.dark)
    centre.heatmap_bar.object = texts.heatmap_bar(scene, picture, state, palette)
