"""What became of each unit: matched, split, merged, only here, no spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.compare.matching import Agreement, SortedSpikes
from dashboard.analysis.compare.units import MatchKind, classify, compare_units


def spikes(trains, n_clusters):
    times = np.concatenate(trains)
    clusters = np.repeat(np.arange(len(trains)), [train.size for train in trains])
    order = np.argsort(times, kind="stable")
    return SortedSpikes.of(times[order], clusters[order].astype(np.uint32), np.zeros(times.size), n_clusters)


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(0)
    # Spikes 2 ms apart in one grid, dealt out to the units: no coincidence by chance.
    grid = rng.permutation(np.arange(12_000) * 0.002)
    same, whole, part_1, part_2, alone, other = np.split(grid, [2000, 4000, 5500, 8000, 10_000])
    jitter = rng.uniform(-0.0003, 0.0003, 2000)
    a = spikes([np.sort(same), np.sort(whole), np.sort(part_1), np.sort(part_2), np.sort(alone)], 6)
    b = spikes(
        [
            np.sort(other),
            np.sort(np.r_[part_1, part_2]),  # joins units 2 and 3 of A
            np.sort(whole[:1300]),  # unit 1 of A in two parts
            np.sort(whole[1300:]),
            np.sort(same + jitter),
        ],
        5,
    )
    return compare_units(a, b)


def test_what_becomes_of_units(comparison):
    assert comparison.match_a.tolist() == [
        MatchKind.MATCHED,
        MatchKind.SPLIT,
        MatchKind.MERGED,
        MatchKind.MERGED,
        MatchKind.ONLY,
        MatchKind.EMPTY,
    ]
    assert comparison.match_b.tolist() == [
        MatchKind.ONLY,
        MatchKind.MERGED,
        MatchKind.SPLIT,
        MatchKind.SPLIT,
        MatchKind.MATCHED,
    ]


def test_groups_list_the_largest_part_first(comparison):
    assert comparison.splits == {1: (2, 3)}
    assert comparison.merges == {1: (3, 2)}


def test_matches_hold_the_shared_spikes(comparison):
    row = comparison.matches.set_index("unit_a").loc[0]
    assert (row["unit_b"], row["n_shared"], row["score"]) == (4, 2000, 1.0)
    assert comparison.n_matched_spikes == 2000 + 2000 + 4000


def test_partners_lead_to_the_other_sorting(comparison):
    assert comparison.partners(0) == (4,)
    assert comparison.partners(1) == (2, 3)
    assert comparison.partners(2) == (1,)
    assert comparison.partners(4) == ()
    assert comparison.partners(3, of_a=False) == (1,)
    assert comparison.partners(1, of_a=False) == (3, 2)
    assert comparison.partners(4, of_a=False) == (0,)


def test_counts_sum_to_the_units(comparison):
    counts = comparison.counts()
    assert counts["a"].sum() == 6 and counts["b"].sum() == 5
    assert counts.loc["matched"].tolist() == [1, 1]


def table(entries, n_a, n_b):
    a, b, shared = (np.array(column, dtype=np.int64) for column in zip(*entries, strict=True))
    return Agreement(a, b, shared, np.array(n_a), np.array(n_b))


def test_a_match_has_to_be_mutual_and_to_reach_the_score():
    found = classify(table([(0, 0, 60), (1, 1, 49)], [100, 100], [60, 100]), 0)
    assert found.matches[["unit_a", "unit_b"]].to_numpy().tolist() == [[0, 0]]
    assert found.match_a.tolist() == [MatchKind.MATCHED, MatchKind.ONLY]


def test_stray_spikes_are_no_part():
    found = classify(table([(0, 0, 90), (0, 1, 5)], [100], [90, 5]), 0)
    assert found.splits == {}
    assert found.match_a.tolist() == [MatchKind.MATCHED]
    assert found.match_b.tolist() == [MatchKind.MATCHED, MatchKind.ONLY]


def test_equal_scores_go_to_the_lowest_ids():
    found = classify(table([(0, 0, 50), (0, 1, 50)], [100], [50, 50]), 0)
    assert found.splits == {0: (0, 1)}
    assert found.matches[["unit_a", "unit_b"]].to_numpy().tolist() == [[0, 0]]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 50)), max_size=15))
def test_no_unit_is_matched_twice(entries):
    dense = np.zeros((5, 5), int)
    for a, b, shared in entries:
        dense[a, b] = shared
    a, b = np.nonzero(dense)
    found = classify(Agreement(a, b, dense[a, b], dense.sum(1) + 3, dense.sum(0) + 2), int(dense.sum()))
    assert found.matches["unit_a"].is_unique and found.matches["unit_b"].is_unique
    assert (found.matches["score"] >= 0.5).all()


def test_progress_runs_once_from_start_to_end():
    a = SortedSpikes.of(np.arange(50) / 100, np.zeros(50, np.uint32), np.zeros(50), 1)
    steps = []
    compare_units(a, a, progress=steps.append)
    done = [step.done / step.total for step in steps]
    assert done == sorted(done) and done[-1] == 1


def test_empty_sortings_compare():
    nothing = SortedSpikes.of([], np.empty(0, np.uint32), [], 0)
    some = SortedSpikes.of([1.0], [0], [0.0], 1)
    found = compare_units(nothing, some)
    assert found.match_b.tolist() == [MatchKind.ONLY] and found.matches.empty
    assert compare_units(nothing, nothing).counts().to_numpy().sum() == 0
