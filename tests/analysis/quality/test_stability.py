"""Motion along the probe: what is put into spikes is found, with an interval, and said only with spikes enough."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.analysis.quality.stability import (
    Stability,
    judge,
    removed_between,
    removed_motion,
    residual_between,
    residual_motion,
)
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import Drift

SECONDS = 1_200.0
DEPTHS = (0.0, 600.0)


def spikes(motion, hz=60.0, seed=0):
    """Return times, depths and amplitudes of 30 units below 600 um that all move as told, in um at each second."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(hz * SECONDS)
    times = np.sort(rng.uniform(0, SECONDS, n))
    units = rng.integers(30, size=n)
    places, sizes = rng.uniform(0, 600, 30), rng.uniform(40, 300, 30)
    moved = np.interp(times, np.arange(SECONDS), motion)
    return times, places[units] + moved + rng.normal(0, 6, n), sizes[units] * rng.lognormal(0, 0.1, n)


def measured(motion, **options):
    times, depths, amps = spikes(motion, **options)
    return residual_motion(times, depths, amps, (0.0, SECONDS), DEPTHS)


AT = np.arange(SECONDS)


def test_depths_that_stand_still_are_stable():
    found = measured(np.zeros(AT.size))
    assert found.bands["low_um"].tolist() == [0, 200, 400] and found.bin_s == 60
    assert (found.bands["range_um"] < 3).all() and (found.bands["half_um"] < 3).all()
    assert judge(found) == (Stability.STABLE, [Stability.STABLE] * 3)


def test_slow_motion_is_measured_from_end_to_end():
    found = measured(25 * AT / SECONDS)
    # Middles of the first and the last of 20 minutes are 23.75 um apart, 5 and 95 % of them 90 % of that.
    assert found.bands["range_um"].to_numpy() == pytest.approx(0.9 * 23.75, abs=2.5)
    slope = np.polyfit(found.times_s, found.shifts_um[:, 1], 1)[0]
    assert slope * SECONDS == pytest.approx(25, abs=2)
    assert judge(found)[0] == Stability.UNSTABLE
    assert judge(found, max_um=40.0)[0] == Stability.STABLE


@pytest.mark.parametrize("step_s", [660, 690], ids=["between bins", "within a bin"])
def test_a_jump_is_found_where_it_is(step_s):
    found = measured(np.where(step_s > AT, 0.0, 18.0))
    assert found.bands["jump_um"].to_numpy() == pytest.approx(18, abs=3)
    assert found.bands["jump_s"].to_numpy() == pytest.approx(step_s, abs=30)
    assert judge(found)[0] == Stability.UNSTABLE


def test_intervals_of_an_estimate_hold_what_was_put_in():
    motion = 4 * np.sin(2 * np.pi * AT / 600)
    found = measured(motion, hz=120.0)
    true = motion.reshape(-1, 60).mean(axis=1)
    away = found.shifts_um - (true - np.median(true))[:, np.newaxis]
    half = found.bands["half_um"].to_numpy() + 0.5  # half of a tenth of a row: where rows meet
    assert np.mean(np.abs(away) <= 1.5 * half) > 0.9


@pytest.mark.parametrize("hz", [1.0, 10.0])
def test_few_spikes_are_undetermined(hz):
    found = measured(25 * AT / SECONDS, hz=hz)
    assert found.bands["range_um"].isna().all()
    assert judge(found)[0] == Stability.UNDETERMINED


def test_a_band_that_falls_silent_is_not_stable():
    times, depths, amps = spikes(np.zeros(AT.size), hz=120.0)
    kept = (depths > 200) | (times < 700)
    found = residual_motion(times[kept], depths[kept], amps[kept], (0.0, SECONDS), DEPTHS)
    assert found.bands["presence"].iloc[0] == pytest.approx(12 / 20)
    assert judge(found) == (Stability.UNSTABLE, [Stability.UNSTABLE, Stability.STABLE, Stability.STABLE])


def test_a_short_recording_and_one_without_depths_are_undetermined():
    times, depths, amps = spikes(np.zeros(AT.size))
    inside = times < 90
    short = residual_motion(times[inside], depths[inside], amps[inside], (0.0, 90.0), DEPTHS)
    nowhere = residual_motion(times, np.full(times.size, np.nan), None, (0.0, SECONDS), (np.nan, np.nan))
    assert judge(short)[0] == judge(nowhere)[0] == Stability.UNDETERMINED


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(BadRequest, match="amplitudes"):
        residual_motion([1.0, 2.0], [1.0, 2.0], [1.0], (0.0, 100.0), DEPTHS)


def test_between_two_spans():
    times, depths, amps = spikes(np.where(AT < 600, 0.0, -7.0))
    found = residual_between(times, depths, amps, (0.0, 500.0), (700.0, 1_200.0), DEPTHS)
    assert found["shift_um"].to_numpy() == pytest.approx(-7, abs=1.5)
    assert (found["half_um"] < 3).all()
    assert residual_between(times, depths, None, (0.0, 1.0), (700.0, 701.0), DEPTHS).empty


def test_the_drift_file_has_ends_and_jumps():
    times = np.arange(0, 600, 2.0)
    um = np.stack([np.where(times < 300, 0.0, 12.0), np.linspace(0, 3, times.size)], axis=1)
    found = removed_motion(Drift(times, um))
    assert (found.least_range_um, found.most_range_um) == (3.0, 12.0)
    assert (found.jump_um, found.jump_s) == (12.0, 300.0)
    assert found.rms_um == pytest.approx(np.sqrt(np.mean((um - um.mean(axis=0)) ** 2)))
    assert removed_between(Drift(times, um), (0.0, 100.0), (400.0, 500.0)) == pytest.approx((2.0, 12.0), abs=0.05)
    assert removed_between(Drift(times, um), (0.0, 100.0), (700.0, 800.0)) is None
    assert removed_motion(None) is removed_motion(Drift(times, um * np.nan)) is removed_between(None, (0, 1), (2, 3))


def test_what_the_sorter_removed_is_not_in_the_residual():
    motion = 30 * AT / SECONDS
    drift = Drift(AT, motion[:, np.newaxis])
    found = measured(np.zeros(AT.size))
    assert removed_motion(drift).most_range_um == pytest.approx(30, abs=0.1)
    assert (found.bands["range_um"] < 3).all()
