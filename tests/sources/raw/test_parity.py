"""Raw files as mtscomp, spikeglx and ibllib read them: the recorded answers for the sample session."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.model.raw import RawRecording
from dashboard.sources.raw.recording import open_recording

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
SESSION = SAMPLE / "lab" / "Subjects" / "RAW_001" / "2024-02-03" / "001"

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture(scope="module")
def recording() -> RawRecording:
    return open_recording(SESSION / "raw_ephys_data" / "probe00")


def answers(name: str) -> Any:
    return json.loads((SAMPLE / "oracle" / f"{name}.json").read_text())


@pytest.mark.parametrize("band", ["ap", "lf"])
def test_counts_are_mtscomps_of_the_fewest_chunks(recording: RawRecording, band: str) -> None:
    file: Any = recording.band(band).columns
    for window in answers("int16_windows")[band]:
        counts = np.ascontiguousarray(file(window["i0"], window["i1"]))
        digest = hashlib.sha256(counts.tobytes()).hexdigest()
        assert digest == window["int16"]["sha256_of_C_order_bytes"], window["what"]
        assert list(file.chunks_of(window["i0"], window["i1"])) == window["fewest_chunks"]


@pytest.mark.parametrize("band", ["ap", "lf"])
def test_volts_are_spikeglxs_and_the_sync_word_is_not_among_them(recording: RawRecording, band: str) -> None:
    known, found = answers("volts")[band], recording.band(band)
    assert (found.fs_hz, found.n_samples, found.n_channels) == (known["fs"], known["ns"], known["nc"] - 1)
    for window in known["windows"]:
        volts = found.volts(window["i0"], window["i1"])
        assert volts.dtype == np.float32
        assert volts.shape == (known["nc"] - 1, window["i1"] - window["i0"])
        assert volts[:8, 0].tolist() == window["first_row_head"]
        column = window["column_100"]
        assert (volts[100].min(), volts[100].max(), volts[100, -1]) == (column["min"], column["max"], column["last"])
        assert volts[100].sum(dtype=np.float64) == pytest.approx(column["sum"], rel=1e-9)


@pytest.mark.parametrize("band", ["ap", "lf"])
def test_sites_are_spikeglxs_in_the_order_of_the_file(recording: RawRecording, band: str) -> None:
    known, sites = answers("volts")["geometry_of_file_columns"], recording.band(band).sites
    for name, values in {"x": sites.x_um, "y": sites.y_um, "shank": sites.shank, "sample_shift": sites.shift}.items():
        np.testing.assert_array_equal(values, known[name]["values"], err_msg=name)


def test_session_times_are_ibllibs_in_both_directions(recording: RawRecording) -> None:
    known = answers("session_time")
    np.testing.assert_array_equal(recording.times_at("ap", known["samples"]), known["session_s_by_timestamps"])
    back = recording.samples_at("ap", known["session_s_by_timestamps"])
    np.testing.assert_array_equal(back, known["and_back_to_samples"])
    lf = recording.times_at("lf", np.asarray(known["samples"]) / 12)
    np.testing.assert_allclose(lf, known["session_s_by_timestamps"], rtol=0, atol=1e-12)


def test_old_sessions_have_their_times_from_the_sync_file(tmp_path: Path) -> None:
    for path in (SESSION / "raw_ephys_data" / "probe00").iterdir():
        if not path.name.endswith(".timestamps.npy"):
            (tmp_path / path.name).symlink_to(path)
    known = answers("session_time")
    times = open_recording(tmp_path).times_at("ap", known["samples"])
    np.testing.assert_array_equal(times, known["session_s_by_sync_npy"])


def test_the_sorting_of_a_folder_has_its_recording(recording: RawRecording, tmp_path: Path) -> None:
    for place in (SAMPLE / "lab", SESSION, SESSION / "alf" / "probe00" / "iblsorter"):
        raw = dashboard.open_insertion(place, cache=tmp_path).raw
        assert raw.band("ap").path.samefile(recording.band("ap").path)
        assert np.flatnonzero(raw.labels == 1).tolist() == [55]
