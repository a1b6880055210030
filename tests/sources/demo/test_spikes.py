"""The demo's spike trains: exactly as many as asked for, refractory, in order, with events in them."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from dashboard.model.errors import Cancelled
from dashboard.sources.demo.behaviour import Events, make_behaviour, make_events
from dashboard.sources.demo.channels import GROUPS
from dashboard.sources.demo.kernels import BIN_S, merge_trains, order_chunk, renewal_train, session_times, thin_train
from dashboard.sources.demo.motion import STEP_AT, Motion, make_motion
from dashboard.sources.demo.spikes import Trains, draw_trains, make_tracks, run_tasks
from dashboard.sources.demo.units import Response, Unit, plan_units, size_for


def draw(units: list[Unit], duration_s: float, events: dict[str, Events] | None = None, seed: int = 0) -> Trains:
    """Draw units with flat background activity and no motion."""
    size = replace(size_for(20_000), duration_s=duration_s)
    tracks = [np.ones(int(np.ceil(duration_s / BIN_S)), np.float32) for _ in GROUPS]
    still = np.zeros((int(duration_s) + 3, 9))
    motion = Motion(np.arange(3.0), np.linspace(120, 3720, 9), still[:3], still)
    return draw_trains(units, size, tracks, events or {}, motion, seed, lambda done: None)


@pytest.fixture(scope="module")
def unit() -> Unit:
    plain = plan_units(size_for(20_000), np.random.default_rng(0))[0]
    return replace(
        plain, n_spikes=4000, refractory_s=0.003, contamination=0.0, burst=0.0, alive=(0.0, 1.0), responses=(), fade=0.0
    )


def test_a_train_has_exactly_its_spikes_and_respects_the_refractory_period(unit: Unit) -> None:
    trains = draw([unit], 300.0)
    assert len(trains) == 4000
    assert np.diff(trains.samples).min() >= 0.003 * 30_000 - 1


def test_contamination_brings_violations(unit: Unit) -> None:
    trains = draw([replace(unit, contamination=0.5, n_spikes=9000)], 300.0)
    assert np.mean(np.diff(trains.samples) < 0.003 * 30_000) > 0.01


def test_bursts_shorten_intervals(unit: Unit) -> None:
    short = [np.mean(np.diff(draw([replace(unit, burst=b)], 300.0).samples) < 0.008 * 30_000) for b in (0.0, 0.2)]
    assert short[1] > short[0] + 0.1


def test_the_rate_follows_events(unit: Unit) -> None:
    events = {"reward": Events(np.arange(5.0, 295.0, 2.0), np.ones(145))}
    excited = replace(unit, responses=(Response("reward", 4.0, 0.1, 0.05),))
    seconds = draw([excited], 300.0, events).samples / 30_000
    after = (seconds - 5.0) % 2.0
    in_response = np.sum((after > 0.1) & (after < 0.3)) / 0.2
    before = np.sum((after > 1.5) & (after < 2.0)) / 0.5
    assert in_response > 2 * before


def test_a_lost_unit_is_silent_afterwards(unit: Unit) -> None:
    seconds = draw([replace(unit, alive=(0.0, 0.5))], 300.0).samples / 30_000
    assert seconds.size == 4000
    assert seconds.max() < 151


def test_depths_follow_the_motion_and_amplitudes_the_fading(unit: Unit) -> None:
    size = replace(size_for(20_000), duration_s=300.0)
    tracks = [np.ones(30_000, np.float32) for _ in GROUPS]
    ramp = np.tile(np.linspace(0, 40, 303)[:, None], (1, 9))
    motion = Motion(np.arange(3.0), np.linspace(120, 3720, 9), ramp[:3], ramp)
    moving = replace(unit, depth_um=1000.0, jitter_um=1.0, tracking_um=1.0, fade=0.3, threshold_uv=1.0, amp_uv=200.0)
    trains = draw_trains([moving], size, tracks, {}, motion, 0, lambda done: None)
    first, last = trains.samples < 30 * 30_000, trains.samples > 270 * 30_000
    assert np.median(trains.depths_um[last]) - np.median(trains.depths_um[first]) == pytest.approx(36, abs=1)
    assert np.median(trains.amps_v[last]) / np.median(trains.amps_v[first]) < 0.8


def test_nothing_lies_below_the_detection_threshold(unit: Unit) -> None:
    trains = draw([replace(unit, amp_uv=70.0, threshold_uv=68.0, amp_cv=0.2)], 300.0)
    assert trains.amps_v.min() >= 68e-6 * (1 - 1e-6)


def test_trains_depend_on_the_seed_alone(unit: Unit) -> None:
    units = [replace(unit, index=i) for i in range(6)]
    one, same, other = (draw(units, 100.0, seed=s) for s in (1, 1, 2))
    for name in ("samples", "depths_um", "amps_v"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("n_spikes", [1_000, 4_321, 20_000, 500_000])
def test_the_plan_adds_up(n_spikes: int) -> None:
    units = plan_units(size_for(n_spikes), np.random.default_rng(3))
    assert sum(unit.n_spikes for unit in units) == n_spikes
    assert all(unit.n_spikes > 0 for unit in units)
    assert [unit.index for unit in units] == list(range(len(units)))


def test_the_default_size_is_that_of_the_documentations_example() -> None:
    size = size_for(17_575_242)
    assert (size.n_units, size.duration_s) == (914, 4500.0)
    assert size_for(100_000_000).duration_s == 4500.0
    units = plan_units(size, np.random.default_rng(3))
    assert sum(unit.n_spikes for unit in units) == 17_575_242


def test_renewal_train_says_when_the_draws_did_not_last() -> None:
    rng = np.random.default_rng(0)
    waits, chances = rng.standard_exponential(50), rng.random(50, dtype=np.float32)
    out = np.empty(50, np.int32)
    assert renewal_train(np.ones(1000), 100.0, 0.002, 0.0, 10.0, waits, chances, out) == -1


def test_thin_and_merge() -> None:
    train = np.arange(0, 100, 10, dtype=np.int32)
    thin = np.empty(8, np.int32)
    thin_train(train, np.array([0, 9]), thin)
    np.testing.assert_array_equal(thin, train[1:9])
    merged = np.empty(18, np.int32)
    merge_trains(train, thin, merged)
    np.testing.assert_array_equal(merged, np.sort(np.concatenate([train, thin])))


def test_a_chunk_is_ordered_by_time_and_ties_by_cluster() -> None:
    samples = np.array([5, 7, 7, 9, 2, 7, 8], dtype=np.int32)
    starts, stops = np.array([0, 4]), np.array([4, 7])
    amps = np.arange(7, dtype=np.float32)
    columns = [np.empty(7, t) for t in (np.float64, np.uint32, np.float64, np.float64, np.int64, np.uint16)]
    order_chunk(samples, amps, -amps, starts, stops, 0, 10, *columns)
    times, clusters, out_amps, depths, out_samples, templates = columns
    order = np.lexsort((np.repeat([0, 1], [4, 3]), samples))
    np.testing.assert_array_equal(out_samples, samples[order])
    np.testing.assert_array_equal(clusters, np.repeat([0, 1], [4, 3])[order])
    np.testing.assert_array_equal(templates, clusters)
    np.testing.assert_array_equal(out_amps, amps[order])
    np.testing.assert_array_equal(depths, -amps[order])
    expected = np.empty(7)
    session_times(samples[order], expected)
    np.testing.assert_array_equal(times, expected)


def test_tracks_are_positive_and_synchronous() -> None:
    behaviour = make_behaviour(600.0, np.random.default_rng(0))
    tracks = make_tracks(600.0, behaviour, np.random.default_rng(0))
    assert len(tracks) == len(GROUPS)
    assert min(track.min() for track in tracks) > 0
    together = np.corrcoef(np.stack(tracks))
    assert together[np.triu_indices(len(GROUPS), 1)].min() > 0.1


def test_motion_steps_and_the_sorter_removes_part_of_it() -> None:
    motion = make_motion(900.0, np.random.default_rng(0))
    assert motion.removed_um.shape == (motion.times_s.size, 9)
    at = int(900 * STEP_AT)
    step = motion.residual_um[at + 8 : at + 20].mean(axis=0) - motion.residual_um[at - 20 : at - 8].mean(axis=0)
    assert step.min() > 4
    assert step[0] > step[-1], "the tip moves more than the surface"
    before, after = (np.searchsorted(motion.times_s, 900 * STEP_AT + shift) for shift in (-5, 5))
    assert (motion.removed_um[after] - motion.removed_um[before]).min() > 4


def test_units_sit_where_the_regions_have_cells() -> None:
    units = plan_units(size_for(17_575_242), np.random.default_rng(0))
    behaviour = make_behaviour(600.0, np.random.default_rng(0))
    kinds = make_events(behaviour, np.random.default_rng(0))
    driven = [unit for unit in units if unit.responses]
    assert 0.4 < len(driven) / len(units) < 0.95
    assert {r.kind for unit in units for r in unit.responses} == set(kinds)
    depths = np.array([unit.depth_um for unit in units])
    assert np.sum((depths > 2630) & (depths < 2760)) < 0.03 * len(units), "white matter is quiet"


def test_tasks_stop_at_once_when_cancelled_and_pass_errors_on() -> None:
    cancel, ran = threading.Event(), []
    with pytest.raises(Cancelled):
        run_tasks([lambda: ran.append(1), cancel.set] + [lambda: ran.append(2)] * 500, lambda done: None, cancel)
    assert len(ran) < 100

    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tasks([fail, *[lambda: None] * 10], lambda done: None, None)
