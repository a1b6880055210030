"""Units that take turns over a session."""

from __future__ import annotations

import numpy as np

from dashboard.analysis.units.turns import shared_time


def test_units_that_take_turns_share_no_time_and_those_that_fire_alike_share_all() -> None:
    rng = np.random.default_rng(0)
    early, late = np.sort(rng.uniform(0, 300, 5_000)), np.sort(rng.uniform(300, 600, 500))
    throughout = np.sort(rng.uniform(0, 600, 50_000))
    assert shared_time(early, late, (0.0, 600.0)) == 0.0
    assert 0.45 < shared_time(early, throughout, (0.0, 600.0)) < 0.55
    assert shared_time(throughout, throughout[::10], (0.0, 600.0)) > 0.9
    assert np.isnan(shared_time(early, late[:0], (0.0, 600.0)))
