"""The demo's task and passive period look like IBL's: columns, order of events, blocks, psychometrics."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.sources.demo.behaviour import EVENT_KINDS, Behaviour, make_behaviour, make_events


@pytest.fixture(scope="module")
def behaviour() -> Behaviour:
    return make_behaviour(4500.0, np.random.default_rng(0))


def test_trials_have_the_columns_and_dtypes_of_real_ones(behaviour: Behaviour, shared: Path) -> None:
    real = pd.read_parquet(shared / "real" / "trials" / "_ibl_trials.table.pqt")
    assert set(real.columns) <= set(behaviour.trials.columns)
    for column in real.columns:
        assert behaviour.trials[column].dtype == real[column].dtype, column


def test_events_of_a_trial_come_in_order(behaviour: Behaviour) -> None:
    trials = behaviour.trials
    assert len(trials) > 500
    order = ["intervals_0", "stimOn_times", "goCue_times", "response_times", "feedback_times", "intervals_1"]
    for first, second in itertools.pairwise(order):
        gap = (trials[second] - trials[first]).dropna()
        assert gap.min() > 0, (first, second)
    assert (trials["intervals_0"].to_numpy()[1:] > trials["intervals_1"].to_numpy()[:-1]).all()
    assert trials["intervals_1"].max() < behaviour.periods.loc["start", "passiveProtocol"]


def test_blocks_start_unbiased_and_alternate(behaviour: Behaviour) -> None:
    left = behaviour.trials["probabilityLeft"].to_numpy()
    assert (left[:90] == 0.5).all()
    assert set(left[90:]) == {0.2, 0.8}
    changes = np.flatnonzero(np.diff(left[90:])) + 1
    assert 20 <= np.diff(changes).min() <= np.diff(changes).max() <= 101
    shown_left = behaviour.trials["contrastLeft"].notna()
    assert shown_left[left == 0.8].mean() > 0.7 > 0.3 > shown_left[left == 0.2].mean()


def test_one_side_has_a_contrast(behaviour: Behaviour) -> None:
    trials = behaviour.trials
    assert (trials["contrastLeft"].notna() ^ trials["contrastRight"].notna()).all()
    assert set(trials["contrastLeft"].dropna()) == {0.0, 0.0625, 0.125, 0.25, 1.0}


def test_choice_feedback_and_reward_agree(behaviour: Behaviour) -> None:
    trials = behaviour.trials
    wanted = np.where(trials["contrastLeft"].notna(), 1, -1)
    np.testing.assert_array_equal(trials["feedbackType"] == 1, trials["choice"] == wanted)
    np.testing.assert_array_equal(trials["rewardVolume"] > 0, trials["feedbackType"] == 1)
    assert trials.loc[trials["choice"] == 0, "firstMovement_times"].isna().all()


def test_the_animal_sees_high_contrasts_better(behaviour: Behaviour) -> None:
    trials = behaviour.trials
    contrast = trials["contrastLeft"].fillna(trials["contrastRight"])
    correct = (trials["feedbackType"] == 1).groupby(contrast).mean()
    assert correct[1.0] > 0.88
    assert correct[0.0] < 0.8 < correct[0.25]
    reaction = (trials["firstMovement_times"] - trials["stimOn_times"]).groupby(contrast).median()
    assert 0.08 < reaction[1.0] < reaction[0.0] < 0.8


def test_passive_periods_follow_the_task(behaviour: Behaviour) -> None:
    periods = behaviour.periods
    assert list(periods.columns) == ["passiveProtocol", "spontaneousActivity", "RFM", "taskReplay"]
    assert list(periods.index) == ["start", "stop"]
    assert (periods.loc["stop"] > periods.loc["start"]).all()
    whole, replay, rfm = periods["passiveProtocol"], periods["taskReplay"], periods["RFM"]
    assert 4200 <= whole["start"] < whole["stop"] <= 4500
    assert behaviour.gabors["start"].between(replay["start"], replay["stop"]).all()
    assert (behaviour.gabors["stop"] > behaviour.gabors["start"]).all()
    assert pd.Series(behaviour.rfm_times_s).between(rfm["start"], rfm["stop"]).all()
    sounds = behaviour.sounds
    assert list(sounds.columns) == ["valveOn", "valveOff", "toneOn", "toneOff", "noiseOn", "noiseOff"]


def test_units_are_driven_in_both_parts(behaviour: Behaviour) -> None:
    events = make_events(behaviour, np.random.default_rng(0))
    assert tuple(events) == EVENT_KINDS
    passive = behaviour.periods.loc["start", "passiveProtocol"]
    for kind in ("stim right", "stim left", "tone", "reward"):
        times = events[kind].times_s
        assert (np.diff(times) >= 0).all()
        assert (times < passive).any() and (times > passive).any(), kind
    weights = events["stim right"].weights
    assert weights.min() == 0 and weights.max() == pytest.approx(1)


@pytest.mark.parametrize("duration", [60.0, 117.0, 900.0])
def test_short_sessions_have_every_part(duration: float) -> None:
    behaviour = make_behaviour(duration, np.random.default_rng(1))
    assert len(behaviour.trials) >= 5
    assert len(behaviour.gabors) > 3
    assert behaviour.periods.to_numpy().max() < duration
