"""Figures of the Unit tab take whatever a unit of any number of spikes gives."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.analysis.units.amplitudes import amplitude_histogram
from dashboard.page.core.bokeh_figures import small
from dashboard.page.tabs.unit.figures import BAR, HIGH, LIMIT, AmplitudeBars


@pytest.mark.parametrize("n_spikes", [0, 1, 2, 3, 5, 8, 12, 20, 40])
@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
def test_bars_of_a_unit_without_a_verdict_are_plain(n_spikes: int, factor: float) -> None:
    amps = factor * np.random.default_rng(n_spikes).lognormal(4.5, 0.3, n_spikes)
    found = amplitude_histogram(amps)
    bars = AmplitudeBars(160, small(160, "Time (s)", "Amplitude", name="beside"))
    bars.show(found)
    assert sum(bars.bars.data["right"]) == n_spikes
    colours = set(bars.bars.data["colour"])
    assert LIMIT in colours if found.noise.low_bin >= 0 else colours <= {BAR, HIGH}
