"""What the Raw tab draws, computed away from the page: voltage by channel with its spikes, and maps by depth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.events.trials import available_events, event_times
from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.raw.many import ManySpikes, many_spikes
from dashboard.analysis.raw.picture import SnippetPicture, snippet_picture
from dashboard.analysis.raw.snippet import read_ahead
from dashboard.model.errors import BadRequest
from dashboard.page.core.scene import Scene

TRACES_BELOW = 25
"""Channels in view, below which they are lines."""


@dataclass(frozen=True, slots=True)
class SnippetRequest:
    """Voltage around a moment; the filters of the scene say which units are marked."""

    scene: Scene
    at_s: float
    width_s: float
    band: str
    step: str
    depth_range: tuple[float, float]
    selected: tuple[int, ...]

    def is_of_the_samples_of(self, other: SnippetRequest) -> bool:
        """Return whether another request reads the same samples."""
        mine, others = ((r.scene.sorting, r.at_s, r.width_s, r.band) for r in (self, other))
        return mine[0] is others[0] and mine[1:] == others[1:]


def render_snippet(request: SnippetRequest, cancel: threading.Event) -> SnippetPicture:
    """Cut a snippet, filter it, and find the spikes in it.

    Raises
    ------
    DashboardError
        There are no raw data, or not there, or they are damaged.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    return snippet_picture(
        scene.sorting, scene.columns, request.at_s, request.width_s, request.band, request.step, request.depth_range,
        scene.mask, request.selected, cancel,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AheadRequest:
    """What a step from a snippet shows, before (-1) or after (1) it; nothing is read unless `is_free` then."""

    shown: SnippetRequest
    direction: int
    is_free: Callable[[], bool]


def read_next(request: AheadRequest, cancel: threading.Event) -> None:
    """Have decoded what the next spike of the selected unit lies in; without a unit, what follows the snippet.

    Raises
    ------
    DashboardError
        There is no next spike, or its voltage cannot be read.
    Cancelled
        `cancel` was set.
    """
    shown = request.shown
    if not request.is_free():
        return
    at = shown.at_s + request.direction * shown.width_s
    if shown.selected:
        at = step_to_spike(shown.scene, shown.selected[-1], shown.at_s, request.direction)
    half = shown.width_s / 2
    read_ahead(shown.scene.sorting.raw, at - half, at + half, shown.band, shown.step, cancel)


@dataclass(frozen=True, slots=True)
class ManyRequest:
    """Single spikes of a unit."""

    scene: Scene
    unit: int
    n: int
    step: str


def render_many(request: ManyRequest, cancel: threading.Event) -> ManySpikes:
    """Read single spikes of a unit.

    Raises
    ------
    DashboardError
        There are none, or they cannot be read.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    return many_spikes(scene.sorting, scene.columns, request.unit, request.n, request.step, cancel)


def step_to_spike(scene: Scene, unit: int, at_s: float, direction: int) -> float:
    """Return the time of the spike of a unit before (-1) or after (1) a time.

    Raises
    ------
    BadRequest
        There is none.
    """
    return _step("The unit has no spike", unit_spikes(scene.columns, unit).times_s, at_s, direction)


def step_to_event(scene: Scene, event: str, at_s: float, direction: int) -> float:
    """Return the time of an event of the trials before (-1) or after (1) a time.

    Where the trials have no such event it is the first kind that they have.

    Raises
    ------
    BadRequest
        There is none, or there are no trials.
    """
    trials = scene.sorting.trials
    names = () if trials is None else available_events(trials.table)
    if trials is None or not names:
        raise BadRequest("There are no trial events to step to", "", "The tab Events takes a file of them")
    times = event_times(trials.table, event if event in names else names[0])
    return _step("There is no trial event", np.sort(times[np.isfinite(times)]), at_s, direction)


def _step(none: str, times: npt.NDArray[np.float64], at_s: float, direction: int) -> float:
    """Return the time before (-1) or after (1) a time; `none` says that there is not one."""
    margin = 5e-6  # links hold times to 10 us
    row = np.searchsorted(times, at_s + margin) if direction > 0 else np.searchsorted(times, at_s - margin) - 1
    if not 0 <= row < len(times):
        raise BadRequest(f"{none} {'after' if direction > 0 else 'before'} {at_s:.3f} s", "", "Step the other way")
    return float(times[row])
