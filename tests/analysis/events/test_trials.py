"""Trial groups on a table written here, and on a real one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.events.trials import (
    SPLITS,
    available_events,
    brainwide_mask,
    event_times,
    split_trials,
    trial_view,
)
from dashboard.model.errors import BadRequest

nan = np.nan


@pytest.fixture
def trials():
    return pd.DataFrame(
        {
            "stimOn_times": [1.0, 2.0, 3.0, 4.0, 5.0, nan],
            "firstMovement_times": [1.08, 4.1, 3.5, nan, 5.05, 6.2],
            "feedback_times": [1.5, 4.5, nan, 4.5, 5.5, 6.5],
            "feedbackType": [1, -1, 1, 1, -1, 1],
            "choice": [1, -1, 1, 0, 1, -1],
            "contrastLeft": [1.0, nan, 0.0, nan, 0.25, nan],
            "contrastRight": [nan, 0.25, nan, 0.0625, nan, nan],
            "probabilityLeft": [0.5, 0.2, 0.8, 0.8, 0.2, 0.5],
        }
    )


def rows(group):
    return np.flatnonzero(group.mask).tolist()


def test_mask_keeps_complete_trials_of_fitting_reaction_time(trials):
    trials.loc[0, "firstMovement_times"] = 1.5
    assert brainwide_mask(trials).tolist() == [True, False, False, False, False, False]


def test_mask_includes_the_ends_of_the_reaction_time(trials):
    trials = pd.concat([trials.iloc[[0]]] * 4, ignore_index=True)
    trials["stimOn_times"] = 0.0
    trials["firstMovement_times"] = [0.08, 2.0, np.nextafter(0.08, 0), np.nextafter(2.0, 3)]
    assert brainwide_mask(trials).tolist() == [True, True, False, False]


def test_splits_label_and_colour_as_the_ibl_does(trials):
    sides = split_trials(trials, "side")
    assert [(group.label, rows(group)) for group in sides] == [("left", [0, 2, 4]), ("right", [1, 3])]
    outcome = split_trials(trials, "outcome")
    assert [(group.label, rows(group)) for group in outcome] == [("correct", [0, 2, 3, 5]), ("incorrect", [1, 4])]
    choice = split_trials(trials, "choice")
    assert [(group.label, rows(group)) for group in choice] == [("left", [0, 2, 4]), ("right", [1, 5]), ("no go", [3])]
    block = split_trials(trials, "block")
    assert [(group.label, rows(group)) for group in block] == [
        ("block 0.2", [1, 4]),
        ("block 0.5", [0, 5]),
        ("block 0.8", [2, 3]),
    ]
    contrast = split_trials(trials, "contrast")
    assert [(group.label, rows(group)) for group in contrast] == [
        ("0 %", [2]),
        ("6.25 %", [3]),
        ("25 %", [1, 4]),
        ("100 %", [0]),
    ]
    darkness = [int(group.color[1:3], 16) for group in contrast]
    assert darkness == sorted(darkness, reverse=True) and len(set(darkness)) == 4


def test_no_split_is_one_group(trials):
    (group,) = split_trials(trials)
    assert group.n_trials == len(trials)


def test_masked_groups_hold_masked_trials_and_empty_ones_vanish(trials):
    mask = np.array([True, False, True, False, False, False])
    (left,) = split_trials(trials, "side", mask)
    assert rows(left) == [0, 2]
    with pytest.raises(BadRequest):
        split_trials(trials, "side", mask[:-1])


def test_absent_columns_and_splits_are_named(trials):
    with pytest.raises(BadRequest, match="goCue_times"):
        event_times(trials, "goCue")
    with pytest.raises(BadRequest, match="outcome"):
        split_trials(trials, "mood")
    with pytest.raises(BadRequest, match="choice"):
        split_trials(trials.drop(columns="choice"), "choice")
    assert available_events(trials) == ("stimOn", "firstMovement", "feedback")


def test_missing_values_may_be_pandas_own(trials):
    trials["choice"] = trials["choice"].astype("Int64").mask(trials["choice"] == 0)
    assert [group.label for group in split_trials(trials, "choice")] == ["left", "right"]


def test_a_table_without_trials_has_no_groups(trials):
    for split in SPLITS:
        assert split_trials(trials.iloc[:0], split) == ()


def test_a_trial_is_shown_from_stimulus_to_feedback(trials):
    view = trial_view(trials, 1)
    assert (view.start_s, view.end_s) == (1.0, 6.0)
    assert [(name, time) for name, time, _ in view.lines] == [
        ("stimOn", 2.0),
        ("firstMovement", 4.1),
        ("feedback", 4.5),
    ]


def test_missing_events_are_replaced_by_what_is_known(trials):
    assert (trial_view(trials, 2).start_s, trial_view(trials, 2).end_s) == (2.0, 5.0)
    intervals = trials.assign(intervals_0=0.5, intervals_1=9.0)
    assert (trial_view(intervals, 5).start_s, trial_view(intervals, 2).end_s) == (-0.5, 10.5)
    for row in (-1, 6):
        with pytest.raises(BadRequest):
            trial_view(trials, row)
    with pytest.raises(BadRequest):
        trial_view(pd.DataFrame({"stimOn_times": [nan]}), 0)


def test_real_trials(shared):
    trials = pd.read_parquet(shared / "real" / "trials" / "_ibl_trials.table.pqt")
    mask = brainwide_mask(trials)
    assert (mask.size, np.sum(~mask)) == (617, 339)
    for split in ("contrast", "side", "outcome", "block"):
        assert sum(group.n_trials for group in split_trials(trials, split)) == 617
    # A correct answer to a stimulus on the left is a choice of the left.
    left, choice_left = split_trials(trials, "side")[0].mask, split_trials(trials, "choice")[0].mask
    correct = split_trials(trials, "outcome")[0].mask
    contrast = trials["contrastLeft"].fillna(trials["contrastRight"]).to_numpy()
    sure = (contrast > 0) & (trials["choice"] != 0).to_numpy()
    assert np.all((left == choice_left)[sure & correct])
    assert available_events(trials) == ("stimOn", "goCue", "firstMovement", "response", "feedback")
