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
from dashboard.compute.columns import SpikeColumns
from dashboard.compute.correlograms import Correlogram, autocorrelogram, crosscorrelogram
from dashboard.compute.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.compute.units import DEFAULT_BINS, UnitBins, UnitSpikes, main_template, unit_spikes
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import SpikeSorting
from dashboard.views.clouds import Cloud, cloud
from dashboard.views.scene import Scene

MOST_UNITS = 4
"""Units drawn at once: more give too many pairs of correlograms to read."""

SAMPLE_RATE_HZ = 30_000
"""Of Neuropixels in the action-potential band; the sortings do not carry it."""

TEMPLATE_REACH_UM = 100.0
"""Channels this far above and below the peak are drawn."""


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """Units to draw: all of `ids` over time and in pairs, `focus` in the rest."""

    scene: Scene
    ids: tuple[int, ...]
    focus: int
    bins: UnitBins = DEFAULT_BINS


@dataclass(frozen=True, slots=True, eq=False)
class TemplatePicture:
    """Mean waveforms around the peak, in place.

    Attributes
    ----------
    waveforms_uv : ndarray, shape (n_channels, n_samples), float64
    lateral_um, axial_um : ndarray, shape (n_channels,), float64
    is_peak : ndarray, shape (n_channels,), bool
    name : str
        Where they come from.
    """

    waveforms_uv: npt.NDArray[np.float64]
    lateral_um: npt.NDArray[np.float64]
    axial_um: npt.NDArray[np.float64]
    is_peak: npt.NDArray[np.bool_]
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class UnitPicture:
    """Everything of one look at the tab; parts that the sorting has no data for are None, with a reason.

    Attributes
    ----------
    units : tuple of UnitSpikes
        In the order of selection.
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
    close = autocorrelogram(focus.times_s, correlograms.CLOSE_BIN_S, correlograms.CLOSE_WINDOW_S)
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
    return UnitPicture(
        units,
        focus,
        acg,
        close,
        isi_histogram(focus.times_s, bins.isi_bin_s, bins.isi_window_s),
        refractory,
        None if focus.amps_uv is None else amplitude_histogram(focus.amps_uv),
        tuple(pairs),
        cloud(times, amps, span, from_zero=True) if len(amps) == len(units) else None,
        cloud(times, [unit.depths_um for unit in units], span),
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


def unit_template(sorting: SpikeSorting, columns: SpikeColumns, cluster_id: int) -> tuple[TemplatePicture | None, str]:
    """Return the mean waveforms of a unit on the channels around their peak, or why there are none.

    A sorter's own templates are no clusters' any more once somebody has merged and split: the unit's is then
    the one that most of its spikes were found with.
    """
    templates = sorting.templates
    if templates is None:
        return None, sorting.missing_reason("templates") or "the sorting has no templates"
    row, name = cluster_id, templates.dataset
    if name.startswith("templates."):
        row, words = _own_template(sorting, columns, cluster_id)
        name += f", {words}"
    if row >= len(templates.waveforms):
        return None, f"{templates.dataset} has no row {row}, which cluster {cluster_id} needs"
    traces = np.asarray(templates.waveforms[row], dtype=np.float64).T
    channels = np.asarray(templates.channels[row], dtype=np.int64)
    known = (channels >= 0) & (channels < len(sorting.channels)) & np.isfinite(traces).all(axis=1)
    traces, channels = traces[known], channels[known]
    if not len(traces) or not np.ptp(traces, axis=1).any():
        return None, f"{templates.dataset} has no waveform for cluster {cluster_id}"
    if not {"axial_um", "lateral_um"} <= set(sorting.channels):
        return None, "the positions of the channels are not known"
    axial = sorting.channels["axial_um"].to_numpy(dtype=np.float64)[channels]
    lateral = sorting.channels["lateral_um"].to_numpy(dtype=np.float64)[channels]
    peak = int(np.ptp(traces, axis=1).argmax())
    near = np.abs(axial - axial[peak]) <= TEMPLATE_REACH_UM
    scale = 1e6 if sorting.amps_are_volts else 1.0
    is_peak = np.arange(len(traces)) == peak
    return TemplatePicture(scale * traces[near], lateral[near], axial[near], is_peak[near], name), ""


def _own_template(sorting: SpikeSorting, columns: SpikeColumns, cluster_id: int) -> tuple[int, str]:
    """Return the row of a unit's template among the sorter's, and how it was found."""
    of_spikes = sorting.spikes.extra.get("templates")
    if of_spikes is None:
        why = sorting.missing_reason("spikes.templates") or "there is no spikes.templates to tell"
        return cluster_id, f"row {cluster_id} by its id, which curation may have moved to another cluster ({why})"
    found = main_template(columns, of_spikes, cluster_id)
    if found is None:
        return cluster_id, f"row {cluster_id} by its id: no spike says which"
    row, share = found
    return row, f"row {row}: that of {100 * share:.3g} % of its spikes (spikes.templates)"
