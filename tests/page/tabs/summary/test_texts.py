"""What the Summary says of motion along the probe: three quantities, each under its name, and a verdict."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.quality.stability import Residual, removed_motion
from dashboard.model.sorting import Drift
from dashboard.page.tabs.summary.texts import motion, stability_row

STILL = {
    "low_um": 0.0, "high_um": 200.0, "range_um": 4.0, "jump_um": 3.0, "jump_s": 90.0, "presence": 1.0, "half_um": 1.0,
}  # fmt: skip


def residual(**other: float) -> Residual:
    """Return two bands, one of which stands still."""
    return Residual(pd.DataFrame([STILL, STILL | other]), np.arange(2.0), np.zeros((2, 2)), 60.0)


def summary(drift: Drift | None) -> Any:
    return SimpleNamespace(removed=removed_motion(drift), drift_reason="no file drift.um")


def rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"<tr><th[^>]*>(.*?)</th><td>(.*?)</td>", text))


def test_three_quantities_of_motion_stand_apart_with_range_and_largest_jump() -> None:
    times = np.arange(0, 600, 2.0)
    um = np.stack([np.where(times < 300, 0.0, 12.0), np.linspace(0, 3, times.size)], axis=1)
    found = residual(low_um=200.0, high_um=400.0, range_um=9.0, jump_um=7.0, jump_s=150.0)
    text = motion(summary(Drift(times, um)), found)
    said = rows(text)
    assert list(said) == ["removed by the sorter", "residual of the spikes", "displacement of a unit"]
    assert said["removed by the sorter"].startswith("3 to 12 µm from end to end, largest jump 12.0 µm at 300 s")
    assert said["residual of the spikes"].startswith(
        "4 to 9 µm from 5 to 95 %, largest jump 7.0 µm at 150 s, 200–400 µm"
    )
    assert not re.search(r"\d", said["displacement of a unit"])
    assert "three different quantities; do not add them" in text


def test_a_quantity_that_is_not_there_says_why() -> None:
    none = Residual(pd.DataFrame([STILL]).iloc[:0], np.zeros(0), np.zeros((0, 0)), 60.0)
    said = rows(motion(summary(None), none))
    assert "not available: no file drift.um" in said["removed by the sorter"]
    assert "not available: too few spikes" in said["residual of the spikes"]


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({}, "stable"),
        ({"range_um": 12.0}, "unstable"),
        ({"jump_um": 12.0}, "unstable"),
        ({"presence": 0.8}, "unstable"),
        ({"range_um": np.nan, "jump_um": np.nan}, "stable"),  # one of two bands has spikes enough
    ],
)
def test_the_verdict_is_that_of_the_bands_and_of_the_thresholds(other: dict[str, float], verdict: str) -> None:
    row = stability_row(residual(**other), 10.0, 0.9)
    assert f">{verdict}</b>" in row
    assert "needs range and jump &lt; 10 µm, spikes in &gt; 90% of the bins" in row


@pytest.mark.parametrize("name", ["range_um", "half_um"])
def test_too_few_spikes_are_undetermined_and_never_stable(name: str) -> None:
    bands = pd.DataFrame([STILL] * 2).assign(**{name: np.nan if name == "range_um" else 8.0})
    row = stability_row(Residual(bands, np.arange(2.0), np.zeros((2, 2)), 60.0), 10.0, 0.9)
    assert ">undetermined</b>" in row and "bands: 2 undetermined" in row
