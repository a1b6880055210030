"""The view as a query string."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.events.trials import EVENTS, SPLITS
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.sorting import SpikeSorting
from dashboard.page import link as links
from dashboard.page.core.state import (
    DEPTH_BINS_UM,
    PALETTES,
    SCALES,
    SHOW,
    TIME_BINS_S,
)
from dashboard.page.services.alignment import EVENT_FIELDS, event_bins
from dashboard.page.services.response_test import ResponseTestRequest
from dashboard.page.tabs.probe.state import BESIDE, MARKS
from dashboard.page.tabs.probe.words import PROBE_FIELDS, probe_bins
from dashboard.page.tabs.registry import TABS, page_state
from dashboard.page.tabs.unit.words import UNIT_FIELDS, unit_bins

finite = st.floats(-1e6, 1e6, allow_nan=False)
pairs = st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1])
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


FILTERS = {
    "label": st.sampled_from(["1", "0.66,1"]),
    "regions": st.sampled_from(["CA1", "TH,VISp2/3"]),
    "band": st.sampled_from(["0,1500", ",20.5"]),
    "amp": st.sampled_from(["50,", "1e-07,0.1"]),
    "rate": st.sampled_from(["0.5,", ",3"]),
    "metrics": st.sampled_from(["presence_ratio:0.9:,drift::100"]),
    "ids": st.sampled_from(["", "1,2,3"]),
    "where": st.sampled_from(
        ["firing_rate > 2 and within('CA1')", "label == 1 and amp_median >= 5e-05", "firing_rate+1 > 2"]
    ),
    "spike_amp": st.sampled_from(["50,", ",200", "50,200.5"]),
}


numbers = st.floats(-10, 100, allow_nan=False).filter(lambda value: value not in {v for _, v in FIELDS.values()})
FIELDS = {**EVENT_FIELDS, **UNIT_FIELDS, **PROBE_FIELDS}


@st.composite
def response_tests(draw: Any) -> str:
    return ResponseTestRequest(
        draw(st.sampled_from(tuple(EVENTS))),
        draw(st.sampled_from(SPLITS)),
        draw(st.booleans()),
        draw(pairs),
        draw(pairs),
    ).write()


@st.composite
def states(draw: Any) -> dict[str, Any]:
    return {
        "insertion": draw(names),
        "sorter": draw(st.none() | st.sampled_from(["", "pykilosort", "kilosort 4&x"])),
        "revision": draw(st.none() | st.sampled_from(["", "2024-05-06", "2024-05-06a"])),
        "time_range": draw(st.none() | pairs),
        "depth_range": draw(st.none() | pairs),
        "limits": draw(st.none() | pairs),
        "rows": draw(st.none() | pairs),
        "before": draw(st.none() | pairs),
        "after": draw(st.none() | pairs),
        "show": draw(st.sampled_from(SHOW)),
        "color": draw(st.sampled_from(AGGREGATES.names)),
        "scale": draw(st.sampled_from(SCALES)),
        "cmap": draw(st.sampled_from(PALETTES)),
        "time_bin_s": draw(st.sampled_from(TIME_BINS_S)),
        "depth_bin_um": draw(st.sampled_from(DEPTH_BINS_UM)),
        "quality": draw(st.sampled_from(["all", "good"])),
        "level": draw(st.sampled_from(["allen", "beryl", "cosmos"])),
        "selected": draw(st.lists(st.integers(0, 2000), unique=True, max_size=8)),
        "tab": draw(st.sampled_from(TABS.titles)),
        "marks": draw(st.sampled_from(MARKS)),
        "beside": draw(st.sampled_from(BESIDE)),
        "event": draw(st.sampled_from(tuple(EVENTS))),
        "split": draw(st.sampled_from(SPLITS)),
        "spikes_of": draw(st.sampled_from(["unit", "depths", "filter", "region:CA1", "region:VISp2/3"])),
        "masked": draw(st.booleans()),
        "bins": draw(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, numbers))),
        "test": draw(st.just("") | response_tests()),
        "trial": draw(st.none() | st.integers(0, 2000)),
        "place": draw(st.just("")),
        "triage": draw(st.sampled_from(["", "*", "SWC_04 lab=cortexlab region=CA1 level=beryl", "subject='a b'"])),
        "filters": draw(st.fixed_dictionaries({}, optional=FILTERS)),
    }


@given(states())
def test_a_state_comes_back_from_its_link(values: dict[str, Any]) -> None:
    query = links.write(page_state(**values))
    link = links.parse(query)
    assert link.problems == ()
    assert links.write(page_state(**link.values)) == query
    state = page_state(**link.values)
    assert {name: state.get(name) for name in values} == values


def test_the_base_sorter_and_the_original_revision_have_words() -> None:
    query = links.write(page_state(insertion="a/2024-01-01/001/probe00", sorter="", revision=""))
    assert query == "insertion=a/2024-01-01/001/probe00&sorter=base&revision=original"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("t=5,1", "t=5,1"),
        ("t=nan,inf", "t=nan,inf"),
        ("t=1", "t=1"),
        ("color=pink", "color=pink"),
        ('selected="a', "selected="),
        (f"selected={','.join(map(str, range(6000)))}", "selected=0,1"),
        (f"trial={'9' * 5000}", "trial=999"),
        ("heat=3,3", "heat=3,3"),
        ("nosuch=1", "nosuch"),
        ("before=600,0", "before=600,0"),
        ("after=0", "after=0"),
        ("rows=a,b", "rows=a,b"),
        ("spike_amp=200,50", "spike_amp=200,50"),
        ("spike_amp=50", "spike_amp=50"),
        ("of=region", "of=region"),
        ("of=unit:3", "of=unit"),
        ("mask=maybe", "mask=maybe"),
        ("bins=psth_bin:nan", "bins=psth_bin"),
        ("bins=width:3", "bins=width"),
        ("test=stimOn,none,mask,1,2,3", "test=stimOn"),
        ("test=stimOn,none,mask,a,2,3,4", "test=stimOn"),
        ("trial=0", "trial=0"),
        ("triage=colour%3Dred", "triage=colour=red"),
        ("triage=lab%3D'x", "triage=lab='x"),
    ],
)
def test_a_bad_part_is_named_and_the_rest_opens(query: str, word: str) -> None:
    link = links.parse(f"{query}&insertion=demo")
    assert link.values == {"insertion": "demo"}
    assert len(link.problems) == 1
    assert word in link.problems[0]


def test_nothing_open_has_no_query() -> None:
    assert links.write(page_state(color="region")) == ""


def test_the_place_of_a_triage_is_in_the_link_before_its_insertion_is_open() -> None:
    state = page_state(triage="lab=cortexlab", place="a/2024-01-01/001/probe00", tab="Summary")
    assert links.parse(links.write(state)).values == {name: state.get(name) for name in ("triage", "place", "tab")}
    state.view.insertion = "b/2024-01-01/001/probe00"
    state.view.time_range = (0, 60)
    link = links.parse(links.write(state))
    assert link.values["insertion"] == state.view.insertion
    assert links.at_place(link).values == {"insertion": state.view.place, "triage": state.view.triage, "tab": "Summary"}
    state.view.triage = ""
    assert "place" not in links.write(state)


@given(states(), states())
def test_what_a_link_leaves_out_is_the_default_whatever_was_shown_before(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Back and forward restore a view from its link alone."""
    state = page_state(**before)
    query = links.write(page_state(**after))
    state.update(**{**links.defaults(), **links.parse(query).values})
    assert links.write(state) == query
    assert {name: state.get(name) for name in after} == after


def test_defaults_are_not_shared() -> None:
    links.defaults()["selected"].append(1)
    assert links.defaults()["selected"] == []


def test_bins_of_a_link_are_those_of_the_page() -> None:
    bins = links.parse("bins=start:-1,psth_bin:20,lag_half:50,rate_bin:10").values["bins"]
    assert bins == {"start": -1.0, "psth_bin": 20.0, "lag_half": 50.0}  # ten seconds are the default
    assert event_bins(bins).window_s == (-1.0, 1.0)
    assert event_bins(bins).psth_bin_s == 0.02
    assert unit_bins(bins).lag_half_s == 0.05
    assert probe_bins(links.parse("bins=corr_bin:100,profile_um:20").values["bins"]) == (0.1, 40.0, 20.0)


def test_a_trial_or_region_that_is_gone_is_said(small_demo: SpikeSorting) -> None:
    values = links.parse("trial=99999&of=region:XYZ&selected=1").values
    said = links.drop_gone(values, small_demo)
    assert "There is no trial 99999" in " ".join(said)
    assert "No unit is in region XYZ" in " ".join(said)
    assert values == {"trial": None, "spikes_of": "unit", "selected": [1]}
    here = {"trial": 3, "spikes_of": f"region:{small_demo.clusters['acronym'].iloc[0]}"}
    assert links.drop_gone(here, small_demo) == ()


def test_tabs_may_be_written_small() -> None:
    assert links.parse("tab=probe").values == {"tab": "Probe"}
    assert "tab=Nowhere" in links.parse("tab=Nowhere").problems[0]


def test_what_a_drag_does_and_the_groups_of_a_comparison_go_into_the_link() -> None:
    query = "insertion=demo&drag=zoom&tab=Compare&compare=sorting:pykilosort,original&groups=only%20in%20A"
    link = links.parse(query)
    assert (link.values["mode"], link.values["groups"], link.problems) == ("zoom", "only in A", ())
    written = links.write(page_state(**link.values))
    assert links.parse(written).values == link.values
    assert links.parse("insertion=demo&drag=fly").problems


@pytest.mark.parametrize("word", links.words().values(), ids=lambda word: word.word)
def test_every_word_has_an_example_that_opens(word: links.LinkWord) -> None:
    found = links.parse(f"{word.word}={word.example}")
    assert word.example
    assert found.problems == ()
    assert found.values
