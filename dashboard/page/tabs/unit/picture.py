"""What the Unit tab draws of the selected units, computed away from the page."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dashboard.analysis.inputs import UnitSpikes, session_rates, unit_spikes, within
from dashboard.analysis.units.amplitudes import AmplitudeHistogram, amplitude_histogram
from dashboard.analysis.units.bins import DEFAULT_BINS, UnitBins
from dashboard.analysis.units.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.analysis.units.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.analysis.units.templates import TemplatePicture, unit_template
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.page.core.clouds import Cloud, cloud
from dashboard.page.core.scene import Scene
from dashboard.page.core.shading import selection_colours

MAX_UNITS = 4
"""Units drawn at once: more give too many pairs of correlograms to read."""


MAX_AMP_BINS = 1_000
"""Bars that the browser can draw beside the amplitudes, and a few times the pixels that they have."""


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """Units to draw, by their indexes: all of `ids` over time and in pairs, `focus` in the rest.

    `ranks` are their places among all that are selected, which decide their colours; empty: in their order.
    """

    scene: Scene
    ids: tuple[int, ...]
    focus: int
    bins: UnitBins = DEFAULT_BINS
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class UnitPicture:
    """Everything of one look at the tab; parts that the sorting has no data for are None, with a reason.

    Attributes
    ----------
    units : tuple of UnitSpikes
        In the order of selection; those within the limits of single spikes, where there are any.
    colours : ndarray, shape (n_units, 3), uint8
        Those that the units have in the raster.
    focus : UnitSpikes
    n_whole : int
        Spikes of `focus`, whatever their amplitude.
    acg, close_acg, isi, refractory
        Of `focus`.
    amplitudes : AmplitudeHistogram or None
        Of all its spikes: the low end of a distribution that was cut tells nothing.
    pairs : tuple of (int, int, Correlogram)
        Indexes of reference and other, lags of the other's spikes.
    amplitude_cloud : Cloud or None
        Of all spikes of the units.
    depth_cloud : Cloud
    rate_edges_s : ndarray, shape (n_bins + 1,), float64
    rates_hz : tuple of ndarray, shape (n_bins,), one per unit
    template : TemplatePicture or None
    why_no_template : str
    render_ms : float
    """

    units: tuple[UnitSpikes, ...]
    colours: npt.NDArray[np.uint8]
    focus: UnitSpikes
    n_whole: int
    acg: Correlogram
    close_acg: Correlogram
    isi: IsiHistogram
    refractory: RefractoryTest
    amplitudes: AmplitudeHistogram | None
    pairs: tuple[tuple[int, int, Correlogram], ...]
    amplitude_cloud: Cloud | None
    depth_cloud: Cloud
    rate_edges_s: npt.NDArray[np.float64]
    rates_hz: tuple[npt.NDArray[np.float64], ...]
    template: TemplatePicture | None
    why_no_template: str
    render_ms: float


def render_units(request: UnitRequest, cancel: threading.Event) -> UnitPicture:
    """Compute everything that the tab draws.

    Raises
    ------
    BadRequest
        There is no such cluster, or bins make no sense.
    Cancelled
        `cancel` was set.
    """
    started = time.perf_counter()
    columns, bins = request.scene.columns, request.bins
    if not 1 <= bins.n_amp_bins <= MAX_AMP_BINS:
        raise BadRequest("The histogram of amplitudes needs bins", str(bins.n_amp_bins), f"1 to {MAX_AMP_BINS:,}")
    whole = tuple(unit_spikes(columns, cluster) for cluster in request.ids)
    units = tuple(within(unit, request.scene.amp_range_uv) for unit in whole)
    place = request.ids.index(request.focus)
    focus = units[place]
    _check(cancel)
    window = 2 * bins.lag_half_s
    acg = autocorrelogram(focus.times_s, bins.lag_bin_s, window)
    close = autocorrelogram(focus.times_s, bins.close_bin_s, 2 * bins.close_half_s)
    _check(cancel)
    refractory = refractory_test(focus.times_s)
    _check(cancel)
    pairs = []
    for first, second in combinations(units, 2):
        lags = crosscorrelogram(first.times_s, second.times_s, bins.lag_bin_s, window)
        pairs.append((first.unit, second.unit, lags))
        _check(cancel)
    span = columns.time_range_s
    times = [unit.times_s for unit in units]
    amps = [unit.amps_uv for unit in whole if unit.amps_uv is not None]
    own_amps = whole[place].amps_uv
    edges, rates = session_rates([unit.times_s for unit in units], span, bins.rate_bin_s)
    template, why = unit_template(request.scene.sorting, columns, focus.unit)
    colours = selection_colours(len(units), request.ranks)
    return UnitPicture(
        units,
        colours,
        focus,
        len(whole[place]),
        acg,
        close,
        isi_histogram(focus.times_s, bins.isi_bin_s, bins.isi_window_s),
        refractory,
        None if own_amps is None else amplitude_histogram(own_amps, bins.n_amp_bins),
        tuple(pairs),
        cloud([unit.times_s for unit in whole], amps, span, from_zero=True, colours=colours)
        if len(amps) == len(whole)
        else None,
        cloud(times, [unit.depths_um for unit in units], span, colours=colours),
        edges,
        rates,
        template,
        why,
        1e3 * (time.perf_counter() - started),
    )


def _check(cancel: threading.Event) -> None:
    if cancel.is_set():
        raise Cancelled
