"""The demo's quality metrics equal their definitions, written out straight from ibllib's and slidingRP's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.ndimage import gaussian_filter1d

from dashboard.sources.demo.kernels import (
    correlogram_start,
    histogram_edges,
    interval_sums,
    pairs_between,
    session_times,
)
from dashboard.sources.demo.metrics import CONTAMINATION, RP_S, measure, missed_spikes, noise_cutoff
from dashboard.sources.demo.spikes import Trains

Float64 = npt.NDArray[np.float64]


def trains_of(clusters: list[npt.NDArray[np.int32]], seed: int = 0) -> Trains:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum([len(c) for c in clusters])]).astype(np.int64)
    n = int(offsets[-1])
    amps = (rng.gamma(9.0, 9e-6, n)).astype(np.float32)
    return Trains(offsets, np.concatenate(clusters).astype(np.int32), rng.normal(500, 9, n).astype(np.float32), amps)


@pytest.fixture(scope="module")
def trains() -> Trains:
    rng = np.random.default_rng(1)
    end = 200 * 30_000
    poisson = np.sort(rng.integers(0, end, 2500))
    regular = np.cumsum(rng.integers(600, 2400, 3500))
    with_twins = np.sort(np.concatenate([poisson[:300], poisson[:40] + 2]))
    return trains_of([poisson, np.empty(0), regular, np.array([77_000]), with_twins, rng.permutation(end)[:900]])


def sorted_trains(trains: Trains) -> Trains:
    for u in range(trains.n_clusters):
        trains.samples[trains.of(u)].sort()
    return trains


def times_of(trains: Trains, cluster: int) -> Float64:
    samples = trains.samples[trains.of(cluster)]
    times = np.empty(samples.size)
    session_times(samples, times)
    return times


def correlogram(times: Float64, bin_size: int, n_bins: int) -> npt.NDArray[np.int64]:
    """phylib's correlogram: pairs by the whole number of bins between them."""
    cut = (times * 30_000).astype(np.int64)
    distance = (cut[None, :] - cut[:, None])[np.triu_indices(cut.size, 1)] // bin_size
    return np.bincount(distance[distance < n_bins], minlength=n_bins)


def test_sliding_refractory_period_equals_the_full_matrix(trains: Trains) -> None:
    table = measure(sorted_trains(trains))
    for u in range(trains.n_clusters):
        times = times_of(trains, u)
        if not times.size:
            assert np.isnan(table.loc[u, "max_confidence"])
            continue
        rate = correlogram(times, 30_000, 2)[1] / times.size
        counts = correlogram(times, 1, RP_S.size)
        expected = rate * (CONTAMINATION[:, None] / 100) * (RP_S[None, :] + 1 / 60_000) * 2 * times.size
        matrix = 100 * (1 - stats.poisson.cdf(np.cumsum(counts)[None, :], expected))[:, RP_S > 0.0005]
        rows = np.flatnonzero((matrix >= 90).any(axis=1))
        least = CONTAMINATION[rows[0]] if rows.size else np.nan
        below = counts[: np.flatnonzero(RP_S > 0.002)[0] + 1].sum()
        row = table.loc[u]
        np.testing.assert_allclose(row["max_confidence"], matrix[CONTAMINATION >= 10][0].max(), rtol=1e-12)
        np.testing.assert_equal(row["min_contamination"], least)
        assert row["slidingRP_viol"] == (least <= 10)
        assert row["n_spikes_below2"] == below
        assert row["slidingRP_viol_forced"] == (below == 0 and rate > 0.5 and not rows.size)


def test_presence_counts_and_rates_equal_numpy(trains: Trains) -> None:
    trains = sorted_trains(trains)
    table = measure(trains)
    every = [times_of(trains, u) for u in range(trains.n_clusters)]
    start, stop = min(t[0] for t in every if t.size), max(t[-1] for t in every if t.size)
    n_windows = np.arange(start, stop + 5, 10).size
    for u, times in enumerate(every):
        windows = np.bincount(np.floor((times - start) / 10).astype(int), minlength=n_windows)
        assert table.loc[u, "spike_count"] == times.size
        assert table.loc[u, "firing_rate"] == times.size / (stop - start)
        assert table.loc[u, "presence_ratio"] == np.mean(windows > 0)
        np.testing.assert_allclose(table.loc[u, "presence_ratio_std"], np.std(windows), rtol=1e-12)


def test_contamination_drift_and_amplitudes_equal_numpy(trains: Trains) -> None:
    trains = sorted_trains(trains)
    table = measure(trains)
    every = [times_of(trains, u) for u in range(trains.n_clusters)]
    span = max(t[-1] for t in every if t.size) - min(t[0] for t in every if t.size)
    for u, times in enumerate(every):
        if times.size < 2:
            continue
        row = table.loc[u]
        amps, depths = (column[trains.of(u)].astype(float) for column in (trains.amps_v, trains.depths_um))
        alone = np.delete(times, np.flatnonzero(np.diff(times) <= 0.0001) + 1)
        rate = np.sum(np.diff(alone) < 0.0015) / (2 * alone.size * (0.0015 - 0.0001))
        np.testing.assert_allclose(row["contamination"], rate / (alone.size / span), rtol=1e-12)
        c = (times[-1] - times[0]) * np.sum(np.diff(times) < 0.0015) / (2 * 0.0015 * times.size**2)
        root = np.min(np.abs(np.roots([-1, 1, c])))
        np.testing.assert_allclose(row["contamination_alt"], root, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(row["drift"], np.abs(np.diff(depths)).sum() / span * 3600, rtol=1e-12)
        assert (row["amp_min"], row["amp_max"]) == (amps.min(), amps.max())
        np.testing.assert_allclose(row["amp_median"], 10 ** (np.median(20 * np.log10(amps)) / 20), rtol=1e-12)
        np.testing.assert_allclose(row["amp_std_dB"], np.std(20 * np.log10(amps), ddof=1), rtol=1e-12)


def test_label_is_the_share_of_the_three_tests(trains: Trains) -> None:
    table = measure(sorted_trains(trains))
    tests = [table["max_confidence"] >= 90, table["noise_cutoff"] < 5, table["amp_median"] > 50e-6]
    np.testing.assert_allclose(table["label"], np.mean(tests, axis=0))
    np.testing.assert_array_equal(table["bitwise_fail"], sum((~t).to_numpy() * 2**i for i, t in enumerate(tests)))
    assert table.loc[1, "label"] == 0, "a cluster without spikes passes nothing"


def reference_noise_cutoff(amps: Float64) -> float:
    n = np.histogram(amps, bins=np.linspace(0, np.max(amps), 100))[0]
    peak = np.argmax(n)
    high = n[int(np.ceil(0.5 * len(np.where(n[peak:-1] > 0)[0]) + peak)) :]
    high = high[high >= 1]
    if not high.size or np.std(high) == 0:
        return np.nan
    return float((n[n != 0][1] - np.mean(high)) / np.std(high))


@pytest.mark.parametrize("seed", range(12))
def test_noise_cutoff_equals_its_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    amps = np.abs(rng.normal(8e-5, 2e-5, int(rng.integers(2, 5000))))
    if seed % 2:
        amps = np.maximum(amps, 7e-5) + np.abs(rng.normal(0, 1e-6, amps.size))
    np.testing.assert_equal(noise_cutoff(amps), reference_noise_cutoff(amps))


def test_a_cut_off_amplitude_distribution_fails_and_a_whole_one_passes() -> None:
    amps = np.random.default_rng(0).normal(100e-6, 15e-6, 20_000)
    assert noise_cutoff(amps) < 5 < noise_cutoff(amps[amps > 95e-6])


@pytest.mark.parametrize("n", [400, 500, 501, 4321])
def test_missed_spikes_equal_their_definition(n: int) -> None:
    amps = np.random.default_rng(n).normal(8e-5, 1e-5, n)
    if n <= 500:
        assert np.isnan(missed_spikes(amps))
        return
    pdf = gaussian_filter1d(np.histogram(amps, n // 10, density=True)[0], 4)
    peak = np.argmax(pdf)
    cut = peak + np.argmin(np.abs(pdf[peak:] - pdf[0]))
    np.testing.assert_allclose(missed_spikes(amps), min(np.sum(pdf[cut:]) / np.sum(pdf), 0.5), rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.float64, st.integers(1, 80), elements=st.floats(0, 1, width=32)),
    st.integers(1, 40),
    st.floats(0.01, 1.0),
)
def test_histogram_equals_numpys(values: Float64, n_bins: int, top: float) -> None:
    edges = np.linspace(0, top, n_bins + 1)
    np.testing.assert_array_equal(histogram_edges(values, edges), np.histogram(values, edges)[0])
    np.testing.assert_array_equal(histogram_edges(edges, edges), np.histogram(edges, edges)[0])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4000), min_size=0, max_size=60), st.integers(1, 500), st.integers(0, 800))
def test_pairs_equal_all_pairs(samples: list[int], width: int, low: int) -> None:
    train = np.sort(np.array(samples, dtype=np.int64))
    distance = (train[None, :] - train[:, None])[np.triu_indices(train.size, 1)]
    counts = np.zeros(width, dtype=np.int64)
    correlogram_start(train, counts)
    np.testing.assert_array_equal(counts, np.bincount(distance[distance < width], minlength=width))
    if low > 0:
        assert pairs_between(train, low, low + width) == np.sum((distance >= low) & (distance < low + width))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_intervals_equal_numpys(samples: list[int]) -> None:
    times = np.sort(np.array(samples)) / 30_000
    depths = np.arange(times.size, dtype=np.float32) ** 2
    travel, short, alone, close = interval_sums(times, depths, 0.0015, 0.0001)
    kept = np.delete(times, np.flatnonzero(np.diff(times) <= 0.0001) + 1)
    assert travel == np.abs(np.diff(depths.astype(float))).sum()
    assert (short, alone, close) == (np.sum(np.diff(times) < 0.0015), kept.size, np.sum(np.diff(kept) < 0.0015))
