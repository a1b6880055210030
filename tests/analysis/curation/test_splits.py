"""Which spikes of a unit are of which part, and how that is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.analysis.curation.applied import apply_plan, plan_of
from dashboard.analysis.curation.following import left_behind
from dashboard.analysis.curation.proposals import proposals
from dashboard.analysis.curation.splits import (
    AMPLITUDE,
    DEPTH,
    groups_of_parts,
    inside,
    parts_by_outline,
    parts_of_groups,
    read_split,
    split_text,
    write_split,
)
from dashboard.analysis.curation.subject import Subject
from dashboard.engine.build import build_columns
from dashboard.model.curation import CurationRules, Decision
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.sorting import SpikeSorting

PARTS = np.array([0, 2, 1, 1, 0, 2, 2], np.uint8)


def rows_of(sorting: SpikeSorting, unit: int) -> np.ndarray:
    return np.flatnonzero(np.asarray(sorting.spikes.clusters) == unit)


def halves(sorting: SpikeSorting, unit: int) -> str:
    """Return a split of a unit: every third spike is of the second part."""
    return write_split((np.arange(len(rows_of(sorting, unit))) % 3 == 0).astype(np.uint8))


def decided(sorting: SpikeSorting, *said: tuple[str, str, str, str]) -> tuple[Subject, list[Decision]]:
    subject = Subject.of(sorting)
    rows = [subject.decide(author, kind, value, unit) for author, kind, value, unit in said]
    return subject, [replace(one, step=str(n), id=n + 1) for n, one in enumerate(rows)]


def test_a_split_is_read_as_it_was_written() -> None:
    value = write_split(PARTS)
    assert np.array_equal(read_split(value), PARTS)
    assert split_text(value) == "3 units of 2 + 2 + 3 spikes"
    assert np.array_equal(parts_of_groups(groups_of_parts(PARTS), len(PARTS)), PARTS)


@pytest.mark.parametrize(
    "value", ["", "3", "2+2+3", "2+2+3 abc", "1+6 " + write_split(PARTS).split()[1], "1+x y", "9999999999999+1 eJw="]
)
def test_what_is_no_split_is_none(value: str) -> None:
    assert read_split(value) is None


def test_a_part_without_spikes_is_refused() -> None:
    for parts in (np.zeros(5, np.uint8), np.ones(5, np.uint8), np.array([0, 2], np.uint8)):
        with pytest.raises(BadRequest):
            write_split(parts)
    for groups in ([np.array([0, 0])], [np.array([9])], [np.array([-1])]):
        with pytest.raises(BadRequest):
            parts_of_groups(groups, 5)


def test_an_outline_holds_what_is_inside_whatever_its_shape() -> None:
    x, y = np.array([1.0, 5.0, 3.0, 9.0]), np.array([1.0, 1.0, 3.5, 1.0])
    u_shape = [0, 0, 2, 2, 4, 4, 6, 6], [0, 5, 5, 2, 2, 5, 5, 0]
    assert inside(x, y, *u_shape).tolist() == [True, True, False, False]
    assert inside(x, y, *(list(reversed(side)) for side in u_shape)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("of", [AMPLITUDE, DEPTH])
def test_spikes_inside_an_outline_are_a_part(small_demo: SpikeSorting, of: str) -> None:
    rows = rows_of(small_demo, 12)
    times = np.asarray(small_demo.spikes.times_s)[rows]
    spikes = small_demo.spikes
    column = 1e6 * np.asarray(spikes.amps_v, np.float64) if of == AMPLITUDE else np.asarray(spikes.depths_um)
    middle, end = float(np.median(column[rows])) + 1e-3, float(times[-1]) + 1
    parts = parts_by_outline(small_demo, 12, of, [10, 10, end, end], [middle, 1e9, 1e9, middle])
    assert np.array_equal(parts == 1, (times > 10) & (column[rows] > middle))
    assert 0 < parts.sum() < len(rows)


def test_a_split_unit_is_two_and_all_its_spikes_are_of_one_of_them(small_demo: SpikeSorting) -> None:
    n, value = small_demo.n_clusters, halves(small_demo, 12)
    said = (("Ada", "split", value, "12"), ("Ada", "merge", "3,5", ""), ("Ada", "split", halves(small_demo, 7), "7"))
    subject, rows = decided(small_demo, *said)
    applied = apply_plan(small_demo, plan_of(rows, subject, "Ada", CurationRules()))
    after = applied.sorting.units.values[np.asarray(applied.sorting.unit_indexes())]
    own = rows_of(small_demo, 12)
    assert np.array_equal(after[own], np.where(read_split(value) == 1, n + 2, n + 1))
    assert (applied.new_of_old["12"], applied.new_of_old["7"]) == ((str(n + 1), str(n + 2)), (str(n + 3), str(n + 4)))
    assert applied.members[str(n + 1)] == ("12",)
    assert not {3, 5, 7, 12} & set(applied.sorting.units.values.tolist())
    others = np.flatnonzero(~np.isin(np.asarray(small_demo.spikes.clusters), (3, 5, 7, 12)))
    assert np.array_equal(after[others], np.asarray(small_demo.spikes.clusters)[others])
    assert "2 units split into 4" in applied.sorting.curation
    table = applied.sorting.clusters
    assert table.loc[n + 1, "axial_um"] == small_demo.clusters.loc[12, "axial_um"]
    assert np.isnan(table.loc[n + 1, "label"])
    columns = applied.columns(small_demo, build_columns(small_demo))
    assert (
        np.bincount(columns.clusters, minlength=applied.sorting.n_clusters).tolist()
        == np.bincount(applied.sorting.unit_indexes(), minlength=applied.sorting.n_clusters).tolist()
    )


def test_a_unit_is_in_one_proposal_at_most(small_demo: SpikeSorting) -> None:
    value = halves(small_demo, 12)
    subject, rows = decided(
        small_demo, ("Ada", "split", value, "12"), ("Bob", "merge", "12,13", ""), ("Bob", "split", "2+2+3 abc", "9")
    )
    for author, shown in (("Ada", ("12",)), ("Bob", ("12", "13"))):
        assert [one.units for one in proposals(rows, subject, author)] == [shown]
    assert plan_of(rows, subject, "Ada", CurationRules()).splits == (("12", value),)
    rows.append(replace(subject.decide("Ada", "withdrawn", "0"), step="9", id=9))
    assert [one.units for one in proposals(rows, subject, "Ada")] == [("12", "13")]


def test_a_split_stays_behind_where_spikes_are_others(small_demo: SpikeSorting) -> None:
    subject, rows = decided(small_demo, ("Ada", "split", halves(small_demo, 12), "12"))
    other = replace(subject, spikes="9:aa")
    assert other.own(rows[0]) is None
    assert left_behind(rows, other) == rows
    assert proposals(rows, other, "Ada") == []
    short = write_split(np.array([0, 1], np.uint8))
    with pytest.raises(DashboardError, match="split of unit 12 is of 2 spikes"):
        apply_plan(small_demo, replace(plan_of(rows, subject, "Ada", CurationRules()), splits=(("12", short),)))
