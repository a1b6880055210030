"""Counts of arriving spikes are those of numpy, however they arrive in pieces."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.page.opening.preview import DEPTH_BIN_UM, DEPTH_TOP_UM, ArrivalCounts


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 500), min_size=1, max_size=6))
def test_pieces_add_up_to_the_whole(seed: int, pieces: list[int]) -> None:
    rng = np.random.default_rng(seed)
    n = sum(pieces)
    times = rng.choice([0.0, 2000.0, -50.0]) + np.sort(rng.uniform(0, rng.choice([3.0, 4000.0]), n))
    depths = rng.uniform(-50, DEPTH_TOP_UM + 50, n)
    depths[rng.random(n) < 0.05] = np.nan
    counted = ArrivalCounts()
    for end in np.cumsum(pieces):
        counted.update(times[:end], depths[:end], n)
    assert counted.n_spikes == n
    if not n:
        return
    n_columns = counted.counts.shape[1]
    rows = np.floor(depths / DEPTH_BIN_UM)
    columns = np.floor((times - times[0]) / counted.time_bin_s)
    is_in = np.isfinite(rows) & (rows >= 0) & (depths < DEPTH_TOP_UM)
    expected = np.zeros_like(counted.counts)
    np.add.at(expected, (rows[is_in].astype(int), columns[is_in].astype(int)), 1)
    np.testing.assert_array_equal(counted.counts, expected)
    assert counted.last_s == times[-1]
    assert n_columns * counted.time_bin_s >= (times[is_in].max() - times[0] if is_in.any() else 0)


def test_the_expected_length_extrapolates() -> None:
    counted = ArrivalCounts()
    counted.update(np.linspace(0, 100, 1000), np.full(1000, 20.0), 4000)
    assert counted.expected_s == 400.0
