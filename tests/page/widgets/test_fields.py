"""Numbers that are typed."""

from __future__ import annotations

import pytest

from dashboard.page.widgets.fields import number, number_field


@pytest.mark.parametrize(("text", "value"), [("0.25", 0.25), (" -1 ", -1.0), ("1e-3", 0.001), ("", 5.0)])
def test_a_number_is_read(text: str, value: float) -> None:
    field = number_field("Bin (ms)", 5.0)
    field.value = text
    assert number(field, 5.0) == value
    assert not field.error_state


@pytest.mark.parametrize("text", ["five", "nan", "inf", "1,5"])
def test_what_is_no_number_is_marked_until_it_is_one(text: str) -> None:
    field = number_field("Bin (ms)", 5.0)
    field.value = text
    assert number(field, 5.0) == 5.0
    assert field.error_state
    field.value = "2"
    assert number(field, 5.0) == 2.0
    assert not field.error_state
