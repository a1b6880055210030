"""What a comparison's other side is called in links."""

from __future__ import annotations

import threading

import pytest

from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ignore_progress
from dashboard.page import link as links
from dashboard.page.tabs.compare import words
from dashboard.page.tabs.compare.fields import match_tolerance
from dashboard.page.tabs.compare.matching import match
from dashboard.page.tabs.compare.words import CompareTarget
from dashboard.page.tabs.registry import page_state

EVERY = [
    CompareTarget("sorting", "pykilosort", "2024-05-06"),
    CompareTarget("sorting", "", ""),
    CompareTarget("sorting", "kilosort 4, mine", "a"),
    CompareTarget("probe", probe="probe01"),
    CompareTarget("filter", words={}),
    CompareTarget(
        "filter", words={"quality": "good", "where": "firing_rate > 2 and within('CA1')", "regions": "CA1,DG"}
    ),
]


@pytest.mark.parametrize("wanted", EVERY, ids=lambda wanted: wanted.write()[:20])
def test_it_comes_back_from_its_link(wanted: CompareTarget) -> None:
    assert words.read(wanted.write()) == wanted
    query = links.write(page_state(insertion="a/2024-01-01/001/probe00", compare=wanted.write(), tab="Compare"))
    link = links.parse(query)
    assert link.problems == ()
    assert link.values["compare"] == wanted.write()


@pytest.mark.parametrize(
    "text",
    ["pykilosort", "sorting:", "sorting:pykilosort", "probe:", "filter:quality=bad", "x:y", "probe:" + "a" * 3000],
)
def test_what_cannot_be_read_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadRequest) as error:
        words.read(text)
    assert "\n" not in str(error.value)
    assert links.parse(f"compare={text}").problems


@pytest.mark.parametrize("tolerance", [(1.0, 100.0), (-0.001, 100.0), (0.0004, -1.0)])
def test_tolerances_that_make_no_sense_are_one_line(tolerance: tuple[float, float], opened: OpenInsertion) -> None:
    with pytest.raises(BadRequest) as error:
        match(opened.columns, opened.columns, tolerance, ignore_progress, threading.Event())
    assert "\n" not in str(error.value)


def test_what_was_matched_says_how_and_of_what(opened: OpenInsertion) -> None:
    found = match(opened.columns, opened.columns, (0.0002, 50.0), ignore_progress, threading.Event())
    assert found.words == "spikes coincide within ±0.2 ms and 50 µm; a unit is in both from an agreement of 0.5 on"
    assert set(found.table["kind"]) == {"in both"}
    assert found.is_of(opened.columns, opened.columns, match_tolerance({"match": 0.2, "match_um": 50.0}))
    assert not found.is_of(opened.columns, opened.columns, match_tolerance({}))
