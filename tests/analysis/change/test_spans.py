"""Before and after: moments equal numpy's, intervals scipy's, and verdicts what was put in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from dashboard.analysis.change.columns import unit_verdicts
from dashboard.analysis.change.spans import co_movement, compare_spans
from dashboard.model.errors import BadRequest

BEFORE, AFTER = (1.0, 4.0), (5.0, 10.0)
spikes = st.lists(
    st.tuples(st.integers(0, 704), st.integers(0, 3), st.sampled_from([0.0, 10.0, 15.0, np.nan])), max_size=80
)


@given(spikes)
def test_counts_and_means_equal_masks(rows):
    rows = sorted(rows, key=lambda row: row[0])
    times = np.array([row[0] for row in rows], float) / 64
    clusters = np.array([row[1] for row in rows], np.uint32)
    depths = np.array([row[2] for row in rows], float)
    table = compare_spans(times, clusters, 4, BEFORE, AFTER, depths_um=depths, amps_uv=depths * 2)
    for unit in range(4):
        for name, (start, end) in (("before", BEFORE), ("after", AFTER)):
            inside = (clusters == unit) & (times >= start) & (times < end)
            assert table[f"n_{name}"].iloc[unit] == inside.sum()
            assert table[f"rate_{name}_hz"].iloc[unit] == pytest.approx(inside.sum() / (end - start))
            known = depths[inside & ~np.isnan(depths)]
            expected = known.mean() if known.size else np.nan
            assert table[f"depth_{name}_um"].iloc[unit] == pytest.approx(expected, nan_ok=True)
            assert table[f"amp_{name}_uv"].iloc[unit] == pytest.approx(2 * expected, nan_ok=True)


def two_spans(seed=0, n=400, shift=3.0):
    rng = np.random.default_rng(seed)
    times = np.r_[np.sort(rng.uniform(*BEFORE, n)), np.sort(rng.uniform(*AFTER, n))]
    depths = np.r_[rng.normal(100, 5, n), rng.normal(100 + shift, 8, n)]
    return times, np.zeros(2 * n, np.uint32), depths


def wandering(seed, n_units, seconds, tau_s, hz):
    """Return spikes of units whose depth and rate wander, as first-order processes, about means that do not change."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / tau_s)

    def wander():
        steps = np.r_[rng.normal(), rng.normal(size=seconds - 1) * np.sqrt(1 - keep**2)]
        return lfilter([1], [1, -keep], steps)

    times, units, depths = [], [], []
    for unit in range(n_units):
        spikes = np.repeat(np.arange(seconds), rng.poisson(hz * np.exp(0.4 * wander() - 0.08)))
        depths.append(4 * wander()[spikes] + rng.normal(0, 8, spikes.size))
        times.append(spikes + rng.uniform(0, 1, spikes.size))
        units.append(np.full(spikes.size, unit))
    order = np.argsort(np.concatenate(times))
    return tuple(np.concatenate(column)[order] for column in (times, units, depths))


@pytest.mark.parametrize("tau_s", [2.0, 20.0])
@pytest.mark.parametrize("hz", [0.2, 2.0])
def test_intervals_cover_at_their_rate_what_wanders_slowly(tau_s, hz):
    n, seconds = 500, 1_200
    times, units, depths = wandering(1, n, seconds, tau_s, hz)
    table = compare_spans(times, units, n, (0.0, 600.0), (600.0, 1_200.0), depths_um=depths, amps_uv=depths)
    for name, unit, true in (("depth_change", "_um", 0), ("amp_change", "_uv", 0), ("rate_change", "_hz", 0),
                             ("rate_ratio", "", 1)):  # fmt: skip
        covered = table[f"{name}_low{unit}"].le(true) & table[f"{name}_high{unit}"].ge(true)
        assert 0.92 <= covered.mean() <= 0.99, name
    # Intervals of single spikes would be half as wide and cover 60 % of them.
    if tau_s > 10 and hz > 1:
        n_spikes = table["n_before"].mean()
        alone = 1.96 * np.sqrt(2 * (8**2 + 4**2) / n_spikes)
        half = (table["depth_change_high_um"] - table["depth_change_low_um"]).median() / 2
        assert half > 2 * alone


def test_depth_interval_is_welchs_on_blocks_of_time():
    # As many spikes in each block: the mean over spikes is that over blocks.
    rng = np.random.default_rng(5)
    blocks = rng.normal(100, 3, (2, 4))
    times = np.r_[np.linspace(*BEFORE, 41)[:-1], np.linspace(*AFTER, 41)[:-1]]
    depths = np.repeat(blocks.ravel(), 10) + np.tile([-1.0, 1.0], 40)
    row = compare_spans(times, np.zeros(80, np.uint32), 1, BEFORE, AFTER, depths_um=depths).iloc[0]
    interval = stats.ttest_ind(blocks[1], blocks[0], equal_var=False).confidence_interval(0.95)
    assert row["depth_change_um"] == pytest.approx(blocks[1].mean() - blocks[0].mean())
    assert row["depth_change_low_um"] == pytest.approx(interval.low)
    assert row["depth_change_high_um"] == pytest.approx(interval.high)


def test_spikes_of_a_single_block_have_no_interval():
    times = np.r_[1.0, 1.1, 1.2, np.linspace(*AFTER, 41)[:-1]]
    row = compare_spans(times, np.zeros(43, np.uint32), 1, BEFORE, AFTER, depths_um=np.arange(43.0)).iloc[0]
    assert np.isfinite(row["depth_change_um"]) and np.isnan(row["depth_change_low_um"])


def test_infinite_values_have_no_change():
    times = np.r_[np.linspace(*BEFORE, 41)[:-1], np.linspace(*AFTER, 41)[:-1]]
    depths = np.where(np.arange(80) % 40 == 3, np.inf, 1.0)
    row = compare_spans(times, np.zeros(80, np.uint32), 1, BEFORE, AFTER, depths_um=depths).iloc[0]
    assert np.isnan(row["depth_change_um"]) and row["n_after"] > 0


def test_less_than_five_um_is_no_motion():
    rng = np.random.default_rng(4)
    times, units = np.sort(rng.uniform(1, 10, 8_000)), rng.integers(4, size=8_000)
    tables = [
        compare_spans(times, units, 4, BEFORE, AFTER, depths_um=50 + units + shift * (times > 4.5))
        for shift in (4.0, 6.0)
    ]
    assert [co_movement(table)["verdict"].tolist() for table in tables] == [["steady"], ["motion"]]
    assert [unit_verdicts(table) for table in tables] == [["steady"] * 4, ["moved with others"] * 4]


@pytest.mark.parametrize(("n_before", "n_after"), [(30, 70), (0, 12), (9, 0)])
def test_rate_ratio_interval_is_the_exact_one(n_before, n_after):
    # Evenly spread: the dispersion is below Poisson's, and counts as 1.
    times = np.r_[np.linspace(1.0, 3.999, n_before), np.linspace(5.0, 9.999, n_after)]
    row = compare_spans(times, np.zeros(times.size, np.uint32), 1, BEFORE, AFTER).iloc[0]
    part = stats.binomtest(n_after, n_before + n_after).proportion_ci(0.95, method="exact")
    low = part.low / (1 - part.low) * 3 / 5
    high = np.inf if part.high == 1 else part.high / (1 - part.high) * 3 / 5
    assert row["rate_ratio_low"] == pytest.approx(low)
    assert row["rate_ratio_high"] == pytest.approx(high)


def test_poisson_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(1)
    before, after, n = (0.0, 200.0), (300.0, 600.0), 400
    trains = [np.r_[rng.uniform(*before, rng.poisson(400)), rng.uniform(*after, rng.poisson(900))] for _ in range(n)]
    times = np.concatenate(trains)
    clusters = np.repeat(np.arange(n), [train.size for train in trains])
    order = np.argsort(times)
    table = compare_spans(times[order], clusters[order], n, before, after)
    covered = table["rate_ratio_low"].le(1.5) & table["rate_ratio_high"].ge(1.5)
    assert 0.92 < covered.mean() < 0.99
    covered = table["rate_change_low_hz"].le(1.0) & table["rate_change_high_hz"].ge(1.0)
    assert 0.92 < covered.mean() < 0.99
    assert table["dispersion"].median() < 1.6  # Student's quantile for 6 degrees of freedom, squared, is 1.56 times


def test_bursts_widen_the_intervals():
    rng = np.random.default_rng(2)
    steady = np.sort(rng.uniform(0, 400, 2000))
    bursts = np.sort((rng.uniform(0, 399, 40)[:, None] + rng.uniform(0, 0.5, (40, 50))).ravel())
    widths = []
    for times in (steady, bursts):
        row = compare_spans(times, np.zeros(times.size, np.uint32), 1, (0.0, 200.0), (200.0, 400.0)).iloc[0]
        widths.append(row["rate_ratio_high"] / row["rate_ratio_low"])
    assert widths[1] > 2 * widths[0]


def test_states():
    times = np.concatenate([np.linspace(1, 3.99, 200), np.linspace(5, 9.99, 200), np.linspace(1, 9.99, 300)])
    clusters = np.repeat([0, 1, 2], [200, 200, 300])
    order = np.argsort(times, kind="stable")
    table = compare_spans(times[order], clusters[order], 4, BEFORE, AFTER)
    assert table["state"].tolist() == ["lost", "appeared", "kept", "silent"]
    assert table.loc[3, ["rate_ratio", "rate_ratio_low", "rate_ratio_high"]].isna().all()


def test_columns_that_are_missing_are_left_out():
    times, clusters, _ = two_spans()
    table = compare_spans(times, clusters, 1, BEFORE, AFTER)
    assert not [name for name in table if name.startswith(("depth", "amp"))]
    with pytest.raises(BadRequest, match="depths"):
        co_movement(table)


def test_constant_values_have_an_interval_of_no_width():
    times, clusters, _ = two_spans()
    row = compare_spans(times, clusters, 1, BEFORE, AFTER, depths_um=np.full(times.size, 50.0)).iloc[0]
    assert row["depth_change_low_um"] == row["depth_change_high_um"] == 0


def test_bands_tell_motion_from_a_lost_unit():
    rng = np.random.default_rng(3)
    parts = []
    for unit in range(12):
        depth = 50 + 400 * (unit // 4) + 30 * (unit % 4)
        shift = 8.0 if unit < 4 else 0.0  # the lowest band moves
        n_after = 0 if unit == 5 else 500  # one unit of the middle band is lost
        parts.append((rng.uniform(*BEFORE, 300), unit, rng.normal(depth, 4, 300)))
        parts.append((rng.uniform(*AFTER, n_after), unit, rng.normal(depth + shift, 4, n_after)))
    times = np.concatenate([part[0] for part in parts])
    clusters = np.concatenate([np.full(part[0].size, part[1]) for part in parts])
    depths = np.concatenate([part[2] for part in parts])
    order = np.argsort(times)
    table = compare_spans(times[order], clusters[order], 12, BEFORE, AFTER, depths_um=depths[order])
    bands = co_movement(table)
    assert bands["low_um"].tolist() == [0, 400, 800]
    assert bands["verdict"].tolist() == ["motion", "units lost", "steady"]
    assert bands["median_change_um"].iloc[0] == pytest.approx(8, abs=1)
    assert bands[["n_up", "n_lost"]].to_numpy().tolist()[0] == [4, 0]


def test_no_spikes_at_all():
    table = compare_spans([], [], 2, BEFORE, AFTER, depths_um=[], amps_uv=[])
    assert table["state"].tolist() == ["silent", "silent"]
    assert co_movement(table).empty
    assert isinstance(co_movement(table), pd.DataFrame)


@pytest.mark.parametrize(
    ("before", "after"), [((0, 5), (4, 8)), ((5, 1), (6, 7)), ((0, 0), (1, 2)), ((0, np.inf), (1, 2))]
)
def test_spans_that_make_no_sense_are_refused(before, after):
    with pytest.raises(BadRequest):
        compare_spans([1.0], [0], 1, before, after)
