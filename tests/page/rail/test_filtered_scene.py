"""What passes the limits of single spikes: numpy's masks say so, and everything that counts agrees."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from dashboard.analysis.filters.words import read_spike_amp, say_spike_amp
from dashboard.engine.count.queries import count_in
from dashboard.export import spikes as files
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest
from dashboard.page.core.state import ViewState
from dashboard.page.plot import texts
from dashboard.page.plot.raster import RasterRequest, render
from dashboard.page.rail.filtered_scene import passing
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.registry import page_state

LIMITS = "80,150.5"


def masks(opened: OpenInsertion) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which spikes are within the limits, and which are of good units: from the file's own columns."""
    spikes, sorting = opened.sorting.spikes, opened.sorting
    assert spikes.amps_v is not None
    amps = (np.asarray(spikes.amps_v, np.float64) * 1e6).astype(np.float32)
    inside = (amps >= 80) & (amps < 150.5)
    good = np.isin(spikes.clusters, sorting.clusters.index[sorting.labels == 1])
    return inside, good


@pytest.mark.parametrize("quality", ["all", "good"])
def test_every_count_is_that_of_a_mask(opened: OpenInsertion, quality: str) -> None:
    inside, good = masks(opened)
    keep = inside & (good if quality == "good" else True)
    passed = passing(ViewState(quality=quality, filters={"spike_amp": LIMITS}), opened)
    scene = passed.scene(opened, "allen")
    assert 0 < scene.n_spikes_passing < opened.columns.n_spikes
    assert scene.n_spikes_passing == keep.sum() == passed.result.n_spikes
    assert passed.result.n_spikes_total == opened.columns.n_spikes
    ids = np.asarray(opened.sorting.spikes.clusters)
    np.testing.assert_array_equal(passed.counts, np.bincount(ids[inside], minlength=opened.columns.n_clusters))
    times, depths = np.asarray(opened.sorting.spikes.times_s), np.asarray(opened.sorting.spikes.depths_um)
    request = RasterRequest(scene, (20.0, 300.0), (100.0, 3000.0), 300, 200, "count", "linear", None, (7,))
    picture = render(request, threading.Event())
    window = keep & (times >= 20) & (times <= 300) & (depths >= 100) & (depths <= 3000)
    assert picture.n_in_view == window.sum()
    assert f"{keep.sum():,} of {len(ids):,} spikes" in texts.status(scene, picture)
    whole = replace(request, time_range=opened.columns.time_range_s, depth_range=opened.columns.depth_range_um)
    edges = render(whole, threading.Event()).aggregate
    expected = np.histogram2d(depths[keep], times[keep], [edges.depth_edges_um, edges.time_edges_s])[0]
    np.testing.assert_array_equal(edges.values, expected)


def test_the_overlay_has_the_same_limits(opened: OpenInsertion) -> None:
    inside, _ = masks(opened)
    ids = np.asarray(opened.sorting.spikes.clusters)
    unit = int(np.bincount(ids[~inside]).argmax())
    scene = passing(ViewState(filters={"spike_amp": "1e6,"}), opened).scene(opened, "allen")
    request = RasterRequest(scene, (0.0, 300.0), (0.0, 3840.0), 300, 200, "count", "linear", None, (unit,))
    overlay = render(request, threading.Event()).overlay
    assert overlay is not None and not overlay.any()


def test_an_export_holds_the_spikes_that_pass(opened: OpenInsertion, tmp_path) -> None:
    inside, good = masks(opened)
    state = page_state(
        time_range=(10.0, 500.0), depth_range=(0.0, 3840.0), quality="good", filters={"spike_amp": LIMITS}
    )
    subject = make_subject(passing(state.view, opened).scene(opened, "allen"), state.values())
    times = np.asarray(opened.sorting.spikes.times_s)
    expected = times[inside & good & (times >= 10) & (times <= 500)]
    assert files.write_spikes(tmp_path / "x.parquet", subject, "parquet") == len(expected) == subject.n_in_view
    np.testing.assert_array_equal(pd.read_parquet(tmp_path / "x.parquet")["times"], expected)
    assert "spike_amp 80,150.5" in subject.filter_text
    columns = subject.columns
    n_drawn = files.write_aggregate(tmp_path / "x.npz", subject)
    assert n_drawn == count_in(columns, (10, 500), (0, 3840), kept=subject.kept)


def test_without_amplitudes_the_limits_hide_nothing_and_say_so(opened: OpenInsertion) -> None:
    bare = replace(opened, columns=replace(opened.columns, amps_uv=None))
    passed = passing(ViewState(filters={"spike_amp": LIMITS}), bare)
    assert passed.amp_range_uv is None
    assert passed.result.n_spikes == bare.columns.n_spikes
    assert passed.result.criteria[-1].reason == "the spikes have no amplitudes"


def test_counts_are_taken_over_while_the_limits_stay(opened: OpenInsertion) -> None:
    first = passing(ViewState(filters={"spike_amp": LIMITS}), opened).scene(opened, "allen")
    again = passing(ViewState(quality="good", filters={"spike_amp": LIMITS}), opened, first)
    assert again.counts is first.passing_per_cluster
    other = passing(ViewState(filters={"spike_amp": "90,"}), opened, first)
    assert other.counts is not first.passing_per_cluster


@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("50,200", (50.0, 200.0), "50 ≤ spike amplitude < 200 µV"),
        ("50,", (50.0, np.inf), "spike amplitude ≥ 50 µV"),
        (",200", (-np.inf, 200.0), "spike amplitude < 200 µV"),
    ],
)
def test_words_of_limits(text: str, limits: tuple[float, float], words: str) -> None:
    assert read_spike_amp({"spike_amp": text}) == limits
    assert say_spike_amp(limits, "µV") == words


@pytest.mark.parametrize("text", ["", ",", " , "])
def test_empty_words_ask_for_nothing(text: str) -> None:
    assert read_spike_amp({"spike_amp": text}) is None


@pytest.mark.parametrize("text", ["200,50", "a,b", "50", "1,2,3", "nan,", "5,5"])
def test_bad_words_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read_spike_amp({"spike_amp": text})
