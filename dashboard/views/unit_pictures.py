"""What the Unit tab draws of the selected units, computed away from the page."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dashboard.compute import correlograms
from dashboard.compute.amplitude_histograms import AmplitudeHistogram, amplitude_histogram
from dashboard.compute.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.compute.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.compute.unit_templates import TemplatePicture, unit_template
from dashboard.compute.units import DEFAULT_BINS, UnitBins, UnitSpikes, unit_spikes
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.views.clouds import Cloud, cloud
from dashboard.views.scene import Scene
from dashboard.views.shading import selection_colours

MOST_UNITS = 4
"""Units drawn at once: more give too many pairs of correlograms to read."""


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """Units to draw: all of `ids` over time and in pairs, `focus` in the rest.

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
        In the order of selection.
    colours : ndarray, shape (n_units, 3), uint8
        Those that the units have in the raster.
    focus : UnitSpikes
    acg, close_acg, isi, refractory, amplitudes
        Of `focus`.
    pairs : tuple of (int, int, Correlogram)
        Reference, other, lags of the other's spikes.
    amplitude_cloud, depth_cloud : Cloud or None
    rate_edges_s : ndarray, shape (n_bins + 1,), float64
    rates_hz : tuple of ndarray, shape (n_bins,), one per unit
    template : TemplatePicture or None
    why_no_template : str
    render_ms : float
    """

    units: tuple[UnitSpikes, ...]
    colours: npt.NDArray[np.uint8]
    focus: UnitSpikes
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
    units = tuple(unit_spikes(columns, cluster) for cluster in request.ids)
    focus = units[request.ids.index(request.focus)]
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
        pairs.append((first.cluster_id, second.cluster_id, lags))
        _check(cancel)
    span = columns.time_range_s
    times = [unit.times_s for unit in units]
    amps = [unit.amps_uv for unit in units if unit.amps_uv is not None]
    edges, rates = session_rates(units, span, bins.rate_bin_s)
    template, why = unit_template(request.scene.sorting, columns, focus.cluster_id)
    colours = selection_colours(len(units), request.ranks)
    return UnitPicture(
        units,
        colours,
        focus,
        acg,
        close,
        isi_histogram(focus.times_s, bins.isi_bin_s, bins.isi_window_s),
        refractory,
        None if focus.amps_uv is None else amplitude_histogram(focus.amps_uv),
        tuple(pairs),
        cloud(times, amps, span, from_zero=True, colours=colours) if len(amps) == len(units) else None,
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


def session_rates(
    units: tuple[UnitSpikes, ...], span_s: tuple[float, float], bin_s: float
) -> tuple[npt.NDArray[np.float64], tuple[npt.NDArray[np.float64], ...]]:
    """Return bin edges over the recording and each unit's rate in Hz; the last bin ends with the recording.

    Raises
    ------
    BadRequest
        Bins that are not above zero, or too many.
    """
    first, last = span_s if span_s[1] > span_s[0] else (span_s[0], span_s[0] + 1.0)
    if not (np.isfinite(bin_s) and bin_s > 0 and (last - first) / bin_s <= correlograms.MAX_BINS):
        raise BadRequest("The bins of the firing rate make no sense", f"{bin_s} s", "Above zero, and not too many")
    edges = np.append(np.arange(first, last, bin_s), last)
    edges = edges[np.append(True, np.diff(edges) > 0)]
    widths = np.diff(edges)
    return edges, tuple(np.histogram(unit.times_s, edges)[0] / widths for unit in units)
