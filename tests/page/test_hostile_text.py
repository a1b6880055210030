"""Whatever a link, a field or a message of the page says: it is read, or refused in words; nothing else is raised."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.filters.clusters import filter_clusters
from dashboard.analysis.filters.words import read_spike_amp, read_words
from dashboard.model.errors import DashboardError
from dashboard.model.facets import read_query
from dashboard.model.sorting import SpikeSorting
from dashboard.page import link as links
from dashboard.page.browser.bridge import Bridge
from dashboard.page.plot.spans import drawn_span
from dashboard.page.services.alignment import event_bins
from dashboard.page.tabs.registry import page_state
from dashboard.page.widgets.chips import Chips
from dashboard.sources.folder import FolderSource
from dashboard.sources.locate import find
from tests.hostile import FORMULAS, MARKUP, PYTHON

KEYS = (*links.words(), *links.FILTER_KEYS, "nosuch")
NUMBERS = (
    "1e308", "-1e308", "1e309", "nan", "inf", "-0", "²", "\u0661", "1_0",
    "0x1", f"{2**31}", f"{2**63}", f"{2**64}", " 1 ", "",
)  # fmt: skip
long = st.sampled_from((12, 400, 5000)).map("9".__mul__)
number = (
    st.sampled_from(NUMBERS)
    | st.tuples(st.sampled_from(("", "-", "0.", "1e")), long).map("".join)
    | st.floats().map(repr)
    | st.integers().map(str)
)
text = (
    st.text(max_size=60)
    | st.sampled_from((*PYTHON, *FORMULAS, *MARKUP, "'", "\\", "%", "not " * 100 + "1"))
    | st.sampled_from("([{-~").map(lambda sign: sign * 4000)
    | number
    | st.lists(number, max_size=2).map(",".join)
    | st.tuples(st.sampled_from(("psth_bin", "lag_half", "presence_ratio", "x")), number).map(":".join)
    | st.lists(st.sampled_from(NUMBERS), min_size=4, max_size=4).map(
        lambda parts: f"stimOn,none,mask,{','.join(parts)}"
    )
    | st.tuples(st.sampled_from(("filter", "probe", "sorting", "region")), st.text(max_size=30)).map(":".join)
    | st.tuples(st.sampled_from(("firing_rate >", "id in", "id ==")), number).map(" ".join)
)
message: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("span", "start", "end", "clear", "key", "n", "before")), inner, max_size=4)
    ),
    max_leaves=6,
)


SORTINGS: list[SpikeSorting] = []
"""The demo; not an argument of the tests, which would print all of it where one fails."""


@pytest.fixture(scope="module", autouse=True)
def _sorting(small_demo: SpikeSorting) -> None:
    SORTINGS[:] = [small_demo]


@given(st.lists(st.tuples(st.sampled_from(KEYS), text), max_size=2))
def test_no_link_raises(parts: list[tuple[str, str]]) -> None:
    query = "&".join(f"{key}={quote(value.encode('utf-8', 'surrogatepass'))}" for key, value in parts)
    link = links.at_place(links.parse(query))
    values = dict(link.values)
    said = links.drop_gone(values, SORTINGS[0])
    state = page_state(**values)
    assert all(len(line) < 1000 and "\n" not in line for line in (*link.problems, *said))
    assert links.parse(links.write(state)).problems == ()
    assert json.loads(json.dumps(values)) is not None
    with suppress(DashboardError):
        event_bins(state.view.bins)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> FolderSource:
    return FolderSource(tmp_path_factory.mktemp("data"))


def filtered(word: str, written: str) -> None:
    filter_clusters(read_words({word: written}), SORTINGS[0].clusters)


@given(text)
def test_no_field_raises_but_in_words(folder: FolderSource, written: str) -> None:
    for read in (
        lambda: read_query(written),
        lambda: find(written, [folder]),
        *(partial(filtered, word, written) for word in links.FILTER_KEYS),
        lambda: read_spike_amp({"spike_amp": written}),
    ):
        with suppress(DashboardError):
            read()


@given(message)
def test_no_message_raises(said: Any) -> None:
    bridge, cleared = Bridge(), list[str]()
    bridge._handle_msg(said)
    chips = Chips(cleared.append)
    chips._handle_msg(said)
    assert drawn_span(bridge.span, (0.0, 10.0)) is None or isinstance(said, dict)
