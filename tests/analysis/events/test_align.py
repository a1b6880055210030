"""Spikes around events equal masks on the arrays, edges included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.events.align import (
    Selection,
    align_spikes,
    bin_edges,
    count_around,
    psth,
    psth_of_counts,
    usable_events,
)
from dashboard.model.errors import BadRequest

# Times and edges on one grid of 1/64 s, which float64 holds exactly: every edge is hit.
grid_times = st.lists(st.integers(-200, 800), max_size=80).map(lambda v: np.sort(np.array(v, float)) / 64)
grid_events = st.lists(st.integers(-100, 900), max_size=12).map(lambda v: np.array(v, float) / 64)
any_times = st.lists(st.floats(0, 20, allow_subnormal=False), max_size=60).map(lambda v: np.sort(np.array(v, float)))


def brute_counts(times, events, edges, chosen=None):
    chosen = np.ones(times.size, bool) if chosen is None else chosen
    counts = np.zeros((events.size, edges.size - 1), int)
    for row, event in enumerate(events):
        for k in range(edges.size - 1):
            counts[row, k] = np.sum((times >= event + edges[k]) & (times < event + edges[k + 1]) & chosen)
    return counts


@given(grid_times, grid_events)
def test_counts_are_half_open_on_exact_edges(times, events):
    edges = bin_edges(1 / 16, (-0.5, 1.0))
    counts = count_around(Selection.of(times), usable_events(events), edges)
    np.testing.assert_array_equal(counts, brute_counts(times, events, edges))


@given(any_times, st.lists(st.floats(-1, 25), max_size=8).map(np.array))
def test_counts_equal_masks_for_any_times(times, events):
    edges = bin_edges(0.01, (-0.05, 0.1))
    counts = count_around(Selection.of(times), usable_events(events), edges)
    np.testing.assert_array_equal(counts, brute_counts(times, np.array(events, float), edges))


@given(grid_times, grid_events, st.randoms(use_true_random=False))
def test_selections_count_their_own_spikes_only(times, events, random):
    clusters = np.array([random.randrange(5) for _ in times], dtype=np.uint32)
    depths = np.array([random.choice([0.0, 50.0, 100.0, 150.0, np.nan]) for _ in times], dtype=float)
    keep = np.array([True, False, True, True, False])
    edges = bin_edges(0.125, (-0.5, 0.5))
    amps = np.array([random.choice([20.0, 50.0, 60.0, 80.0, np.nan]) for _ in times], dtype=np.float32)
    selection = Selection.of(
        times, clusters=clusters, keep=keep, depths_um=depths, depth_range_um=(50.0, 150.0),
        amps_uv=amps, amp_range_uv=(50.0, 80.0),
    )  # fmt: skip
    chosen = keep[clusters] & (depths >= 50) & (depths < 150) if times.size else np.zeros(0, bool)
    chosen &= (amps >= 50) & (amps < 80)
    counts = count_around(selection, usable_events(events), edges)
    np.testing.assert_array_equal(counts, brute_counts(times, events, edges, chosen))
    aligned = align_spikes(selection, usable_events(events), (-0.5, 0.5))
    assert len(aligned.spikes) == counts.sum()
    assert chosen[aligned.spikes].all()


@given(grid_times, grid_events)
def test_aligned_spikes_equal_masks(times, events):
    window = (-0.5, 1.0)
    aligned = align_spikes(Selection.of(times), usable_events(events, window), window)
    expected = [
        (row, i)
        for row, event in enumerate(events)
        for i in range(times.size)
        if event + window[0] <= times[i] < event + window[1]
    ]
    assert list(zip(aligned.rows.tolist(), aligned.spikes.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(aligned.lags_s, times[aligned.spikes] - events[aligned.rows])


def test_default_edges_are_those_of_the_ibl():
    edges = bin_edges(0.01, (-0.4, 1.0))
    assert edges.size == 141
    np.testing.assert_allclose(edges, np.linspace(-0.4, 1.0, 141), atol=1e-12)
    assert 0.0 in edges
    assert bin_edges(0.05, (-0.4, 1.0)).size == 29


def test_missing_and_outside_events_are_dropped_and_counted():
    events = usable_events([np.nan, 0.3, 5.0, 9.1, np.nan, 8.9], (-0.4, 1.0), recording_s=(0.0, 10.0))
    np.testing.assert_array_equal(events.trials, [2, 5])
    assert (events.n_missing, events.n_outside) == (2, 2)


def test_trials_past_the_end_count_no_spikes_unless_a_recording_is_given():
    selection = Selection.of([1.0, 2.0])
    counts = count_around(selection, usable_events([50.0]), bin_edges(0.5, (-1.0, 1.0)))
    assert counts.shape == (1, 4) and counts.sum() == 0
    assert len(usable_events([50.0], recording_s=(0.0, 3.0))) == 0


def test_masked_trials_are_counted_nowhere():
    events = usable_events([np.nan, 1.0, 2.0], mask=[False, False, True])
    assert (len(events), events.n_missing, events.n_outside) == (1, 0, 0)


def test_psth_is_the_mean_and_its_standard_error():
    rng = np.random.default_rng(0)
    times, onsets = np.sort(rng.uniform(0, 100, 5000)), np.sort(rng.uniform(1, 98, 40))
    result = psth(Selection.of(times), usable_events(onsets))
    counts = np.array([np.histogram(times, onset + result.edges_s)[0] for onset in onsets])
    np.testing.assert_allclose(result.mean_hz, counts.mean(0) / 0.05)
    np.testing.assert_allclose(result.sem_hz, counts.std(0) / np.sqrt(40) / 0.05)
    assert result.n_trials == 40
    np.testing.assert_allclose(result.centres_s[0], -0.375)


def test_psth_without_enough_trials_says_so():
    edges = bin_edges(0.5, (-1, 1))
    none = psth_of_counts(np.zeros((0, 4), np.uint32), edges)
    assert np.isnan(none.mean_hz).all() and np.isnan(none.sem_hz).all()
    one = psth_of_counts(np.ones((1, 4), np.uint32), edges)
    np.testing.assert_array_equal(one.mean_hz, 2.0)
    assert np.isnan(one.sem_hz).all()


def test_memory_maps_are_not_copied(tmp_path):
    np.save(tmp_path / "times.npy", np.arange(10.0))
    times = np.load(tmp_path / "times.npy", mmap_mode="r")
    assert np.shares_memory(Selection.of(times).times_s, times)


@pytest.mark.parametrize(
    "make",
    [
        lambda: usable_events([1.0], (1.0, -0.4)),
        lambda: usable_events([1.0], mask=[True, False]),
        lambda: usable_events([[1.0]]),
        lambda: bin_edges(0.0, (-1, 1)),
        lambda: bin_edges(1e-9, (-1, 1)),
        lambda: Selection.of([0.0, 1.0], keep=[True]),
        lambda: Selection.of([0.0, 1.0], depth_range_um=(0, 1)),
        lambda: Selection.of([0.0, 1.0], amp_range_uv=(0, 1)),
        lambda: Selection.of([0.0, 1.0], amps_uv=[1.0], amp_range_uv=(0, 1)),
        lambda: Selection.of([0.0, 1.0], clusters=[0, 5], keep=[True, True]),
        lambda: Selection.of([0.0, 1.0], clusters=[0, -1], keep=[True, True]),
        lambda: Selection.of([0.0, 1.0], clusters=[0], keep=[True, True]),
        lambda: Selection.of([0.0, 1.0], depths_um=[0.0]),
        lambda: Selection.of([1.0, 0.0]),
    ],
)
def test_requests_that_make_no_sense_are_refused(make):
    with pytest.raises(BadRequest):
        make()


@pytest.mark.parity
def test_equals_brainbox_off_the_edges():
    singlecell = pytest.importorskip("brainbox.singlecell", reason="ibllib is not installed")
    rng = np.random.default_rng(3)
    times, onsets = np.sort(rng.uniform(0, 200, 20_000)), np.sort(rng.uniform(1, 198, 60))
    for bin_s in (0.01, 0.05):
        theirs, centres = singlecell.bin_spikes(times, onsets, pre_time=0.4, post_time=1, bin_size=bin_s)
        edges = bin_edges(bin_s, (-0.4, 1.0))
        ours = count_around(Selection.of(times), usable_events(onsets), edges)
        np.testing.assert_array_equal(ours, theirs)
        result = psth_of_counts(ours, edges)
        np.testing.assert_allclose(result.centres_s, centres, atol=1e-12)
        task = pytest.importorskip("brainbox.task.trials")
        mean, error = task.get_psth(theirs)
        np.testing.assert_allclose(result.mean_hz, mean / bin_s)
        np.testing.assert_allclose(result.sem_hz, error / bin_s)
