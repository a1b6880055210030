"""A row for each unit: in every pixel numpy's count of that unit's spikes."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.engine.build import SpikeColumns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.unit_raster import depth_order, unit_raster
from dashboard.model.errors import BadRequest, Cancelled
from tests.engine.engine_data import N_CLUSTERS, random_columns


def numpy_rows(columns: SpikeColumns, order: list[int], edges: np.ndarray, mask: np.ndarray) -> np.ndarray:
    times, ids = np.asarray(columns.times_s), np.asarray(columns.clusters)
    return np.array([np.histogram(times[(ids == unit) & mask], edges)[0] for unit in order])


@given(
    st.integers(0, 40),
    st.integers(0, 6000),
    st.permutations(range(N_CLUSTERS)),
    st.integers(1, N_CLUSTERS),
    st.integers(1, 70),
    st.booleans(),
    st.booleans(),
)
def test_every_pixel_is_numpys(seed, n_spikes, order, n_units, width, snap, by_amp):
    columns = random_columns(seed, n_spikes)
    order = list(order[:n_units])
    limits = (80.0, 140.0) if by_amp and columns.amps_uv is not None else None
    drawn = unit_raster(columns, order, (10.0, 90.0), width, snap=snap, kept=kept_spikes(columns, None, limits))
    mask = np.ones(columns.n_spikes, bool)
    if limits is not None:
        mask = (columns.amps_uv >= 80.0) & (columns.amps_uv < 140.0)
    np.testing.assert_array_equal(drawn.values, numpy_rows(columns, order, drawn.time_edges_s, mask))
    assert drawn.n_spikes == drawn.values.sum()
    assert drawn.values.shape == (n_units, len(drawn.time_edges_s) - 1)
    assert drawn.time_edges_s[0] <= 10.0 and drawn.time_edges_s[-1] >= 90.0
    if snap:
        assert width / 2 - 1 <= drawn.values.shape[1] <= width + 2


def test_threads_do_not_change_the_counts():
    columns = random_columns(3, 400_000)
    one, two = (unit_raster(columns, range(N_CLUSTERS), None, 300, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.values, two.values)
    assert one.n_spikes == columns.n_spikes


def test_no_units_are_a_row_of_nothing():
    drawn = unit_raster(random_columns(1, 100), [], (0.0, 10.0), 20)
    assert drawn.values.shape == (1, 20)
    assert drawn.n_spikes == 0


def test_the_order_runs_from_the_tip_and_keeps_ids_where_depths_tie():
    depths = [30.0, 10.0, np.nan, 10.0, 0.0]
    assert depth_order(depths).tolist() == [4, 1, 3, 0, 2]
    assert depth_order(depths, np.array([True, True, True, False, False])).tolist() == [1, 0, 2]


def test_what_cannot_be_counted_is_refused():
    columns = random_columns(1, 100)
    with pytest.raises(BadRequest, match="two rows"):
        unit_raster(columns, [1, 1])
    with pytest.raises(BadRequest, match="No such cluster"):
        unit_raster(columns, [N_CLUSTERS])
    with pytest.raises(BadRequest, match="another sorting"):
        unit_raster(replace(columns, amps_uv=None), [1], kept=kept_spikes(columns, None, (0.0, 1.0)))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        unit_raster(columns, [1], cancel=cancel)
