"""LF that lfpack packed, in the folder of a probe: volts, session time, its picture; and what is wrong with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.raw.session_lfp import SessionLfp
from dashboard.analysis.raw.snippet import cut
from dashboard.library.open import open_insertion
from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid
from dashboard.sources.raw.recording import holds_samples, open_recording
from tests.library.alf_folder import SESSION, write_session
from tests.sources.raw.samples import write_recording

h5py = pytest.importorskip("h5py")
lfpack = pytest.importorskip("lfpack")

N_CHANNELS, N_SAMPLES, FS_HZ, T0_S, FS_SYNC_HZ = 48, 5_000, 250.0, 12.5, 250.001
LABELS = np.zeros(N_CHANNELS, np.int8)
LABELS[[3, 40]] = 1, 3


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two probes of one file: waves of 8 Hz that are strongest in the middle."""
    folder = tmp_path_factory.mktemp("packed")
    times = np.arange(N_SAMPLES) / FS_HZ
    profile = np.exp(-(((np.arange(N_CHANNELS) - 24) / 8) ** 2))
    rng = np.random.default_rng(1)
    volts = 1e-4 * np.outer(np.sin(2 * np.pi * 8 * times), profile)
    volts += 1e-7 * rng.standard_normal((N_SAMPLES, N_CHANNELS))
    np.save(folder / "volts.npy", volts.astype(np.float32))
    places = {"x": np.tile([43.0, 11.0], N_CHANNELS // 2), "y": 20.0 * (1 + np.arange(N_CHANNELS) // 2)}
    for pid in ("a", "b"):
        lfpack.compress_to_h5(
            folder / "volts.npy", folder / f"{pid}.lf.h5", pid, h=places, fs=FS_HZ, t0_sync=T0_S, fs_sync=FS_SYNC_HZ,
            channels={"labels": LABELS}, n_jobs=1,
        )  # fmt: skip
    lfpack.merge_h5([folder / "a.lf.h5", folder / "b.lf.h5"], folder / "both_lf.h5")
    return folder


def placed(packed: Path, folder: Path, name: str = "a.lf.h5") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(packed / name, folder / name)
    return folder / name


def test_it_is_the_voltage_that_was_packed_in_session_time(packed: Path, tmp_path: Path) -> None:
    placed(packed, tmp_path)
    assert holds_samples(tmp_path)
    recording = open_recording(tmp_path)
    band = recording.band("lf")
    assert (band.n_channels, band.n_samples, band.fs_hz, band.unit) == (N_CHANNELS, N_SAMPLES, FS_HZ, "V")
    volts, known = band.volts(2_000, 2_100), np.load(packed / "volts.npy")[2_000:2_100].T
    assert np.abs(volts - known).max() < 5e-6
    reader = lfpack.LFPackReader(packed / "a.lf.h5")
    np.testing.assert_array_equal(band.volts(1_990, 2_300), reader.read(slice(1_990, 2_300), sync=False).T)
    samples = np.array([0, 123, 4_999])
    np.testing.assert_allclose(recording.times_at("lf", samples), T0_S + samples / FS_SYNC_HZ, atol=1e-9)
    np.testing.assert_array_equal(recording.labels, LABELS)
    with pytest.raises(BadRequest, match="not in the file"):
        band.volts(0, N_SAMPLES + 1)
    shown = cut(recording, 14.0, 15.0, "lf", "destriped")
    assert "above 0.5 Hz" in shown.filtered and np.isfinite(shown.volts).all()


def test_the_session_has_its_picture_of_it(packed: Path, tmp_path: Path) -> None:
    write_session(tmp_path)
    placed(packed, tmp_path / SESSION / "raw_ephys_data" / "probe00")
    sorting = open_insertion(tmp_path / SESSION, cache=tmp_path / "cache")
    lfp = SessionLfp(sorting.raw)
    while lfp.read_next():
        pass
    heat = lfp.image(sorting, "lfp_4_10")
    strongest = heat.image.depths_um[np.nanmedian(heat.image.values, axis=1).argmax()]
    assert strongest == pytest.approx(260, abs=40)
    assert "packed by lfpack" in heat.words and "as recorded" not in heat.words
    assert "nothing above 125 Hz" in lfp.image(sorting, "lfp_80_200").words
    assert "nothing above" not in heat.words


def test_beside_ap_it_has_the_clock_of_the_recording(packed: Path, tmp_path: Path) -> None:
    write_recording(tmp_path)
    placed(packed, tmp_path)
    recording = open_recording(tmp_path)
    assert set(recording.bands) == {"ap", "lf"}
    assert recording.times_at("lf", 250.0) == pytest.approx(recording.times_at("ap", 30_000.0))


def test_a_file_of_many_probes_is_read_by_the_pid(packed: Path, tmp_path: Path) -> None:
    placed(packed, tmp_path, "both_lf.h5")
    assert open_recording(tmp_path, pid="b").band("lf").n_samples == N_SAMPLES
    with pytest.raises(BadRequest, match=r"LF of 2 probes.*not of this one \(c\)"):
        open_recording(tmp_path, pid="c")


def _older(file: Any) -> None:
    file["a/00/meta"].attrs["format_version"] = 1


def _outside(file: Any) -> None:
    del file["a/00/codec/vh_values"]
    file["a/00/codec/vh_values"] = h5py.ExternalLink("/etc/passwd", "/")


def _external(file: Any) -> None:
    n = len(file["a/00/codec/u_norms"])
    del file["a/00/codec/u_norms"]
    file.create_dataset("a/00/codec/u_norms", (n,), np.float32, external=[("/etc/passwd", 0, 4 * n)])


def _huge(file: Any) -> None:
    table = file["a/00/codec/chunk_table"][()]
    table["vh_cols"] = 2**31
    file["a/00/codec/chunk_table"][...] = table


def _long(file: Any) -> None:
    file["a/00/meta"].attrs["ns_total"] = 2**40


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_older, "lfpack.upgrade_h5"),
        (_outside, "is a link to another file"),
        (_external, "has its values in another file"),
        (_huge, "do not fit each other"),
        (_long, "do not fit each other"),
        (None, "Is no LF of lfpack"),
    ],
)
def test_what_is_wrong_is_one_line(
    packed: Path, tmp_path: Path, damage: Callable[[Any], None] | None, said: str
) -> None:
    path = placed(packed, tmp_path)
    if damage is None:
        path.write_bytes(path.read_bytes()[:1_000])
    else:
        with h5py.File(path, "r+") as file:
            damage(file)
    with pytest.raises(DatasetInvalid, match=said) as raised:
        open_recording(tmp_path)
    assert path.name in str(raised.value) and "\n" not in str(raised.value)


def test_without_lfpack_it_is_said_what_to_install(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(packed, tmp_path)
    monkeypatch.setitem(sys.modules, "lfpack", None)
    with pytest.raises(DashboardError, match=r"pip install 'spike-dashboard\[lfpack\]'"):
        open_recording(tmp_path)
