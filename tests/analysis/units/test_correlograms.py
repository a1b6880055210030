"""Correlograms equal brute force, and ibllib's and phylib's, bin by bin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.units.correlograms import autocorrelogram, crosscorrelogram
from dashboard.model.errors import BadRequest

# Sample-quantised times put many lags exactly on bin edges.
trains = st.lists(st.integers(0, 3000), max_size=60).map(lambda samples: np.sort(np.array(samples, float)) / 30_000)
bins = st.sampled_from([(0.001, 0.05), (0.00025, 0.01), (0.0005, 0.003), (1 / 30_000, 0.002)])


def brute_lags(reference: np.ndarray, other: np.ndarray, bin_s: float, half: int) -> np.ndarray:
    k = np.rint((other[None, :] - reference[:, None]) / bin_s).ravel()
    return np.array([np.sum(k == lag) for lag in range(-half, half + 1)])


@given(trains, bins)
def test_autocorrelogram_equals_brute_force(times, grid):
    bin_s, window_s = grid
    half = int(window_s / 2 / bin_s)
    expected = brute_lags(times, times, bin_s, half)
    expected[half] = (expected[half] - times.size) // 2  # no spike with itself, each pair once
    result = autocorrelogram(times, bin_s, window_s)
    np.testing.assert_array_equal(result.counts, expected)
    np.testing.assert_allclose(result.lags_s, np.arange(-half, half + 1) * bin_s)


@given(trains, trains, bins)
def test_crosscorrelogram_equals_brute_force(reference, other, grid):
    bin_s, window_s = grid
    half = int(window_s / 2 / bin_s)
    result = crosscorrelogram(reference, other, bin_s, window_s)
    np.testing.assert_array_equal(result.counts, brute_lags(reference, other, bin_s, half))


@given(trains, trains)
def test_crosscorrelogram_reverses_with_its_trains(a, b):
    np.testing.assert_array_equal(crosscorrelogram(a, b).counts, crosscorrelogram(b, a).counts[::-1])


@given(trains, st.sampled_from([1, 7, 30]))
def test_phy_convention_equals_brute_force_on_samples(times, bin_samples):
    samples = np.rint(times * 30_000)
    half = 10
    distance = np.abs(samples[None, :] - samples[:, None])[np.triu_indices(samples.size, 1)] // bin_samples
    expected = np.array([np.sum(distance == abs(lag)) for lag in range(-half, half + 1)])
    result = autocorrelogram(samples, bin_samples, 2 * half * bin_samples, "phy")
    np.testing.assert_array_equal(result.counts, expected)


@given(trains)
def test_two_trains_the_other_way_round_have_the_lags_reversed(times):
    other = times[1::3]
    forward, back = crosscorrelogram(times, other), crosscorrelogram(other, times)
    np.testing.assert_array_equal(forward.counts[::-1], back.counts)
    assert (forward.n_reference, back.n_reference) == (times.size, other.size)


def test_default_grids_are_those_of_the_ibl():
    result = autocorrelogram([0.0, 0.0249, 0.0251])
    assert result.counts.shape == (51,)
    assert result.counts[50] == 2  # 24.9 and 25.1 ms both round to 25 ms
    close = autocorrelogram([0.0, 0.005], 0.00025, 0.01)
    assert close.counts.shape == (41,)
    assert close.counts[0] == close.counts[40] == 1


def test_rate_of_a_poisson_pair_is_that_of_the_other_train():
    rng = np.random.default_rng(0)
    a, b = np.sort(rng.uniform(0, 1000, 20_000)), np.sort(rng.uniform(0, 1000, 50_000))
    assert crosscorrelogram(a, b).rate_hz == pytest.approx(50.0, rel=0.1)


@pytest.mark.parametrize("times", [[], [1.0]])
def test_too_few_spikes_give_empty_counts(times):
    result = autocorrelogram(times)
    assert result.counts.sum() == 0
    assert np.all(result.rate_hz == 0)


@pytest.mark.parametrize("times", [[1.0, 0.5], [0.0, np.nan], [np.nan], [0.0, np.inf], [-np.inf, 0.0], [[0.0], [1.0]]])
def test_times_that_are_not_a_train_are_refused(times):
    with pytest.raises(BadRequest):
        autocorrelogram(times)


@pytest.mark.parametrize(("bin_s", "window_s"), [(0, 0.05), (-1, 0.05), (0.1, 0.05), (np.nan, 0.05), (1e-9, 1.0)])
def test_bins_that_make_no_sense_are_refused(bin_s, window_s):
    with pytest.raises(BadRequest):
        autocorrelogram([0.0, 1.0], bin_s, window_s)


@pytest.mark.parity
def test_equals_brainbox():
    decode = pytest.importorskip("brainbox.population.decode", reason="ibllib is not installed")
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, 30_000 * 20, 4000)) / 30_000
    clusters = rng.integers(0, 2, times.size)
    for bin_s, window_s in [(0.001, 0.05), (0.00025, 0.01)]:
        theirs = decode.xcorr(times, clusters, bin_s, window_s)
        half = theirs.shape[2] // 2
        for unit in (0, 1):
            ours = autocorrelogram(times[clusters == unit], bin_s, window_s)
            np.testing.assert_array_equal(ours.counts, theirs[unit, unit])
        pair = crosscorrelogram(times[clusters == 0], times[clusters == 1], bin_s, window_s).counts
        beside = np.arange(pair.size) != half
        np.testing.assert_array_equal(pair[beside], theirs[0, 1][beside])
        assert theirs[0, 1][half] <= pair[half] <= 2 * theirs[0, 1][half]


def test_phy_convention_equals_phylib():
    phylib = pytest.importorskip("phylib.stats", reason="phylib is not installed")
    rng = np.random.default_rng(2)
    samples = np.sort(rng.integers(0, 30_000 * 20, 4000))
    theirs = phylib.correlograms(
        samples, np.zeros(samples.size, int), cluster_ids=[0], sample_rate=1.0, bin_size=30.0, window_size=1500.0
    )[0, 0]
    np.testing.assert_array_equal(autocorrelogram(samples, 30, 1500, "phy").counts, theirs)
