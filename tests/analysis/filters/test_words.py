"""Filters survive being written as words and read again; bad words are refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.filters.clusters import ClusterFilter
from dashboard.analysis.filters.words import WORDS, read_words, write_words
from dashboard.model.errors import BadRequest

finite = st.floats(allow_nan=False, allow_infinity=False)
limits = st.tuples(st.none() | finite, st.none() | finite).filter(lambda pair: None in pair or pair[0] <= pair[1])
filters = st.builds(
    ClusterFilter,
    labels=st.lists(st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]), unique=True).map(tuple),
    regions=st.lists(st.sampled_from(["CA1", "VISp2/3", "DG-mo"]), unique=True).map(tuple),
    level=st.sampled_from(["allen", "beryl", "cosmos"]),
    depth_um=st.none() | limits,
    rate_hz=st.none() | limits,
    amplitude_uv=st.none() | limits,
    metrics=st.dictionaries(st.sampled_from(["drift", "presence_ratio"]), limits),
    ids=st.none()
    | st.lists(st.integers(-(10**9), 10**18) | st.sampled_from(["a", "b, c", 'd"', " "]), unique=True).map(tuple),
    where=st.sampled_from(["", "firing_rate > 2 and within('CA1')"]),
)


@given(filters)
def test_words_give_the_filter_back(wanted):
    assert read_words(write_words(wanted)) == wanted
    assert set(write_words(wanted)) <= set(WORDS)


def test_words_are_what_people_write():
    assert read_words({"quality": "good"}) == ClusterFilter(labels=(1.0,))
    assert read_words({"label": "0.66,1"}) == ClusterFilter(labels=(2 / 3, 1.0))
    assert read_words({"rate": "0.5,", "amp": ",200"}) == ClusterFilter(rate_hz=(0.5, None), amplitude_uv=(None, 200.0))
    assert read_words({"metrics": "presence_ratio:0.9:,drift::100"}) == ClusterFilter(
        metrics={"presence_ratio": (0.9, None), "drift": (None, 100.0)}
    )
    assert read_words({"t": "0,60", "insertion": "demo"}).is_empty
    assert read_words({"where": "", "regions": ""}).is_empty
    assert read_words({"ids": ""}) == ClusterFilter(ids=())


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("quality", "best"),
        ("level", "swanson"),
        ("label", "good"),
        ("label", "0.5,,1"),
        ("rate", "5"),
        ("rate", "nan,1"),
        ("rate", "5,1"),
        ("rate", "1,2,3"),
        ("ids", '1,"x'),
        ("ids", ",".join(map(str, range(6000)))),
        ("metrics", ":1:2"),
        ("metrics", "drift"),
        ("metrics", "drift:a:b"),
        ("regions", "nowhere"),
        ("where", "__import__('os')"),
    ],
)
def test_bad_words_are_refused(word, text):
    with pytest.raises(BadRequest):
        read_words({word: text})


@given(st.dictionaries(st.sampled_from(list(WORDS)), st.text(max_size=30)))
def test_any_text_is_a_filter_or_a_bad_request(words):
    with contextlib.suppress(BadRequest):
        assert isinstance(read_words(words), ClusterFilter)
