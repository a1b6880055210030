"""Comparisons as tables: every unit in one row, with what it shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.compare.matching import SortedSpikes
from dashboard.analysis.compare.tables import (
    IN_BOTH,
    MERGED,
    ONLY_A,
    ONLY_B,
    SPLIT,
    pair_table,
    rows_passing,
    same_units_table,
)
from dashboard.analysis.compare.units import compare_units


def spikes(trains, n_clusters):
    times = np.concatenate(trains)
    clusters = np.repeat(np.arange(len(trains)), [train.size for train in trains])
    order = np.argsort(times, kind="stable")
    return SortedSpikes.of(times[order], clusters[order].astype(np.uint32), np.zeros(times.size), n_clusters)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    grid = rng.permutation(np.arange(12_000) * 0.002)  # 2 ms apart: nothing coincides by chance
    same, whole, part_1, part_2, alone, other = (np.sort(x) for x in np.split(grid, [2000, 4000, 5500, 8000, 10_000]))
    a = spikes([same, whole, part_1, part_2, alone], 6)
    b = spikes([other, np.sort(np.r_[part_1, part_2]), whole[:1300], whole[1300:], same], 5)
    return pair_table(compare_units(a, b))


def test_every_group_has_one_row(table):
    rows = {(row.kind, row.units_a, row.units_b) for row in table.itertuples()}
    assert rows == {
        (IN_BOTH, (0,), (4,)),
        (SPLIT, (1,), (2, 3)),
        (MERGED, (3, 2), (1,)),
        (ONLY_A, (4,), ()),
        (ONLY_B, (), (0,)),
    }


def test_groups_share_what_their_units_share(table):
    by_kind = table.set_index("kind")
    assert by_kind.loc[SPLIT, ["n_shared", "n_a", "n_b", "score"]].tolist() == [2000, 2000, 2000, 1.0]
    assert by_kind.loc[MERGED, ["n_shared", "n_a", "n_b", "score"]].tolist() == [4000, 4000, 4000, 1.0]
    assert by_kind.loc[ONLY_A, ["n_shared", "n_a", "n_b", "score"]].tolist() == [0, 2000, 0, 0.0]


def test_a_row_stays_where_a_unit_of_either_side_passes(table):
    keep_a = np.array([True, False, False, False, False, False])
    keep_b = np.array([False, False, False, True, False])
    assert set(table["kind"][rows_passing(table, keep_a, keep_b)]) == {IN_BOTH, SPLIT}
    assert rows_passing(table, None, np.zeros(5, bool)).sum() == 4  # all but the one that is only in B


def test_two_filters_share_the_units_that_pass_both():
    in_a, in_b = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    table = same_units_table(np.array([5, 6, 7, 8, 0]), in_a, in_b)
    expected = pd.DataFrame(
        [(IN_BOTH, (0,), (0,), 1.0, 5, 5, 5), (ONLY_A, (1,), (), 0.0, 0, 6, 0), (ONLY_B, (), (2,), 0.0, 0, 0, 7)],
        columns=table.columns,
    )
    pd.testing.assert_frame_equal(table, expected)


def test_nothing_gives_an_empty_table():
    nothing = spikes([np.zeros(0)], 1)
    assert pair_table(compare_units(nothing, nothing)).empty
