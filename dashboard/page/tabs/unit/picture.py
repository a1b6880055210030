"""What the Unit tab draws of the selected units, computed away from the page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dashboard.analysis.computed import compute_all
from dashboard.analysis.raw.many import N_SINGLES, ManySpikes, many_spikes
from dashboard.analysis.unit_picture import MAX_AMP_BINS, Members, UnitPicture, unit_picture
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.correlograms import MAX_BINS
from dashboard.analysis.units.features import FeaturePicture, feature_picture
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.figures.registry import Declared
from dashboard.figures.unit import declare
from dashboard.model.errors import Cancelled, DashboardError, DatasetMissing
from dashboard.model.sorting import SpikeSorting
from dashboard.page.core.numbers import wrong_bins
from dashboard.page.core.scene import Scene

Found = TypeVar("Found")
MAX_UNITS = 6
"""Units drawn at once: more colours cannot be told apart."""


def wrong_unit_fields(values: Mapping[str, float]) -> dict[str, str]:
    """Return why fields of Unit that cannot be are not taken, by name."""
    wrong = wrong_bins(values, values)
    for window, name, share in (
        ("lag_half", "lag_bin", 2),
        ("close_half", "close_bin", 2),
        ("isi_window", "isi_bin", 1),
    ):
        width = share * values[window]
        if width > 0:
            wrong |= {name: f"At most {width:g}"} if values[name] > width else {}
            wrong |= wrong_bins(values, (name,), width, MAX_BINS - 1)
    return wrong | ({"amp_bins": f"At most {MAX_AMP_BINS:,}"} if values["amp_bins"] > MAX_AMP_BINS else {})


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
    """Single spikes of some units, by index, that of the single figures first, or those that it is merged of."""

    sorting: SpikeSorting
    columns: SpikeColumns
    units: tuple[int, ...]
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, request: UnitRequest) -> SinglesRequest:
        """Return what is read for a look at units."""
        if (beside := request.beside) is not None:
            return cls(beside.sorting, beside.columns, beside.indexes[:MAX_UNITS], ())
        scene, focus = request.scene, request.focus
        units = (focus, *(unit for unit in request.ids if unit != focus))
        return cls(scene.sorting, scene.columns, units, request.ranks)

    @property
    def what(self) -> tuple[object, ...]:
        """What it reads, and the colours; columns that were added to the units do not matter."""
        sorting, names = self.sorting, self.sorting.units.at(np.array(self.units)).tolist()
        return sorting.open_waveforms, sorting.open_features, self.ranks, *names


@dataclass(frozen=True, slots=True, eq=False)
class Singles:
    """Single waveforms of each unit that has some, and principal components of spikes; else why there are none."""

    waveforms: list[ManySpikes]
    why_no_waveforms: DashboardError | None
    features: FeaturePicture | None
    why_no_features: DashboardError | None


def render_singles(request: SinglesRequest, cancel: threading.Event) -> Singles:
    """Read single spikes of units, by one range of each file for each unit."""
    sorting, units = request.sorting, request.units
    waveforms, no_waveforms = _read_each(
        units, lambda unit: many_spikes(sorting, request.columns, unit, N_SINGLES, "", cancel)
    )
    components, no_features = _read_each(
        units, lambda unit: (sorting.units.of(unit), sorting.features(sorting.units.of(unit)))
    )
    features = None
    try:
        features = feature_picture(components) if components else None
    except DashboardError as error:
        no_features = error
    return Singles(waveforms, no_waveforms, features, no_features)


def _read_each(units: tuple[int, ...], read: Callable[[int], Found]) -> tuple[list[Found], DashboardError | None]:
    """Return what is read of each unit that has some; where none has, why the first has none."""
    found: list[Found] = []
    why: DashboardError | None = None
    for unit in units:
        try:
            found.append(read(unit))
        except DatasetMissing as error:
            return [], error
        except Cancelled:
            raise
        except DashboardError as error:
            why = why or error
    return found, None if found else why


def draw_units(request: UnitRequest, cancel: threading.Event) -> UnitDrawing:
    """Compute it, and declare its figures."""
    picture = render_units(request, cancel)
    return UnitDrawing(picture, declare(picture))
