"""Figures around an event hold the counts of the trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.analysis.alignment import align
from dashboard.analysis.events.align import Selection
from dashboard.analysis.events.picture import EventPicture
from dashboard.analysis.inputs import unit_spikes
from dashboard.engine.build import SpikeColumns
from dashboard.figures.events import Z_LIMIT
from dashboard.figures.figure import Bands, Levels, Lines, Matrix, Pictures
from dashboard.figures.registry import Declared
from dashboard.model.sorting import SpikeSorting


@pytest.fixture(scope="module")
def found(small_demo: SpikeSorting, small_columns: SpikeColumns) -> EventPicture:
    selection = Selection.of(unit_spikes(small_columns, 5).times_s)
    return align(small_demo, small_columns, selection, "unit 5", "stimOn", "outcome", is_single=True)


def test_rates_have_a_line_and_a_band_for_each_group(found: EventPicture) -> None:
    figure = Declared("event", found)["event-psth"]
    bands, lines, onset = figure.marks
    assert isinstance(bands, Bands) and isinstance(lines, Lines) and isinstance(onset, Levels)
    assert len(lines.x) == len(found.groups) == 2
    for k, group in enumerate(found.groups):
        np.testing.assert_array_equal(lines.y[k], group.psth.mean_hz)
        assert lines.names[k] == f"{group.group.label} ({len(group.counts):,})"
    assert figure.x.title == "Time from stimOn (s)"
    assert figure.legend == "outcome (trials)"


def test_rates_begin_at_zero_however_little_they_vary(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    everything = Selection.of(np.asarray(small_columns.times_s))
    whole = align(small_demo, small_columns, everything, "all units", "stimOn", "none", is_single=False)
    rates = whole.groups[0].psth.mean_hz
    assert rates.min() > 0.5 * rates.max(), "of one unit it would begin there by itself"
    assert Declared("event", whole)["event-psth"].y.limits[0] == 0.0


def test_trials_lie_one_above_the_other_and_every_spike_shows(found: EventPicture) -> None:
    figure = Declared("event", found)["event-raster"]
    pictures = figure.marks[0]
    assert isinstance(pictures, Pictures)
    n_trials = [len(group.counts) for group in found.groups]
    assert list(pictures.y) == [(0, n_trials[0]), (n_trials[0], sum(n_trials))]
    assert figure.y.limits == (0.0, sum(n_trials))
    for opacity, group in zip(pictures.images, found.groups, strict=True):
        assert (opacity.max(axis=0) > 0).tolist() == (group.counts.max(axis=0) > 0).tolist()
    painted = pictures.painted(lambda ink: "#102030")
    assert painted[0].view(np.uint8).reshape(-1, 4)[0, :3].tolist() == [0x10, 0x20, 0x30]


def test_the_population_is_in_standard_deviations(found: EventPicture) -> None:
    matrix = Declared("event", found)["event-map"].marks[0]
    assert isinstance(matrix, Matrix)
    assert matrix.values is found.map.zscore
    assert matrix.limits == (-Z_LIMIT, Z_LIMIT)


def test_without_trials_it_is_said(found: EventPicture) -> None:
    figures = Declared("event", replace(found, groups=()))
    assert figures["event-psth"].absent == figures["event-raster"].absent == "no trial can be used"
    assert not figures["event-map"].absent
