"""Figures of a unit hold the numbers of the unit, whatever it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.analysis.curation.applied import CurationPlan, apply_plan
from dashboard.analysis.unit_picture import Members, UnitPicture, unit_picture
from dashboard.analysis.units.amplitudes import amplitude_histogram
from dashboard.engine.build import SpikeColumns
from dashboard.figures import unit
from dashboard.figures.figure import Bars, Levels, Lines, Matrix, Pictures
from dashboard.figures.registry import FIGURES, Declared, FigureEntry
from dashboard.model.colours import hex_colour
from dashboard.model.sorting import Missing, SpikeSorting


@pytest.fixture(scope="module")
def found(small_demo: SpikeSorting, small_columns: SpikeColumns) -> UnitPicture:
    return unit_picture(small_demo, small_columns, (3, 7), 7)


@pytest.mark.parametrize("n_spikes", [0, 1, 2, 3, 5, 8, 12, 20, 40])
@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
def test_bars_of_a_unit_without_a_verdict_are_plain(found: UnitPicture, n_spikes: int, factor: float) -> None:
    amps = factor * np.random.default_rng(n_spikes).lognormal(4.5, 0.3, n_spikes)
    own = amplitude_histogram(amps)
    other = replace(found)
    vars(other)["amplitudes"] = own
    bars = unit.amplitudes(other).marks[0]
    assert isinstance(bars, Bars)
    assert bars.values.sum() == n_spikes
    inks = set(bars.inks)
    assert "limit" in inks if own.noise.low_bin >= 0 else inks <= {"bar", "high"}


def test_every_figure_is_declared_with_numbers_and_units(found: UnitPicture) -> None:
    figures = Declared("unit", found)
    assert list(figures) == [entry.name for entry in FIGURES if entry.of == "unit"]
    for name, figure in figures.items():
        assert figure.name == name
        assert figure.title and figure.marks and not figure.absent
        assert figure.x.label and figure.y.label
        assert all(np.isfinite(axis.limits).all() and axis.limits[0] < axis.limits[1] for axis in (figure.x, figure.y))
    acg, mean = figures["unit-acg"].marks
    assert isinstance(acg, Bars) and isinstance(mean, Levels)
    np.testing.assert_array_equal(acg.values, found.acg.rate_hz)
    assert mean.values == [found.mean_hz(7)]
    assert figures["unit-acg"].x.title == "Lag (ms)"
    test = figures["unit-refractory"].marks[0]
    assert isinstance(test, Matrix) and test.values is found.refractory.confidence_pct
    depths = figures["unit-depth"].marks[0]
    assert isinstance(depths, Pictures)
    assert sum(len(times) for times, _, _ in depths.spikes) == sum(len(own) for own in found.units)
    rates = figures["unit-rate"].marks[0]
    assert isinstance(rates, Lines) and rates.names == ["3", "7"]


def test_pairs_are_named_and_have_the_mean_rate_of_the_second_unit(found: UnitPicture) -> None:
    pair = unit.declare(found)["unit-pair-0"]
    bars, mean = pair.marks
    assert pair.title == "7 from 3"
    assert isinstance(bars, Bars) and isinstance(mean, Levels)
    np.testing.assert_array_equal(bars.values, found.pair(0)[2].rate_hz)
    assert mean.values == [found.mean_hz(7)]


def test_of_many_units_the_pairs_are_those_with_the_focus(
    small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    many = unit_picture(small_demo, small_columns, (3, 7, 8, 9, 11, 12), 9)
    named = list(unit.declare(many).items())
    titles = [figure.title.partition(",")[0] for name, figure in named if name.startswith("unit-pair-")]
    assert titles == [f"{other} from 9" for other in (3, 7, 8, 11, 12)]


def test_a_merged_unit_stands_beside_those_that_it_is_of(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    applied = apply_plan(small_demo, CurationPlan((("3", "7"),)))
    columns, n = applied.columns(small_demo, small_columns), applied.sorting.n_clusters
    beside = Members(small_demo, small_columns, (3, 7))
    found = unit_picture(applied.sorting, columns, (n - 1,), n - 1, beside=beside)
    assert found.names == (small_demo.n_clusters, 3, 7)
    assert len(found.focus) == len(found.units[1]) + len(found.units[2])
    titles = [figure.title for name, figure in unit.declare(found).items() if name.startswith("unit-pair-")]
    assert [title.partition(",")[0] for title in titles] == ["3 alone", "7 alone", "7 from 3"]
    assert len(found.rates_hz) == 3
    assert [place for place, _ in found.templates] == [0, 1, 2]


def test_templates_of_several_units_are_laid_over_each_other_in_their_colours(found: UnitPicture) -> None:
    several = unit_picture(found.sorting, found.columns, (7, 3), 7)
    alone = [unit_picture(found.sorting, found.columns, (one,), one).template for one in (7, 3)]
    drawn = unit.template(several).marks[0]
    assert isinstance(drawn, Lines)
    colours = [hex_colour(colour) for colour in several.colours]
    n = [len(one.is_peak) for one in alone if one is not None]
    assert list(drawn.inks) == [colours[0]] * n[0] + [colours[1]] * n[1]
    heights = [np.ptp(y) for y in drawn.y]
    sizes = np.concatenate([np.ptp(one.waveforms_uv, axis=1) for one in alone if one is not None])
    np.testing.assert_allclose(heights / np.max(heights), sizes / sizes.max())  # one scale for both


def test_limits_of_single_spikes_are_lines(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    limited = unit_picture(small_demo, small_columns, (7,), 7, amp_range_uv=(60.0, np.inf))
    for figure in (unit.amplitude_over_time(limited), unit.amplitudes(limited)):
        lines = figure.marks[-1]
        assert isinstance(lines, Levels) and list(lines.values) == [60.0]


def test_what_a_sorting_lacks_is_said_in_place_of_the_figure(
    small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    bare = replace(
        small_demo, templates=None,
        missing=(Missing("templates", "were not extracted"), Missing("spikes.amps", "are not in the files")),
    )  # fmt: skip
    found = unit_picture(bare, replace(small_columns, amps_uv=None), (7,), 7)
    figures = Declared("unit", found)
    assert figures["unit-template"].absent == "were not extracted"
    assert figures["unit-amplitude"].absent == figures["unit-amplitudes"].absent == "are not in the files"
    assert not figures["unit-depth"].absent


def test_one_figure_that_fails_leaves_the_others(found: UnitPicture) -> None:
    FIGURES.add(FigureEntry("broken", "Broken", "unit", "operator:truediv"))  # wants two arguments
    try:
        figures = Declared("unit", found)
    finally:
        FIGURES.remove("broken")
    assert figures["unit-acg"].marks
    with pytest.raises(TypeError):
        figures["broken"]
