"""Amplitude histograms equal numpy's; the noise cut-off equals ibllib's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dashboard.analysis.quality import metrics
from dashboard.analysis.units.amplitudes import amplitude_histogram, noise_cutoff
from dashboard.model.errors import BadRequest


@given(hnp.arrays(float, st.integers(0, 200), elements=st.floats(1, 1000)), st.integers(1, 120))
@example(amps=np.array([1.0, np.nextafter(1.0, 2.0)]), n_bins=2)
def test_histogram_equals_numpy(amps, n_bins):
    result = amplitude_histogram(amps, n_bins)
    try:
        counts, edges = np.histogram(amps, bins=n_bins)
    except ValueError:  # amplitudes too close to each other for so many bins
        counts, edges = np.histogram(amps, bins=n_bins, range=(amps.min() - 0.5, amps.max() + 0.5))
    np.testing.assert_array_equal(result.counts, counts)
    np.testing.assert_array_equal(result.edges_uv, edges)


def test_missing_amplitudes_are_counted_and_left_out():
    result = amplitude_histogram([np.nan, 10.0, 30.0, np.inf])
    assert (result.n_missing, result.counts.sum(), result.median_uv, result.mean_uv) == (2, 2, 20.0, 20.0)


@pytest.mark.parametrize("amps", [[], [50.0], [np.nan], [0.0, 0.0], [50.0, 50.0]])
def test_too_few_spikes_have_no_cutoff(amps):
    result = amplitude_histogram(amps)
    assert np.isnan(result.noise.cutoff)
    assert not result.noise.passes_label and not result.noise.passes_website


def units():
    rng = np.random.default_rng(0)
    whole = rng.normal(100, 15, 20_000)
    return {
        "whole": whole,
        "cut": whole[whole > 95],
        "skewed": rng.lognormal(4, 0.5, 3000),
        "few": rng.normal(80, 10, 12),
        "volts": whole * 1e-6,
    }


@pytest.mark.parametrize("name", units())
def test_cutoff_equals_that_of_the_metrics(name):
    amps = units()[name]
    np.testing.assert_equal(noise_cutoff(amps).cutoff, metrics.noise_cutoff(amps))


def test_a_cut_unit_fails_and_a_whole_one_passes():
    assert noise_cutoff(units()["whole"]).passes_label
    cut = noise_cutoff(units()["cut"])
    assert cut.cutoff > 5 and not cut.passes_label and not cut.passes_website


def test_the_two_verdicts_can_disagree():
    rng = np.random.default_rng(1)
    # A floor below the peak that is higher than the tail above it, and low beside the peak.
    amps = np.r_[rng.normal(200, 5, 50_000), rng.uniform(60, 200, 20_000), rng.uniform(200, 330, 4000)]
    result = noise_cutoff(amps)
    low = result.counts[result.low_bin]
    assert result.cutoff > 5 and low <= 0.1 * result.counts.max()
    assert result.passes_website and not result.passes_label


def test_requests_that_make_no_sense_are_refused():
    for amps, n_bins in (([[1.0]], 10), ([1.0], 0)):
        with pytest.raises(BadRequest):
            amplitude_histogram(amps, n_bins)


@pytest.mark.parity
@pytest.mark.parametrize("name", units())
def test_equals_brainbox(name):
    single_units = pytest.importorskip("brainbox.metrics.single_units", reason="ibllib is not installed")
    amps = units()[name]
    passes, cutoff, low = single_units.noise_cutoff(amps)
    ours = noise_cutoff(amps)
    assert (ours.cutoff, ours.passes_website, ours.counts[ours.low_bin]) == (cutoff, passes, low)
