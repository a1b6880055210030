"""The view as a query string."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.compute.trial_groups import EVENTS, SPLITS
from dashboard.views import links
from dashboard.views.state import COLOURS, DEPTH_BINS_UM, PALETTES, SCALES, SHOW, TABS, TIME_BINS_S, ViewState

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
}


@st.composite
def states(draw: Any) -> dict[str, Any]:
    return {
        "insertion": draw(names),
        "sorter": draw(st.none() | st.sampled_from(["", "pykilosort", "kilosort 4&x"])),
        "revision": draw(st.none() | st.sampled_from(["", "2024-05-06", "2024-05-06a"])),
        "time_range": draw(st.none() | pairs),
        "depth_range": draw(st.none() | pairs),
        "limits": draw(st.none() | pairs),
        "show": draw(st.sampled_from(SHOW)),
        "color": draw(st.sampled_from(COLOURS)),
        "scale": draw(st.sampled_from(SCALES)),
        "cmap": draw(st.sampled_from(PALETTES)),
        "time_bin_s": draw(st.sampled_from(TIME_BINS_S)),
        "depth_bin_um": draw(st.sampled_from(DEPTH_BINS_UM)),
        "quality": draw(st.sampled_from(["all", "good"])),
        "level": draw(st.sampled_from(["allen", "beryl", "cosmos"])),
        "selected": draw(st.lists(st.integers(0, 2000), unique=True, max_size=8)),
        "tab": draw(st.sampled_from(TABS)),
        "event": draw(st.sampled_from(tuple(EVENTS))),
        "split": draw(st.sampled_from(SPLITS)),
        "filters": draw(st.fixed_dictionaries({}, optional=FILTERS)),
    }


@given(states())
def test_a_state_comes_back_from_its_link(values: dict[str, Any]) -> None:
    query = links.write(ViewState(**values))
    link = links.parse(query)
    assert link.problems == ()
    assert links.write(ViewState(**link.values)) == query
    state = ViewState(**link.values)
    assert {name: getattr(state, name) for name in values} == values


def test_the_base_sorter_and_the_original_revision_have_words() -> None:
    query = links.write(ViewState(insertion="a/2024-01-01/001/probe00", sorter="", revision=""))
    assert query == "insertion=a/2024-01-01/001/probe00&sorter=base&revision=original"


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("t=5,1", "t=5,1"),
        ("t=nan,inf", "t=nan,inf"),
        ("t=1", "t=1"),
        ("color=pink", "color=pink"),
        ("selected=-1", "selected=-1"),
        ("selected=a", "selected=a"),
        ("heat=3,3", "heat=3,3"),
        ("nosuch=1", "nosuch"),
    ],
)
def test_a_bad_part_is_named_and_the_rest_opens(query: str, word: str) -> None:
    link = links.parse(f"{query}&insertion=demo")
    assert link.values == {"insertion": "demo"}
    assert len(link.problems) == 1
    assert word in link.problems[0]


def test_nothing_open_has_no_query() -> None:
    assert links.write(ViewState(color="region")) == ""


@given(states(), states())
def test_what_a_link_leaves_out_is_the_default_whatever_was_shown_before(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Back and forward restore a view from its link alone."""
    state = ViewState(**before)
    query = links.write(ViewState(**after))
    state.param.update(**{**links.defaults(), **links.parse(query).values})
    assert links.write(state) == query
    assert {name: getattr(state, name) for name in after} == after


def test_defaults_are_not_shared() -> None:
    links.defaults()["selected"].append(1)
    assert links.defaults()["selected"] == []


def test_tabs_may_be_written_small() -> None:
    assert links.parse("tab=probe").values == {"tab": "Probe"}
    assert "tab=Nowhere" in links.parse("tab=Nowhere").problems[0]
