"""Marks of spikes in a snippet: where `spikes.samples` says, whatever the clocks do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.analysis.raw.many import many_spikes
from dashboard.analysis.raw.picture import SnippetPicture, snippet_picture
from dashboard.engine.build import build_columns
from dashboard.model.errors import DownloadFailed
from dashboard.model.sorting import SpikeSorting

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
SESSION = SAMPLE / "lab" / "Subjects" / "RAW_001" / "2024-02-03" / "001"
LATE_S = 0.002
"""Of session times that another clock made: 60 samples."""

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture
def late(tmp_path: Path) -> SpikeSorting:
    """The sample with spikes whose session times are late, and whose samples are as they were."""
    folder = tmp_path / "lab" / "Subjects" / "RAW_001" / "2024-02-03" / "001"
    for path in SESSION.rglob("*"):
        copy = folder / path.relative_to(SESSION)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.name == "spikes.times.npy":
            copy.parent.mkdir(parents=True, exist_ok=True)
            np.save(copy, np.load(path) + LATE_S)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    return dashboard.open_insertion(tmp_path / "lab", cache=tmp_path / "cache")


def marked(sorting: SpikeSorting, tmp_path: Path, band: str = "ap", width_s: float = 0.07) -> SnippetPicture:
    columns = build_columns(sorting, tmp_path / "cache")
    return snippet_picture(sorting, columns, 12.2, width_s, band, "raw", (-np.inf, np.inf))


def samples(picture: SnippetPicture) -> Any:
    found = picture.recording.samples_at(picture.snippet.band.name, picture.marks.times_s)
    return np.sort(np.rint(found).astype(int))


def test_marks_lie_on_the_samples_whatever_the_session_times_are(late: SpikeSorting, tmp_path: Path) -> None:
    picture = marked(late, tmp_path)
    first, n = picture.snippet.first, picture.snippet.volts.shape[1]
    truth = np.load(SAMPLE / "oracle" / "truth.npz")["samples"]
    assert samples(picture).tolist() == sorted(truth[(truth >= first) & (truth < first + n)].tolist())
    assert picture.marks.placed_by == "spikes.samples"


@pytest.mark.parametrize("why", ["none", "far", "fails"])
def test_without_samples_marks_lie_at_the_session_times_and_the_picture_says_so(
    late: SpikeSorting, tmp_path: Path, why: str
) -> None:
    def fails(rows: Any) -> Any:
        raise DownloadFailed("spikes.samples.npy", "no answer", "Ask again")

    read = {"none": None, "far": lambda rows: None, "fails": fails}[why]
    picture = marked(replace(late, open_samples=read), tmp_path)
    first, n = picture.snippet.first, picture.snippet.volts.shape[1]
    truth = np.load(SAMPLE / "oracle" / "truth.npz")["samples"]
    there = late.raw.samples_at("ap", late.raw.times_at("ap", truth) + LATE_S)
    expected = np.sort(np.rint(there[(np.rint(there) >= first) & (np.rint(there) < first + n)]).astype(int))
    assert np.abs(samples(picture) - expected).max() <= 1
    assert picture.marks.placed_by == "session times"


def test_in_lf_marks_lie_on_the_twelfth_part_of_their_samples(late: SpikeSorting, tmp_path: Path) -> None:
    picture = marked(late, tmp_path, "lf", 0.2)
    truth = np.rint(np.load(SAMPLE / "oracle" / "truth.npz")["samples"] / 12).astype(int)
    first, n = picture.snippet.first, picture.snippet.volts.shape[1]
    assert samples(picture).tolist() == sorted(truth[(truth >= first) & (truth < first + n)].tolist())


def test_single_spikes_are_cut_at_their_samples(late: SpikeSorting, tmp_path: Path) -> None:
    columns = build_columns(late, tmp_path / "cache")
    unit = int(np.bincount(np.asarray(late.spikes.clusters)).argmax())
    found = many_spikes(replace(late, open_waveforms=None), columns, unit, 50, "high-pass")
    peak = int(np.ptp(found.mean_uv, axis=1).argmax())
    assert found.times_ms[found.mean_uv[peak].argmin()] == pytest.approx(0, abs=0.07)  # two samples


def test_decisions_that_leave_spikes_out_keep_the_samples_of_the_others(late: SpikeSorting, tmp_path: Path) -> None:
    from dashboard.analysis.curation.applied import _of_rows

    kept = np.flatnonzero(np.asarray(late.spikes.clusters) != 5)
    read = _of_rows(late.open_samples, kept)
    whole = np.load(SESSION / "alf/probe00/iblsorter/spikes.samples.npy")
    np.testing.assert_array_equal(read(np.array([0, 7, 100])), whole[kept[[0, 7, 100]]])
