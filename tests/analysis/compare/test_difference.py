"""Difference images and counts of units by region."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.compare.difference import subtract, units_by_region, units_side_by_side
from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.errors import BadRequest


def picture(values, kind="count", start=0.0):
    values = np.asarray(values)
    height, width = values.shape
    return Aggregate(
        values=values,
        time_edges_s=start + np.arange(width + 1.0),
        depth_edges_um=np.arange(height + 1.0),
        kind=kind,
        unit="spikes",
        n_spikes=0,
    )


def test_difference_does_not_wrap_unsigned_counts():
    a = picture(np.array([[5, 0]], np.uint32))
    b = picture(np.array([[2, 7]], np.uint32))
    assert subtract(b, a).values.tolist() == [[-3, 7]]


def test_pixels_without_a_value_have_no_difference():
    a = picture(np.array([[np.nan, 1]], np.float32), "amp_mean")
    result = subtract(picture(np.array([[2, 3]], np.float32), "amp_mean"), a)
    np.testing.assert_array_equal(result.values, [[np.nan, 2]])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (picture(np.ones((1, 2), np.uint32)), picture(np.ones((1, 2), np.uint32), start=1.0)),
        (picture(np.ones((1, 2), np.uint32)), picture(np.ones((1, 3), np.uint32))),
        (picture(np.ones((1, 2), np.uint32)), picture(np.ones((1, 2), np.float32), "rate")),
        (picture(np.ones((1, 2), np.int32), "region"), picture(np.ones((1, 2), np.int32), "region")),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(a, b):
    with pytest.raises(BadRequest):
        subtract(a, b)


@pytest.fixture
def clusters():
    return pd.DataFrame({"acronym": ["VISp1", "VISp2/3", "CA1", None], "label": [1.0, 2 / 3, 1.0, np.nan]})


def test_units_are_counted_by_region_and_quality(clusters):
    table = units_by_region(clusters)
    assert table.loc["VISp"].tolist() == [2, 1]
    assert table.loc["CA1"].tolist() == [1, 1]
    assert table.loc[""].tolist() == [1, 0]
    assert table.index[0] == "VISp" and table["n_units"].sum() == 4


def test_tables_without_regions_or_labels_say_so(clusters):
    table = units_by_region(clusters[["label"]])
    assert table.loc[""].tolist() == [4, 2]
    assert units_by_region(clusters[["acronym"]])["n_good"].isna().all()
    assert units_by_region(clusters.iloc[:0]).empty


def test_side_by_side_holds_the_regions_of_both(clusters):
    table = units_side_by_side(clusters, clusters.iloc[2:3])
    assert table.loc["CA1"].tolist() == [1, 1, 1, 1]
    assert table.loc["VISp"].tolist() == [2, 0, 1, 0]
    assert table.index[0] == "CA1"
    nowhere = units_side_by_side(clusters, clusters.drop(columns="acronym"))
    assert nowhere.loc["", "n_units_b"] == len(clusters)
    assert nowhere.drop(index="")["n_units_b"].isna().all()
    assert nowhere["n_units_b"].sum() == nowhere["n_units_a"].sum() == len(clusters)
    bare = units_side_by_side(clusters, clusters[["acronym"]])
    assert bare["n_good_b"].isna().all() and bare["n_good_a"].notna().all()
