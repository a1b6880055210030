"""The clock over spike times: every edge falls where numpy puts it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.engine.columns.clock import FASTEST, SPIKES_PER_TICK, column_bounds, index_ticks

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.one_of(
    st.floats(-10.0, 10_000.0),
    st.integers(-50, 50).map(lambda k: k / 64),  # on ticks
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-300, -1e-300, 2.0**40, 1e300, -1e308]),
)


def bounds_of(times: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], closed: bool) -> list[int]:
    bounds = np.full(len(edges), -1, dtype=np.int64)
    column_bounds(times, index_ticks(times), edges, closed, bounds)
    return bounds.tolist()


def expected(times: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], closed: bool) -> list[int]:
    bounds = np.searchsorted(times, edges, "left")
    if closed:
        bounds[-1] = np.searchsorted(times, edges[-1], "right")
    return [int(bound) for bound in bounds]


@given(times=st.lists(SECONDS, max_size=60), edges=st.lists(SECONDS, min_size=1, max_size=30), closed=st.booleans())
@example(times=[-5e-324, 0.0, 5e-324], edges=[-5e-324, 0.0, 5e-324], closed=False)
@example(times=[2.0**60, 2.0**60 + 4096], edges=[0.0, 2.0**60, 2.0**61], closed=True)
def test_bounds_are_numpys(times: list[float], edges: list[float], closed: bool) -> None:
    ascending, sought = np.sort(np.array(times, dtype=np.float64)), np.sort(np.array(edges))
    assert bounds_of(ascending, sought, closed) == expected(ascending, sought, closed)


@given(times=st.lists(FLOATS, max_size=40), edges=st.lists(FLOATS, min_size=1, max_size=20), closed=st.booleans())
def test_bounds_are_numpys_for_any_floats(times: list[float], edges: list[float], closed: bool) -> None:
    ascending, sought = np.sort(np.array(times, dtype=np.float64)), np.sort(np.array(edges))
    assert bounds_of(ascending, sought, closed) == expected(ascending, sought, closed)


@given(seed=st.integers(0, 2**32), level=st.integers(-6, 12), burst=st.floats(0.0, 1.0))
def test_bounds_of_many_spikes_on_the_lattice_and_beside_it(seed: int, level: int, burst: float) -> None:
    """Bursts of thousands between two ticks, edges finer and coarser than the clock."""
    random = np.random.default_rng(seed)
    n_burst = int(5_000 * burst)
    times = np.sort(np.r_[random.uniform(3.0, 200.0, 5_000), 17.3 + 1e-4 * random.random(n_burst)])
    size = 2.0**-level
    start = np.floor(random.uniform(0, 180) / size)
    edges = (start + np.arange(1_500)) * size
    for sought in (edges, edges + size / 3):
        assert bounds_of(times, sought, True) == expected(times, sought, True)


def test_the_clock_suits_the_spikes() -> None:
    """As fast as the rate allows, and no longer than a share of the spikes."""
    times = np.linspace(100.0, 1_000.0, 500_000)
    ticks = index_ticks(times)
    assert ticks.per_s == 32.0  # 500,000 / 16 / 900 s = 34.7
    assert len(ticks.starts) <= len(times) / SPIKES_PER_TICK + 2
    assert ticks.starts[0] == 0
    assert ticks.starts[-1] == len(times)
    assert np.diff(ticks.starts).max() < 2 * SPIKES_PER_TICK
    assert not ticks.starts.flags.writeable


@pytest.mark.parametrize(
    ("times", "n_ticks"), [([], 0), ([1e300], 0), ([0.0, 2.0**21], 0), ([5.0], 2), ([5.0] * 40, 2), ([0.0, 9.5], 11)]
)
def test_few_and_far_spikes(times: list[float], n_ticks: int) -> None:
    ticks = index_ticks(np.array(times, dtype=np.float64))
    assert len(ticks.starts) == n_ticks
    assert 1.0 <= ticks.per_s <= 2.0**FASTEST
