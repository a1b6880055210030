"""The live raster away from any page: what a session keeps of a picture, and what it makes of it again."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dashboard.engine.columns import filter as filter_module
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import TOP_LEVEL
from dashboard.engine.count.raster import aggregate
from dashboard.library.store import InsertionStore
from dashboard.page.core import shading
from dashboard.page.core.scene import Scene
from dashboard.page.plot.cursor import Reach, nearest_unit
from dashboard.page.plot.raster import MARGIN, RasterRequest, narrowed, render
from dashboard.page.plot.texts import colour_bar
from dashboard.sources.demo.source import DemoSource

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cache: Path = tmp_path_factory.mktemp("cache")
    store = InsertionStore([DemoSource(cache, n_spikes=20_000)], cache, 1 << 30)
    yield Scene(store.open("demo"), None, "allen")
    store.close()


def request(scene: Scene, **changes: object) -> RasterRequest:
    whole = RasterRequest(scene, (0.0, 40.0), (0.0, 3840.0), 60, 40, "count", "linear", None, ())
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_session_keeps_its_counts_in_no_more_bytes_than_they_need(scene: Scene) -> None:
    picture = render(request(scene), threading.Event())
    exact = aggregate(scene.columns, (0.0, 40.0), (0.0, 3840.0), 60, 40, snap=True)
    assert exact.values.max() > 0
    np.testing.assert_array_equal(picture.aggregate.values, exact.values)
    assert picture.aggregate.values.dtype == np.uint8


@pytest.mark.parametrize(("most", "narrowest"), [(255, np.uint8), (256, np.uint16), (65_536, np.uint32)])
def test_counts_are_kept_in_the_narrowest_type(most: int, narrowest: type) -> None:
    values = np.array([[0, most]], dtype=np.uint32)
    edges = np.arange(3.0)
    kept = narrowed(Aggregate(values, edges, edges[:2], "count", "spikes", most))
    assert kept.values.dtype == narrowest and kept.values.tolist() == values.tolist()


@pytest.mark.parametrize("scale", ["linear", "log", "eq"])
def test_another_scale_of_a_kept_picture_is_what_counting_again_gives(scene: Scene, scale: str) -> None:
    kept = render(request(scene), threading.Event())
    again = render(request(scene, scale=scale, before=kept), threading.Event())
    anew = render(request(scene, scale=scale), threading.Event())
    assert again.levels is not None and anew.levels is not None
    np.testing.assert_array_equal(again.levels.image, anew.levels.image)
    assert (again.n_in_view, again.limits) == (anew.n_in_view, anew.limits)


def test_a_selection_makes_no_new_picture_of_the_rest(scene: Scene) -> None:
    kept = render(request(scene, height=2000, width=64), threading.Event())
    chosen = render(request(scene, height=2000, width=64, selected=(3,), before=kept), threading.Event())
    assert chosen.levels is kept.levels, "it would be sent again"
    other = render(request(scene, height=2000, width=64, limits=(0.0, 3.0), before=kept), threading.Event())
    assert other.levels is not kept.levels
    regions = render(request(scene, color="region"), threading.Event())
    again = render(request(scene, color="region", selected=(3,), before=regions), threading.Event())
    assert regions.rgba is not None and again.rgba is regions.rgba


@pytest.mark.parametrize("selected", [(3,), (3, 11), (11, 3, 0)])
def test_the_overlay_is_the_units_own_spikes_and_no_larger_than_them(scene: Scene, selected: tuple[int, ...]) -> None:
    picture = render(request(scene, width=64, height=400, selected=selected), threading.Event())
    image, (x, y, width, height) = picture.overlay, picture.overlay_extent
    assert image is not None
    spikes = scene.sorting.spikes
    own = np.isin(spikes.clusters, selected) & (np.asarray(spikes.times_s) <= 40.0)
    times, depths = np.asarray(spikes.times_s)[own], np.asarray(spikes.depths_um)[own]
    rows, columns = image.shape
    row = ((depths - y) / height * rows).astype(int)
    column = ((times - x) / width * columns).astype(int)
    assert len(times) > 0 and row.min() >= 0 and row.max() < rows
    assert (image[row, column] != 0).all()
    # A pixel around each spike, and no row beyond.
    near = np.zeros_like(image, dtype=bool)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            near[np.clip(row + i, 0, rows - 1), np.clip(column + j, 0, columns - 1)] = True
    assert not (image[~near] != 0).any()
    assert rows <= row.max() - row.min() + 3


def test_units_without_spikes_in_view_have_a_clear_overlay(scene: Scene) -> None:
    overlay = render(request(scene, depth_range=(5000.0, 6000.0), selected=(3,)), threading.Event()).overlay
    assert overlay is not None and overlay.shape == (1, 1) and not overlay.any()


def test_clusters_stand_aside_for_the_selected_ones(scene: Scene) -> None:
    coloured = render(request(scene, color="cluster"), threading.Event())
    again = request(scene, color="cluster", selected=(3,))
    assert not again.counts_as(request(scene, color="cluster")) and again.counts_as(request(scene))
    aside = render(again, threading.Event())
    counts = render(request(scene), threading.Event())
    assert coloured.rgba is not None and len(np.unique(coloured.rgba[coloured.rgba != 0])) > 3
    assert aside.is_aside and aside.rgba is None and aside.levels is not None and counts.levels is not None
    assert np.array_equal(aside.levels.image, counts.levels.image), "greys say how many spikes there are"
    greys = shading.palette("viridis", dark=False, is_aside=True)
    assert len(set(greys)) > 100 and greys[0] == "#ececec" and greys[-1] == "#767676"
    words = colour_bar(scene, aside, greys)
    assert "selected units in their colours; grey: spikes per" in words and greys[-1] in words


def test_the_colour_bar_is_true(scene: Scene) -> None:
    palette = tuple(f"#{level:02x}{level:02x}{level:02x}" for level in range(256))
    first = render(request(scene), threading.Event())
    assert first.levels is not None
    # Limits stand for a bin of the overview; of this picture's bins half as many spikes as its fullest has.
    per_bin = first.levels.high / first.limits[1]
    half = int(first.aggregate.values.max()) // 2
    picture = render(request(scene, limits=(0.0, half / per_bin)), threading.Event())
    levels, counts = picture.levels, picture.aggregate.values
    assert levels is not None and levels.high == pytest.approx(half)
    assert (levels.image[counts >= half] == TOP_LEVEL).all() and (levels.image[counts < half] < TOP_LEVEL).all()
    words = [text for text in re.split("<[^>]*>", colour_bar(scene, picture, palette)) if text]
    times, depths = picture.aggregate.time_edges_s, picture.aggregate.depth_edges_um
    assert words[0] == f"spikes per {1e3 * (times[1] - times[0]):.0f} ms × {depths[1] - depths[0]:.0f} µm"
    assert words[1:] == [f"{levels.low:.2g}", f"{half:.3g}"]


def test_a_filter_is_validated_once_for_all_that_is_drawn_of_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    validate = filter_module._chosen
    monkeypatch.setattr(filter_module, "_chosen", lambda *of: calls.append(of) or validate(*of))
    filtered = Scene(scene.opened, np.arange(scene.columns.n_clusters) % 2 == 0, amp_range_uv=(40.0, 200.0))
    for color in ("count", "amp_mean", "region"):
        picture = render(request(filtered, color=color, time_range=(0.0, 1.0)), threading.Event())
        assert picture.marks is not None and 0 < picture.n_in_view < len(filtered.columns.times_s)
    nearest_unit(filtered, 0.5, 2_000.0, Reach(0.5, 2_000.0))
    assert len(calls) == 1
    render(request(filtered, selected=(4, 7)), threading.Event())
    assert len(calls) == 2, "the selected units are a filter of their own"


def test_a_window_that_is_moved_along_is_drawn_with_margins_in_bins_of_the_same_size(scene: Scene) -> None:
    at_rest = request(scene, time_range=(10.0, 20.0), depth_range=(1000.0, 2000.0))
    exact = render(at_rest, threading.Event())
    wide = render(replace(at_rest, margin=MARGIN), threading.Event())
    for edges, few in (("time_edges_s", "time_range"), ("depth_edges_um", "depth_range")):
        inner, outer = getattr(exact.aggregate, edges), getattr(wide.aggregate, edges)
        assert np.isin(inner, outer).all()
        low, high = getattr(at_rest, few)
        room = MARGIN * (high - low)
        assert outer[0] <= low - room and outer[-1] >= high + room
        assert outer[-1] - outer[0] < 1.5 * (high - low)
    rows = np.searchsorted(wide.aggregate.depth_edges_um, exact.aggregate.depth_edges_um[:-1])
    columns = np.searchsorted(wide.aggregate.time_edges_s, exact.aggregate.time_edges_s[:-1])
    np.testing.assert_array_equal(wide.aggregate.values[np.ix_(rows, columns)], exact.aggregate.values)
    assert wide.n_in_view == exact.n_in_view


def test_there_is_no_margin_beyond_the_spikes(scene: Scene) -> None:
    whole = request(scene, time_range=scene.columns.time_range_s, depth_range=scene.columns.depth_range_um)
    exact, wide = (render(asked, threading.Event()) for asked in (whole, replace(whole, margin=MARGIN)))
    np.testing.assert_array_equal(exact.aggregate.time_edges_s, wide.aggregate.time_edges_s)
    np.testing.assert_array_equal(exact.aggregate.depth_edges_um, wide.aggregate.depth_edges_um)


def test_a_picture_that_holds_the_window_is_kept_and_its_spikes_are_counted(scene: Scene) -> None:
    first = request(scene, time_range=(10.0, 20.0), depth_range=(1000.0, 2000.0), margin=MARGIN)
    drawn = render(first, threading.Event())
    second = replace(first, time_range=(11.0, 21.0))
    assert second.pans(first) and second.is_inside(drawn)
    kept = render(replace(second, before=drawn), threading.Event())
    assert kept.looks_like(drawn)
    assert kept.n_in_view == render(second, threading.Event()).n_in_view != drawn.n_in_view
    assert not replace(first, time_range=(11.5, 21.5)).is_inside(drawn)  # the hand would be at its end soon
    assert not replace(first, time_range=(10.0, 21.0)).pans(first)
