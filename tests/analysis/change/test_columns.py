"""Columns of two spans: the numbers are plain numpy's, and verdicts are what was put in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dashboard.analysis.change import columns as cc
from dashboard.analysis.change.spans import compare_spans

BEFORE, AFTER = (10.0, 110.0), (200.0, 350.0)


def recording(seed: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[int, str]]:
    """Return spikes of four bands: one moves, one is steady, one loses one unit, one loses all; and what was done."""
    rng = np.random.default_rng(seed)
    parts, done = [], {}
    for unit in range(20):
        band, place = divmod(unit, 5)
        depth = 30.0 + 400 * band + 30 * place
        shift, n_after = 0.0, 600
        done[unit] = cc.STEADY
        if band == 0:
            shift, done[unit] = (30.0, cc.ALONE) if place == 4 else (8.0, cc.WITH_OTHERS)
        if unit == 12:
            n_after, done[unit] = 0, cc.LOST
        if band == 3:
            n_after, done[unit] = 0, cc.LOST_TOGETHER
        for span, n, moved in ((BEFORE, 400, 0.0), (AFTER, n_after, shift)):
            centred = rng.normal(0, 4, n)
            centred -= centred.mean() if n else 0.0
            parts.append((rng.uniform(*span, n), np.full(n, unit), depth + moved + centred))
    times, units, depths = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times)
    amps = 100 - 0.05 * times + rng.normal(0, 3, times.size)
    return times[order], units[order], depths[order], amps[order], done


def block_error(times, values, span):
    """Return the squared error of a mean from four blocks of time."""
    blocks = np.array_split(values, np.searchsorted(times, np.linspace(*span, 5)[1:-1]))
    away = [np.sum(block - values.mean()) for block in blocks]
    return 4 / 3 * np.sum(np.square(away)) / values.size**2


def test_columns_equal_a_direct_computation():
    times, units, depths, amps, _ = recording()
    table = cc.change_columns(
        compare_spans(times, units, 20, BEFORE, AFTER, depths_um=depths, amps_uv=amps), amps_are_volts=True
    )
    for unit in range(20):
        before, after = ((units == unit) & (times >= start) & (times < end) for start, end in (BEFORE, AFTER))
        row = table.loc[unit]
        rates = before.sum() / 100.0, after.sum() / 150.0
        assert row["change_rate_hz"] == pytest.approx(rates[1] - rates[0])
        assert row["change_rate_ratio"] == pytest.approx(rates[1] / rates[0])
        assert row["change_rate_low_hz"] < row["change_rate_hz"] < row["change_rate_high_hz"]
        for name, values in (("depth", depths), ("amp", amps)):
            suffix = "um" if name == "depth" else "uv"
            found = row[[f"change_{name}_{suffix}", f"change_{name}_low_{suffix}", f"change_{name}_high_{suffix}"]]
            if not after.any():
                assert found.isna().all()
                continue
            errors = [
                block_error(times[chosen], values[chosen], span) for chosen, span in ((before, BEFORE), (after, AFTER))
            ]
            total = sum(errors)
            half = stats.t.ppf(0.975, total**2 / sum(error**2 / 3 for error in errors)) * np.sqrt(total)
            change = values[after].mean() - values[before].mean()
            expected = [change, change - half, change + half]
            np.testing.assert_allclose(found.to_numpy(dtype=float), expected, rtol=1e-8, atol=1e-9)


def test_verdicts_tell_motion_from_a_unit_alone():
    times, units, depths, _, done = recording()
    verdicts = cc.unit_verdicts(compare_spans(times, units, 20, BEFORE, AFTER, depths_um=depths))
    assert dict(enumerate(verdicts)) == done


@pytest.mark.parametrize(
    ("change", "interval", "verdict"),
    [
        (2.0, (1.0, 3.0), cc.STEADY),
        (2.0, (-9.0, 13.0), cc.UNDETERMINED),
        (7.0, (-1.0, 15.0), cc.UNDETERMINED),
        (7.0, (6.0, 8.0), cc.UNDETERMINED),
        (12.0, (11.0, 13.0), cc.ALONE),
    ],
)
def test_what_the_spikes_do_not_tell_is_not_called_steady(change: float, interval: tuple[float, float], verdict: str):
    assert cc._moved(change, interval, 0.5, is_motion=False) == verdict


def test_a_unit_that_is_silent_or_known_in_one_span_only_has_no_verdict_of_motion():
    table = compare_spans([20.0, 30.0, 210.0], [0, 1, 1], 3, BEFORE, AFTER, depths_um=[5.0, 50.0, 60.0])
    assert cc.unit_verdicts(table)[1:] == [cc.UNKNOWN, cc.SILENT]


def test_amplitudes_without_a_unit_or_not_there():
    times, units, depths, amps, _ = recording()
    changes = compare_spans(times, units, 20, BEFORE, AFTER, depths_um=depths, amps_uv=amps)
    assert "change_amp_au" in cc.change_columns(changes, amps_are_volts=False)
    bare = cc.change_columns(compare_spans(times, units, 20, BEFORE, AFTER, depths_um=depths), amps_are_volts=True)
    assert not [name for name in bare if "amp" in name]
    assert isinstance(bare, pd.DataFrame)
    assert all(name.startswith(cc.PREFIX) for name in bare)
