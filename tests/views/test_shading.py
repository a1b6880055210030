"""Shading: what is empty stays empty, whatever the scale; equalised levels are Datashader's order."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.compute.aggregates import Aggregate
from dashboard.views.shading import shade

SCALES = ("linear", "log", "eq")


def counts(values: np.ndarray, kind: str = "count") -> Aggregate:
    height, width = values.shape
    n_spikes = int(np.nansum(values))
    return Aggregate(values, np.arange(width + 1.0), np.arange(height + 1.0), kind, "", n_spikes)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ["count", "rate", "amp_mean"])
def test_an_empty_picture_has_no_levels(scale, kind):
    values = np.zeros((4, 6), np.uint32)
    if kind != "count":
        values = np.full((4, 6), np.nan if kind == "amp_mean" else 0.0, np.float32)
    assert not shade(counts(values, kind), (0.0, 1.0), scale).image.any()


@pytest.mark.parametrize("scale", SCALES)
def test_levels_keep_the_order_of_the_counts(scale):
    values = np.random.default_rng(0).poisson(4, (40, 60)).astype(np.uint32)
    image = shade(counts(values), (0.0, 12.0), scale).image
    assert ((image == 0) == (values == 0)).all()
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(image.ravel()[order].astype(int)) >= 0).all()


def test_equalised_levels_hold_equal_numbers_of_pixels():
    values = np.repeat(np.array([1, 2, 50, 4000], np.uint32), 25)[None, :]
    image = shade(counts(values), (0.0, 12.0), "eq").image
    assert np.unique(image).tolist() == [1, 86, 170, 255]


def test_the_limits_of_an_equalised_scale_are_the_range_of_the_values():
    levels = shade(counts(np.array([[0, 3, 9]], np.uint32)), (0.0, 1.0), "eq")
    assert (levels.low, levels.high) == (3.0, 9.0)
