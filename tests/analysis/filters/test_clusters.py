"""Filters equal pandas on the same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.anatomy.regions import within
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters
from dashboard.model.errors import BadRequest


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 300
    table = pd.DataFrame(
        {
            "label": rng.choice([0, 1 / 3, 2 / 3, 1, np.nan], n),
            "firing_rate": rng.lognormal(1, 1, n),
            "amp_median": rng.uniform(20, 400, n) * 1e-6,
            "depths": rng.uniform(0, 3840, n),
            "presence_ratio": np.where(rng.random(n) < 0.1, np.nan, rng.random(n)),
            "acronym": rng.choice(["CA1", "DG-mo", "VISp1", "VISp6a", "PO", None], n),
        },
        index=pd.Index(np.arange(n) * 2, name="cluster_id"),
    )
    table.loc[[4, 10], "firing_rate"] = np.nan
    return table


limits = st.tuples(st.none() | st.floats(-5, 500), st.none() | st.floats(-5, 500)).filter(
    lambda pair: None in pair or pair[0] <= pair[1]
)


def in_range(values, pair):
    low, high = (-np.inf if pair[0] is None else pair[0]), (np.inf if pair[1] is None else pair[1])
    return values.between(low, high)  # both ends inside; NaN in none


@given(
    labels=st.lists(st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]), unique=True).map(tuple),
    rate=st.none() | limits,
    amplitude=st.none() | limits,
    depth=st.none() | limits,
    presence=st.none() | limits,
    regions=st.lists(st.sampled_from(["CA1", "HPF", "VISp", "TH"]), unique=True).map(tuple),
    level=st.sampled_from(["allen", "beryl", "cosmos"]),
    ids=st.none() | st.lists(st.integers(0, 700), max_size=50).map(tuple),
    where=st.sampled_from(["", "firing_rate > 2", "within('VISp') or label == 1"]),
)
def test_masks_equal_pandas(table, labels, rate, amplitude, depth, presence, regions, level, ids, where):
    wanted = ClusterFilter(
        labels=labels,
        regions=regions,
        level=level,
        depth_um=depth,
        rate_hz=rate,
        amplitude_uv=amplitude,
        metrics={} if presence is None else {"presence_ratio": presence},
        ids=ids,
        where=where,
    )
    counts = np.arange(len(table))
    result = filter_clusters(wanted, table, counts)
    expected = pd.Series(True, index=table.index)
    if labels:
        expected &= table["label"].isin(labels)
    for column, pair, scale in (
        ("firing_rate", rate, 1),
        ("amp_median", amplitude, 1e6),
        ("depths", depth, 1),
        ("presence_ratio", presence, 1),
    ):
        if pair is not None:
            expected &= in_range(table[column] * scale, pair)
    if regions:
        expected &= np.any([within(table["acronym"], region, level) for region in regions], axis=0)
    if ids is not None:
        expected &= table.index.isin(ids)
    if where == "firing_rate > 2":
        expected &= table["firing_rate"] > 2
    elif where:
        expected &= within(table["acronym"], "VISp") | (table["label"] == 1)
    np.testing.assert_array_equal(result.mask, expected)
    np.testing.assert_array_equal(result.ids, table.index[expected])
    assert result.n_pass == expected.sum()
    assert (result.n_spikes, result.n_spikes_total) == (counts[expected].sum(), counts.sum())
    padded = result.by_index(len(table) + 3)
    np.testing.assert_array_equal(padded, [*expected, False, False, False])


def test_each_criterion_says_what_it_does_alone(table):
    result = filter_clusters(ClusterFilter(labels=(1.0,), rate_hz=(2.0, None)), table)
    by_name = {criterion.name: criterion for criterion in result.criteria}
    assert by_name["labels"].n_pass == (table["label"] == 1).sum()
    assert by_name["labels"].n_missing == table["label"].isna().sum()
    assert by_name["rate_hz"].n_pass == (table["firing_rate"] >= 2).sum()
    assert by_name["rate_hz"].text == "firing rate ≥ 2 Hz"


def test_missing_values_never_pass(table):
    for wanted in (
        ClusterFilter(rate_hz=(None, None)),
        ClusterFilter(rate_hz=(-np.inf, np.inf)),
        ClusterFilter(metrics={"firing_rate": (None, 1e9)}),
    ):
        mask = filter_clusters(wanted, table).mask
        np.testing.assert_array_equal(mask, table["firing_rate"].notna())


def test_labels_may_be_written_in_two_digits(table):
    assert filter_clusters(ClusterFilter(labels=(0.66,)), table).n_pass == np.isclose(table["label"], 2 / 3).sum()


def test_a_criterion_without_its_column_cannot_act_and_says_why(table):
    bare = table.drop(columns=["label", "acronym"])
    wanted = ClusterFilter(labels=(1.0,), regions=("CA1",), depth_um=(0, 1000))
    result = filter_clusters(wanted, bare)
    assert result.n_pass == (table["depths"] <= 1000).sum()
    reasons = {criterion.name: (criterion.reason, criterion.n_pass) for criterion in result.criteria}
    assert reasons["labels"] == ("the units have no label", None)
    assert reasons["regions"] == ("brain locations are not known", None)
    with pytest.raises(BadRequest, match="label"):
        filter_clusters(wanted, bare, strict=True)
    with pytest.raises(BadRequest, match="label"):
        filter_clusters(ClusterFilter(where="label == 1"), bare)


def test_amplitudes_that_are_not_volts_are_compared_as_they_are(table):
    arbitrary = table.assign(amp_median=table["amp_median"] * 1e6)
    wanted = ClusterFilter(amplitude_uv=(100, 200))
    expected = filter_clusters(wanted, table).mask
    result = filter_clusters(wanted, arbitrary, amps_are_volts=False)
    np.testing.assert_array_equal(result.mask, expected)
    assert result.criteria[0].text.endswith("a.u.")


def test_one_click_clears_each():
    wanted = ClusterFilter(labels=(1.0,), rate_hz=(1, None), metrics={"drift": (0, 1)}, ids=(), where="label == 1")
    for name in ("labels", "rate_hz", "drift", "ids", "where"):
        wanted = wanted.without(name)
    assert wanted.is_empty
    with pytest.raises(BadRequest):
        wanted.without("level")
    assert ClusterFilter(level="beryl").is_empty and not ClusterFilter(ids=()).is_empty


def test_equal_filters_are_one_key():
    one, other = (ClusterFilter(labels=(1.0,), metrics={"drift": (0, 1), "label": (None, 1)}) for _ in range(2))
    assert len({one, other}) == 1
    assert len({one, one.without("drift")}) == 2


def test_an_empty_filter_passes_all_and_no_ids_passes_none(table):
    assert filter_clusters(ClusterFilter(), table).mask.all()
    assert filter_clusters(ClusterFilter(ids=()), table).n_pass == 0
    assert filter_clusters(ClusterFilter(labels=(1.0,)), table.iloc[:0]).n_pass == 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"rate_hz": (5, 1)},
        {"metrics": {"drift": (np.nan, 1)}},
        {"regions": ("nowhere",)},
        {"where": "__import__('os')"},
        {"labels": (np.nan,)},
    ],
)
def test_filters_that_make_no_sense_are_refused(wanted):
    with pytest.raises(BadRequest):
        ClusterFilter(**wanted)
