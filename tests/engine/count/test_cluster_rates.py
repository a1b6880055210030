"""Rates of clusters over time are what numpy counts."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.cluster_rates import cluster_rates
from dashboard.model.errors import BadRequest


@pytest.mark.parametrize(("n_bins", "window"), [(40, None), (1, None), (7, (10.0, 20.5)), (3, (-5.0, 1e6))])
def test_rates_equal_numpy(small_columns: SpikeColumns, n_bins: int, window: tuple[float, float] | None) -> None:
    found = cluster_rates(small_columns, n_bins, window)
    low, high = window or small_columns.time_range_s
    times = np.asarray(small_columns.times_s)
    for cluster in (0, 5, small_columns.n_clusters - 1):
        own = times[np.asarray(small_columns.clusters) == cluster]
        counts, edges = np.histogram(own, bins=n_bins, range=(low, high))
        np.testing.assert_allclose(found.edges_s, edges)
        np.testing.assert_allclose(found.rate_hz[cluster], counts / np.diff(edges), rtol=1e-6)


def test_every_spike_is_counted_once(small_columns: SpikeColumns) -> None:
    found = cluster_rates(small_columns)
    total = (found.rate_hz.astype(float) * np.diff(found.edges_s)).sum()
    assert total == pytest.approx(small_columns.n_spikes)


def test_no_bins_is_refused(small_columns: SpikeColumns) -> None:
    with pytest.raises(BadRequest):
        cluster_rates(small_columns, 0)
