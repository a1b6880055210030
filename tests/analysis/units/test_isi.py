"""Interval histograms equal numpy's; the refractory test equals slidingRP's own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slidingRP import metrics as sliding_rp

from dashboard.analysis.units.isi import isi_histogram, refractory_test
from dashboard.model.errors import BadRequest

trains = st.lists(st.integers(0, 3000), max_size=60).map(lambda samples: np.sort(np.array(samples, float)) / 30_000)


@given(trains)
def test_histogram_equals_numpy(times):
    result = isi_histogram(times)
    expected, edges = np.histogram(np.diff(times), bins=50, range=(0, 0.01))
    np.testing.assert_array_equal(result.counts, expected)
    np.testing.assert_array_equal(result.edges_s, edges)
    assert result.n_intervals == max(times.size - 1, 0)
    assert result.n_beyond == np.sum(np.diff(times) > 0.01)


def test_intervals_on_an_edge_open_the_bin_above():
    result = isi_histogram(np.array([0.0, 0.25, 0.75, 2.75]), bin_s=0.25, window_s=1.0)
    np.testing.assert_array_equal(result.counts, [0, 1, 1, 0])
    assert result.n_beyond == 1


def test_bins_that_make_no_sense_are_refused():
    with pytest.raises(BadRequest):
        isi_histogram([0.0, 1.0], bin_s=0)


def unit(rate_hz: float, refractory_s: float, contamination: float, seed: int, duration_s: float = 300.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clean = np.cumsum(refractory_s + rng.exponential(1 / rate_hz, int(rate_hz * duration_s)))
    noise = rng.uniform(0, duration_s, int(clean.size * contamination))
    return np.sort(np.r_[clean, noise])


@pytest.mark.parametrize(
    ("rate_hz", "refractory_s", "contamination"),
    [(20, 0.003, 0.0), (20, 0.003, 0.3), (5, 0.002, 0.05), (1, 0.0, 0.0), (60, 0.0015, 0.08)],
)
def test_refractory_test_equals_slidingrp(rate_hz, refractory_s, contamination):
    times = unit(rate_hz, refractory_s, contamination, seed=int(rate_hz))
    ours = refractory_test(times)
    matrix, levels, periods, acg, rate = sliding_rp.computeMatrix(
        times, {"sampleRate": 30_000, "binSizeCorr": 1 / 30_000}
    )
    np.testing.assert_array_equal(ours.acg, acg[: periods.size])
    np.testing.assert_array_equal(ours.confidence_pct, matrix)
    np.testing.assert_array_equal(ours.contamination_pct, levels)
    np.testing.assert_array_equal(ours.periods_s, periods)
    assert ours.rate_hz == rate
    max_confidence, min_contamination, period, below, _, passes, _ = sliding_rp.slidingRP(times)
    np.testing.assert_equal(
        [ours.max_confidence_pct, ours.min_contamination_pct, ours.best_period_s, ours.n_below_2ms, ours.passes],
        [max_confidence, min_contamination, period, below, passes],
    )


def test_contour_is_the_lowest_level_reached():
    result = refractory_test(unit(20, 0.003, 0.02, seed=3))
    for period, level in enumerate(result.contour_pct):
        reached = result.contamination_pct[result.confidence_pct[:, period] >= 90]
        assert level == reached.min() if reached.size else np.isnan(level)
    assert np.isfinite(result.contour_pct).any()


def test_a_clean_unit_passes_and_a_poisson_one_does_not():
    assert refractory_test(unit(20, 0.003, 0.0, seed=4)).passes
    assert not refractory_test(unit(20, 0.0, 0.0, seed=4)).passes


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0], [0.0, 100.0]])
def test_too_few_spikes_do_not_pass(times):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = refractory_test(times)
    assert not result.passes
    assert not np.any(result.confidence_pct >= 90)
