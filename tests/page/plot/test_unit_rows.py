"""The raster with a row for each unit: rows from the tip upwards, and nothing counted but what is there."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest

from dashboard.library.store import OpenInsertion
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot import texts
from dashboard.page.plot.unit_margin import row_regions
from dashboard.page.plot.unit_rows import RowsRequest, describe, render_rows, rows_in_view, title
from dashboard.page.rail.filtered_scene import passing

WINDOW = (20.0, 320.0)


def draw(scene: Scene, **changes: object):
    rows = (0, len(scene.depth_order))
    request = RowsRequest(scene, WINDOW, rows, 200, 2000, "count", "linear", None, ())
    return render_rows(replace(request, **changes), threading.Event())


def counted(scene: Scene, keep: np.ndarray | None = None) -> int:
    times = np.asarray(scene.columns.times_s)
    inside = (times >= WINDOW[0]) & (times <= WINDOW[1])
    return int((inside if keep is None else inside & keep).sum())


def test_rows_are_units_by_depth_and_hold_all_their_spikes(scene: Scene) -> None:
    picture = draw(scene)
    order, values = scene.depth_order, picture.aggregate.values
    assert values.shape[0] == len(order) == scene.n_clusters_passing
    depths = scene.unit_depths[order]
    assert (np.diff(depths[np.isfinite(depths)]) >= 0).all()
    assert picture.n_in_view == counted(scene)
    times, ids = np.asarray(scene.columns.times_s), np.asarray(scene.columns.clusters)
    for row in (0, 5, len(order) - 1):
        expected = np.histogram(times[ids == order[row]], picture.aggregate.time_edges_s)[0]
        np.testing.assert_array_equal(values[row], expected)


def test_regions_of_the_rows_are_those_of_their_units(scene: Scene) -> None:
    spans = row_regions(scene)
    assert (spans[0].bottom_um, spans[-1].top_um) == (0, len(scene.depth_order))
    assert all(a.top_um == b.bottom_um and a.acronym != b.acronym for a, b in itertools.pairwise(spans))
    names = scene.region_names(scene.depth_order)
    for span in spans:
        assert set(names[int(span.bottom_um) : int(span.top_um)]) == {span.acronym}


def test_more_units_than_pixels_share_rows_and_lose_nothing(scene: Scene) -> None:
    alone, together = draw(scene), draw(scene, height=len(scene.depth_order) // 3)
    assert together.n_together in (3, 4)
    assert together.aggregate.values.sum() == alone.aggregate.values.sum()
    first = alone.aggregate.values[: together.n_together].sum(axis=0)
    np.testing.assert_array_equal(together.aggregate.values[0], first)
    assert f"{together.n_together} units" in title(together, "count")
    words, unit = describe(scene, together, 100.0, 1.5)
    assert unit == scene.depth_order[1]
    assert f"of {together.n_together} units" in words


def test_filters_of_clusters_and_spikes_hold(opened: OpenInsertion) -> None:
    state = ViewState(quality="good", filters={"spike_amp": "80,150"})
    scene = passing(state, opened).scene(opened, "allen")
    assert opened.columns.amps_uv is not None and scene.mask is not None
    amps = opened.columns.amps_uv
    keep = scene.mask[np.asarray(opened.columns.clusters)] & (amps >= 80) & (amps < 150)
    picture = draw(scene)
    assert picture.n_in_view == counted(scene, keep) > 0
    assert set(scene.depth_order) == set(np.flatnonzero(scene.mask))
    assert f"{picture.n_in_view:,} in view" in texts.status(scene, picture)


def test_a_window_of_rows_counts_its_units_only(scene: Scene) -> None:
    rows = (4, 9)
    picture = draw(scene, rows=rows)
    ids = scene.depth_order[4:9]
    assert picture.n_in_view == counted(scene, np.isin(np.asarray(scene.columns.clusters), ids))
    assert (picture.aggregate.depth_edges_um[0], picture.aggregate.depth_edges_um[-1]) == (4, 9)
    whole = draw(scene)
    np.testing.assert_array_equal(picture.aggregate.values, whole.aggregate.values[4:9])


def test_selected_units_are_drawn_in_their_rows_only(scene: Scene) -> None:
    order = scene.depth_order
    counts = draw(scene).aggregate.values
    row = int(counts.sum(axis=1).argmax())
    overlay = draw(scene, selected=(int(order[row]),)).overlay
    assert overlay is not None
    assert set(np.flatnonzero(overlay.any(axis=1))) == {row}
    np.testing.assert_array_equal(overlay[row] != 0, counts[row] > 0)
    assert draw(scene).overlay is None


@pytest.mark.parametrize("kind", ["region", "label", "unit_rate", "cluster"])
def test_categories_are_the_units_own(scene: Scene, kind: str) -> None:
    picture = draw(scene, color=kind)
    assert picture.rgba is not None and picture.levels is None
    has_spikes = draw(scene).aggregate.values > 0
    np.testing.assert_array_equal(picture.rgba != 0, _has_category(scene, kind)[:, None] & has_spikes)
    assert all(len(set(row[row != 0])) <= 1 for row in picture.rgba)
    together = draw(scene, color=kind, height=len(scene.depth_order) // 2)
    assert together.rgba is not None
    assert together.rgba.shape == together.aggregate.values.shape


def _has_category(scene: Scene, kind: str) -> np.ndarray:
    categories = scene.categories(kind)
    assert categories is not None
    return categories.of_cluster[scene.depth_order] >= 0


def test_limits_follow_those_of_the_raster(scene: Scene) -> None:
    default = draw(scene).levels
    low, high = scene.limits("count")
    halved = draw(scene, limits=(low, high / 2)).levels
    assert default is not None and halved is not None
    assert halved.high == pytest.approx(max(default.high / 2, 1.0))
    rate = draw(scene, color="rate").levels
    assert rate is not None
    assert "mean amplitude is not drawn by unit" in title(draw(scene, color="amp_mean"), "amp_mean")


def test_no_unit_at_all(opened: OpenInsertion) -> None:
    nobody = Scene(opened, np.zeros(opened.columns.n_clusters, bool))
    for color in ("count", "region"):
        picture = draw(nobody, color=color, selected=(3,))
        assert picture.n_in_view == 0
        assert picture.n_hidden == counted(nobody)
    assert describe(nobody, draw(nobody), 30.0, 0.5) == ("", None)


@pytest.mark.parametrize(
    ("asked", "rows"),
    [(None, (0, 10)), ((2.2, 4.1), (2, 5)), ((-3.0, 40.0), (0, 10)), ((20.0, 30.0), (0, 10))],
)
def test_rows_in_view(asked: tuple[float, float] | None, rows: tuple[int, int]) -> None:
    assert rows_in_view(asked, 10) == rows


def test_the_read_out_names_unit_depth_and_count(scene: Scene) -> None:
    picture = draw(scene)
    words, unit = describe(scene, picture, 100.0, 3.5)
    assert unit == scene.depth_order[3]
    assert f"row 4 of {len(scene.depth_order):,}" in words
    assert f"{scene.unit_depths[unit]:,.0f} µm" in words
    column = int(np.searchsorted(picture.aggregate.time_edges_s, 100.0, side="right")) - 1
    assert f"{int(picture.aggregate.values[3, column]):,} spike" in words
