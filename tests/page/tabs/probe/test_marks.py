"""Marks of units: filled and hollow, in the colours of the selection, and which one a point means."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from dashboard.model.colours import hex_colour, selection_colours
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.probe.marks import (
    CLEAR,
    DURATION,
    GOOD,
    LABEL,
    OTHER,
    PEAK_FIRST,
    RATE,
    UNKNOWN,
    UNLABELLED,
    MarkStyle,
    in_turn,
    marks,
    palette,
    rate_limits,
    units_at,
)
from dashboard.page.tabs.probe.picture import Units, render_units


@pytest.fixture(scope="module")
def units(scene: Scene) -> Units:
    return render_units(scene, threading.Event())


def changed(units: Units, **values: object) -> Units:
    """Return units with other values of those that are computed."""
    made = Units(units.scene)
    vars(made).update(values)
    return made


def test_good_units_are_filled_and_others_hollow(scene: Scene, units: Units) -> None:
    drawn = marks(scene, units, MarkStyle(LABEL, (), False))
    is_good = units.labels[np.asarray(drawn["id"])] == 1
    assert 0 < is_good.sum() < len(is_good) == len(units)
    assert [colour != CLEAR for colour in drawn["fill"]] == is_good.tolist()
    assert [colour == GOOD for colour in drawn["line"]] == is_good.tolist()
    assert set(drawn["line"]) == {GOOD, OTHER}


def test_no_label_is_neither_good_nor_other(scene: Scene, units: Units) -> None:
    drawn = marks(scene, changed(units, labels=np.full(len(units), np.nan)), MarkStyle(LABEL, (), False))
    assert set(drawn["fill"]) == {CLEAR}
    assert set(drawn["line"]) == {UNLABELLED}


def test_every_mark_is_at_its_channel_and_depth(scene: Scene, units: Units) -> None:
    drawn = marks(scene, units, MarkStyle(RATE, (), False))
    rows = np.asarray(drawn["id"])
    assert np.asarray(drawn["depth"]).tolist() == units.depth_um[rows].tolist()
    assert np.asarray(drawn["lateral"]).tolist() == units.layout.drawn_um[rows].tolist()
    sizes = np.asarray(drawn["size"])
    assert (np.diff(sizes) <= 0).all()  # small ones over large ones
    assert np.corrcoef(sizes, units.rate_hz[rows])[0, 1] > 0.8


def test_filters_hide_units_but_not_selected_ones(scene: Scene, units: Units) -> None:
    mask = np.zeros(scene.columns.n_clusters, np.bool_)
    mask[:10] = True
    drawn = marks(Scene(scene.opened, mask), units, MarkStyle(LABEL, (12, 3), False))
    assert sorted(np.asarray(drawn["id"]).tolist()) == [*range(10), 12]


def test_selected_units_have_the_colours_of_the_raster_and_lie_on_top(scene: Scene, units: Units) -> None:
    drawn = marks(scene, units, MarkStyle(RATE, (12, 3), False))
    own = dict(zip((12, 3), map(hex_colour, selection_colours(2)), strict=True))
    last = [int(unit) for unit in drawn["id"][-2:]]
    assert sorted(last) == [3, 12]
    assert [drawn["line"][-2], drawn["line"][-1]] == [own[unit] for unit in last]
    alpha = np.asarray(drawn["alpha"])
    assert (alpha[-2:] == 1).all()
    assert (alpha[:-2] < 1).all()


def test_colours_run_from_the_slowest_to_the_fastest(scene: Scene, units: Units) -> None:
    drawn = marks(scene, units, MarkStyle(RATE, (), True))
    colours = dict(zip(np.asarray(drawn["id"]).tolist(), drawn["line"], strict=True))
    low, high = rate_limits(units)
    assert low < high
    assert colours[int(units.ids[units.rate_hz.argmax()])] == palette(dark=True)[-1]
    assert colours[int(units.ids[units.rate_hz.argmin()])] == palette(dark=True)[0]


def test_a_peak_that_comes_first_has_a_colour_of_its_own(scene: Scene, units: Units) -> None:
    times = np.full(len(units), 0.5)
    times[:3] = -0.2, np.nan, 4.0
    drawn = marks(scene, changed(units, peak_to_trough=(times, "")), MarkStyle(DURATION, (), False))
    colours = dict(zip(np.asarray(drawn["id"]).tolist(), drawn["line"], strict=True))
    assert [colours[0], colours[1], colours[2]] == [PEAK_FIRST, UNKNOWN, palette(dark=False)[-1]]


def test_a_point_means_the_nearest_unit_within_reach() -> None:
    ids, x, y = np.array([4, 9, 7, 2]), np.array([10.0, 30.0, np.nan, 30.0]), np.array([100.0, 100.0, 50.0, 100.0])
    assert units_at(ids, x, y, (12.0, 100.0), (1.0, 10.0)) == [4]
    assert units_at(ids, x, y, (28.0, 110.0), (1.0, 10.0)) == [2, 9]  # at one place
    assert units_at(ids, x, y, (10.0, 400.0), (1.0, 10.0)) == []
    assert units_at(ids[:0], x[:0], y[:0], (0.0, 0.0), (1.0, 1.0)) == []


def test_clicks_at_one_place_pick_its_units_in_turn() -> None:
    assert in_turn([2, 9], []) == [2]
    assert in_turn([2, 9], [2]) == [9]
    assert in_turn([2, 9], [9]) == [2]
    assert in_turn([2, 9], [5]) == [2]
    assert in_turn([], [2]) == []
