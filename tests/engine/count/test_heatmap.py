"""Rates on ibllib's own bins, and the profiles beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.engine.build import build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.lattice import floor_edges
from dashboard.engine.count.rates import cluster_counts, depth_profile, population_rate
from dashboard.model.errors import BadRequest
from tests.engine.engine_data import N_CLUSTERS, make_sorting, numpy_counts, random_columns

bincount2D = pytest.importorskip("iblutil.numerical", reason="iblutil comes with ONE-api").bincount2D  # noqa: N816

BINS = st.sampled_from([0.05, 0.1, 0.007, 1.0, 3.7])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 40),
    n_spikes=st.sampled_from([2, 50, 3_000]),
    time_bin=BINS,
    depth_bin=st.sampled_from([5, 10, 20.0, 333.3]),
)
def test_the_heatmap_is_ibllibs_to_the_last_count(seed, n_spikes, time_bin, depth_bin):
    columns = random_columns(seed, n_spikes)
    counts, time_scale, depth_scale = bincount2D(
        np.array(columns.times_s), np.array(columns.depths_um), time_bin, depth_bin
    )
    rates = firing_rate(columns, time_bin, depth_bin, max_cells=None)
    np.testing.assert_array_equal(rates.values, counts / time_bin)
    np.testing.assert_allclose(rates.time_edges_s[:-1], time_scale, rtol=1e-12)
    np.testing.assert_allclose(rates.depth_edges_um[:-1], depth_scale, rtol=1e-12)
    assert rates.unit == "Hz" and rates.n_spikes == n_spikes


@settings(max_examples=40)
@given(
    seed=st.integers(0, 40),
    start=st.floats(0, 90),
    length=st.floats(0.1, 20),
    low=st.floats(0, 3000),
    height=st.floats(1, 900),
    time_bin=BINS,
)
def test_a_window_shows_whole_bins_of_the_same_grid(seed, start, length, low, height, time_bin):
    columns = random_columns(seed, 2_000)
    part = firing_rate(columns, time_bin, 10.0, (start, start + length), (low, low + height))
    assert part.time_edges_s[0] <= start + 1e-9 and part.time_edges_s[-1] >= start + length - 1e-9
    assert part.depth_edges_um[0] <= low + 1e-9 and part.depth_edges_um[-1] >= low + height - 1e-9
    bins = np.floor((np.array(columns.times_s) - columns.times_s[0]) / time_bin).astype(int)
    rows = np.floor((np.array(columns.depths_um) - columns.depth_range_um[0]) / 10.0).astype(int)
    first_bin = round((part.time_edges_s[0] - columns.times_s[0]) / time_bin)
    first_row = round((part.depth_edges_um[0] - columns.depth_range_um[0]) / 10.0)
    expected = np.zeros(part.values.shape)
    inside = (bins >= first_bin) & (bins < first_bin + expected.shape[1])
    inside &= (rows >= first_row) & (rows < first_row + expected.shape[0])
    np.add.at(expected, (rows[inside] - first_row, bins[inside] - first_bin), 1)
    np.testing.assert_array_equal(part.values, expected / time_bin)


def test_the_origin_can_be_given():
    columns = build_columns(make_sorting([0.3, 1.2, 1.3], [5.0, 15.0, 25.0]))
    rates = firing_rate(columns, 1.0, 10.0, origin=(0.0, 0.0))
    np.testing.assert_array_equal(rates.values, [[1, 0], [0, 1], [0, 1]])
    np.testing.assert_array_equal(rates.time_edges_s, [0, 1, 2])


def test_too_many_bins_are_joined_in_time_and_no_spike_is_lost():
    columns = random_columns(2, 3_000)
    rates = firing_rate(columns, 0.001, 10.0, max_cells=10_000)
    assert rates.values.size <= 10_000 + rates.values.shape[0]
    width = rates.time_edges_s[1] - rates.time_edges_s[0]
    assert round(width / 0.001, 6) == round(width / 0.001) > 1
    assert rates.n_spikes == 3_000
    np.testing.assert_allclose(rates.values * width, numpy_counts(columns, rates.depth_edges_um, rates.time_edges_s))


@pytest.mark.parametrize("bins", [(0, 10), (0.05, -1), (np.nan, 10), (0.05, np.inf), (0.05, 1e-9)])
def test_bins_that_cannot_be_are_refused(bins):
    with pytest.raises(BadRequest):
        firing_rate(random_columns(0, 10), *bins)


def test_filters_reach_the_heatmap():
    columns = random_columns(1, 3_000)
    mask = np.arange(N_CLUSTERS) < 4
    assert firing_rate(columns, 1.0, 10.0, kept=kept_spikes(columns, mask)).n_spikes == np.count_nonzero(
        columns.clusters < 4
    )


@settings(max_examples=200)
@given(
    origin=st.floats(-1e4, 1e4, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-200),
    size=st.floats(1e-3, 1e3),
    first=st.integers(-1000, 1000),
)
def test_floor_edges_are_where_the_division_steps(origin, size, first):
    edges = floor_edges(origin, size, 20, first)
    numbers = np.arange(first, first + 21)
    assert (np.floor((edges - origin) / size) >= numbers).all()
    at_origin = (numbers == 0) & (origin == 0)  # below it, the tiniest numbers underflow
    assert ((np.floor((np.nextafter(edges, -np.inf) - origin) / size) < numbers) | at_origin).all()


@settings(max_examples=40)
@given(seed=st.integers(0, 40), n_spikes=st.sampled_from([0, 1, 50, 3_000]), size=BINS, masked=st.booleans())
def test_the_population_rate_counts_every_spike_once(seed, n_spikes, size, masked):
    columns = random_columns(seed, n_spikes)
    mask = np.arange(N_CLUSTERS) % 3 == 0
    kept = mask[columns.clusters] if masked else np.ones(n_spikes, bool)
    edges, rate = population_rate(columns, size, kept=kept_spikes(columns, mask if masked else None))
    bins = np.searchsorted(edges, columns.times_s[kept], "right") - 1
    np.testing.assert_allclose(rate, np.bincount(bins, minlength=len(rate)) / size)
    assert round(float(rate.sum() * size)) == kept.sum()


def test_floor_edges_at_zero_are_plain_multiples():
    np.testing.assert_array_equal(floor_edges(0.0, 10.0, 5, -2), [-20, -10, 0, 10, 20, 30])


def test_the_population_rate_of_a_window_starts_there():
    columns = random_columns(1, 3_000)
    edges, rate = population_rate(columns, 0.5, (10.0, 20.0))
    assert edges[0] == 10.0 and len(rate) == 20
    np.testing.assert_array_equal(rate * 0.5, np.diff(np.searchsorted(columns.times_s, edges)))


@settings(max_examples=40)
@given(seed=st.integers(0, 40), masked=st.booleans(), timed=st.booleans())
def test_the_depth_profile_equals_direct_means(seed, masked, timed):
    columns = random_columns(seed, 3_000)
    window = (20.0, 70.0) if timed else None
    mask = np.arange(N_CLUSTERS) % 2 == 0
    kept = mask[columns.clusters] if masked else np.ones(3_000, bool)
    if timed:
        kept = kept & (columns.times_s >= 20) & (columns.times_s <= 70)
    edges, rate, amps, counts = depth_profile(
        columns, 100.0, window, kept=kept_spikes(columns, mask if masked else None)
    )
    assert (edges == np.round(edges / 100) * 100).all()
    rows = np.searchsorted(edges, columns.depths_um[kept], "right") - 1
    expected = np.bincount(rows, minlength=len(counts))
    np.testing.assert_array_equal(counts, expected)
    duration = 50.0 if timed else columns.times_s[-1] - columns.times_s[0]
    np.testing.assert_allclose(rate, expected / duration)
    sums = np.bincount(rows, columns.amps_uv[kept].astype(float), minlength=len(counts))
    means = np.where(expected >= 50, sums / np.maximum(expected, 1), np.nan)
    np.testing.assert_allclose(amps, means, rtol=1e-9)
    rates_only = depth_profile(
        columns, 100.0, window, kept=kept_spikes(columns, mask if masked else None), amplitudes=False
    )
    np.testing.assert_array_equal(rates_only.counts, counts)
    np.testing.assert_array_equal(rates_only.rate_hz, rate)
    assert rates_only.amp_mean_uv is None


def test_a_profile_without_amplitudes_has_none():
    assert depth_profile(build_columns(make_sorting([1.0, 2.0], [3.0, 4.0]))).amp_mean_uv is None


def test_profiles_of_nothing_are_empty():
    columns = build_columns(make_sorting([], []))
    assert depth_profile(columns).counts.sum() == 0
    assert population_rate(columns, 1.0)[1].sum() == 0


@settings(max_examples=30)
@given(seed=st.integers(0, 40), timed=st.booleans(), deep=st.booleans(), limited=st.booleans())
def test_counts_by_cluster_equal_a_bincount(seed, timed, deep, limited):
    columns = random_columns(seed, 3_000)
    kept = np.ones(3_000, bool)
    if timed:
        kept &= (columns.times_s >= 20) & (columns.times_s <= 70)
    if deep:
        kept &= (columns.depths_um >= 500) & (columns.depths_um <= 900)
    if limited:
        kept &= (columns.amps_uv >= 50) & (columns.amps_uv < 120)
    counts = cluster_counts(
        columns,
        (20, 70) if timed else None,
        (500, 900) if deep else None,
        kept=kept_spikes(columns, None, (50, 120) if limited else None),
    )
    np.testing.assert_array_equal(counts, np.bincount(columns.clusters[kept], minlength=columns.n_clusters))
