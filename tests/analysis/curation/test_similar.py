"""Units that may be the same one as another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dashboard.analysis.curation.similar import N_BEST, REACH_UM, close_pairs, cosine, similar_units
from dashboard.analysis.units.templates import TemplatePicture
from dashboard.engine.build import SpikeColumns
from dashboard.model.sorting import SpikeSorting


def template(shift: int = 0, first: int = 0, scale: float = 1.0) -> TemplatePicture:
    """Return waveforms on three channels from `first` on, later by so many samples."""
    samples = np.arange(40.0)
    traces = np.stack([a * np.exp(-(((samples - 20 - shift) / 3) ** 2)) for a in (1.0, 2.0, 1.0)])
    axial = 20.0 * np.arange(first, first + 3)
    return TemplatePicture(scale * traces, np.zeros(3), axial, np.array([False, True, False]), "made")


def test_the_cosine_is_of_the_shape_and_the_place() -> None:
    assert np.isclose(cosine(template(), template(scale=3.0)), 1.0)
    assert cosine(template(), template(shift=4)) > 0.99
    assert cosine(template(), template(first=1)) < 0.8
    assert np.isclose(cosine(template(), template(first=5)), 0.0)
    assert np.isnan(cosine(template(), template(scale=0.0)))


def test_two_halves_of_one_neuron_share_its_refractory_period() -> None:
    rng = np.random.default_rng(3)
    train = np.cumsum(0.003 + rng.exponential(0.01, 20_000))
    is_first = rng.random(len(train)) < 0.5
    other = np.sort(rng.uniform(0, train[-1], 20_000))
    assert close_pairs(train[is_first], train[~is_first]) < 0.05
    assert 0.9 < close_pairs(train, other) < 1.1
    assert np.isnan(close_pairs(train[:1], train[-1:]))


def test_the_best_are_near_and_in_order(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    for sorting, by in ((small_demo, "templates"), (replace(small_demo, templates=None), "autocorrelograms")):
        found = similar_units(sorting, small_columns, 12)
        assert by in found.by
        assert 0 < len(found.found) <= N_BEST
        assert 12 not in {one.unit for one in found.found}
        assert all(one.distance_um <= REACH_UM for one in found.found)
        values = [one.similarity for one in found.found if np.isfinite(one.similarity)]
        assert values == sorted(values, reverse=True)
