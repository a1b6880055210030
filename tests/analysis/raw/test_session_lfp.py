"""Power of LF over a session: window by window, the same for everyone, remembered whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.raw import session_lfp as module
from dashboard.analysis.raw.session_lfp import MAX_REMOTE_BYTES, MAX_WINDOWS, SessionLfp, coarse_first, session_lfp
from dashboard.analysis.raw.spectra import BANDS_HZ
from dashboard.model.errors import DatasetInvalid, DownloadFailed
from dashboard.model.raw import RawBand, RawRecording, SampleClock, Sites

FS_HZ, N = 500.0, 6
BANDS = list(BANDS_HZ)


class Reader:
    """Makes counts up, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.fails: dict[int, Exception] = {}

    def __call__(self, i0: int, i1: int) -> Any:
        self.asked.append((i0, i1))
        if (error := self.fails.get(i0)) is not None:
            raise error
        times = np.arange(i0, i1)[:, np.newaxis] / FS_HZ
        levels = np.where(times < 4, 1.0, 10.0) * 100.0 * np.arange(1, N + 1)
        counts = levels * np.sin(2 * np.pi * 6 * times)
        return np.column_stack([np.rint(counts), np.zeros(i1 - i0)]).astype(np.int16)


def made(n_s: float = 8, **changed: Any) -> tuple[RawRecording, Reader]:
    reader, n = Reader(), round(n_s * FS_HZ)
    sites = Sites(np.zeros(N), 20.0 * np.arange(N), np.zeros(N, np.int64), np.zeros(N))
    band = RawBand("lf", Path("made.lf.bin"), FS_HZ, n, np.full(N, 1e-7, np.float32), sites, True, reader)
    clock = SampleClock(np.array([0.0, n]), np.array([100.0, 100.0 + n_s]), 1.0, "made up")
    return RawRecording({"lf": replace(band, **changed)}, clock, None, FS_HZ), reader


def read_all(found: SessionLfp) -> SessionLfp:
    while found.read_next():
        pass
    return found


@pytest.mark.parametrize("n", [0, 1, 2, 7, 64, 100])
def test_the_whole_is_seen_soonest(n: int) -> None:
    order = coarse_first(n)
    assert sorted(order) == list(range(n))
    for k in range(1, n):
        known = np.sort(order[:k])
        assert np.diff(known, prepend=-1, append=n).max() <= 4 * -(-n // k)


def test_each_window_has_the_power_of_its_own_second_by_band() -> None:
    recording, _ = made()
    found = read_all(SessionLfp(recording))
    assert found.is_whole
    strongest = np.nanargmax(found.power_db, axis=0)
    assert (strongest == BANDS.index("4-10 Hz")).all()
    power = found.power_db[BANDS.index("4-10 Hz")]
    # A sine of amplitude a has the power a^2/2; a Hann window spreads it over bins of 1 Hz, six of which the band has.
    expected = 10 * np.log10((100e-7 * np.arange(1, N + 1)) ** 2 / 2 / 6)
    np.testing.assert_allclose(power[0], expected, atol=0.1)
    np.testing.assert_allclose(power[4] - power[3], 20, atol=0.1)


def test_the_picture_lies_in_session_time_and_by_depth_as_far_as_it_is_known() -> None:
    recording, _ = made()
    found, channels = SessionLfp(recording), pd.DataFrame({"rawInd": range(N), "axial_um": 1_000.0 + 20 * np.arange(N)})
    sorting: Any = type("Sorting", (), {"channels": channels})
    assert not found.image(sorting, "lfp_4_10").image.values.size
    found.read_next()
    found.read_next()
    image = found.image(sorting, "lfp_4_10")
    assert image.image.along.tolist() == [100.5, 104.5]
    assert image.image.depths_um.tolist() == channels["axial_um"].tolist()
    assert "2 of 8 windows read" in image.words
    assert "windows read" not in read_all(found).image(sorting, "lfp_4_10").words


def test_several_readers_read_each_window_once() -> None:
    recording, reader = made(40)
    found = SessionLfp(recording)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: read_all(found), range(4)))
    assert sorted(reader.asked) == [(k * 500, (k + 1) * 500) for k in range(40)]
    assert found.is_whole


def test_it_is_remembered_whole_and_read_back_without_a_sample(tmp_path: Path) -> None:
    recording, _ = made()
    first = SessionLfp(recording, tmp_path / "lfp" / "a.npz")
    for _ in range(3):
        first.read_next()
    first.keep()
    assert [path.name for path in (tmp_path / "lfp").iterdir()] == ["a.npz"]
    recording, reader = made()
    second = SessionLfp(recording, tmp_path / "lfp" / "a.npz")
    assert second.n_known == 3
    np.testing.assert_array_equal(second.power_db, first.power_db)
    read_all(second).keep()
    assert len(reader.asked) == 5
    assert SessionLfp(recording, tmp_path / "lfp" / "a.npz").is_whole
    (tmp_path / "lfp" / "a.npz").write_bytes((tmp_path / "lfp" / "a.npz").read_bytes()[:200])
    assert SessionLfp(recording, tmp_path / "lfp" / "a.npz").n_known == 0


def test_the_cache_stays_within_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, _ = made()
    found = read_all(SessionLfp(recording, tmp_path / "0.npz"))
    found.keep()
    size = (tmp_path / "0.npz").stat().st_size
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 2 * size)
    for k in range(1, 5):
        read_all(SessionLfp(recording, tmp_path / f"{k}.npz")).keep()
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "4.npz").exists()


def test_a_window_that_is_damaged_leaves_the_others_and_one_that_does_not_come_is_tried_again() -> None:
    recording, reader = made()
    reader.fails = {500: DatasetInvalid("Chunk 1 does not inflate", [Path("a.cbin")], "Fetch it again")}
    found = read_all(SessionLfp(recording))
    assert found.is_whole
    assert (np.flatnonzero(~found.is_known).tolist(), np.isnan(found.power_db[0, 1]).all()) == ([1], True)
    sorting: Any = type("Sorting", (), {"channels": pd.DataFrame()})
    assert "1 cannot be read (Chunk 1 does not inflate" in found.image(sorting, "lfp_4_10").words
    recording, reader = made()
    reader.fails = {0: DownloadFailed("a.cbin", "no answer", "Ask again")}
    found = SessionLfp(recording)
    with pytest.raises(DownloadFailed):
        found.read_next()
    reader.fails = {}
    assert read_all(found).is_known.all()


def test_a_long_session_is_read_a_second_of_every_few_and_a_server_gives_no_more_than_its_part() -> None:
    recording, reader = made(2.5 * 3_600)
    found = SessionLfp(recording)
    assert (len(found.starts), found.every_s) == (1_800, 5.0)
    assert len(found.starts) <= MAX_WINDOWS
    sites = Sites(np.zeros(384), np.zeros(384), np.zeros(384, np.int64), np.zeros(384))
    large = {"sites": sites, "volts_per_bit": np.ones(384, np.float32), "remote_key": "a", "fs_hz": 2_500.0}
    recording, _ = made(n_samples=2_500 * 3_600, **large)
    assert len(SessionLfp(recording).starts) * 2 * 385 * 2_500 <= MAX_REMOTE_BYTES
    assert reader.asked == []


def test_everyone_looks_at_the_same_one(tmp_path: Path) -> None:
    recording, _ = made()
    assert session_lfp(recording, tmp_path) is session_lfp(replace(recording), tmp_path)
    other, _ = made(9)
    assert session_lfp(other, tmp_path) is not session_lfp(recording, tmp_path)


def test_ten_and_sixty_stationary_minutes_have_the_same_spectrum() -> None:
    def noise(i0: int, i1: int) -> Any:
        counts = np.random.default_rng(i0).normal(0, 300, (i1 - i0, N + 1))
        return np.rint(counts).astype(np.int16)

    levels = []
    for minutes in (10, 60):
        recording, _ = made(60 * minutes, columns=noise)
        found = read_all(SessionLfp(recording))
        levels.append(10 * np.log10((10 ** (found.power_db / 10)).mean(axis=(1, 2))))
    assert np.abs(levels[0] - levels[1]).max() < 0.5
