"""Responses of units equal scipy on counts made with masks."""

from __future__ import annotations

import threading
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dashboard.analysis.events.align import usable_events
from dashboard.analysis.events.responses import (
    MIN_SPIKES,
    adjust,
    count_units,
    default_windows,
    paired_events,
    response_test,
    sign_flips,
)
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


def flipped(weights, signs):
    """Return the p of a signed sum by going through all choices of signs."""
    found = abs(np.sum(signs * weights))
    sums = [abs(np.sum(np.array(choice) * weights)) for choice in product((-1, 1), repeat=len(weights))]
    return np.mean(np.array(sums) >= found)


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_p_of_few_trials_is_that_of_all_choices_of_signs(differences):
    values = np.array(differences, np.int64)
    differs = values[values != 0]
    for ranked in (True, False):
        if not differs.size:
            assert sign_flips(values, ranked=ranked) == 1
            continue
        weights = stats.rankdata(np.abs(differs)) if ranked else np.abs(differs)
        assert sign_flips(values, ranked=ranked) == pytest.approx(flipped(weights, np.sign(differs)))


def test_ranks_without_ties_are_tested_as_by_scipy():
    rng = np.random.default_rng(3)
    for n_trials in (12, 40, 400):
        values = rng.permutation(np.arange(1, n_trials + 1)) * rng.choice([-1, 1], n_trials, p=[0.42, 0.58])
        expected = stats.wilcoxon(values, method="exact" if n_trials <= 40 else "approx").pvalue
        assert sign_flips(values, ranked=True) == pytest.approx(expected, rel=0.02)


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
        scaled = np.rint((after[unit] - before[unit]) * 4).astype(np.int64)
        assert result.p[unit] == pytest.approx(sign_flips(scaled, ranked=response == (0.0, 0.5)))
        few = before[unit].sum() * 0.5 + after[unit].sum() * (response[1] - response[0]) < MIN_SPIKES
        assert np.isnan(result.q[unit]) == few


@pytest.mark.parametrize(
    ("event", "baseline_s", "response_s"),
    [
        ("stimOn", (-0.1, 0), (0, 0.1)),
        ("firstMovement", (-0.1, 0), (-0.1, 0)),
        ("feedback", (-0.2, 0), (0, 0.2)),
        ("valveOpen_times", (-0.1, 0), (0, 0.1)),
    ],
)
def test_windows_are_those_of_the_brain_wide_map(event, baseline_s, response_s):
    assert default_windows(event) == (baseline_s, response_s)


def test_the_baseline_is_before_the_stimulus_of_the_same_trial():
    trials = pd.DataFrame({"stimOn_times": [1.0, 11.0, np.nan, 31.0], "feedback_times": [3.0, 14.0, 22.0, np.nan]})
    before, events = paired_events(trials, "feedback", (-0.2, 0.0), (0.0, 0.2), (0.0, 40.0))
    assert before.times_s.tolist() == [1.0, 11.0] and events.times_s.tolist() == [3.0, 14.0]
    # Spikes before stimOn only: right before feedback there is none.
    times = np.array([0.85, 0.9, 0.95, 10.9])
    result = response_test(
        times, np.zeros(4, int), 1, events, baseline_events=before, baseline_s=(-0.2, 0.0), response_s=(0.0, 0.2)
    )
    assert result.baseline_hz[0] == pytest.approx(4 / 2 / 0.2) and result.response_hz[0] == 0
    with pytest.raises(BadRequest):
        response_test(times, np.zeros(4, int), 1, events, baseline_events=usable_events([1.0]))


def fluctuating(seed, n_units, seconds):
    """Return spikes of units that know of no event: rates go down, up, and to and fro over minutes and seconds."""
    rng = np.random.default_rng(seed)
    at = np.arange(0, seconds, 0.05)
    trends = [
        np.ones(at.size),
        2 - 2 * at / seconds,
        3 * (at / seconds) ** 2,
        np.exp(np.sin(2 * np.pi * at / 400)),
        1 + np.sin(2 * np.pi * at / 17),
        np.where(at % 30 < 10, 3.0, 0.02),
    ]
    times, units = [], []
    for unit in range(n_units):
        rate = 0.3 * 10 ** rng.uniform(0, 2) * np.roll(trends[unit % len(trends)], rng.integers(at.size // 10))
        spikes = np.repeat(at, rng.poisson(rate * 0.05))
        times.append(spikes + rng.uniform(0, 0.05, spikes.size))
        units.append(np.full(spikes.size, unit))
    spikes, order = np.concatenate(times), np.argsort(np.concatenate(times))
    return spikes[order], np.concatenate(units)[order]


N_UNITS, SECONDS = 180, 1_200.0


@pytest.fixture(scope="module")
def unaware():
    return fluctuating(5, N_UNITS, SECONDS)


@pytest.mark.parametrize(
    ("event", "longer"),
    [("stimOn", 1), ("firstMovement", 1), ("feedback", 1), ("stimOn", 5)],
    ids=["stimOn", "firstMovement", "feedback", "long baseline"],
)
def test_at_most_six_of_a_hundred_units_respond_to_events_at_random(unaware, event, longer):
    # Trials are moved by up to 5 s each, so no unit responds; rates have slow trends, and many counts are tied.
    n_units, seconds = N_UNITS, SECONDS
    times, units = unaware
    rng = np.random.default_rng(6)
    onsets = np.arange(10.0, seconds - 20, 4.0)
    trials = pd.DataFrame({"stimOn_times": onsets + rng.uniform(-5, 5, onsets.size)})
    trials["firstMovement_times"] = trials["stimOn_times"] + rng.lognormal(-1, 0.5, onsets.size)
    trials["feedback_times"] = trials["firstMovement_times"] + rng.lognormal(-1, 0.5, onsets.size)
    (start, end), response_s = default_windows(event)
    baseline_s = (longer * start, end)
    before, events = paired_events(trials, event, baseline_s, response_s, (0.0, seconds))
    test = response_test(
        times, units, n_units, events, baseline_events=before, baseline_s=baseline_s, response_s=response_s
    )
    share = np.mean(test.p < 0.05)
    assert 0.01 <= share <= 0.06
    assert np.count_nonzero(test.q < 0.05) <= 1


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
    result = response_test(times, clusters, 8, events, response_s=(0.0, 0.5))
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
    table = response_test(times, clusters, 6, events, response_s=(0.0, 0.5)).table(pd.Index(list("abcdef")), "_left")
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
    ours = response_test(times, clusters, 6, events, response_s=(0.0, 0.5))
    np.testing.assert_array_equal(ids, np.arange(6))
    np.testing.assert_allclose(ours.p, p, rtol=0.05)  # brainbox does not correct for continuity
    np.testing.assert_allclose(ours.auc, auc)
