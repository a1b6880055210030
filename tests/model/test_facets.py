"""What a search asks for, as words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.model.errors import BadRequest
from dashboard.model.facets import EVERYTHING, Facets, read_query, write_query

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
texts = st.just("") | words


@given(
    st.builds(
        Facets,
        text=st.lists(words.filter(lambda w: "=" not in w and w != EVERYTHING and len(w.split()) == 1)).map(" ".join),
        **dict.fromkeys(("lab", "subject", "first", "last", "project", "task", "probe", "model", "tag"), texts),
        region=texts,
        level=st.sampled_from(["allen", "beryl"]),
        histology=st.sampled_from(["", "resolved"]),
        favourites=st.booleans(),
        verdict=st.sampled_from(["", "none", "mixed"]),
    )
)
def test_a_query_comes_back(facets: Facets) -> None:
    # the level means nothing without a region; spaces of the text are those between words
    level = facets.level if facets.region else "allen"
    assert read_query(write_query(facets)) == replace(facets, level=level, text=" ".join(facets.text.split()))


def test_nothing_asked_for_has_a_query_too() -> None:
    assert write_query(Facets()) == EVERYTHING
    assert read_query(EVERYTHING) == read_query("") == Facets()


@pytest.mark.parametrize("text", ["colour=red", "lab=", "lab='x", "favourites=yes"])
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        read_query(text)
