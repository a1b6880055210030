"""Pictures of the raster with a row for each unit, from the tip upwards."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from html import escape

import numpy as np
import numpy.typing as npt

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.categories import Categories
from dashboard.engine.count.queries import count_in
from dashboard.engine.count.registry import AGGREGATES
from dashboard.engine.count.unit_raster import leaders, together, unit_raster
from dashboard.model.colours import selection_colours
from dashboard.model.texts import counted, duration_text
from dashboard.page.core import shading
from dashboard.page.core.scene import UNKNOWN, Scene
from dashboard.page.plot.raster import narrowed

READABLE_PX = 3
"""Rows that are lower are drawn a pixel higher where their unit is selected, so that it shows."""


@dataclass(frozen=True, slots=True)
class RowsRequest:
    """One picture that was asked for; `rows` are those in view, the last one excluded."""

    scene: Scene
    time_range: tuple[float, float]
    rows: tuple[int, int]
    width: int
    height: int
    color: str
    scale: str
    limits: tuple[float, float] | None
    selected: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RowsPicture:
    """What a render gives.

    Attributes
    ----------
    aggregate : Aggregate
        Counts; its depth edges are rows, counted from the tip.
    n_together : int
        Units that share a row of the picture, where there are more of them than pixels.
    levels, rgba
        As in `dashboard.page.plot.raster.RasterPicture`.
    overlay : ndarray of uint32, or None
    n_in_view, n_hidden : int
        Spikes of the units in view in the window of time, and those that the filters hide where there are none.
    render_ms : float
    """

    aggregate: Aggregate
    n_together: int
    levels: shading.Levels | None
    rgba: npt.NDArray[np.uint32] | None
    overlay: npt.NDArray[np.uint32] | None
    n_in_view: int
    n_hidden: int
    render_ms: float


def raster_kind(color: str) -> str:
    """Return the aggregate of the raster whose limits those of a row stand for: others are not drawn by unit."""
    return "rate" if color == "rate" else "count"


def rows_in_view(asked: tuple[float, float] | None, n_units: int) -> tuple[int, int]:
    """Return the whole rows that a window of the row axis shows; all of them where it shows none."""
    if asked is None:
        return 0, n_units
    first, last = max(0, int(np.floor(asked[0]))), min(n_units, int(np.ceil(asked[1])))
    return (first, last) if first < last else (0, n_units)


def render_rows(request: RowsRequest, cancel: threading.Event) -> RowsPicture:
    """Draw a request; pure apart from the clock."""
    started = time.perf_counter()
    scene = request.scene
    first, last = request.rows
    ids = scene.depth_order[first:last]
    counted = unit_raster(
        scene.columns, ids, request.time_range, request.width, kept=scene.kept, snap=True, cancel=cancel
    )
    n_together = max(1, int(np.ceil(len(ids) / request.height)))
    shown = together(counted, n_together, first)
    levels, rgba = None, None
    if (categories := scene.categories(request.color)) is not None:
        leading = _categories(categories, ids, counted.values, n_together)
        rgba = shading.categorical(leading, categories.colours)
    else:
        kind = raster_kind(request.color)
        drawn = shown
        if kind == "rate":
            drawn = replace(shown, kind=kind, values=shown.values / np.diff(shown.time_edges_s), unit="Hz")
        levels = shading.shade(drawn, row_limits(scene, request.color, request.limits), request.scale)
        if shading.needs_spread(shown):
            levels = replace(levels, image=_widened(levels.image))
    overlay = _overlay(request, ids, counted.values, n_together) if request.selected else None
    columns = scene.columns
    low, high = columns.depth_range_um
    whole_depth = (low - 1.0, high + 1.0)
    n_in_view = n_hidden = 0
    if len(ids):
        n_in_view = count_in(columns, request.time_range, whole_depth, kept=scene.kept.only(ids))
    if not n_in_view and not scene.kept.everything:
        n_hidden = count_in(columns, request.time_range, whole_depth)
    elapsed_ms = (time.perf_counter() - started) * 1e3
    return RowsPicture(narrowed(shown), n_together, levels, rgba, overlay, n_in_view, n_hidden, elapsed_ms)


def row_limits(scene: Scene, color: str, limits: tuple[float, float] | None) -> tuple[float, float]:
    """Return limits in spikes per s and unit: the default, moved as those of the raster are moved from theirs."""
    low, high = scene.row_limits
    if limits is None:
        return low, high
    top = scene.limits(raster_kind(color))[1]
    return limits[0] / top * high, limits[1] / top * high


def _categories(
    categories: Categories, ids: npt.NDArray[np.int64], counts: npt.NDArray[np.uint32], n_together: int
) -> npt.NDArray[np.int32]:
    """Return the category of the unit with most spikes in each pixel; -1 where there is none."""
    if not len(ids):
        return np.full(counts.shape, -1, np.int32)
    found = leaders(counts, n_together)
    return np.where(found >= 0, categories.of_cluster[ids][found], -1).astype(np.int32)


def _overlay(
    request: RowsRequest, ids: npt.NDArray[np.int64], counts: npt.NDArray[np.uint32], n_together: int
) -> npt.NDArray[np.uint32]:
    """Return the rows of the selected units in their colours."""
    height = -(-len(counts) // n_together)
    places = np.full((height, counts.shape[1]), -1, np.int32)
    for place, unit in enumerate(request.selected):
        for row in np.flatnonzero(ids == unit):
            places[row // n_together][counts[row] > 0] = place
    image = shading.categorical(places, selection_colours(len(request.selected)))
    return shading.spread_rgba(image, 1) if request.height < READABLE_PX * height else image


def _widened(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Let marks grow by a pixel to both sides, within their row: their values are kept (maximum)."""
    wide = image.copy()
    np.maximum(wide[:, 1:], image[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], image[:, 1:], out=wide[:, :-1])
    return wide


def title(picture: RowsPicture, color: str) -> str:
    """Return what the colour means."""
    drawn = picture.aggregate
    width = duration_text(float(np.ptp(drawn.time_edges_s)) / (len(drawn.time_edges_s) - 1))
    units = "unit" if picture.n_together == 1 else counted(picture.n_together, "unit")
    if AGGREGATES[color].categories:
        return f"unit with most spikes in {width}" if picture.n_together > 1 else f"spikes of the unit in {width}"
    scale = picture.levels.scale if picture.levels is not None else "linear"
    aside = {"linear": "", "log": ", log", "eq": ", equalised: not quantitative"}[scale]
    if not AGGREGATES[color].grows_with:
        aside += f"; {AGGREGATES[color].title.lower()} is not drawn by unit"
    return f"Hz of a row of {units}, in {width}{aside}" if color == "rate" else f"spikes per {width} and {units}{aside}"


def describe(scene: Scene, picture: RowsPicture, time_s: float, row: float) -> tuple[str, int | None]:
    """Return the read-out of a point as HTML, and the index of the unit of its row; None where there is no row."""
    order = scene.depth_order
    place = int(np.floor(row))
    if not 0 <= place < len(order):
        return "", None
    unit = int(order[place])
    depth = scene.unit_depths[unit]
    region = scene.region_names(np.array([unit]))[0]
    parts = [f"{time_s:,.4f} s", f"row {place + 1:,} of {len(order):,}"]
    parts.append("depth not known" if np.isnan(depth) else f"{depth:,.0f} µm")
    drawn = picture.aggregate
    column = int(np.searchsorted(drawn.time_edges_s, time_s, side="right")) - 1
    line = int(np.searchsorted(drawn.depth_edges_um, row, side="right")) - 1
    height, width = drawn.values.shape
    if 0 <= line < height and 0 <= column < width:
        n = int(drawn.values[line, column])
        span = duration_text(float(np.ptp(drawn.time_edges_s)) / width)
        of = f" of {counted(picture.n_together, 'unit')}" if picture.n_together > 1 else ""
        parts.append(f"{counted(n, 'spike')}{of} in {span}")
    parts.append(f"click: unit {scene.units.of(unit)}{'' if region == UNKNOWN else f' ({region})'}")
    return escape(" · ".join(parts)), unit
