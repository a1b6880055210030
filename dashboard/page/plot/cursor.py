"""What lies under the cursor, and the unit that a click would pick: looked up, never read off a colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from bokeh.events import MouseLeave, MouseMove
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure

from dashboard.analysis.raw.heat import KINDS as HEATS
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.queries import spikes_in
from dashboard.engine.count.registry import AGGREGATES
from dashboard.page.core.scene import Scene
from dashboard.page.core.sent import finite
from dashboard.page.core.shading import bin_text

REACH_PX = 6.0
"""Half side of the box around the cursor in which a unit is looked for."""

CROWD = 50
"""Spikes in that box from which on the unit with most of them is meant, not the nearest spike."""

THROTTLE_MS = 40
"""Least time between two look-ups; a mouse sends far more events than a reader can use."""

_MOVE = """
// At most one message per `wait`, the last position always. In a drag what is under the mouse comes along with it.
if (window.event?.buttons) return
const state = cursor.tags[0]
const place = () => { state.sent = Date.now(); cursor.data = {x: [cb_obj.x], y: [cb_obj.y], on: [name]} }
clearTimeout(state.timer)
const since = Date.now() - (state.sent ?? 0)
if (since >= wait) place()
else state.timer = setTimeout(place, wait - since)
"""
_LEAVE = """
clearTimeout(cursor.tags[0].timer)
cursor.data = {x: [], y: [], on: []}
"""


def cursor_source() -> ColumnDataSource:
    """Return the model in which the browser writes where the mouse is."""
    source = ColumnDataSource({"x": [], "y": [], "on": []}, name="cursor")
    source.tags = [{}]
    return source


def follow(plot: figure, cursor: ColumnDataSource, name: str) -> None:
    """Let `cursor` follow the mouse on a figure."""
    plot.js_on_event(MouseMove, CustomJS(args={"cursor": cursor, "name": name, "wait": THROTTLE_MS}, code=_MOVE))
    plot.js_on_event(MouseLeave, CustomJS(args={"cursor": cursor}, code=_LEAVE))


def place(data: Mapping[str, Any]) -> tuple[float, float, str] | None:
    """Return x, y and name of the figure under the mouse, by the data of `cursor_source`; None where on none."""
    row = [data.get(name) for name in ("x", "y", "on")]
    if not all(isinstance(column, list) and len(column) == 1 for column in row):
        return None
    x, y, on = (column[0] for column in row if column is not None)
    at = finite(x, y)
    return None if at is None or not isinstance(on, str) else (*at, on)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far around a point a unit is looked for: half sides in s and um."""

    time_s: float
    depth_um: float


def reach(
    time_range: tuple[float, float], depth_range: tuple[float, float], width_px: float, height_px: float
) -> Reach:
    """Return `REACH_PX` in the units of the axes."""
    return Reach(
        REACH_PX * (time_range[1] - time_range[0]) / max(width_px, 1.0),
        REACH_PX * (depth_range[1] - depth_range[0]) / max(height_px, 1.0),
    )


def nearest_unit(scene: Scene, time_s: float, depth_um: float, around: Reach) -> int | None:
    """Return the index of the unit that a click at a point picks; None where no spike is near.

    Of few spikes it is the unit of the nearest; in a crowd, where the nearest spike is chance, it
    is the unit with most spikes within reach (ties: the lowest index).
    """
    rows = spikes_in(
        scene.columns,
        (time_s - around.time_s, time_s + around.time_s),
        (depth_um - around.depth_um, depth_um + around.depth_um),
        kept=scene.kept,
    )
    if rows is None or len(rows) == 0:
        return None
    columns = scene.columns
    clusters = np.asarray(columns.clusters[rows])
    if len(rows) > CROWD:
        return int(np.bincount(clusters).argmax())
    distance = ((np.asarray(columns.times_s[rows]) - time_s) / around.time_s) ** 2
    distance += ((np.asarray(columns.depths_um[rows], dtype=np.float64) - depth_um) / around.depth_um) ** 2
    return int(clusters[distance.argmin()])


def value_at(picture: Aggregate, time_s: float, depth_um: float) -> Any | None:
    """Return the value of the pixel that holds a point; None outside."""
    column = int(np.searchsorted(picture.time_edges_s, time_s, side="right")) - 1
    row = int(np.searchsorted(picture.depth_edges_um, depth_um, side="right")) - 1
    height, width = picture.values.shape
    if not (0 <= column < width and 0 <= row < height):
        return None
    return picture.values[row, column]


def _read(scene: Scene, picture: Aggregate, value: Any) -> list[str]:
    """Return how a value reads; nothing where no spike is."""
    unit = picture.unit.replace("uV", "µV")
    if picture.kind in HEATS:  # of the recording
        return [f"{HEATS[picture.kind]} {value:.3g} {unit}"] if value == value else []
    entry = AGGREGATES[picture.kind]
    if (value < 0 and entry.categories) or value != value:  # NaN differs from itself
        return []
    names = scene.legend(picture.kind)
    category = names[value][0] if names else str(scene.units.of(value)) if entry.shows_units else ""
    return [entry.words(value, category=category, bin=bin_text(picture), unit=unit)]


def describe(scene: Scene, picture: Aggregate, time_s: float, depth_um: float, unit: int | None) -> str:
    """Return the read-out of a point: place, exact value, and the unit that a click would pick."""
    parts = [f"{time_s:,.4f} s", f"{depth_um:,.0f} µm"]
    value = value_at(picture, time_s, depth_um)
    if value is not None:
        parts += _read(scene, picture, value.item())
    if unit is not None:
        region = scene.region_names(np.array([unit]))[0]
        parts.append(f"click: unit {scene.units.of(unit)}{'' if region == '—' else f' ({region})'}")
    return escape(" · ".join(parts))
