"""Units that may be the same one as another: near it, of like shape, and never firing together."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.units.correlograms import autocorrelogram, crosscorrelogram
from dashboard.analysis.units.places import unit_positions
from dashboard.analysis.units.templates import TemplatePicture, unit_template
from dashboard.analysis.units.turns import shared_time
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import Cancelled
from dashboard.model.sorting import SpikeSorting

REACH_UM = 100.0
"""Units further away than the spikes of one neuron reach are not looked at."""

N_NEAREST, N_BEST = 40, 10
MAX_SHIFT = 5
"""Samples by which two templates may be shifted against each other."""

REFRACTORY_S, AROUND_S, BIN_S = 0.002, 0.05, 0.001


@dataclass(frozen=True, slots=True)
class SimilarUnit:
    """A unit beside another.

    Attributes
    ----------
    unit : int
        Index.
    similarity : float
        Cosine of the templates at their best shift, on the channels of both; or the correlation of the
        autocorrelograms, where templates lack. -1 to 1; NaN where it is not known.
    distance_um : float
    close_pairs : float
        Pairs of spikes of both within 2 ms of each other, over those expected from pairs within 50 ms: near 0 where
        one is refractory after the other, near 1 where they fire regardless of each other.
    shared_time : float
        See `dashboard.analysis.units.turns.shared_time`.
    """

    unit: int
    similarity: float
    distance_um: float
    close_pairs: float
    shared_time: float


@dataclass(frozen=True, slots=True)
class SimilarUnits:
    """The most similar units, the best first, and by what they were compared."""

    unit: int
    found: tuple[SimilarUnit, ...]
    by: str


def similar_units(
    sorting: SpikeSorting, columns: SpikeColumns, unit: int, cancel: threading.Event | None = None
) -> SimilarUnits:
    """Return the units that are most like one.

    Parameters
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    unit : int
        Index.
    cancel : Event, optional

    Raises
    ------
    Cancelled
    """
    lateral, axial = unit_positions(sorting)
    across = np.nan_to_num(lateral - lateral[unit])
    distance = np.hypot(across, axial - axial[unit])
    near = np.flatnonzero(distance <= REACH_UM)
    near = near[near != unit]
    near = near[np.argsort(distance[near], kind="stable")][:N_NEAREST]
    own, _ = unit_template(sorting, columns, unit)
    by = "cosine of templates" if own is not None else "correlation of autocorrelograms"
    train = unit_spikes(columns, unit).times_s
    shape = _shape(train)
    scored = []
    for other in near.tolist():
        if cancel is not None and cancel.is_set():
            raise Cancelled("Looking for similar units was cancelled")
        if own is not None:
            template, _ = unit_template(sorting, columns, other)
            value = float("nan") if template is None else cosine(own, template)
        else:
            value = _correlation(shape, _shape(unit_spikes(columns, other).times_s))
        scored.append((value, other))
    scored.sort(key=lambda one: (-np.nan_to_num(one[0], nan=-2.0), distance[one[1]]))
    found = []
    for value, other in scored[:N_BEST]:
        times, span_s = unit_spikes(columns, other).times_s, columns.time_range_s
        together = close_pairs(train, times), shared_time(train, times, span_s)
        found.append(SimilarUnit(other, value, float(distance[other]), *together))
    return SimilarUnits(unit, tuple(found), by)


def cosine(a: TemplatePicture, b: TemplatePicture) -> float:
    """Return the cosine of two templates at their best shift; a channel that one lacks is zero there."""
    places = {place: k for k, place in enumerate(dict.fromkeys([*_places(a), *_places(b)]))}
    n = max(a.waveforms_uv.shape[1], b.waveforms_uv.shape[1])
    first, second = (np.zeros((len(places), n)) for _ in range(2))
    for into, template in ((first, a), (second, b)):
        into[[places[place] for place in _places(template)], : template.waveforms_uv.shape[1]] = template.waveforms_uv
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    if not size:
        return float("nan")
    best = max(
        float((first[:, max(shift, 0) : n + min(shift, 0)] * second[:, max(-shift, 0) : n - max(shift, 0)]).sum())
        for shift in range(-MAX_SHIFT, MAX_SHIFT + 1)
    )
    return best / size


def close_pairs(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Return pairs within 2 ms over those expected from pairs within 50 ms; NaN where there are none of these."""
    lags = crosscorrelogram(a, b, BIN_S, 2 * AROUND_S)
    is_close = np.abs(lags.lags_s) <= REFRACTORY_S
    expected = float(lags.counts[~is_close].mean()) if (~is_close).any() else 0.0
    return float(lags.counts[is_close].mean()) / expected if expected else float("nan")


def _places(template: TemplatePicture) -> list[tuple[float, float]]:
    return list(zip(template.lateral_um.tolist(), template.axial_um.tolist(), strict=True))


def _shape(train: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    counts = autocorrelogram(train, BIN_S, 2 * AROUND_S).counts.astype(np.float64)
    middle = len(counts) // 2
    return counts[middle + 1 :]


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    if not (np.ptp(a) and np.ptp(b)):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
