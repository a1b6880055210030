"""The depth correlation equals numpy.corrcoef of the binned spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dashboard.analysis.anatomy.correlation import correlate_rows, depth_correlation

rates = hnp.arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 30)), elements=st.integers(0, 5).map(float))


@given(rates)
def test_equals_corrcoef(values):
    ours = correlate_rows(values)
    varies = np.ptp(values, axis=1) > 0
    assert np.isnan(ours[~varies]).all() and np.isnan(ours[:, ~varies]).all()
    if varies.any():
        expected = np.atleast_2d(np.corrcoef(values[varies]))
        np.testing.assert_allclose(ours[np.ix_(varies, varies)], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (3, 1)])
def test_without_times_there_is_no_correlation(shape):
    assert np.isnan(correlate_rows(np.ones(shape))).all()


def test_columns_are_binned_as_numpy_bins_them(small_columns):
    result = depth_correlation(small_columns, 0.5, 200.0)
    start = small_columns.time_range_s[0]
    times = start + 0.5 * np.arange(result.n_time_bins + 1)
    counts, _, _ = np.histogram2d(small_columns.depths_um, small_columns.times_s, (result.depth_edges_um, times))
    varies = np.ptp(counts, axis=1) > 0
    assert varies.sum() > 5
    expected = np.corrcoef(counts[varies])
    np.testing.assert_allclose(result.values[np.ix_(varies, varies)], expected, atol=1e-9)
    assert result.depth_edges_um[0] == pytest.approx(0)
