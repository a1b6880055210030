"""Shading: what is empty stays empty, whatever the scale; equalised levels are Datashader's order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dashboard.engine.count.aggregate import Aggregate
from dashboard.model.colours import SELECTION, selection_colours
from dashboard.page.core.shading import shade

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


READERS = {
    "all cones": np.eye(3),
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
"""On linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.0."""


def seen(colours: np.ndarray, reader: str) -> np.ndarray:
    """Return CIE L*a*b* of sRGB colours, shape (n, 3), as a reader sees them."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(READERS[reader]), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.transpose(to_xyz) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("reader", READERS)
def test_selected_units_are_no_grey_on_a_grey_raster_and_no_two_alike(reader):
    lab = seen(selection_colours(len(SELECTION)).astype(float), reader)
    assert np.hypot(lab[:, 1], lab[:, 2]).min() > 25  # Okabe-Ito's purple: 7 for readers without green
    assert 40 < lab[:, 0].min() < lab[:, 0].max() < 76  # seen on white and on black
    for n, apart in ((2, 85), (3, 50), (4, 28), (len(lab), 20)):
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab[:n], 2)) > apart
