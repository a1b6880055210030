"""Spikes over time as a picture: none is lost, and what lies beyond the axis is counted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboard.analysis.units.clouds import FAINTEST, HEIGHT, WIDTH, cloud, opacity, value_range


def alphas(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image).view(np.uint8).reshape(HEIGHT, WIDTH, 4)[..., 3]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-50, 500)), min_size=1, max_size=60))
def test_every_spike_within_the_axes_colours_its_pixel(spikes: list[tuple[float, float]]) -> None:
    times, values = (np.array(column) for column in zip(*sorted(spikes), strict=True))
    found = cloud([times], [values], (0.0, 100.0))
    low, high = found.value_range
    inside = (values >= low) & (values <= high)
    assert found.n_beyond == int((~inside).sum())
    alpha = alphas(found.image)
    rows = np.minimum((values[inside] - low) / (high - low) * HEIGHT, HEIGHT - 1).astype(int)
    columns = np.minimum(times[inside] / 100 * WIDTH, WIDTH - 1).astype(int)
    assert (alpha[rows, columns] >= int(255 * FAINTEST)).all()
    assert np.count_nonzero(alpha) == len(set(zip(rows, columns, strict=True)))


def test_what_has_no_value_lies_beyond() -> None:
    found = cloud([np.array([1.0, 2.0])], [np.array([5.0, np.nan])], (0.0, 3.0))
    assert (found.n_spikes, found.n_beyond) == (2, 1)


def test_no_spikes_give_an_empty_picture() -> None:
    found = cloud([np.zeros(0)], [np.zeros(0)], (0.0, 0.0))
    assert not alphas(found.image).any()
    assert found.value_range == (0.0, 1.0)
    assert found.time_range_s == (0.0, 1.0)


def test_a_unit_with_few_spikes_is_not_hidden_by_one_with_many() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    once, often = np.array([1.0]), np.array([1.0, 1.0, 1.0])
    found = cloud([once, often], [np.array([5.0]), np.full(3, 5.0)], (0.0, 2.0), colours=colours)
    pixels = np.ascontiguousarray(found.image).view(np.uint8).reshape(HEIGHT, WIDTH, 4)
    assert pixels[pixels[..., 3] > 0].tolist() == [[255, 0, 0, 255]]


def test_an_axis_from_zero_holds_zero() -> None:
    low, high, _ = value_range([np.array([100.0, 200.0])], from_zero=True)
    assert low == 0.0
    assert high > 200.0


def test_more_spikes_are_more_opaque() -> None:
    levels = opacity(np.array([0, 1, 10, 100]))
    assert levels[0] == 0
    assert (np.diff(levels.astype(int)) > 0).all()
    assert levels[-1] == 255
