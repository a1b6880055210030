"""Ids of units and their indexes, and ids as a list in a link."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.model.errors import BadRequest, DatasetInvalid
from dashboard.model.unit_ids import MAX_TABLE, UnitIds, read_ids, write_ids

WHOLE = st.lists(st.integers(1 - 2**63, 2**63 - 1), unique=True, max_size=30)
# numpy's texts end at their last character that is not NUL.
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), unique=True, max_size=30
)


@given(WHOLE | TEXTS)
def test_ids_and_indexes_lead_to_each_other(ids: list[int] | list[str]) -> None:
    units = UnitIds(np.array(ids, dtype=None if ids else np.int64))
    assert units.at(np.arange(len(ids))).tolist() == ids
    assert units.indexes(ids[::-1]).tolist() == list(range(len(ids)))[::-1]
    assert [units.of(index) for index in range(len(ids))] == ids
    assert all(unit in units for unit in ids)


@given(WHOLE.filter(bool), st.integers(0, 2**32))
def test_spikes_are_looked_up_whatever_the_gaps(ids: list[int], seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, len(ids), 50)
    assert UnitIds(ids).in_spikes(np.array(ids)[places]).tolist() == places.tolist()


@pytest.mark.parametrize("ids", [[5, 9], [5, MAX_TABLE + 9], [-3, 9]])
@pytest.mark.parametrize("wrong", [-4, 0, 6, 10, 2**40])
def test_a_spike_of_a_unit_that_is_not_there(ids: list[int], wrong: int) -> None:
    with pytest.raises(DatasetInvalid, match=f"id {wrong} "):
        UnitIds(ids).in_spikes(np.array([*ids, wrong]))


@pytest.mark.parametrize(("ids", "dense"), [([0, 1, 2], True), ([], True), ([1, 0], False), ([1, 2], False)])
def test_ids_that_are_indexes(ids: list[int], dense: bool) -> None:
    assert UnitIds(ids).are_indexes is dense


def test_what_is_unknown_is_named_and_how_many_there_are() -> None:
    with pytest.raises(BadRequest, match=r"No such unit: 7, b\. There are 3 units: 5, 1000, 2000000000"):
        UnitIds([5, 1000, 2_000_000_000]).indexes([5, 7, "b"])


def test_links_do_not_say_whether_an_id_is_a_number() -> None:
    assert UnitIds(["12", "a", "012"]).indexes([12, "012"]).tolist() == [0, 2]
    assert UnitIds([3, 12]).indexes(["12"]).tolist() == [1]
    assert UnitIds([3, 12]).find([12, "a", 4, 12]).tolist() == [1]


@pytest.mark.parametrize("ids", [["a", "a"], [1, 1], [1.5, 2.0], [2**63, 1], [-(2**63), 1], [None, "a"], ["", "a"]])
def test_ids_that_cannot_be_used(ids: list[object]) -> None:
    with pytest.raises(DatasetInvalid):
        UnitIds(np.array(ids, dtype=object))


@given(TEXTS | WHOLE)
def test_a_list_of_ids_comes_back_from_a_link(ids: list[int] | list[str]) -> None:
    units = UnitIds(np.array(ids, dtype=None if ids else np.int64))
    assert units.at(units.indexes(read_ids(write_ids(ids)))).tolist() == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [("1,2,3", [1, 2, 3]), (" 7 , 007,-1,", [7, -1]), ('a,"b,c",""', ["a", "b,c", ""]), ('"12",12', ["12", 12])],
)
def test_lists_of_ids_as_people_write_them(text: str, ids: list[int | str]) -> None:
    assert read_ids(text) == ids


def test_whole_numbers_are_written_as_they_always_were() -> None:
    assert write_ids([1, 20, -3]) == "1,20,-3"
    assert write_ids(["12", "012", 'a"b']) == '12,"012","a""b"'


@pytest.mark.parametrize("text", ['"a', 'a"b', '"a"b'])
def test_a_quote_that_is_not_closed(text: str) -> None:
    with pytest.raises(ValueError, match="double quote"):
        read_ids(text)
