"""Responses of units equal scipy on counts made with masks."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dashboard.analysis.events.align import usable_events
from dashboard.analysis.events.responses import adjust, count_units, response_test
from dashboard.model.errors import BadRequest, Cancelled

spike_lists = st.lists(st.tuples(st.integers(0, 640), st.integers(0, 3)), max_size=80)


def arrays(spikes):
    spikes = sorted(spikes)
    return np.array([t for t, _ in spikes], float) / 64, np.array([c for _, c in spikes], np.uint32)


@given(spike_lists, st.lists(st.integers(0, 700), max_size=6))
def test_counts_equal_masks(spikes, onsets):
    times, clusters = arrays(spikes)
    events = usable_events(np.array(onsets, float) / 64)
    counts = count_units(times, clusters, 4, events, (-0.25, 0.5))
    for unit in range(4):
        for trial, event in enumerate(events.times_s):
            inside = (times >= event - 0.25) & (times < event + 0.5) & (clusters == unit)
            assert counts[unit, trial] == inside.sum()


@settings(max_examples=25)
@given(spike_lists, st.lists(st.integers(0, 700), min_size=1, max_size=25), st.sampled_from([(0.0, 0.5), (0.0, 0.25)]))
def test_every_unit_equals_scipy(spikes, onsets, response):
    times, clusters = arrays(spikes)
    events = usable_events(np.array(onsets, float) / 64)
    result = response_test(times, clusters, 4, events, baseline_s=(-0.5, 0.0), response_s=response)
    before = count_units(times, clusters, 4, events, (-0.5, 0.0)) / 0.5
    after = count_units(times, clusters, 4, events, response) / (response[1] - response[0])
    for unit in range(4):
        assert result.baseline_hz[unit] == pytest.approx(before[unit].mean())
        assert result.change_hz[unit] == pytest.approx(after[unit].mean() - before[unit].mean())
        if not np.any(clusters == unit):
            assert np.isnan(result.p[unit]) and np.isnan(result.auc[unit])
            continue
        u = stats.mannwhitneyu(after[unit], before[unit]).statistic
        assert result.auc[unit] == pytest.approx(u / len(events) ** 2)
        expected = stats.wilcoxon(before[unit], after[unit]).pvalue if np.any(before[unit] != after[unit]) else 1.0
        assert result.p[unit] == pytest.approx(expected)


def responding(seed=0):
    rng = np.random.default_rng(seed)
    onsets = np.arange(2.0, 402.0, 4.0)
    trains = [rng.uniform(0, 405, 4000) for _ in range(6)]
    trains[1] = np.r_[trains[1], (onsets[:, None] + rng.uniform(0, 0.4, (100, 6))).ravel()]
    trains[2] = np.array([t for t in trains[2] if not np.any((t >= onsets) & (t < onsets + 0.5))])
    times = np.concatenate(trains)
    clusters = np.repeat(np.arange(6), [train.size for train in trains]).astype(np.uint16)
    order = np.argsort(times)
    return times[order], clusters[order], usable_events(onsets)


def test_units_that_respond_are_found():
    times, clusters, events = responding()
    result = response_test(times, clusters, 8, events)
    assert np.flatnonzero(result.q < 0.001).tolist() == [1, 2]
    assert result.auc[1] > 0.8 and result.auc[2] < 0.2
    assert result.change_hz[1] > 5 and result.change_hz[2] < -5
    assert np.isnan(result.p[6:]).all() and np.isnan(result.q[6:]).all()


def test_ties_are_ties_whatever_the_window():
    # 3 spikes in 0.3 s against 2 in 0.2 s: the same rate in each trial.
    onsets = np.arange(1.0, 13.0)
    offsets = [-0.25, -0.15, -0.05, 0.05, 0.15]
    times = np.sort((onsets[:, None] + np.array(offsets)).ravel())
    result = response_test(
        times, np.zeros(times.size, np.uint32), 1, usable_events(onsets), baseline_s=(-0.3, 0.0), response_s=(0.0, 0.2)
    )
    assert (result.p[0], result.auc[0]) == (1.0, 0.5)


def test_q_is_benjamini_and_hochbergs_without_the_missing():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    q = adjust(p)
    np.testing.assert_allclose(q[[0, 2, 3, 4]], [0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    assert np.isnan(q[1])
    assert np.isnan(adjust(np.full(3, np.nan))).all()
    assert adjust(np.empty(0)).size == 0


def test_without_trials_or_spikes_nothing_is_claimed():
    for times, events in (([1.0, 2.0], usable_events([np.nan])), ([], usable_events([1.0, 2.0]))):
        result = response_test(times, np.zeros(len(times), np.uint32), 2, events)
        assert np.isnan(result.p).all() and np.isnan(result.q).all() and np.isnan(result.auc).all()


def test_table_has_a_row_per_id():
    times, clusters, events = responding()
    table = response_test(times, clusters, 6, events).table(pd.Index(list("abcdef")), "_left")
    assert table.index.tolist() == list("abcdef") and table.index.name == "cluster_id"
    assert "resp_q_left" in table and table["resp_auc_left"].iloc[1] > 0.8


def test_progress_ends_at_the_last_unit_and_cancel_stops():
    times, clusters, events = responding()
    steps = []
    response_test(times, clusters, 6, events, progress=steps.append)
    assert (steps[-1].done, steps[-1].total, steps[-1].unit) == (6, 6, "units")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        response_test(times, clusters, 6, events, cancel=cancel)


@pytest.mark.parametrize("window", [(0.5, 0.0), (0.0, 0.0), (0.0, np.nan)])
def test_windows_that_make_no_sense_are_refused(window):
    with pytest.raises(BadRequest):
        response_test([1.0], [0], 1, usable_events([1.0]), response_s=window)


def test_ids_beyond_the_clusters_are_refused():
    with pytest.raises(BadRequest):
        response_test([1.0], [3], 3, usable_events([1.0]))


@pytest.mark.parity
def test_equals_brainbox():
    closed_loop = pytest.importorskip("brainbox.task.closed_loop", reason="ibllib is not installed")
    times, clusters, events = responding(7)
    _, _, p, ids = closed_loop.responsive_units(times, clusters, events.times_s)
    auc, _ = closed_loop.roc_single_event(times, clusters, events.times_s)
    ours = response_test(times, clusters, 6, events)
    np.testing.assert_array_equal(ids, np.arange(6))
    np.testing.assert_allclose(ours.p, p)
    np.testing.assert_allclose(ours.auc, auc)
