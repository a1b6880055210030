"""Shanks are told apart by the gaps between their columns, and drawn side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.model.shanks import DRAWN_GAP_UM, UNKNOWN_SHANK, find_shanks, number_shanks, shank_numbers

NEUROPIXELS_1 = np.tile([43.0, 11.0, 59.0, 27.0], 96)
FOUR_SHANKS = np.concatenate([np.tile([250.0 * k, 250.0 * k + 32.0], 48) for k in range(4)])


def test_the_columns_of_one_shank_stay_where_they_are() -> None:
    shanks = find_shanks(NEUROPIXELS_1)
    assert len(shanks) == 1
    assert (shanks.left_um[0], shanks.right_um[0]) == (11, 59)
    assert shanks.drawn(NEUROPIXELS_1).tolist() == NEUROPIXELS_1.tolist()


def test_four_shanks_are_moved_together_in_their_order() -> None:
    shanks = find_shanks(FOUR_SHANKS)
    assert shanks.left_um.tolist() == [0, 250, 500, 750]
    assert shanks.right_um.tolist() == [32, 282, 532, 782]
    assert shanks.of(np.array([0.0, 32.0, 250.0, 782.0])).tolist() == [0, 0, 1, 3]
    drawn = np.unique(shanks.drawn(FOUR_SHANKS))
    assert np.diff(drawn).tolist() == [32, DRAWN_GAP_UM] * 3 + [32]


def test_positions_that_are_not_known_stay_unknown() -> None:
    shanks = find_shanks(np.r_[FOUR_SHANKS, np.nan])
    assert shanks.of(np.array([np.nan])).tolist() == [-1]
    assert np.isnan(shanks.drawn(np.array([np.nan, 750.0]))).tolist() == [True, False]


@pytest.mark.parametrize("nothing", [[], [np.nan]])
def test_without_positions_there_is_one_shank(nothing: list[float]) -> None:
    assert len(find_shanks(np.array(nothing, dtype=np.float64))) == 1


def channels_of(lateral: object, axial: object, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"lateral_um": lateral, "axial_um": axial, **columns})


ROWS = np.tile(np.repeat(15.0 * np.arange(24), 2), 4)


def test_units_are_on_the_shank_of_their_channel() -> None:
    given = channels_of(np.repeat(250.0 * np.arange(4), 48), ROWS)
    channels, units = number_shanks(given, pd.DataFrame({"channels": [0, 191, 50, -1]}))
    assert channels["shank"].tolist() == [0] * 48 + [1] * 48 + [2] * 48 + [3] * 48
    assert units["shank"].tolist() == [0, 3, 1, UNKNOWN_SHANK]
    assert shank_numbers(channels) == (0, 1, 2, 3)
    again = number_shanks(channels, units)
    assert again[0] is channels
    assert again[1] is units


def test_one_number_for_all_shanks_is_none() -> None:
    given = channels_of(np.repeat(250.0 * np.arange(4), 48), ROWS).assign(shank=0)
    channels, units = number_shanks(given, pd.DataFrame({"channels": [0, 191], "shank": [0, 0]}))
    assert shank_numbers(channels) == (0, 1, 2, 3)
    assert units["shank"].tolist() == [0, 3]


def test_one_shank_has_no_number() -> None:
    channels, units = channels_of(NEUROPIXELS_1, np.arange(384.0)), pd.DataFrame({"channels": [3]})
    assert number_shanks(channels, units) == (channels, units)
    assert shank_numbers(channels) == (0,)


def test_shanks_that_are_stacked_along_the_depth_are_told_apart() -> None:
    axial = np.concatenate([10_000.0 * k + 15 * np.arange(48) for k in range(4)])
    channels, units = number_shanks(channels_of(0.0, axial), pd.DataFrame({"channels": [0, 100]}))
    assert np.bincount(channels["shank"]).tolist() == [48] * 4
    assert units["shank"].tolist() == [0, 2]


def test_banks_of_one_shank_are_no_shanks() -> None:
    axial = np.r_[20.0 * np.arange(96), 5760 + 20.0 * np.arange(96)]
    assert shank_numbers(channels_of(11.0, axial)) == (0,)


@pytest.mark.parametrize(
    ("given", "numbers"), [([1, 1, 3, 3], (1, 3)), ([0, 0, 0, 0], (0, 1)), (["a", "a", "b", "b"], (0, 1))]
)
def test_numbers_that_come_with_the_channels_are_kept(given: list[object], numbers: tuple[int, ...]) -> None:
    lateral = [0.0, 32.0, 250.0, 282.0]
    assert shank_numbers(channels_of(lateral, 0.0, shank=given)) == numbers
