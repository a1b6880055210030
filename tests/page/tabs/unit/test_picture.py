"""What the Unit tab draws is what the computations give, of all the unit's spikes."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.units.bins import UnitBins
from dashboard.analysis.units.correlograms import autocorrelogram, crosscorrelogram
from dashboard.analysis.units.templates import lay_template, unit_template
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.library.open import open_insertion
from dashboard.library.store import OpenInsertion
from dashboard.model.colours import SELECTION, hex_colour
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import Missing, SpikeSorting
from dashboard.page.core.scene import Scene
from dashboard.page.tabs.unit import texts as unit_texts
from dashboard.page.tabs.unit.picture import UnitPicture, UnitRequest, render_units
from tests.library.alf_folder import N_CLUSTERS, sorting_arrays, write_session

IDS = (3, 7, 8)


@pytest.fixture(scope="module")
def picture(scene: Scene) -> UnitPicture:
    return render_units(UnitRequest(scene, IDS, 7), threading.Event())


def times_of(scene: Scene, cluster: int) -> np.ndarray[Any, Any]:
    spikes = scene.sorting.spikes
    return np.asarray(spikes.times_s)[np.asarray(spikes.clusters) == cluster]


def test_all_spikes_of_the_unit_are_in_its_correlogram_and_intervals(scene: Scene, picture: UnitPicture) -> None:
    times = times_of(scene, 7)
    assert picture.acg.counts.tolist() == autocorrelogram(times).counts.tolist()
    assert picture.isi.n_intervals == len(times) - 1
    assert len(picture.focus) == len(times)


def test_each_pair_is_correlated_once(scene: Scene, picture: UnitPicture) -> None:
    pairs = [picture.pair(k) for k in range(picture.n_pairs)]
    assert [(first, second) for first, second, _ in pairs] == [(3, 7), (3, 8), (7, 8)]
    for first, second, lags in pairs:
        expected = crosscorrelogram(times_of(scene, first), times_of(scene, second))
        assert lags.counts.tolist() == expected.counts.tolist()


def test_units_keep_the_colours_that_they_have_in_the_raster(scene: Scene) -> None:
    found = render_units(UnitRequest(scene, (7,), 7, ranks=(4,)), threading.Event())
    assert hex_colour(found.colours[0]).upper() == SELECTION[4]
    image = found.depth_cloud.image.view(np.uint8).reshape(-1, 4)
    assert {hex_colour(colour).upper() for colour in image[image[:, 3] > 0][:, :3]} == {SELECTION[4]}


def test_rates_add_up_to_the_spikes(scene: Scene, picture: UnitPicture) -> None:
    widths = np.diff(picture.rate_edges_s)
    n_spikes = [round(float(rate @ widths)) for rate in picture.rates_hz]
    assert n_spikes == [len(times_of(scene, cluster)) for cluster in IDS]


def test_bins_can_be_changed(scene: Scene) -> None:
    bins = UnitBins(
        lag_bin_s=0.002,
        lag_half_s=0.1,
        isi_bin_s=0.001,
        isi_window_s=0.05,
        rate_bin_s=60.0,
        close_bin_s=0.001,
        close_half_s=0.02,
        n_amp_bins=30,
    )
    found = render_units(UnitRequest(scene, (7,), 7, bins), threading.Event())
    assert len(found.acg.counts) == 101
    assert len(found.close_acg.counts) == 41
    assert len(found.isi.counts) == 50
    assert found.amplitudes is not None
    assert len(found.amplitudes.counts) == 30
    assert "drawn in 30 bins, tested in 99" in unit_texts.heading("unit-amplitude", scene, found)
    assert found.rate_edges_s[1] - found.rate_edges_s[0] == pytest.approx(60.0)


@pytest.mark.parametrize(
    "bins",
    [
        UnitBins(lag_bin_s=0.0),
        UnitBins(close_bin_s=0.0),
        UnitBins(isi_bin_s=0.0),
        UnitBins(rate_bin_s=0.0),
        UnitBins(rate_bin_s=1e-9),
        UnitBins(n_amp_bins=0),
        UnitBins(n_amp_bins=1_000_000),
    ],
)
def test_bins_that_make_no_sense_are_one_line(scene: Scene, bins: UnitBins) -> None:
    with pytest.raises(BadRequest):
        render_units(UnitRequest(scene, (7,), 7, bins), threading.Event())


def test_a_newer_selection_stops_the_one_before(scene: Scene) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        render_units(UnitRequest(scene, IDS, 7), cancel)


def test_the_template_is_that_of_the_peak(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    template, why = unit_template(small_demo, small_columns, 7)
    assert template is not None
    assert not why
    assert small_demo.templates is not None
    peak = int(np.flatnonzero(template.is_peak)[0])
    expected = 1e6 * np.ptp(np.asarray(small_demo.templates.waveforms[7], dtype=np.float64), axis=0).max()
    assert np.ptp(template.waveforms_uv[peak]) == pytest.approx(expected)
    assert template.axial_um[peak] == small_demo.clusters.loc[7, "axial_um"]


def test_scale_bars_are_to_scale(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    template, _ = unit_template(small_demo, small_columns, 7)
    assert template is not None
    traces, bars, _ = lay_template(template, "µV")
    peak = int(np.flatnonzero(template.is_peak)[0])
    height_of_100_uv = bars["y1"][1] - bars["y0"][1]
    assert np.ptp(traces["y"][peak]) / height_of_100_uv == pytest.approx(np.ptp(template.waveforms_uv[peak]) / 100)
    one_ms = bars["x1"][0] - bars["x0"][0]
    n_samples = template.waveforms_uv.shape[1]
    assert np.ptp(traces["x"][peak]) / one_ms == pytest.approx((n_samples - 1) / 30)
    assert bars["y1"][2] - bars["y0"][2] == 40


def test_without_templates_the_reason_is_given(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    bare = replace(small_demo, templates=None, missing=(Missing("templates", "were not extracted"),))
    assert unit_template(bare, small_columns, 7) == (None, "were not extracted")


def test_after_curation_the_template_is_that_of_most_spikes(tmp_path: Path) -> None:
    """Cluster 3 was made of template 5; the other clusters kept theirs."""
    rng = np.random.default_rng(0)
    arrays = sorting_arrays()
    of_spikes = arrays["spikes.clusters"].astype(np.int32)
    mine = np.flatnonzero(of_spikes == 3)
    of_spikes[mine] = 5
    of_spikes[mine[: len(mine) // 4]] = 2
    waveforms = rng.normal(size=(N_CLUSTERS, 82, 4)) * 1e-4
    channels = np.tile(np.arange(4), (N_CLUSTERS, 1))
    more = {"templates.waveforms": waveforms, "templates.waveformsChannels": channels, "spikes.templates": of_spikes}
    folder = write_session(tmp_path / "data", changed=more)
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    columns = build_columns(sorting, tmp_path / "cache")
    template, why = unit_template(sorting, columns, 3)
    assert template is not None, why
    np.testing.assert_allclose(template.waveforms_uv, 1e6 * waveforms[5].T)
    assert "row 5: that of 75" in template.name
    template, _ = unit_template(sorting, columns, 4)
    assert template is not None
    assert "row 4: that of 100 %" in template.name

    # Of another length it is left aside, and the cluster's own row is shown and named as such.
    np.save(folder / "spikes.templates.npy", of_spikes[:-1])
    shorter = open_insertion(folder, cache=tmp_path / "cache")
    template, _ = unit_template(shorter, columns, 3)
    assert template is not None
    np.testing.assert_allclose(template.waveforms_uv, 1e6 * waveforms[3].T)
    assert "curation may have moved" in template.name
    assert f"of shape ({len(of_spikes) - 1},)" in template.name


def test_without_amplitudes_the_rest_is_drawn(scene: Scene) -> None:
    columns = replace(scene.columns, amps_uv=None)
    bare = Scene(replace(scene.opened, columns=columns))
    found = render_units(UnitRequest(bare, (7,), 7), threading.Event())
    assert found.amplitude_cloud is None
    assert found.acg.counts.any()
    assert "not available" in unit_texts.heading("unit-amplitude", bare, found)


def test_limits_of_single_spikes_hold_for_all_but_amplitudes(scene: Scene) -> None:
    limits = (150.0, 250.0)
    limited = Scene(scene.opened, amp_range_uv=limits)
    found = render_units(UnitRequest(limited, IDS, 7), threading.Event())
    amps = 1e6 * np.asarray(scene.sorting.spikes.amps_v)
    passes = (amps.astype(np.float32) >= limits[0]) & (amps.astype(np.float32) < limits[1])
    clusters = np.asarray(scene.sorting.spikes.clusters)
    times = {unit: np.asarray(scene.sorting.spikes.times_s)[passes & (clusters == unit)] for unit in IDS}
    assert 0 < len(times[7]) < (clusters == 7).sum()
    assert found.acg.counts.tolist() == autocorrelogram(times[7]).counts.tolist()
    assert found.isi.n_intervals == len(times[7]) - 1
    assert found.pair(2)[2].counts.tolist() == crosscorrelogram(times[7], times[8]).counts.tolist()
    assert found.depth_cloud.n_spikes == sum(map(len, times.values()))
    widths = np.diff(found.rate_edges_s)
    assert [round(float(rate @ widths)) for rate in found.rates_hz] == [len(times[unit]) for unit in IDS]
    # A distribution that was cut would always fail the noise cut-off, or never.
    assert found.amplitudes is not None
    assert found.amplitudes.counts.sum() == (clusters == 7).sum() == found.n_whole
    head = unit_texts.head(limited, found, "")
    assert f"{len(times[7]):,} of {found.n_whole:,} spikes" in head
    assert "150 ≤ spike amplitude &lt; 250 µV" in head
    assert "within the limits" in unit_texts.heading("unit-depth", limited, found)
    assert "dashed: limits" in unit_texts.heading("unit-amplitude", limited, found)
    assert f"all {found.n_whole:,} spikes" in unit_texts.head(scene, found, "")


def test_all_is_said_only_where_no_spike_of_the_sorting_was_left_out(scene: Scene, picture: UnitPicture) -> None:
    lacking = replace(scene.sorting, n_dropped=3, drop_reason="no time")
    without = Scene(replace(scene.opened, sorting=lacking))
    figures = ("unit-amplitude", "unit-depth")
    for seen, is_all in ((scene, True), (without, False)):
        texts = [unit_texts.head(seen, picture, ""), *(unit_texts.heading(name, seen, picture) for name in figures)]
        for text in texts:
            assert (re.search(r"all [\d,]+ spikes", text) is not None) == is_all, text
            assert ("without those that have no time" in text) != is_all


def test_the_last_six_of_many_are_shown_and_it_is_said() -> None:
    ids, aside = unit_texts.chosen((9, 1, 2, 3, 4, 5, 6))
    assert ids == (1, 2, 3, 4, 5, 6)
    assert "7 units are selected" in aside
    assert unit_texts.chosen((3,)) == ((3,), "")


def test_a_test_that_only_the_figures_make_has_one_answer(opened: OpenInsertion, picture: UnitPicture) -> None:
    """The files of this sorting lack the columns of the tests; the figures compute them."""
    bare = opened.sorting.clusters.drop(columns=["max_confidence", "noise_cutoff", "slidingRP_viol"], errors="ignore")
    scene = Scene(replace(opened, sorting=replace(opened.sorting, clusters=bare)))
    text = unit_texts.head(scene, picture, "")
    assert "not available" not in text
    assert text.count("computed here") == 2
    verdict = "pass" if picture.refractory.passes else "fail"
    assert f"{round(picture.refractory.max_confidence_pct, 3):.4g} %" in text
    assert f'<b class="{verdict}">{verdict}</b> {picture.refractory.max_confidence_pct:.0f} %' in unit_texts.heading(
        "unit-refractory", scene, picture
    )


def test_a_test_that_the_file_decides_otherwise_says_so(opened: OpenInsertion, picture: UnitPicture) -> None:
    """The table above has the file's value, the figure that of the spikes."""
    test = picture.refractory
    for confidence, words in ((99.0, "the file says pass"), (10.0, "the file says fail")):
        clusters = opened.sorting.clusters.assign(max_confidence=confidence)
        scene = Scene(replace(opened, sorting=replace(opened.sorting, clusters=clusters)))
        text = unit_texts.heading("unit-refractory", scene, picture)
        assert "computed here" in text
        assert (words in text) == ((confidence >= 90) != test.passes)


def test_failed_tests_of_the_label_are_named(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    row = small_demo.clusters.loc[7].to_dict() | {
        "max_confidence": 95.0, "noise_cutoff": 7.5, "amp_median": 40e-6, "label": 1 / 3
    }  # fmt: skip
    clusters = small_demo.clusters.copy()
    clusters.loc[7, list(row)] = list(row.values())
    text = unit_texts.tests(replace(small_demo, clusters=clusters), 7)
    assert "1 of 3 tests pass" in text
    assert text.count('class="pass"') == 1
    assert text.count('class="fail"') == 2
    assert "40 µV" in text


def test_text_from_files_is_escaped(scene: Scene) -> None:
    sorting = scene.sorting
    clusters = sorting.clusters.assign(KSLabel="<b>good</b>")
    assert "<b>good</b>" not in unit_texts.metrics(replace(sorting, clusters=clusters), 7).replace("&lt;", "")
    bare = replace(sorting, missing=(), spikes=replace(sorting.spikes, extra=MappingProxyType({})))
    assert "&lt;b&gt;" in unit_texts.tests(replace(bare, clusters=clusters), 7)
