"""The population event map equals numpy.histogram2d per trial, averaged and z-scored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.events.align import Selection, usable_events
from dashboard.analysis.events.maps import depth_rows, event_map, span_of
from dashboard.model.errors import BadRequest


def reference(times, depths, events, time_edges, depth_edges):
    total = np.zeros((depth_edges.size - 1, time_edges.size - 1))
    for event in events:
        for row in range(depth_edges.size - 1):
            inside = (depths >= depth_edges[row]) & (depths < depth_edges[row + 1])
            for k in range(time_edges.size - 1):
                total[row, k] += np.sum(inside & (times >= event + time_edges[k]) & (times < event + time_edges[k + 1]))
    return total


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from([0, 10, 19.999, 20, 40, 59, 60, 61, np.nan])), max_size=80),
    st.lists(st.integers(0, 450), max_size=4),
)
def test_counts_equal_masks(spikes, onsets):
    spikes = sorted(spikes, key=lambda spike: spike[0])
    times = np.array([time for time, _ in spikes], float) / 64
    depths = np.array([depth for _, depth in spikes], float)
    events = usable_events(np.array(onsets, float) / 64)
    edges = depth_rows((0, 60), 20)
    result = event_map(
        Selection.of(times, depths_um=depths), events, edges, bin_s=1 / 16, window_s=(-0.5, 1), baseline_s=(-1, -0.5)
    )
    counts = reference(times, depths, events.times_s, result.time_edges_s, edges)
    assert result.n_spikes == counts.sum()
    if len(events):
        np.testing.assert_allclose(result.rate_hz, counts * 16 / len(events))
        quiet = reference(times, depths, events.times_s, np.arange(-16, -7) / 16, edges) * 16 / len(events)
        np.testing.assert_allclose(result.baseline_hz, quiet.mean(1))
        for row in range(edges.size - 1):
            if quiet[row].std() > 0:
                expected = (result.rate_hz[row] - quiet[row].mean()) / quiet[row].std()
                np.testing.assert_allclose(result.zscore[row], expected)
            else:
                assert np.isnan(result.zscore[row]).all()
    else:
        assert np.isnan(result.rate_hz).all()


def test_default_bins_are_those_of_the_ibl():
    rng = np.random.default_rng(0)
    times, depths = np.sort(rng.uniform(0, 60, 20_000)), rng.uniform(0, 3840, 20_000)
    result = event_map(Selection.of(times, depths_um=depths), usable_events([10.0, 20.0, 30.0]), depth_rows((0, 3840)))
    assert result.zscore.shape == (193, 140)
    assert result.time_edges_s[0] == pytest.approx(-0.4)
    assert span_of((-0.4, 1.0), (-1.0, -0.4)) == (-1.0, 1.0)


def test_only_kept_clusters_count():
    selection = Selection.of(
        [1.0, 1.1, 1.2], clusters=np.array([0, 1, 0], np.uint16), keep=[True, False], depths_um=[5.0, 5.0, 25.0]
    )
    result = event_map(selection, usable_events([1.0]), depth_rows((0, 30)))
    assert result.n_spikes == 2


def test_rows_cover_the_deepest_and_the_highest_spike():
    np.testing.assert_array_equal(depth_rows((-15, 40), 20), [-20, 0, 20, 40, 60])
    np.testing.assert_array_equal(depth_rows((0, 0), 20), [0, 20])


@pytest.mark.parametrize(
    "make",
    [
        lambda: event_map(Selection.of([1.0]), usable_events([1.0]), depth_rows((0, 20))),
        lambda: event_map(Selection.of([1.0], depths_um=[1.0]), usable_events([1.0]), np.array([0.0])),
        lambda: event_map(Selection.of([1.0], depths_um=[1.0]), usable_events([1.0]), np.array([0.0, 0.0])),
        lambda: depth_rows((10, 0)),
        lambda: depth_rows((0, 10), 0),
        lambda: depth_rows((0, 1e9)),
        lambda: depth_rows((0, np.nan)),
    ],
)
def test_requests_that_make_no_sense_are_refused(make):
    with pytest.raises(BadRequest):
        make()


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # brainbox divides by no deviation
def test_equals_brainbox_where_events_lie_on_its_bins():
    passive = pytest.importorskip("brainbox.task.passive", reason="ibllib is not installed")
    rng = np.random.default_rng(5)
    # Bins of 1/64 s: brainbox bins the session first, so the event has to lie on an edge of that.
    times = np.r_[0.0, np.sort(rng.uniform(0, 100, 50_000))]
    depths = rng.uniform(0, 3800, times.size)
    onsets = np.sort(rng.choice(np.arange(2 * 64, 98 * 64), 50, replace=False)) / 64
    # Its bin is found by searchsorted(..., 'right'): one later than the event's own start.
    theirs = passive.get_stim_aligned_activity(
        {"on": onsets - 1 / 64}, times, depths, d_bin=20, t_bin=1 / 64, pre_stim=0.5, post_stim=1, base_stim=1
    )["on"]
    ours = event_map(
        Selection.of(times, depths_um=depths),
        usable_events(onsets),
        np.arange(0, 3841, 20.0),
        bin_s=1 / 64,
        window_s=(-0.5, 1.0),
        baseline_s=(-1.0, -0.5),
    )
    rows = np.isfinite(ours.zscore).all(axis=1)
    assert rows.sum() > 180
    np.testing.assert_allclose(ours.zscore[rows], theirs[: rows.size][rows])
