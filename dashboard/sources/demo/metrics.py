"""Quality metrics of the demo's clusters, by the definitions of ibllib and slidingRP, from spikes ordered by cluster.

Every number is that of ibllib 4.1.0 (``brainbox.metrics.single_units.quick_unit_metrics`` with its
default parameters) and slidingRP 1.1 (``slidingRP.metrics.slidingRP_all``); what is different is that a
cluster's spikes lie together, so nothing is searched and no correlogram is longer than it is used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.special import pdtr

from dashboard.sources.demo.kernels import (
    SAMPLING_HZ,
    correlogram_start,
    histogram_edges,
    interval_sums,
    pairs_between,
    presence,
    session_times,
)
from dashboard.sources.demo.spikes import Trains, run_tasks

REFRACTORY_S = 0.0015
MIN_ISI_S = 0.0001
PRESENCE_WINDOW_S = 10.0
MIN_CONFIDENCE = 90.0
MAX_NOISE_CUTOFF = 5.0
MIN_AMP_V = 50e-6

CONTAMINATION = np.arange(0.5, 35, 0.5)
"""Contamination levels tested by the sliding refractory period, in percent."""
_RP_BIN_S = 1 / 30_000
_RP_EDGES_S = np.arange(0, 10 / 1000, _RP_BIN_S)
RP_S = _RP_EDGES_S + np.mean(np.diff(_RP_EDGES_S)[0]) / 2
"""Refractory periods tested, in s; those up to 0.5 ms are left out of the verdict."""
_TESTED = RP_S > 0.0005
_ROW_10 = int(np.flatnonzero(CONTAMINATION >= 10.0)[0])
_BELOW_2MS = int(np.flatnonzero(RP_S > 0.002)[0]) + 1

COLUMNS = (
    "cluster_id",
    "amp_max",
    "amp_min",
    "amp_median",
    "amp_std_dB",
    "contamination",
    "contamination_alt",
    "drift",
    "missed_spikes_est",
    "noise_cutoff",
    "presence_ratio",
    "presence_ratio_std",
    "slidingRP_viol",
    "spike_count",
    "firing_rate",
    "label",
    "slidingRP_viol_forced",
    "max_confidence",
    "min_contamination",
    "n_spikes_below2",
    "bitwise_fail",
)

Float64 = npt.NDArray[np.float64]


def measure(
    trains: Trains, report: Callable[[int], None] = lambda done: None, cancel: threading.Event | None = None
) -> pd.DataFrame:
    """Return the metrics table of a sorting.

    Parameters
    ----------
    trains : Trains
    report : callable
        Called with the number of clusters done.
    cancel : threading.Event or None

    Returns
    -------
    DataFrame, one row per cluster
        Columns of ibllib's ``clusters.metrics.pqt``; NaN for clusters without spikes.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    n = trains.n_clusters
    values = {name: np.full(n, np.nan) for name in COLUMNS}
    firsts, lasts = trains.offsets[:-1], trains.offsets[1:]
    filled = lasts > firsts
    ends = [trains.samples[firsts[filled]].min(), trains.samples[lasts[filled] - 1].max()]
    span = np.empty(2)
    session_times(np.array(ends, dtype=np.int32), span)
    start_s, stop_s = float(span[0]), float(span[1])
    counts = np.zeros((n, RP_S.size), dtype=np.int64)
    seconds = np.zeros(n, dtype=np.int64)
    tasks = [partial(_measure_cluster, trains, u, start_s, stop_s, values, counts, seconds) for u in range(n)]
    run_tasks(tasks, report, cancel)
    sliding_refractory(counts, seconds, np.diff(trains.offsets), values)
    passed = np.column_stack(
        [
            values["max_confidence"] >= MIN_CONFIDENCE,
            values["noise_cutoff"] < MAX_NOISE_CUTOFF,
            values["amp_median"] > MIN_AMP_V,
        ]
    )
    values["label"] = np.mean(passed, axis=1)
    values["cluster_id"] = np.arange(n, dtype=np.int64)
    values["spike_count"] = values["spike_count"].astype(np.int64)
    values["bitwise_fail"] = (~passed @ np.array([1, 2, 4])).astype(np.uint8)
    return pd.DataFrame(values)


def _measure_cluster(
    trains: Trains,
    cluster: int,
    start_s: float,
    stop_s: float,
    values: dict[str, Float64],
    counts: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64],
) -> None:
    """Fill one cluster's row of everything but the sliding refractory period."""
    place = trains.of(cluster)
    samples = trains.samples[place]
    values["spike_count"][cluster] = samples.size
    values["firing_rate"][cluster] = samples.size / (stop_s - start_s)
    n_windows = np.arange(start_s, stop_s + PRESENCE_WINDOW_S / 2, PRESENCE_WINDOW_S).size
    times = np.empty(samples.size)
    session_times(samples, times)
    windows = presence(times, start_s, PRESENCE_WINDOW_S, n_windows)
    values["presence_ratio"][cluster] = np.sum(windows > 0) / n_windows
    values["presence_ratio_std"][cluster] = np.std(windows)
    if not samples.size:
        return
    # Correlograms are counted on times * 30,000 cut to whole numbers, as phylib does it.
    cut = (times * SAMPLING_HZ).astype(np.int64)
    correlogram_start(cut, counts[cluster])
    seconds[cluster] = pairs_between(cut, SAMPLING_HZ, 2 * SAMPLING_HZ)
    amps = trains.amps_v[place].astype(np.float64)
    _amplitudes(amps, values, cluster)
    values["noise_cutoff"][cluster] = noise_cutoff(amps)
    values["missed_spikes_est"][cluster] = missed_spikes(amps)
    travel, short, alone, close = interval_sums(times, trains.depths_um[place], REFRACTORY_S, MIN_ISI_S)
    values["drift"][cluster] = travel / (stop_s - start_s) * 3600
    c = (times[-1] - times[0]) * short / (2 * REFRACTORY_S * samples.size**2)
    values["contamination_alt"][cluster] = (np.sqrt(1 + 4 * c) - 1) / 2
    violations = close / (2 * alone * (REFRACTORY_S - MIN_ISI_S))
    values["contamination"][cluster] = violations / (alone / (stop_s - start_s))


def _amplitudes(amps: Float64, values: dict[str, Float64], cluster: int) -> None:
    """Fill extremes, geometric median and spread in dB of one cluster's amplitudes (V)."""
    values["amp_min"][cluster] = amps.min()
    values["amp_max"][cluster] = amps.max()
    middle = [(amps.size - 1) // 2, amps.size // 2]
    levels = 20 * np.log10(np.partition(amps, middle)[middle])
    values["amp_median"][cluster] = 10 ** (levels.mean() / 20)
    if amps.size > 1:
        values["amp_std_dB"][cluster] = np.std(20 * np.log10(amps), ddof=1)


def noise_cutoff(amps: Float64) -> float:
    """Return how far the low end of an amplitude histogram lies above its high end, in standard deviations.

    Parameters
    ----------
    amps : ndarray, shape (n,), float64

    Returns
    -------
    float
        NaN where it is not defined. Source: ``brainbox.metrics.single_units.noise_cutoff`` with
        ``quantile_length=0.25, n_bins=100``.
    """
    if amps.size < 2:
        return float("nan")
    heights = histogram_edges(amps, np.linspace(0, np.max(amps), 100))
    peak = int(np.argmax(heights))
    upper = int(np.count_nonzero(heights[peak:-1] > 0))
    high = heights[int(np.ceil(0.5 * upper + peak)) :]
    high = high[high >= 1]
    if not high.size or np.std(high) <= 0:
        return float("nan")
    return float((heights[heights != 0][1] - np.mean(high)) / np.std(high))


def missed_spikes(amps: Float64) -> float:
    """Return the estimated fraction of spikes below the detection threshold, 0 .. 0.5.

    Parameters
    ----------
    amps : ndarray, shape (n,), float64

    Returns
    -------
    float
        NaN up to 500 spikes. Source: ``brainbox.metrics.single_units.missed_spikes_est`` with
        ``spks_per_bin=10, sigma=4, min_num_bins=50``.
    """
    if amps.size <= 500:
        return float("nan")
    n_bins = amps.size // 10
    low, high = float(amps.min()), float(amps.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, n_bins + 1)
    density = histogram_edges(amps, edges) / np.diff(edges) / amps.size
    pdf = gaussian_filter1d(density, 4)
    peak = int(np.argmax(pdf))
    cut = peak + int(np.argmin(np.abs(pdf[peak:] - pdf[0])))
    return float(min(np.sum(pdf[cut:]) / np.sum(pdf), 0.5))


def sliding_refractory(
    counts: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64],
    n_spikes: npt.NDArray[np.int64],
    values: dict[str, Float64],
) -> None:
    """Fill the columns of the sliding refractory period test.

    Parameters
    ----------
    counts : ndarray, shape (n_clusters, 300), int64
        Autocorrelogram from 0 ms on in bins of one sample.
    seconds : ndarray, shape (n_clusters,), int64
        Pairs of spikes 1 - 2 s apart, from which the test takes the firing rate.
    n_spikes : ndarray, shape (n_clusters,), int64
    values : dict of str to ndarray
        Columns to fill; clusters without spikes stay NaN.
    """
    rows = np.flatnonzero(n_spikes > 0)
    counts, spikes = counts[rows], n_spikes[rows].astype(np.float64)
    rate = seconds[rows] / spikes
    observed = np.cumsum(counts, axis=1)[:, _TESTED].astype(np.float64)
    exposure = RP_S[_TESTED] + _RP_BIN_S / 2

    def confidence(level: npt.NDArray[np.int64]) -> Float64:
        """Best confidence over refractory periods, one contamination level per cluster."""
        expected = (rate * (CONTAMINATION[level] / 100))[:, None] * exposure[None, :] * 2 * spikes[:, None]
        best: Float64 = np.max(100 * (1 - pdtr(observed, expected)), axis=1)
        return best

    best = confidence(np.full(rows.size, _ROW_10))
    # The confidence grows with the level, so the lowest level that reaches 90 % is found by halving.
    low = np.zeros(rows.size, dtype=np.int64)
    high = np.full(rows.size, CONTAMINATION.size, dtype=np.int64)
    while np.any(low < high):
        middle = np.minimum((low + high) // 2, CONTAMINATION.size - 1)
        reached = confidence(middle) >= MIN_CONFIDENCE
        open_ = low < high
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    reached = low < CONTAMINATION.size
    least = np.where(reached, CONTAMINATION[np.minimum(low, CONTAMINATION.size - 1)], np.nan)
    passes = reached & (least <= 10.0)
    below = counts[:, :_BELOW_2MS].sum(axis=1)
    values["max_confidence"][rows] = best
    values["min_contamination"][rows] = least
    values["n_spikes_below2"][rows] = below
    values["slidingRP_viol"][rows] = passes
    # slidingRP says "not passed", and means "no level reached": its comparison `is False` never sees numpy's.
    values["slidingRP_viol_forced"][rows] = (below == 0) & (rate > 0.5) & ~reached
