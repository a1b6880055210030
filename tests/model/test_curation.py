"""Categories of labels, as a setting writes them."""

from __future__ import annotations

import pytest

from dashboard.config.settings import Settings, curation_rules
from dashboard.model.curation import QUALITY, Category, read_category
from dashboard.model.errors import BadRequest


def test_a_category_has_labels_keys_and_may_allow_several() -> None:
    assert read_category("quality: good=g, mua=m, noise=n") == QUALITY
    several = Category("type", ("pyramidal", "burst"), ("p", ""), is_exclusive=False)
    assert read_category("type+: pyramidal=P, burst") == several


@pytest.mark.parametrize(
    "text", ["", "quality", "a b: x, y", "q: one", "q: a=aa, b", "q: a=x, b=x", "q: a, a", ": a, b"]
)
def test_what_is_no_category_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"'.*'"):
        read_category(text)


def test_two_categories_do_not_share_a_key() -> None:
    assert curation_rules(Settings()).categories == (QUALITY,)
    with pytest.raises(BadRequest, match="share a name or a key"):
        curation_rules(Settings(labels=("a: x=g, y", "b: z=g, w")))
