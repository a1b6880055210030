"""Numbers that are typed."""

from __future__ import annotations

from functools import partial

import pytest

from dashboard.page.core.numbers import Check, Fields, wrong_bins
from dashboard.page.core.state import ViewState
from dashboard.page.services.alignment import EVENT_FIELDS, wrong_event_fields
from dashboard.page.tabs.compare.fields import COMPARE_FIELDS
from dashboard.page.tabs.compare.matching import wrong_compare_fields
from dashboard.page.tabs.probe.words import PROBE_FIELDS
from dashboard.page.tabs.unit.picture import wrong_unit_fields
from dashboard.page.tabs.unit.words import UNIT_FIELDS
from dashboard.page.widgets.fields import BinFields, number, number_field

TABS = {
    "events": (EVENT_FIELDS, wrong_event_fields),
    "unit": (UNIT_FIELDS, wrong_unit_fields),
    "probe": (PROBE_FIELDS, partial(wrong_bins, names=PROBE_FIELDS)),
    "compare": (COMPARE_FIELDS, wrong_compare_fields),
}


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


@pytest.mark.parametrize(("fields", "check"), TABS.values(), ids=TABS)
def test_each_field_of_a_tab_says_under_it_what_cannot_be_and_nothing_of_it_is_applied(
    fields: Fields, check: Check
) -> None:
    state = ViewState()
    bins = BinFields(state, fields, check)
    for name, field in bins.widgets.items():
        before = field.value
        for text in ("five", "1e9" if name.endswith("start") else "-1e9"):
            field.value = text
            assert (field.error_state, bool(field.helper_text)) == (True, True), (name, text)
            assert (field.value, state.bins) == (text, {})
        field.value = before
        assert not any(one.error_state for one in bins.widgets.values())


@pytest.mark.parametrize(
    ("fields", "check", "name", "text", "why"),
    [
        (*TABS["events"], "psth_bin", "0.00001", "At least 0.07"),
        (*TABS["events"], "end", "-2", "Above -0.4"),
        (*TABS["unit"], "lag_bin", "500", "At most"),
        (*TABS["unit"], "amp_bins", "5000", "At most 1,000"),
        (*TABS["compare"], "match", "6", "At most 5"),
    ],
)
def test_what_is_too_small_or_too_large_is_said_with_the_limit(
    fields: Fields, check: Check, name: str, text: str, why: str
) -> None:
    bins = BinFields(ViewState(), fields, check)
    bins.widgets[name].value = text
    assert bins.widgets[name].helper_text.startswith(why)


def test_a_number_of_a_link_that_cannot_be_is_said_under_its_field() -> None:
    state = ViewState()
    state.bins = {"psth_bin": 0.0}
    bins = BinFields(state, EVENT_FIELDS, wrong_event_fields)
    assert bins.widgets["psth_bin"].helper_text == "Above 0"
    state.bins = {"start": 9.0}
    assert [bins.widgets[name].helper_text for name in ("psth_bin", "start", "end")] == ["", "Below 1", "Above 9"]
