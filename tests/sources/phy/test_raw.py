"""The raw file of a Kilosort folder: where it is looked for, what a bit is, and what must not be taken for raw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import signal

from dashboard.analysis.raw.snippet import read
from dashboard.config.settings import Settings
from dashboard.library.open import open_insertion
from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid, DatasetMissing
from dashboard.model.raw import RawBand, RawRecording, Sites
from dashboard.sources.phy.source import PhySource
from dashboard.sources.raw.recording import open_recording
from dashboard.sources.raw.wide_band import EVERY, lf_of
from tests.sources.raw.samples import N_CHANNELS as N_META
from tests.sources.raw.samples import NP2_4SHANKS, write_meta
from tests.sources.samples import N_CHANNELS, RATE_HZ, write_phy

N_COLUMNS = N_CHANNELS + 1


def write_dat(path: Path, n_samples: int = 30_000, n_columns: int = N_COLUMNS) -> np.ndarray:
    counts = np.random.default_rng(5).integers(-500, 500, (n_samples, n_columns)).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(counts.tobytes())
    return counts


def write_params(folder: Path, dat_path: str, **others: Any) -> None:
    values = {"dat_path": dat_path, "n_channels_dat": N_COLUMNS, "dtype": "int16", "offset": 0, "sample_rate": RATE_HZ}
    lines = [f"{name} = {value!r}" for name, value in (values | others).items()]
    (folder / "params.py").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_phy(tmp_path / "data" / "imec0" / "kilosort25").folder


def raw(root: Path, cache: Path, **settings: Any) -> RawRecording:
    source = PhySource(root, Settings(cache=cache, **settings))
    recording = open_insertion(next(source.insertions()), source=source, cache=cache).raw
    assert isinstance(recording, RawRecording)
    return recording


@pytest.mark.parametrize(
    ("dat_path", "place"),
    [
        ("recording.dat", "recording.dat"),
        ("../recording.dat", "../recording.dat"),
        ("C:\\data\\recording.dat", "../../recording.dat"),
        ("/gone/recording.dat", "../recording.dat"),
    ],
)
def test_the_file_is_found_where_it_says_or_by_name_around_the_folder(
    folder: Path, tmp_path: Path, dat_path: str, place: str
) -> None:
    counts = write_dat((folder / place).resolve())
    write_params(folder, dat_path)
    band = raw(tmp_path / "data", tmp_path / "cache", bit_uv=2.0).band("ap")
    np.testing.assert_array_equal(band.columns(10, 20), counts[10:20])
    assert band.n_channels <= N_CHANNELS, "the sync word is no channel"
    np.testing.assert_allclose(band.volts(0, 3).T, counts[:3, : band.n_channels] * np.float32(2e-6), rtol=1e-6)


@pytest.mark.parametrize("dat_path", ["{outside}/recording.dat", "../../../outside/recording.dat"])
def test_a_path_that_leads_out_of_the_data_is_refused_and_may_be_said(
    folder: Path, tmp_path: Path, dat_path: str
) -> None:
    outside = tmp_path / "outside"
    write_dat(outside / "recording.dat")
    write_params(folder, dat_path.format(outside=outside))
    with pytest.raises(BadRequest, match=r"leads out of the folders of data, and is not followed.* --raw FILE"):
        raw(tmp_path / "data", tmp_path / "cache")
    assert raw(tmp_path / "data", tmp_path / "cache", raw=outside / "recording.dat").band("ap").n_samples == 30_000
    assert raw(tmp_path / "data", tmp_path / "cache", data=(tmp_path,)).band("ap").n_samples == 30_000


def test_a_link_that_leads_out_is_no_way_around(folder: Path, tmp_path: Path) -> None:
    write_dat(tmp_path / "outside" / "recording.dat")
    (folder / "recording.dat").symlink_to(tmp_path / "outside" / "recording.dat")
    write_params(folder, "recording.dat")
    with pytest.raises(BadRequest, match="leads out"):
        raw(tmp_path / "data", tmp_path / "cache")


def test_kilosorts_own_copy_is_never_called_raw(folder: Path, tmp_path: Path) -> None:
    write_dat(folder / "temp_wh.dat", n_columns=N_CHANNELS)
    write_params(folder, "temp_wh.dat", n_channels_dat=N_CHANNELS)
    recording = raw(tmp_path / "data", tmp_path / "cache", bit_uv=2.34)
    assert "whitened" in recording.band("ap").note
    assert recording.band("ap").unit == "bit"
    found = read(recording, 0.1, 0.11)
    assert (found.units, found.filtered) == ("bit", "as in the file")
    assert "whitened" in found.note


def test_bits_are_bits_where_no_file_says_more(folder: Path, tmp_path: Path) -> None:
    counts = write_dat(folder / "recording.dat")
    write_params(folder, "recording.dat")
    found = read(raw(tmp_path / "data", tmp_path / "cache"), 0.1, 0.11)
    assert found.units == "bit"
    np.testing.assert_allclose(found.values[0, 0], counts[found.sample.values[0], 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "kind", "words"),
    [
        ({"dat_path": ""}, DatasetMissing, "dat_path is missing.*--raw FILE"),
        ({"dat_path": "gone.dat"}, DatasetMissing, "gone.dat is missing.*--raw FILE"),
        ({"dat_path": "recording.dat", "dtype": "float32"}, DatasetInvalid, "of float32 after 0 bytes are not read"),
        ({"dat_path": "recording.dat", "offset": 64}, DatasetInvalid, "after 64 bytes"),
        ({"dat_path": "recording.dat", "n_channels_dat": 31}, DatasetInvalid, "not a whole number of samples"),
        ({"dat_path": "recording.dat", "n_channels_dat": 3}, DatasetInvalid, "raw file has 3"),
    ],
)
def test_what_is_wrong_is_one_line(
    folder: Path, tmp_path: Path, params: dict[str, Any], kind: type[DashboardError], words: str
) -> None:
    write_dat(folder / "recording.dat")
    write_params(folder, **params)
    with pytest.raises(kind, match=words):
        raw(tmp_path / "data", tmp_path / "cache")


def test_a_recording_of_open_ephys_has_its_gains_and_its_lf(folder: Path, tmp_path: Path) -> None:
    home = folder.parent / "experiment1" / "recording1"
    ap, lf = (home / "continuous" / f"Neuropix-PXI-100.ProbeA-{name}" / "continuous.dat" for name in ("AP", "LFP"))
    write_dat(ap, n_columns=N_CHANNELS)
    counts = write_dat(lf, 2_500, N_CHANNELS)
    streams = [
        {"folder_name": f"{path.parent.name}/", "sample_rate": hz, "channels": [{"bit_volts": uv}] * N_CHANNELS}
        for path, hz, uv in ((lf, 2_500, 4.6875), (ap, 30_000, 0.195))
    ]
    (home / "structure.oebin").write_text(json.dumps({"continuous": streams}))
    write_params(folder, str(ap), n_channels_dat=N_CHANNELS)
    recording = raw(tmp_path / "data", tmp_path / "cache")
    assert recording.band("ap").volts_per_bit[0] == np.float32(0.195e-6)
    volts = recording.band("lf").volts(0, 10)
    np.testing.assert_allclose(volts.T, counts[:10, : len(volts)] * np.float32(4.6875e-6), rtol=1e-6)
    (home / "structure.oebin").write_text("{}")
    with pytest.raises(DatasetInvalid, match="Does not describe the recording"):
        raw(tmp_path / "data", tmp_path / "cache")


def test_lf_of_a_wide_band_is_the_low_frequencies_without_delay() -> None:
    n, fs_hz = 90_000, 30_000.0
    times = np.arange(n) / fs_hz
    slow, fast = 1_000 * np.sin(2 * np.pi * 40 * times), 1_000 * np.sin(2 * np.pi * 3_000 * times)
    counts = np.rint(np.stack([slow, fast, slow + fast, np.full(n, 64)], axis=1)).astype(np.int16)
    sites = Sites(np.zeros(3), np.arange(3.0), np.zeros(3, np.int64), np.zeros(3))
    volts = np.full(3, 1e-6, np.float32)
    band = RawBand("ap", Path("test of LF"), fs_hz, n, volts, sites, True, lambda i0, i1: counts[i0:i1])
    lf = lf_of(band)
    assert (lf.fs_hz, lf.n_samples, lf.n_channels) == (2_500, 7_500, 3)
    found = lf.columns(100, 7_400)  # across two borders of blocks
    np.testing.assert_allclose(found[:, 0], slow[1_200:88_800:EVERY], atol=3)
    assert np.abs(found[:, 1]).max() < 5
    np.testing.assert_allclose(found[:, 2], slow[1_200:88_800:EVERY], atol=6)
    whole = signal.oaconvolve(counts[:, 0], signal.firwin(481, 1_000, fs=fs_hz), mode="same")[::EVERY]
    np.testing.assert_allclose(lf.columns(30, 7_000)[:, 0], whole[30:7_000], rtol=1e-3, atol=0.05)


def test_a_probe_of_the_second_generation_has_lf_without_a_file_of_it(tmp_path: Path) -> None:
    name = "_spikeglx_ephysData_g0_t0.imec0"
    write_dat(tmp_path / f"{name}.ap.bin", 30_000, N_META + 1)
    sites = "(NP2010,4,250,70)" + "".join(f"({i % 4}:{27 + 32 * (i % 2)}:{15 * (i // 4)}:1)" for i in range(N_META))
    write_meta(
        tmp_path / f"{name}.ap.meta", 30_000, imDatPrb_type="2013", imAiRangeMax="0.5",
        **{"~imroTbl": NP2_4SHANKS, "~snsShankMap": None, "~snsGeomMap": sites},
    )  # fmt: skip
    np.save(tmp_path / f"{name}.timestamps.npy", np.array([[0, 0.0], [30_000, 1.0]]))
    recording = open_recording(tmp_path)
    assert "derived from the wide band" in recording.band("lf").note
    assert float(recording.times_at("lf", 2_500)) == pytest.approx(1.0)
    assert read(recording, 0.2, 0.4, "lf").shape[1] == pytest.approx(500, abs=2)
