"""What the Unit tab draws of the selected units, computed away from the page."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dashboard.analysis.computed import compute_all
from dashboard.analysis.raw.many import N_SINGLES, ManySpikes, many_spikes
from dashboard.analysis.unit_picture import Members, UnitPicture, unit_picture
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.figures.registry import Declared
from dashboard.figures.unit import declare
from dashboard.page.core.scene import Scene

MAX_UNITS = 6
"""Units drawn at once: more colours cannot be told apart."""


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """Units to draw, by their indexes: all of `ids` over time and in pairs, `focus` in the rest.

    `ranks` are their places among all that are selected, which decide their colours; empty: in their order. `beside`
    are the units that `focus` is merged of, where it is.
    """

    scene: Scene
    ids: tuple[int, ...]
    focus: int
    bins: UnitBins = DEFAULT_BINS
    ranks: tuple[int, ...] = ()
    beside: Members | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UnitDrawing:
    """The numbers of a look and its figures by name, those of pairs included."""

    picture: UnitPicture
    figures: Declared


def render_units(request: UnitRequest, cancel: threading.Event) -> UnitPicture:
    """Compute everything that the tab draws; see `unit_picture`."""
    scene = request.scene
    found = unit_picture(
        scene.sorting, scene.columns, request.ids, request.focus, request.bins, ranks=request.ranks,
        amp_range_uv=scene.amp_range_uv, beside=request.beside, cancel=cancel,
    )  # fmt: skip
    compute_all(found)
    return found


@dataclass(frozen=True, slots=True)
class SinglesRequest:
    """Single spikes of a unit, of ``waveforms.traces``."""

    scene: Scene
    unit: int

    def is_of_the_same(self, other: SinglesRequest) -> bool:
        """Return whether another request reads the same spikes; columns that were added to the units do not matter."""
        mine, others = self.scene.sorting, other.scene.sorting
        return mine.open_waveforms is others.open_waveforms and mine.units.of(self.unit) == others.units.of(other.unit)


def render_singles(request: SinglesRequest, cancel: threading.Event) -> ManySpikes:
    """Read single spikes of a unit, by one range of the file.

    Raises
    ------
    DashboardError
        The sorting has none, or they cannot be read.
    """
    scene = request.scene
    return many_spikes(scene.sorting, scene.columns, request.unit, N_SINGLES, "", cancel)


def draw_units(request: UnitRequest, cancel: threading.Event) -> UnitDrawing:
    """Compute it, and declare its figures."""
    picture = render_units(request, cancel)
    return UnitDrawing(picture, declare(picture))
