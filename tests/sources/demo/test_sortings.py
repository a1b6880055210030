"""The demo's second sorting finds most of the first one's units again, and not all of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from dashboard.sources.demo.channels import make_channels
from dashboard.sources.demo.files import ArrayFile
from dashboard.sources.demo.sortings import JITTER_SAMPLES, Sorting, default_sorting, resort
from dashboard.sources.demo.spikes import Trains, empty_trains
from dashboard.sources.demo.units import plan_units, size_for


@pytest.fixture(scope="module")
def default() -> Sorting:
    """300 units of 400 spikes, so far apart in time that a coincidence is no accident."""
    size = size_for(2_000_000)
    units = plan_units(size, np.random.default_rng(0))
    n = len(units)
    trains = empty_trains([400] * n)
    for u in range(n):
        # Unit u owns every n-th window of 100 samples.
        trains.samples[trains.of(u)] = (np.arange(400) * n + u) * 100 + 50
        trains.depths_um[trains.of(u)] = units[u].depth_um
        trains.amps_v[trains.of(u)] = np.linspace(80e-6, 120e-6, 400)
    return default_sorting(units, trains, np.random.default_rng(1))


@pytest.fixture(scope="module")
def extra(default: Sorting) -> Sorting:
    trains = Trains(
        np.array([0, 3]), np.array([1, 2, 3], np.int32), np.full(3, 100, np.float32), np.full(3, 1e-4, np.float32)
    )
    return Sorting(trains, default.at_um[:1], default.peaks[:1], default.shapes[:1])


def found(default: Sorting, extra: Sorting, revised: bool = False, seed: int = 0) -> Sorting:
    return resort(default, extra, make_channels(), seed, revised, lambda stage, part: None)


def owners(other: Sorting, n_units: int) -> list[dict[int, int]]:
    """For each cluster of the other sorting: unit of the first -> spikes in common."""
    result = []
    for u in range(other.trains.n_clusters):
        samples = other.trains.samples[other.trains.of(u)]
        unit, count = np.unique((samples // 100) % n_units, return_counts=True)
        result.append(dict(zip(unit.tolist(), count.tolist(), strict=True)))
    return result


def test_most_units_are_found_again_within_a_third_of_a_millisecond(default: Sorting, extra: Sorting) -> None:
    other = found(default, extra)
    n = default.trains.n_clusters
    assert JITTER_SAMPLES / 30_000 < 0.0004
    shared = owners(other, n)
    whole = [o for o in shared if len(o) == 1 and max(o.values()) > 0.8 * 400]
    assert 0.5 * n < len(whole) < n
    for u in range(other.trains.n_clusters):
        samples = other.trains.samples[other.trains.of(u)]
        assert (np.diff(samples) >= 0).all()
        if samples.size > 10:
            assert np.abs(samples % 100 - 50).max() <= JITTER_SAMPLES


def test_some_units_are_missed_merged_split_and_some_are_new(default: Sorting, extra: Sorting) -> None:
    other = found(default, extra)
    n = default.trains.n_clusters
    shared = owners(other, n)
    seen = [unit for o in shared for unit, count in o.items() if count > 20]
    assert len(set(seen)) < n, "missed"
    assert any(sum(count > 200 for count in o.values()) == 2 for o in shared), "merged"
    assert any(seen.count(unit) == 2 for unit in seen), "split"
    assert any(sum(o.values()) <= 3 for o in shared), "new"


def test_no_spike_is_in_two_clusters(default: Sorting, extra: Sorting) -> None:
    samples = found(default, extra).trains.samples
    windows = samples[samples > 10] // 100
    assert np.unique(windows).size == windows.size


def test_clusters_are_ordered_by_channel(default: Sorting, extra: Sorting) -> None:
    other = found(default, extra)
    assert (np.diff(other.peaks) >= 0).all()
    assert 191 not in other.peaks, "the reference site records nothing"
    assert np.isnan(other.trains.depths_um).sum() == 42


def test_the_revision_differs_in_a_few_units(default: Sorting, extra: Sorting) -> None:
    n = default.trains.n_clusters
    sets = [
        {tuple(u for u, count in o.items() if count > 20) for o in owners(found(default, extra, revised), n)}
        for revised in (False, True)
    ]
    assert len(sets[0] & sets[1]) > 0.75 * len(sets[0])
    assert sets[0] != sets[1]
    assert not np.isnan(found(default, extra, revised=True).trains.depths_um).any()


def test_parts_of_a_file_may_come_in_any_order_from_threads(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(10_000)
    with ArrayFile(tmp_path / "a.b.npy", np.float64, values.size) as file:
        starts = np.random.default_rng(1).permutation(np.arange(0, 10_000, 100))
        workers = [threading.Thread(target=file.put, args=(int(s), values[s : s + 100])) for s in starts]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    np.testing.assert_array_equal(np.load(tmp_path / "a.b.npy"), values)


def test_a_file_casts_to_its_dtype(tmp_path: Path) -> None:
    with ArrayFile(tmp_path / "a.b.npy", np.uint16, 3) as file:
        file.put(0, np.array([1, 2, 3], dtype=np.int64))
    loaded = np.load(tmp_path / "a.b.npy")
    assert loaded.dtype == np.uint16
    np.testing.assert_array_equal(loaded, [1, 2, 3])
