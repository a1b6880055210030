"""Matched spikes equal the greedy definition carried out pair by pair."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.compare import matching
from dashboard.analysis.compare.matching import SortedSpikes, agreement, link_units, match_spikes
from dashboard.model.errors import BadRequest, Cancelled

# A grid that float64 holds exactly, so that ties in time are many and edges of the tolerance are hit.
TICK = 2.0**-14
spike_lists = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2), st.sampled_from([0.0, 40.0, 100.0, 140.0, np.nan])), max_size=30
)


def sorted_spikes(spikes, n_clusters=3):
    spikes = sorted(spikes, key=lambda spike: spike[0])
    times, clusters, depths = ([spike[k] for spike in spikes] for k in range(3))
    return SortedSpikes.of(
        np.array(times, float) * TICK, np.array(clusters, np.uint32), np.array(depths, float), n_clusters
    )


def greedy(a, b, tolerance_s, tolerance_um, linked=None):
    pairs = []
    for i in range(a.times_s.size):
        for j in range(b.times_s.size):
            lag, gap = abs(a.times_s[i] - b.times_s[j]), abs(a.depths_um[i] - b.depths_um[j])
            if lag <= tolerance_s and gap <= tolerance_um:
                strange = linked is not None and not linked[a.clusters[i], b.clusters[j]]
                pairs.append((strange, lag, gap, i, j))
    partner, taken = np.full(a.times_s.size, -1), set()
    for *_, i, j in sorted(pairs):
        if partner[i] < 0 and j not in taken:
            partner[i] = j
            taken.add(j)
    return partner


@given(spike_lists, spike_lists, st.integers(0, 12))
def test_pairs_are_those_of_the_definition(spikes_a, spikes_b, ticks):
    a, b = sorted_spikes(spikes_a), sorted_spikes(spikes_b)
    partners = match_spikes(a, b, tolerance_s=ticks * TICK, tolerance_um=100.0)
    np.testing.assert_array_equal(partners, greedy(a, b, ticks * TICK, 100.0))


@given(spike_lists, spike_lists, st.integers(0, 511))
def test_linked_units_choose_first(spikes_a, spikes_b, bits):
    a, b = sorted_spikes(spikes_a), sorted_spikes(spikes_b)
    linked = np.array([bits >> k & 1 for k in range(9)], dtype=bool).reshape(3, 3)
    partners = match_spikes(a, b, tolerance_s=6 * TICK, linked=linked)
    np.testing.assert_array_equal(partners, greedy(a, b, 6 * TICK, 100.0, linked))


def test_links_give_stolen_spikes_back():
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 10, 20_000))
    clusters = rng.integers(0, 10, times.size).astype(np.uint32)
    a = SortedSpikes.of(times, clusters, np.zeros(times.size), 10)
    late = np.array([0.0002 if cluster % 2 else -0.0001 for cluster in clusters])
    order = np.argsort(times + late, kind="stable")
    b = SortedSpikes.of((times + late)[order], clusters[order], np.zeros(times.size), 10)
    first = agreement(a, b, match_spikes(a, b))
    same = first.units_a == first.units_b
    linked = link_units(first)
    np.testing.assert_array_equal(linked, np.eye(10, dtype=bool))
    again = agreement(a, b, match_spikes(a, b, linked=linked))
    assert first.score[same].max() < 0.8
    assert again.score[again.units_a == again.units_b].min() > 0.9  # units here have no refractory period


@given(spike_lists, spike_lists)
def test_blocks_do_not_change_the_pairs(spikes_a, spikes_b):
    a, b = sorted_spikes(spikes_a), sorted_spikes(spikes_b)
    whole = match_spikes(a, b, tolerance_s=6 * TICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "BLOCK", 3)
        np.testing.assert_array_equal(match_spikes(a, b, tolerance_s=6 * TICK), whole)


def test_random_times_match_the_definition_too():
    rng = np.random.default_rng(0)
    a, b = (
        SortedSpikes.of(np.sort(rng.uniform(0, 0.3, n)), rng.integers(0, 4, n), rng.uniform(0, 400, n), 4)
        for n in (600, 500)
    )
    partners = match_spikes(a, b)
    np.testing.assert_array_equal(partners, greedy(a, b, 0.0004, 100.0))
    assert 50 < np.sum(partners >= 0) < 500


@given(spike_lists, spike_lists)
def test_agreement_counts_matched_spikes_by_pair(spikes_a, spikes_b):
    a, b = sorted_spikes(spikes_a), sorted_spikes(spikes_b)
    partners = match_spikes(a, b, tolerance_s=6 * TICK)
    expected = np.zeros((3, 3), int)
    for i, j in enumerate(partners):
        if j >= 0:
            expected[a.clusters[i], b.clusters[j]] += 1
    for limit in (matching.MAX_DENSE, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matching, "MAX_DENSE", limit)
            found = agreement(a, b, partners)
        dense = np.zeros((3, 3), int)
        dense[found.units_a, found.units_b] = found.n_shared
        np.testing.assert_array_equal(dense, expected)
        assert np.all(found.n_shared > 0)
    np.testing.assert_array_equal(found.n_a, np.bincount(a.clusters, minlength=3))
    union = found.n_a[found.units_a] + found.n_b[found.units_b] - found.n_shared
    np.testing.assert_allclose(found.score, found.n_shared / union)


def test_a_sorting_matches_itself():
    rng = np.random.default_rng(1)
    a = SortedSpikes.of(np.sort(rng.uniform(0, 10, 5000)), rng.integers(0, 9, 5000), rng.uniform(0, 3840, 5000), 9)
    np.testing.assert_array_equal(match_spikes(a, a), np.arange(5000))
    np.testing.assert_allclose(agreement(a, a, match_spikes(a, a)).score, 1)


def test_progress_and_cancel():
    a = sorted_spikes([(t, 0, 0.0) for t in range(50)])
    steps = []
    match_spikes(a, a, progress=steps.append)
    assert steps[-1].total == 100 and max(step.done for step in steps) <= 100
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        match_spikes(a, a, cancel=cancel)


@pytest.mark.parametrize(("tolerance_s", "tolerance_um"), [(-1, 100), (np.inf, 100), (np.nan, 100), (0.0004, -1)])
def test_tolerances_that_make_no_sense_are_refused(tolerance_s, tolerance_um):
    a = sorted_spikes([])
    with pytest.raises(BadRequest):
        match_spikes(a, a, tolerance_s=tolerance_s, tolerance_um=tolerance_um)


def test_links_of_another_shape_are_refused():
    a = sorted_spikes([])
    with pytest.raises(BadRequest):
        match_spikes(a, a, linked=np.ones((2, 3), dtype=bool))


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(BadRequest):
        SortedSpikes.of([0.0, 1.0], [0, 3], [0.0, 0.0], 3)
    with pytest.raises(BadRequest):
        SortedSpikes.of([1.0, 0.0], [0, 0], [0.0, 0.0], 3)
    with pytest.raises(BadRequest):
        SortedSpikes.of([0.0, 1.0], [0, 0], [0.0], 3)
