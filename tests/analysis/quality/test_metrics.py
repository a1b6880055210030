"""Metrics that are computed here; that they equal ibllib's is held by tests/loading and tests/parity."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.analysis.quality.metrics import (
    COLUMNS,
    contamination,
    contamination_alt,
    label_tests,
    missed_spikes,
    noise_cutoff,
    recompute,
    with_metrics,
)
from dashboard.model.progress import Progress
from dashboard.model.references import Choice, Histology, InsertionRef, SortingRef
from dashboard.model.sorting import Spikes, SpikeSorting

AMPLITUDE_COLUMNS = ["amp_max", "amp_min", "amp_median", "amp_std_dB", "noise_cutoff", "missed_spikes_est", "label"]


def sorting_of(
    times: Any, ids: Any, n_clusters: int, amps: Any = 1e-4, depths: Any = 100.0, volts: bool = True
) -> SpikeSorting:
    times = np.asarray(times, float)
    ref = SortingRef(InsertionRef("M", "2024-01-01", 1, "probe00"), "alf/probe00", Choice("", ""), Choice("", ""))
    fill = lambda value: None if value is None else np.broadcast_to(np.asarray(value, float), times.shape).copy()  # noqa: E731
    return SpikeSorting(
        ref=ref,
        spikes=Spikes(times, np.asarray(ids, np.uint32), fill(depths), fill(amps), MappingProxyType({})),
        clusters=pd.DataFrame({"channels": np.zeros(n_clusters, int)}, index=pd.RangeIndex(n_clusters)),
        channels=pd.DataFrame({"axial_um": [20.0], "lateral_um": [0.0]}),
        histology=Histology.NONE,
        amps_are_volts=volts,
        metrics_stale=True,
    )


def random_sorting(n: int = 4000, n_clusters: int = 5, seed: int = 0) -> SpikeSorting:
    rng = np.random.default_rng(seed)
    return sorting_of(
        np.sort(rng.uniform(0, 95, n)), rng.integers(0, n_clusters, n), n_clusters,
        np.exp(rng.normal(np.log(1e-4), 0.3, n)), rng.normal(1000, 20, n),
    )  # fmt: skip


def test_columns_by_their_definitions() -> None:
    sorting = random_sorting()
    found = recompute(sorting)
    assert tuple(found.columns) == COLUMNS
    spikes = sorting.spikes
    span = spikes.times_s[-1] - spikes.times_s[0]
    for cluster in range(5):
        own = spikes.clusters == cluster
        amps = spikes.amps_v[own]
        row = found.loc[cluster]
        assert row.spike_count == own.sum()
        assert row.firing_rate == own.sum() / span
        assert (row.amp_min, row.amp_max) == (amps.min(), amps.max())
        assert row.amp_median == pytest.approx(np.exp(np.median(np.log(amps))), rel=1e-12)
        assert row.amp_std_dB == pytest.approx(np.std(20 * np.log10(amps), ddof=1), rel=1e-9)
        assert row.drift == pytest.approx(np.abs(np.diff(spikes.depths_um[own])).sum() / span * 3600, rel=1e-12)
        bins = np.bincount(((spikes.times_s[own] - spikes.times_s[0]) // 10).astype(int), minlength=10)
        assert row.presence_ratio == np.mean(bins > 0)
        assert row.presence_ratio_std == pytest.approx(np.std(bins), rel=1e-12)


def test_clusters_without_spikes_have_no_metrics_and_fail() -> None:
    found = recompute(sorting_of([1.0, 2.0, 30.0], [0, 0, 2], 4))
    assert found["spike_count"].tolist() == [2, 0, 1, 0]
    empty = found.loc[[1, 3]]
    assert empty[["amp_max", "contamination", "drift", "max_confidence"]].isna().all(axis=None)
    assert empty["label"].tolist() == [0.0, 0.0]
    assert empty["bitwise_fail"].tolist() == [7, 7]


def test_the_bits_say_which_tests_failed() -> None:
    found = recompute(random_sorting())
    tests = label_tests(found)
    assert list(tests.columns) == ["max_confidence", "noise_cutoff", "amp_median"]
    np.testing.assert_array_equal(found["label"], tests.mean(axis=1))
    np.testing.assert_array_equal(found["bitwise_fail"], (~tests).to_numpy() @ [1, 2, 4])


def test_the_thresholds_of_the_tests() -> None:
    table = pd.DataFrame(
        {
            "max_confidence": [90.0, 89.999, np.nan],
            "noise_cutoff": [4.999, 5.0, np.nan],
            "amp_median": [50.001e-6, 50e-6, np.nan],
        }
    )
    assert label_tests(table).to_numpy().tolist() == [[True] * 3, [False] * 3, [False] * 3]
    assert list(label_tests(table[["amp_median"]]).columns) == ["amp_median"]
    assert label_tests(table[[]]).shape == (3, 0)


@pytest.mark.parametrize(("amps", "volts"), [(None, True), (20.0, False)])
def test_without_volts_there_is_no_label(amps: float | None, volts: bool) -> None:
    found = recompute(sorting_of(np.arange(50.0), np.zeros(50), 1, amps, volts=volts))
    assert found[AMPLITUDE_COLUMNS].isna().all(axis=None)
    assert found["max_confidence"].notna().all()


def test_without_depths_there_is_no_depth_jitter() -> None:
    found = recompute(sorting_of(np.arange(50.0), np.zeros(50), 1, depths=None))
    assert found["drift"].isna().all()
    assert found["spike_count"].tolist() == [50]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), lost=st.integers(0, 20))
def test_order_and_lost_times_do_not_matter(seed: int, lost: int) -> None:
    base = random_sorting(600, 3, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(600 + lost)

    def mixed(column: Any, fill: float) -> Any:
        return np.concatenate([column, np.full(lost, fill, column.dtype)])[order]

    spikes = Spikes(
        mixed(base.spikes.times_s, np.nan), mixed(base.spikes.clusters, 1),
        mixed(base.spikes.depths_um, 5.0), mixed(base.spikes.amps_v, 1.0),
    )  # fmt: skip
    shuffled = SpikeSorting(base.ref, spikes, base.clusters, base.channels, base.histology)
    pd.testing.assert_frame_equal(recompute(shuffled), recompute(base))


@pytest.mark.parametrize("times", [[], [3.0], [3.0, 3.0]])
def test_too_few_spikes_to_tell(times: list[float]) -> None:
    found = recompute(sorting_of(times, np.zeros(len(times)), 2))
    assert found["spike_count"].tolist() == [len(times), 0]
    assert found["firing_rate"].isna().all()


def test_merging_changes_neither_input() -> None:
    sorting = random_sorting()
    before = sorting.clusters.copy()
    merged = with_metrics(sorting, recompute(sorting))
    pd.testing.assert_frame_equal(sorting.clusters, before)
    assert sorting.metrics_stale
    assert not merged.metrics_stale
    assert list(merged.clusters.columns) == ["channels", *COLUMNS, "axial_um", "lateral_um"]


def test_progress_ends_at_the_number_of_clusters() -> None:
    seen: list[Progress] = []
    recompute(random_sorting(), seen.append)
    assert (seen[0].done, seen[-1].done, seen[-1].total) == (0, 5, 5)


def test_contamination_counts_violations_and_drops_twins() -> None:
    times = np.array([0.0, 1.0, 1.00005, 2.0, 2.001, 3.0])
    violations, n = 1, 5
    assert contamination(times, 0.0, 10.0) == pytest.approx(violations / (2 * n * 0.0014) / (n / 10))
    assert contamination_alt(np.array([0.0, 1.0, 2.0])) == 0.0


@pytest.mark.parametrize("function", [noise_cutoff, missed_spikes])
def test_amplitudes_from_which_nothing_can_be_told(function: Any) -> None:
    for amps in ([], [1e-4], [1e-4] * 1000, [np.nan] * 10):
        assert np.isnan(function(np.array(amps, float)))


def test_a_distribution_that_is_cut_has_the_larger_noise_cutoff() -> None:
    amps = np.random.default_rng(0).normal(100, 20, 20_000) * 1e-6
    whole, cut = noise_cutoff(amps[amps > 2e-5]), noise_cutoff(amps[amps > 9e-5])
    assert whole < 5 < cut
    assert missed_spikes(amps[amps > 2e-5]) < 0.01 < missed_spikes(amps[amps > 9e-5]) <= 0.5
