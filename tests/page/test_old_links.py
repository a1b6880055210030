"""Links of before: each asks for the same, and is written back letter for letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.page import link as links
from dashboard.page.tabs.registry import page_state

OLD = json.loads(Path(__file__).with_name("old_links.json").read_text(encoding="utf-8"))
"""Written by the program before tabs had states and words of their own."""


IDS_NOW: dict[str, dict[str, Any]] = {
    "insertion=demo&selected=-1": {"selected": [-1]},
    "insertion=demo&selected=a": {"selected": ["a"]},
    "insertion=demo&selected=1.5": {"selected": ["1.5"]},
    "insertion=demo&ids=1,x": {"filters": {"ids": "1,x"}},
    "insertion=demo&ids=-1": {"filters": {"ids": "-1"}},
    "insertion=demo&event=stimOn_times": {"event": "stimOn_times"},
    "insertion=demo&split=nosuch": {"split": "nosuch"},
    "insertion=demo&t=0,1e9": {"time_range": [0.0, 1e9]},
    "insertion=demo&test=nosuch,none,mask,-0.5,0,0,0.5": {"test": "nosuch,none,mask,-0.5,0,0,0.5"},
}
"""Refused before: other sources have texts and negative numbers for ids, and events and conditions of their own, which
are looked up when the insertion is open; and times of a clock that counts from elsewhere."""


REFUSED_NOW = {"insertion=demo&triage=histology%3Dnosuch": {"triage"}}
"""Read as if nothing was asked for before, so that all insertions were listed; with the words that are left out now."""


SINCE = {
    "sort",
    "search",
    "drag",
    "groups",
    "shanks",
    "rawat",
    "heatof",
    "ownevents",
    "rawband",
    "rawcmap",
    "rawdb",
    "rawmany",
    "rawms",
    "rawstep",
    "unjudged",
    "applied",
}
"""Words that no link of before had; `test_link` reads and writes them."""


def plain(values: dict[str, Any]) -> Any:
    return json.loads(json.dumps(values))


def part(problem: str) -> str:
    """Return which part of a link a problem is of; why may be said in other words."""
    return problem.partition(" (")[0]


@pytest.mark.parametrize("old", OLD, ids=range(len(OLD)))
def test_it_asks_for_what_it_asked_for(old: dict[str, Any]) -> None:
    link = links.parse(old["link"])
    if old["link"] in REFUSED_NOW:
        words = REFUSED_NOW[old["link"]]
        assert plain(link.values) == {word: value for word, value in old["values"].items() if word not in words}
        assert len(link.problems) == 1 and all(word in link.problems[0] for word in words)
        return
    if old["link"] in IDS_NOW:
        written = old["link"].replace("1e9", "1000000000")
        old = {"values": old["values"] | IDS_NOW[old["link"]], "problems": [], "written": written}
    assert plain(link.values) == old["values"]
    assert [part(line) for line in link.problems] == [part(line) for line in old["problems"]]
    assert links.write(page_state(**link.values)) == old["written"]


def test_there_are_links_of_every_word() -> None:
    assert len(OLD) >= 60
    assert (set(links.words()) | set(links.FILTER_KEYS)) - SINCE <= {
        part.partition("=")[0] for old in OLD for part in old["link"].split("&")
    }
