"""Levels: the table, the direct route and numpy agree; spreading is Datashader's."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from datashader import transfer_functions as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dashboard.engine.count.levels import TABLE_SIZE, level_image, spread_levels

SHAPE = (7, 11)
LIMITS = st.tuples(st.floats(0, 50), st.floats(0.01, 2 * TABLE_SIZE)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def expected(values: np.ndarray, limits: tuple[float, float], scale: str, zero_is_empty: bool) -> np.ndarray:
    low, high = limits
    above = values.astype(np.float64) - low
    unit = np.log1p(np.maximum(above, 0)) / np.log1p(high - low) if scale == "log" else above / (high - low)
    levels = np.clip(np.nan_to_num(unit), 0, 1) * 254 + 1
    is_empty = np.isnan(values) | (zero_is_empty & (values <= 0))
    return np.where(is_empty, 0, levels)


@given(arrays(np.uint32, SHAPE, elements=st.integers(0, 3 * TABLE_SIZE)), LIMITS, st.sampled_from(["linear", "log"]))
def test_counts_have_the_level_of_their_place_between_the_limits(values, limits, scale):
    drawn = level_image(values, limits, scale)
    assert drawn.dtype == np.uint8
    np.testing.assert_allclose(drawn, expected(values, limits, scale, True), atol=0.5 + 1e-6)
    assert ((drawn == 0) == (values == 0)).all()


@given(
    arrays(np.float32, SHAPE, elements=st.floats(-1000, 1000, width=32) | st.just(np.float32(np.nan))),
    LIMITS,
    st.sampled_from(["linear", "log"]),
    st.booleans(),
)
def test_floats_have_the_level_of_their_place_and_nan_is_empty(values, limits, scale, zero_is_empty):
    drawn = level_image(values, limits, scale, zero_is_empty=zero_is_empty)
    np.testing.assert_allclose(drawn, expected(values, limits, scale, zero_is_empty), atol=0.5 + 1e-3)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_limits_take_the_first_and_the_last_level(scale):
    values = np.array([[1, 2, 3, 1000]], dtype=np.uint32)
    assert level_image(values, (1.0, 3.0), scale)[0].tolist()[::3] == [1, 255]
    assert level_image(values, (1.0, 3.0), scale)[0, 2] == 255


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, (9, 13), elements=st.sampled_from([0, 0, 0, 7, 200])), st.integers(1, 3))
def test_spreading_is_what_datashader_does(image, pixels):
    theirs = tf.spread(xr.DataArray(image, dims=("y", "x")), px=pixels, how="max").data
    np.testing.assert_array_equal(spread_levels(image, pixels), theirs)


@given(
    st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda dtype: arrays(dtype, SHAPE, elements=st.integers(0, int(np.iinfo(dtype).max)))
    ),
    LIMITS | st.tuples(st.just(0.0), st.sampled_from([0.5, 255.0, 256.0, 65_535.0, 1e9])),
    st.sampled_from(["linear", "log"]),
    st.booleans(),
)
def test_counts_in_narrow_types_have_the_levels_of_wide_ones(values, limits, scale, zero_is_empty):
    drawn = level_image(values, limits, scale, zero_is_empty=zero_is_empty)
    wide = level_image(values.astype(np.uint32), limits, scale, zero_is_empty=zero_is_empty)
    np.testing.assert_array_equal(drawn, wide)
