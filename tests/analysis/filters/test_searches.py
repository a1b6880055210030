"""Searches of one column mean what they say, and whatever else is written is refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.filters.searches import find_numbers, find_rows
from dashboard.model.errors import BadRequest

VALUES = np.array([0.0, 0.5, 1.0, 2.0, 3.0, np.nan, -4.0])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (">1", [2, 3]),
        (">= 1", [1, 2, 3]),
        ("≥1", [1, 2, 3]),
        ("<0.5", [0, -4]),
        ("≤0.5", [0, 0.5, -4]),
        ("=2", [2]),
        ("==2", [2]),
        ("!=2", [0, 0.5, 1, 3, -4]),
        ("1..3", [1, 2, 3]),
        ("-5 .. 0", [0, -4]),
        ("−5…0", [0, -4]),
        ("1..", [1, 2, 3]),
        ("..0.5", [0, 0.5, -4]),
        ("2", [2, 3]),
        ("2, 3,7", [2, 3]),
        ("1e0", [1, 2, 3]),
    ],
)
def test_a_search_finds_numbers(text: str, found: list[float]) -> None:
    mask = find_numbers(VALUES, text)
    assert mask is not None
    assert VALUES[mask].tolist() == found


def test_a_single_number_may_ask_for_itself() -> None:
    assert find_numbers(VALUES, "2", "=").tolist() == (VALUES == 2).tolist()


@pytest.mark.parametrize("text", ["", "  ", ">", "<=", "!", "=", "-", ">-", "..", "."])
def test_what_is_not_written_to_its_end_asks_for_nothing(text: str) -> None:
    assert find_numbers(VALUES, text) is None


@pytest.mark.parametrize("text", [">abc", "fast", "3..1", ">1_0", "nan", "> inf", "1..2..3", "1e999", ">" + "1" * 400])
def test_anything_else_is_refused_and_says_what_can_be_written(text: str) -> None:
    with pytest.raises(BadRequest, match=r">2, <0\.5, 1\.\.3") as refused:
        find_numbers(VALUES, text)
    assert len(str(refused.value)) < 200


@given(st.text(max_size=30))
def test_any_text_finds_rows_or_is_refused(text: str) -> None:
    try:
        mask = find_numbers(VALUES, text)
    except BadRequest:
        return
    assert mask is None or mask.shape == VALUES.shape


def test_text_is_found_by_a_part_of_it() -> None:
    column = pd.Series(["CA1", None, "VISp1", "fiber (x)"], dtype=object)
    assert find_rows(column, "vis").tolist() == [False, False, True, False]
    assert find_rows(column, "(").tolist() == [False, False, False, True]
    assert find_rows(column, "none").tolist() == [False] * 4
    assert find_rows(column, " ") is None
    assert find_rows(pd.Series([True, False]), "true").tolist() == [True, False]
    assert find_rows(pd.Series([1, None, 3], dtype="Int64"), "<2").tolist() == [True, False, False]
