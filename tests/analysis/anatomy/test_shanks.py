"""Shanks are told apart by the gaps between their columns, and drawn side by side."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.analysis.anatomy.shanks import DRAWN_GAP_UM, find_shanks

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
