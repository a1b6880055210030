"""Regions by acronym, held against iblatlas."""

from __future__ import annotations

import numpy as np
import pytest
from iblatlas.regions import BrainRegions

from dashboard.analysis.anatomy.regions import at_level, check_region, descendants, within
from dashboard.model.errors import BadRequest


def test_descendants_are_those_of_the_ontology():
    regions = BrainRegions()
    for acronym in ("VISp", "CA1", "HPF", "root", "void"):
        number = regions.id[regions.acronym == acronym].max()
        assert descendants(acronym) == set(np.atleast_1d(regions.descendants(number)["acronym"]))
    assert {"VISp", "VISp1", "VISp6a"} <= descendants("VISp")
    assert "VISl1" not in descendants("VISp")


def test_levels_equal_iblatlas():
    regions = BrainRegions()
    names = regions.acronym[:1328]
    for level, mapping in (("allen", "Allen"), ("beryl", "Beryl"), ("cosmos", "Cosmos")):
        np.testing.assert_array_equal(at_level(names, level), regions.acronym2acronym(names, mapping=mapping))


def test_missing_and_unknown_regions_have_no_name():
    assert at_level(["CA1", None, np.nan, "nowhere", 3], "cosmos").tolist() == ["HPF", "", "", "", ""]


def test_within_counts_at_the_level_asked_for():
    names = ["VISp1", "VISl1", "CA1", None]
    assert within(names, "VISp").tolist() == [True, False, False, False]
    assert within(names, "VISp1", "beryl").tolist() == [False] * 4
    assert within(names, "VISp", "beryl").tolist() == [True, False, False, False]
    assert within(names, "Isocortex", "cosmos").tolist() == [True, True, False, False]


def test_case_is_forgiven_and_similar_names_are_offered():
    assert check_region("ca1") == "CA1"
    with pytest.raises(BadRequest, match="VISp"):
        check_region("VISpp")
    with pytest.raises(BadRequest, match="allen"):
        at_level(["CA1"], "paxinos")
