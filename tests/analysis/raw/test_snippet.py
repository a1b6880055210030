"""What is cut out of a recording: times, filters with what they need around, and the spikes in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dashboard
from dashboard.analysis.raw.snippet import cut, displayed_rows, read
from dashboard.model.errors import BadRequest, DatasetMissing
from dashboard.model.raw import STEPS, RawRecording
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.raw.recording import open_recording
from tests.sources.raw.samples import write_recording

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"

needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture(scope="module")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> SpikeSorting:
    return dashboard.open_insertion(SAMPLE / "lab", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def written(tmp_path: Path) -> RawRecording:
    write_recording(tmp_path)
    return open_recording(tmp_path)


def test_the_samples_between_two_times_both_ends_included(written: RawRecording) -> None:
    found = cut(written, 10.05, 10.06, step="raw")
    assert found.first == 1_500
    assert found.volts.shape[1] == 301
    np.testing.assert_allclose(found.times_s[[0, -1]], [10.05, 10.06])
    np.testing.assert_array_equal(found.volts, written.band("ap").volts(1_500, 1_801))


def test_ends_of_the_file_cut_it_and_beyond_there_is_nothing(written: RawRecording) -> None:
    assert cut(written, 9.0, 10.01, step="raw").first == 0
    with pytest.raises(BadRequest, match=r"No raw AP sample lies from 20\.0000 to 21.*has 10\.000 to 10\.133 s"):
        cut(written, 20, 21)
    with pytest.raises(DatasetMissing, match=r"A lf file is missing: .*Put the lf\.cbin"):
        cut(written, 10, 10.1, "lf")
    with pytest.raises(BadRequest, match="Bands are ap and lf"):
        cut(written, 10, 10.1, "mua")


@needs_sample
@pytest.mark.parametrize("step", STEPS)
def test_a_window_is_the_same_within_a_longer_one(sorting: SpikeSorting, step: str) -> None:
    raw = sorting.raw
    times = raw.times_at("ap", [4_500, 5_500, 5_000, 5_100])
    long, short = cut(raw, *times[:2], step=step), cut(raw, *times[2:], step=step)
    inside = long.volts[:, 500:601]
    scale = np.abs(inside).max()
    np.testing.assert_allclose(short.volts, inside, rtol=0, atol=2e-3 * scale if step == "destriped" else 1e-4 * scale)


@needs_sample
def test_the_array_of_a_script_says_what_it_is(sorting: SpikeSorting) -> None:
    found = sorting.raw.read(12.2, 12.21, band="ap", destripe=True)
    assert found.dims == ("channel", "time")
    assert found.attrs["units"] == "V"
    assert found.attrs["step"] == "destriped"
    assert "bad channels replaced" in found.attrs["filtered"]
    assert found.sel(channel=55).label == 1
    assert found.time[0] >= 12.2
    np.testing.assert_array_equal(found, read(sorting.raw, 12.2, 12.21, destripe=True))


@needs_sample
def test_spikes_have_their_troughs_on_the_channels_that_rawind_names(sorting: SpikeSorting) -> None:
    """200 spikes at random: trough within 2 samples, peak channel within 40 um."""
    truth = np.load(SAMPLE / "oracle" / "truth.npz")
    raw, found = sorting.raw, cut(sorting.raw, 12.0, 12.5, step="destriped")
    columns = sorting.channels["rawInd"].to_numpy()[sorting.clusters["channels"].to_numpy()]
    depths, near = raw.band("ap").sites.y_um, np.arange(-2, 3)
    samples, places = truth["samples"], depths[truth["file_column"]]
    apart = np.abs(samples[:, np.newaxis] - samples) + np.where(np.eye(len(samples)), 1e6, 0)
    # A trough under another spike is that of both.
    alone = ~((apart < 60) & (np.abs(places[:, np.newaxis] - places) < 250)).any(axis=1)
    inside = np.flatnonzero((samples > 60) & (samples < 11_340) & alone)
    chosen = np.random.default_rng(0).choice(inside, 200, replace=False)
    n_missed = 0
    for spike in chosen:
        sample, column = truth["samples"][spike], columns[truth["clusters"][spike]]
        assert column == truth["file_column"][spike]
        around = found.volts[:, sample - 15 : sample + 16]
        own = around[column]
        is_trough = own[15 + near].min() <= own.min() + 1e-12
        lowest = around[:, 15 + near].min(axis=1)
        close = np.abs(depths - depths[column]) <= 200
        peak = np.flatnonzero(close)[lowest[close].argmin()]
        n_missed += not (is_trough and abs(depths[peak] - depths[column]) <= 40)
    assert n_missed == 0


@needs_sample
def test_rows_are_ordered_by_the_depths_of_the_sorting(sorting: SpikeSorting) -> None:
    rows, depths = displayed_rows(sorting.raw, sorting.channels, sorting.raw.band("ap"))
    assert sorted(rows.tolist()) == list(range(384))
    assert (np.diff(depths) >= 0).all()
    known = json.loads((SAMPLE / "oracle" / "qc.json").read_text())["channel_order"]["depth_um"]
    np.testing.assert_array_equal(depths, known)
