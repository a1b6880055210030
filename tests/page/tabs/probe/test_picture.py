"""What the Probe tab draws, against NumPy; and what it says where there is nothing to draw."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.colours import selection_colours
from dashboard.model.errors import BadRequest
from dashboard.page.core import shading
from dashboard.page.core.scene import Scene
from dashboard.page.plot.profiles import ProfileRequest, render_profile
from dashboard.page.tabs.probe import texts
from dashboard.page.tabs.probe.figures import shank_ticks
from dashboard.page.tabs.probe.marks import DURATION, LABEL, MarkStyle
from dashboard.page.tabs.probe.picture import (
    CorrelationRequest,
    SpikesPicture,
    SpikesRequest,
    amplitude_end,
    count_points,
    render_correlation,
    render_spikes,
    render_units,
)
from dashboard.sources.folder import FolderSource
from tests.library.alf_folder import N_CHANNELS, write_session

GREYS = shading.palette("binary", dark=False)
LOOK = MarkStyle(LABEL, (), False)
NEVER = threading.Event()


def spikes(scene: Scene, depths: tuple[float, float] = (0.0, 4000.0), selected: tuple[int, ...] = ()) -> SpikesPicture:
    return render_spikes(SpikesRequest(scene, depths, 60, 90, selected, GREYS), NEVER)


def folder_scene(root: Path, cache: Path, **options: Any) -> Scene:
    """Return the scene of a small sorting written as ALF files."""
    write_session(root, **options)
    source = FolderSource(root)
    insertion = next(iter(source.insertions()))
    sorting = open_insertion(insertion.key, source=source, cache=cache)
    return Scene(OpenInsertion(StoreKey("folder", "it", None, None), sorting, build_columns(sorting), source, 0.0))


def test_all_spikes_are_counted_once(scene: Scene) -> None:
    picture = spikes(scene)
    columns = scene.columns
    assert picture.n_passing == columns.n_spikes
    assert picture.n_drawn == picture.counts.sum()
    assert picture.n_drawn + picture.n_beyond == columns.n_spikes
    assert columns.amps_uv is not None
    assert picture.n_beyond == np.count_nonzero(columns.amps_uv > picture.amp_range[1])
    assert 0 < picture.n_beyond < 0.002 * columns.n_spikes


def test_a_window_of_depths_holds_the_spikes_in_it(scene: Scene) -> None:
    picture = spikes(scene, (500.0, 900.0))
    depths = np.asarray(scene.columns.depths_um)
    assert picture.n_drawn + picture.n_beyond == np.count_nonzero((depths >= 500) & (depths <= 900))
    assert picture.n_passing == scene.columns.n_spikes


def test_points_are_binned_as_numpy_bins_them() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 11, 5000), rng.uniform(-5, 105, 5000)
    expected, _, _ = np.histogram2d(y, x, (40, 25), ((0, 100), (0, 10)))
    assert count_points(x, y, (0, 10), (0, 100), 25, 40).tolist() == expected.tolist()


def test_hidden_units_have_no_spikes_in_it_and_selected_ones_their_colour(scene: Scene) -> None:
    mask = np.zeros(scene.columns.n_clusters, np.bool_)
    mask[[3, 4]] = True
    filtered = Scene(scene.opened, mask)
    picture = spikes(filtered, selected=(4, 7))
    clusters = np.asarray(scene.columns.clusters)
    assert picture.n_passing == np.isin(clusters, [3, 4]).sum()
    colours = {int(c) for c in np.unique(picture.image)}
    own = [shading.categorical(np.array([[k]], np.int32), selection_colours(2))[0, 0] for k in (0, 1)]
    assert {int(colour) for colour in own} <= colours
    assert 0 in colours  # transparent where nothing is


def test_the_axis_ends_where_all_but_the_largest_amplitudes_are() -> None:
    assert amplitude_end(np.zeros(0, np.float32)) == 1
    assert amplitude_end(np.array([np.nan, 0.0], np.float32)) == 1
    amps = np.r_[np.linspace(0, 100, 9999), 1e6].astype(np.float32)
    assert 100 < amplitude_end(amps) < 110


def test_colours_of_the_correlation_end_where_different_depths_do(scene: Scene) -> None:
    request = CorrelationRequest(scene)
    picture = render_correlation(request, NEVER)
    values = picture.found.values
    apart = np.abs(values[~np.eye(len(values), dtype=bool)])
    assert picture.limit == pytest.approx(np.nanpercentile(apart, 99))
    assert 2 < picture.n_known <= len(values)
    words = texts.correlation(request, picture, dark=False)
    assert "40 µm × 50 ms bins" in words
    assert f"{picture.n_known} of {len(values)} depths have spikes" in words


def test_bins_of_the_correlation_can_be_chosen_and_not_too_many(scene: Scene) -> None:
    request = CorrelationRequest(scene, 0.2, 80.0)
    coarse = render_correlation(request, NEVER)
    assert len(coarse.found.values) == -(-len(render_correlation(CorrelationRequest(scene), NEVER).found.values) // 2)
    assert "80 µm × 200 ms bins" in texts.correlation(request, coarse, dark=False)
    for bins in ((1e-7, 40.0), (0.05, 1e-6), (0.0, 40.0), (-1.0, 40.0)):
        with pytest.raises(BadRequest):
            render_correlation(CorrelationRequest(scene, *bins), NEVER)


def test_the_profile_of_amplitudes_is_blank_below_fifty_spikes(scene: Scene) -> None:
    columns = scene.columns
    request = ProfileRequest(scene, columns.time_range_s, 20.0, of_amplitudes=True)
    picture = render_profile(request, NEVER)
    bins = np.floor(np.asarray(columns.depths_um) / 20).astype(int)
    bins -= bins.min()
    counts = np.bincount(bins)
    means = np.bincount(bins, weights=columns.amps_uv) / np.maximum(counts, 1)
    expected = np.where(counts >= 50, means, np.nan)
    assert picture.values[::2] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert (picture.n_bins, picture.n_known) == (int((counts > 0).sum()), int((counts >= 50).sum()))
    n_blank, words = picture.n_bins - picture.n_known, texts.profile(request, picture)
    assert n_blank and f"blank: bins of fewer than 50 spikes ({n_blank} of {picture.n_bins} bins" in words
    rates = render_profile(replace(request, of_amplitudes=False), NEVER)
    start, end = columns.time_range_s
    assert rates.values[::2] == pytest.approx(counts / (end - start))


def test_limits_of_single_spikes_act_on_all_spikes(scene: Scene) -> None:
    amps = scene.columns.amps_uv
    low, high = np.percentile(amps, [25, 75])
    inside = Scene(scene.opened, amp_range_uv=(float(low), float(high)))
    assert spikes(inside).n_passing == int(((amps >= low) & (amps < high)).sum())


def test_units_have_the_rate_of_all_their_spikes(scene: Scene) -> None:
    units = render_units(scene, NEVER)
    start, end = scene.columns.time_range_s
    counts = np.bincount(np.asarray(scene.columns.clusters), minlength=len(units))
    assert units.rate_hz == pytest.approx(counts / (end - start))
    assert len(units.layout.shanks) == 1
    assert len(units.layout.shanks[0].regions) > 5
    assert shank_ticks(units.layout.shanks) == {11.0: "11", 59.0: "59"}
    assert texts.number(scene, units, LOOK).count(f"{len(units)} of {len(units)} units") == 1


def test_where_nothing_passes_there_is_nothing_to_correlate(scene: Scene) -> None:
    none = Scene(scene.opened, np.zeros(scene.columns.n_clusters, np.bool_))
    picture = spikes(none)
    assert (picture.n_passing, picture.n_drawn, picture.n_beyond) == (0, 0, 0)
    assert not picture.image.any()
    found = render_correlation(CorrelationRequest(none), NEVER)
    assert found.n_known == 0
    assert "no spike passes" in texts.correlation(CorrelationRequest(none), found, dark=True)
    units = render_units(none, NEVER)
    assert f"0 of {len(units)} units ({len(units)} hidden by filters)" in texts.number(none, units, LOOK)


def test_without_amplitudes_brain_locations_and_templates_it_says_why(tmp_path: Path, cache: Path) -> None:
    bare = folder_scene(tmp_path, cache, without=["spikes.amps"])
    units = render_units(bare, NEVER)
    assert np.isnan(units.amplitudes.values).all()
    assert "Amplitude by depth: not available, no file spikes.amps" in texts.amplitudes(bare, units)
    assert "All spikes: not available, no file spikes.amps" in texts.no_spikes(bare)
    legend = texts.legend(bare, units, MarkStyle(DURATION, (), False))
    assert "grey shank: no brain locations" in legend
    assert "peak-to-trough is not available: no templates.waveforms" in legend


def test_amplitudes_that_are_no_volts_are_arbitrary(tmp_path: Path, cache: Path) -> None:
    raw = folder_scene(tmp_path, cache, changed={"spikes.amps": np.full(3000, 12.5)})
    units = render_units(raw, NEVER)
    assert texts.amplitude_unit(raw) == "a.u."
    assert units.amplitudes.values == pytest.approx(12.5)
    assert "arbitrary units" in texts.amplitudes(raw, units)


def test_four_shanks_have_a_tick_each_and_their_own_units(tmp_path: Path, cache: Path) -> None:
    columns_um = np.array([0.0, 32.0, 250.0, 282.0, 500.0, 532.0, 750.0, 782.0])
    local = np.c_[np.tile(columns_um, N_CHANNELS // 8), 15.0 * (np.arange(N_CHANNELS) // 8)]
    four = folder_scene(tmp_path, cache, changed={"channels.localCoordinates": local})
    units = render_units(four, NEVER)
    assert shank_ticks(units.layout.shanks) == {0.0: "0", 92.0: "250", 184.0: "500", 276.0: "750"}
    channels = four.sorting.clusters["channels"].to_numpy()
    shank = channels % 8 // 2
    assert units.layout.drawn_um == pytest.approx(local[channels, 0] - 158.0 * shank)


def test_one_unit_is_drawn_alone(scene: Scene) -> None:
    clusters = scene.sorting.clusters.iloc[:1]
    sorting = replace(scene.sorting, clusters=clusters)
    one = Scene(replace(scene.opened, sorting=sorting))
    units = render_units(one, NEVER)
    assert len(units) == 1
    assert "1 of 1 unit" in texts.number(one, units, LOOK)
