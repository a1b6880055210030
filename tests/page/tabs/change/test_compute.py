"""Two spans of the session: columns for the table, marks for the tab, and reasons where there is nothing to show."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import numpy as np
import pytest

from dashboard.analysis.change import columns as verdicts
from dashboard.analysis.change.change import (
    Change,
    ChangeRequest,
    changed_columns,
    render_change,
    running_median,
    with_changes,
)
from dashboard.figures.change import change_by_depth
from dashboard.figures.figure import Points
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest
from dashboard.model.texts import span_text
from dashboard.page.core.scene import Scene
from dashboard.page.plot.spans import SpanState, mark_span
from dashboard.page.tabs.change.tab import flagged_chips, nearest_mark, passing_units
from dashboard.page.tabs.change.texts import bands_table, head
from dashboard.page.tabs.registry import page_state


@pytest.fixture(scope="module")
def change(opened: OpenInsertion) -> Change:
    columns = opened.columns
    end = columns.time_range_s[1]
    return render_change(ChangeRequest(columns, (0.0, end / 3), (end * 2 / 3, end), True), threading.Event())


def test_the_table_has_the_columns_and_loses_them(opened: OpenInsertion, change: Change) -> None:
    sorting = with_changes(opened.sorting, change.columns)
    assert changed_columns(sorting) == list(change.columns)
    times, ids = np.asarray(opened.columns.times_s), np.asarray(opened.columns.clusters)
    (a0, a1), (b0, b1) = change.request.before, change.request.after
    for unit in (0, 7, 20):
        own = times[ids == unit]
        rate = ((own >= b0) & (own < b1)).sum() / (b1 - b0) - ((own >= a0) & (own < a1)).sum() / (a1 - a0)
        assert sorting.clusters.loc[unit, "change_rate_hz"] == pytest.approx(rate)
    assert changed_columns(with_changes(sorting, None)) == []
    assert changed_columns(with_changes(sorting, change.columns)) == list(change.columns)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((0.0, 10.0), (5.0, 15.0), "overlap"),
        ((0.0, 10.0), (1e6, 2e6), "The span after has no spikes: 1,000,000–2,000,000 s"),
        ((-20.0, -10.0), (0.0, 10.0), "The span before has no spikes"),
    ],
)
def test_what_cannot_be_compared_says_why(opened: OpenInsertion, before, after, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        render_change(ChangeRequest(opened.columns, before, after, True), threading.Event())


def unit_marks(change: Change, scene: Scene, selected: tuple[int, ...] = ()) -> Points:
    units = passing_units(scene)
    figure = change_by_depth(change, units, scene.names(units), selected)
    (points,) = (mark for mark in figure.marks if isinstance(mark, Points))
    return points


def test_marks_are_of_the_units_that_pass_and_lost_ones_are_there(opened: OpenInsertion, change: Change) -> None:
    everyone = unit_marks(change, Scene(opened), (7,))
    assert set(everyone.tips["unit"]) == set(everyone.ids) <= set(range(opened.sorting.n_clusters))
    lost = change.columns.index[change.columns["change_verdict"] == verdicts.LOST]
    assert set(lost) <= set(everyone.ids)
    assert everyone.sizes[list(everyone.ids).index(7)] == 13
    assert np.isfinite([everyone.x, everyone.y, everyone.low, everyone.high]).all()
    mask = np.zeros(opened.columns.n_clusters, bool)
    mask[[3, 7]] = True
    scene = Scene(opened, mask)
    assert set(unit_marks(change, scene).ids) <= {3, 7}
    assert {name for name, *_ in flagged_chips(change, scene)} <= {"3", "7"}
    nobody = Scene(opened, np.zeros(opened.columns.n_clusters, bool))
    assert len(unit_marks(change, nobody).ids) == 0
    assert flagged_chips(change, nobody) == []


def test_three_quantities_of_motion_stand_apart_each_under_its_name(opened: OpenInsertion, change: Change) -> None:
    drift, request = opened.sorting.drift, change.request
    assert drift is not None
    text = head(Change(replace(request, drift=drift), change.units))
    said = dict(re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td>", text))
    assert list(said) == ["Displacement of units", "Residual of the spikes", "Removed by the sorter"]
    (a0, a1), (b0, b1) = request.before, request.after
    before, after = (drift.um[(drift.times_s >= low) & (drift.times_s < high)] for low, high in ((a0, a1), (b0, b1)))
    moved = after.mean(axis=0) - before.mean(axis=0)
    assert said["Removed by the sorter"].startswith(f"{moved.min():+.1f} to {moved.max():+.1f} µm, by depth")
    assert "by bands of 200 µm" in said["Residual of the spikes"] or "undetermined" in said["Residual of the spikes"]
    assert "three different quantities; do not add them" in text
    assert "not available: no drift" in head(change)


def test_flagged_units_come_largest_first(opened: OpenInsertion, change: Change) -> None:
    chips = [int(name) for name, *_ in flagged_chips(change, Scene(opened))]
    table = change.columns
    assert set(chips) == set(table.index[table["change_verdict"].isin(verdicts.FLAGGED)])
    lost = [unit for unit in chips if table.loc[unit, "change_verdict"] == verdicts.LOST]
    sizes = table.loc[lost, "change_rate_hz"].abs()
    assert sizes.is_monotonic_decreasing


def test_without_amplitudes_the_rest_is_there_and_it_is_said(opened: OpenInsertion) -> None:
    columns = replace(opened.columns, amps_uv=None)
    end = columns.time_range_s[1]
    bare = render_change(ChangeRequest(columns, (0.0, end / 3), (end * 2 / 3, end), True), threading.Event())
    assert not [name for name in bare.columns if "amp" in name]
    assert "no amplitudes" in head(bare)
    assert unit_marks(bare, Scene(opened)).tips["Δ amplitude"][0] == ""


def test_the_running_median_leaves_out_bands_without_units(change: Change) -> None:
    medians, middles = running_median(change.bands)
    assert len(medians) == len(middles) > 0
    assert np.isfinite(medians).all()
    assert middles == sorted(middles)
    assert bands_table(change.bands).count("<tr>") == len(change.bands) + 1


def test_a_click_picks_the_nearest_mark_within_reach() -> None:
    ids, x, y = np.array([4, 9]), np.array([0.0, 10.0]), np.array([100.0, 3000.0])
    marks = Points(x, y, x, x, ["bar"] * 2, [""] * 2, ["circle"] * 2, np.array([5, 5]), ids, {})
    assert nearest_mark(marks, 9.9, 2990.0, 40.0, 4000.0) == 9
    assert nearest_mark(marks, 5.0, 1500.0, 40.0, 4000.0) is None
    assert nearest_mark(marks, None, None, 40.0, 4000.0) is None
    none = replace(marks, x=x[:0], y=y[:0], ids=ids[:0])
    assert nearest_mark(none, 0.0, 0.0, 1.0, 1.0) is None


def test_the_window_in_view_is_marked_and_the_second_span_shows_the_answer() -> None:
    states = page_state(time_range=(0.0, 60.0))
    state, spans = states.view, states[SpanState]
    mark_span(states, "before")
    assert spans.before is None  # nothing is open
    state.insertion = "x"
    mark_span(states, "before")
    assert (spans.before, spans.after, state.tab) == ((0.0, 60.0), None, "Clusters")
    state.time_range = (100.0, 160.5)
    mark_span(states, "after")
    assert (spans.before, spans.after, state.tab) == ((0.0, 60.0), (100.0, 160.5), "Change")
    assert span_text(spans.after) == "100–160.5 s"
