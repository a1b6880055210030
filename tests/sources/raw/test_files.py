"""Raw files that a test writes: chunks, the cache of chunks, probes of other kinds, and files that are wrong."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.model.errors import BadRequest, Cancelled, DatasetInvalid, DatasetMissing
from dashboard.sources.byte_ranges import LocalBytes
from dashboard.sources.raw import inflate
from dashboard.sources.raw.chunks import ChunkCache
from dashboard.sources.raw.files import CompressedFile, flat_file
from dashboard.sources.raw.meta import read_meta
from dashboard.sources.raw.recording import open_recording
from tests.sources.raw.samples import N_CHANNELS, NP2_4SHANKS, RUN, SYNC, write_cbin, write_meta, write_recording

N = N_CHANNELS


class CountedBytes(LocalBytes):
    """Bytes of a file, with the ranges that were asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ranges: list[tuple[int, int]] = []

    def __call__(self, first: int, end: int) -> bytes:
        self.ranges.append((first, end))
        return super().__call__(first, end)


@pytest.mark.parametrize("has_deflate", [True, False])
@pytest.mark.parametrize("over_columns", [False, True])
def test_differences_in_int16_are_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over_columns: bool, has_deflate: bool
) -> None:
    if not has_deflate:
        monkeypatch.setattr(inflate, "deflate", None)
    counts = np.random.default_rng(1).integers(-32768, 32768, (250, 5), dtype=np.int16)
    write_cbin(tmp_path / "x.cbin", counts, 100, over_columns=over_columns)
    file = CompressedFile(tmp_path / "x.cbin", tmp_path / "x.ch", 5)
    np.testing.assert_array_equal(file(0, 250), counts)
    np.testing.assert_array_equal(file(99, 201), counts[99:201])


def test_a_bin_holds_the_same_as_a_cbin(tmp_path: Path) -> None:
    counts = write_recording(tmp_path)
    path = tmp_path / "flat.ap.bin"
    path.write_bytes(counts.tobytes())
    read, n_samples = flat_file(path, N + 1)
    assert n_samples == len(counts)
    np.testing.assert_array_equal(read(1_234, 1_240), counts[1_234:1_240])
    with pytest.raises(BadRequest, match="are not in the file"):
        read(0, n_samples + 1)


def test_no_byte_is_read_that_is_not_needed_nor_twice(tmp_path: Path) -> None:
    write_recording(tmp_path)
    path = tmp_path / f"{RUN}.ap.cbin"
    offsets = json.loads(path.with_suffix(".ch").read_text())["chunk_offsets"]
    source, cache = CountedBytes(path), ChunkCache()
    file = CompressedFile(path, path.with_suffix(".ch"), N + 1, bytes_of=source, chunks=cache)
    file(1_000, 2_000)
    assert source.ranges == [(offsets[1], offsets[2])]
    file(500, 3_500)  # one range on either side of what is held
    assert source.ranges[1:] == [(offsets[0], offsets[1]), (offsets[2], offsets[4])]
    other = CompressedFile(path, path.with_suffix(".ch"), N + 1, bytes_of=source, chunks=cache)
    other(0, 4_000)
    assert len(source.ranges) == 3


def test_several_at_once_read_a_chunk_once(tmp_path: Path) -> None:
    counts = write_recording(tmp_path)
    path = tmp_path / f"{RUN}.ap.cbin"
    source = CountedBytes(path)
    file = CompressedFile(path, path.with_suffix(".ch"), N + 1, bytes_of=source, chunks=ChunkCache())
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(file(100, 200))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(source.ranges) == 1
    for each in found:
        np.testing.assert_array_equal(each, counts[100:200])


def test_chunks_that_are_held_ahead_are_not_read_again(tmp_path: Path) -> None:
    counts = write_recording(tmp_path)
    path, cancel = tmp_path / f"{RUN}.ap.cbin", threading.Event()
    n_bytes = counts[:1_000].nbytes
    source = CountedBytes(path)
    for room, n_read in ((4 * n_bytes, 2), (4 * n_bytes - 1, 0)):  # others as large have room beside them
        source.ranges.clear()
        file = CompressedFile(path, path.with_suffix(".ch"), N + 1, bytes_of=source, chunks=ChunkCache(room))
        file.hold(900, 1_100)
        assert len(source.ranges) == n_read
        np.testing.assert_array_equal(file(900, 1_100), counts[900:1_100])
    cancel.set()
    source.ranges.clear()
    with pytest.raises(Cancelled):
        file.hold(0, 10, cancel)
    assert not source.ranges


def test_the_cache_of_chunks_stays_within_its_bytes() -> None:
    cache = ChunkCache(100)
    for key in range(5):
        cache.put(key, np.zeros(40, np.uint8))
    assert cache.n_bytes == 80
    assert [key for key in range(5) if cache.get(key) is not None] == [3, 4]
    cache.get(3)
    cache.put(5, np.zeros(40, np.uint8))
    assert cache.get(4) is None
    cache.put(6, np.zeros(101, np.uint8))
    assert cache.get(6) is None
    assert cache.n_bytes == 80


def test_gains_of_a_probe_of_the_second_generation_and_its_shanks(tmp_path: Path) -> None:
    path = tmp_path / "x.ap.meta"
    sites = "(NP2010,4,250,70)" + "".join(f"({i % 4}:{27 + 32 * (i % 2)}:{15 * (i // 4)}:1)" for i in range(N))
    kinds = {"24": 0.5 / 8192 / 80, "2013": 0.5 / 2048 / 100}
    for kind, volts in kinds.items():
        write_meta(
            path, 10, imDatPrb_type=kind, imAiRangeMax="0.5",
            **{"~imroTbl": NP2_4SHANKS, "~snsShankMap": None, "~snsGeomMap": sites},
        )  # fmt: skip
        meta = read_meta(path)
        np.testing.assert_allclose(meta.volts_per_bit, volts, rtol=1e-6)
        assert meta.sites.shank.tolist() == [0, 1, 2, 3] * 4
        assert meta.sites.x_um[:4].tolist() == [27, 59 + 250, 27 + 500, 59 + 750]
        assert meta.sites.shift[[0, 1, 2, 15]].tolist() == [0, 0, 1 / 16, 7 / 16]


def test_a_part_of_the_channels_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.ap.meta"
    every = "(0,384)" + "".join(f"({i} 0 0 {250 + i} 125 1)" for i in range(384))
    write_meta(path, 10, acqApLfSy="384,384,1", snsSaveChanSubset="24:39,768", **{"~imroTbl": every})
    meta = read_meta(path)
    gains = 250 + np.arange(24, 40)
    np.testing.assert_allclose(meta.volts_per_bit, 0.6 / 512 / gains, rtol=1e-6)
    assert meta.sites.shift[0] == 0
    assert meta.sites.shift[2] == 1 / 13


@pytest.mark.parametrize(("said", "shifted"), [("", True), (" -no_tshift", False)])
def test_catgt_has_removed_the_delays_unless_it_says_otherwise(tmp_path: Path, said: str, shifted: bool) -> None:
    write_meta(tmp_path / "x.ap.meta", 10, catGTCmdline=f"<CatGT -ap{said}>")
    assert read_meta(tmp_path / "x.ap.meta").is_shifted is shifted


def test_the_sync_word_is_no_channel(tmp_path: Path) -> None:
    write_recording(tmp_path)
    band = open_recording(tmp_path).band("ap")
    assert band.columns(0, 3)[:, -1].tolist() == [SYNC] * 3
    assert band.volts(0, 3).shape == (N, 3)


def change_index(folder: Path, **changed: Any) -> None:
    path = folder / f"{RUN}.ap.ch"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def flip_byte(folder: Path) -> None:
    path = folder / f"{RUN}.ap.cbin"
    content = bytearray(path.read_bytes())
    content[-2] ^= 0xFF  # of the last chunk's Adler-32
    path.write_bytes(content)


def cut(folder: Path) -> None:
    path = folder / f"{RUN}.ap.cbin"
    path.write_bytes(path.read_bytes()[:-10])


def other_probe(folder: Path) -> None:
    counts = np.zeros((400, N + 1), np.int16)
    write_cbin(folder / f"{RUN}.lf.cbin", counts, 100)
    write_meta(folder / f"{RUN}.lf.meta", 400, imDatPrb_sn="19")


def second_probe(folder: Path) -> None:
    write_cbin(folder / "_spikeglx_ephysData_g0_t0.imec1.ap.cbin", np.zeros((400, N + 1), np.int16), 100)


FAULTS = {
    "chunk": (flip_byte, DatasetInvalid, r"Chunk 3 .* does not inflate .*ap\.cbin\. Fetch the file again"),
    "short": (cut, DatasetInvalid, r"does not describe the \.cbin: it ends at byte .* Fetch both files again"),
    "columns": (
        lambda folder: change_index(folder, n_channels=384),
        DatasetInvalid, r"has 384 columns, the \.meta 17: .*ap\.ch and .*ap\.cbin",
    ),
    "order": (
        lambda folder: change_index(folder, chunk_bounds=[0, 2_000, 1_000, 3_000, 4_000]),
        DatasetInvalid, "has bounds of chunks that do not increase",
    ),
    "algorithm": (lambda folder: change_index(folder, algorithm="lzma"), DatasetInvalid, "says algorithm 'lzma'"),
    "no field": (
        lambda folder: (folder / f"{RUN}.ap.ch").write_text("{}"), DatasetInvalid, "has no 'algorithm'",
    ),
    "no JSON": (lambda folder: (folder / f"{RUN}.ap.ch").write_text("?"), DatasetInvalid, r"The \.ch is no JSON"),
    "no ch": (lambda folder: (folder / f"{RUN}.ap.ch").unlink(), DatasetMissing, r"The \.ch file .* Put the \.ap\.ch"),
    "no meta": (lambda folder: (folder / f"{RUN}.ap.meta").unlink(), DatasetMissing, r"Put the \.ap\.meta beside"),
    "another meta": (
        lambda folder: write_meta(folder / f"{RUN}.ap.meta", 3_999),
        DatasetInvalid, r"The \.meta says 3,999 samples, the data have 4,000",
    ),
    "another probe": (other_probe, DatasetInvalid, r"are of different probes \(18005116811 and 19\)"),
    "two probes": (second_probe, DatasetInvalid, r"two \.cbin files .*imec0.* and .*imec1.*Keep the files of one"),
    "no sync": (
        lambda folder: (folder / f"{RUN}.timestamps.npy").unlink(),
        DatasetMissing, r"The clock of the raw data is missing: .* Put the file \.timestamps\.npy or \.sync\.npy",
    ),
    "backwards": (
        lambda folder: np.save(folder / f"{RUN}.timestamps.npy", [[0, 1.0], [3, 0.5]]),
        DatasetInvalid, "does not run forwards",
    ),
    "labels": (
        lambda folder: np.save(folder / "_iblqc_ephysChannels.labels.npy", np.zeros(3)),
        DatasetInvalid, "should be 16 numbers from 0 to 3",
    ),
    "nothing": (
        lambda folder: (folder / f"{RUN}.ap.cbin").unlink(), DatasetMissing, r"Raw data is missing: .* Put the \.cbin",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_is_wrong_is_one_line_with_the_file_and_what_to_do(tmp_path: Path, fault: str) -> None:
    write_recording(tmp_path)
    damage, kind, said = FAULTS[fault]
    damage(tmp_path)
    with pytest.raises(kind, match=said) as raised:
        open_recording(tmp_path).band("ap").volts(3_900, 4_000)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("has_deflate", [True, False])
def test_a_damaged_chunk_leaves_the_others_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_deflate: bool
) -> None:
    if not has_deflate:
        monkeypatch.setattr(inflate, "deflate", None)
    counts = write_recording(tmp_path)
    flip_byte(tmp_path)
    band = open_recording(tmp_path).band("ap")
    np.testing.assert_array_equal(band.columns(0, 3_000), counts[:3_000])
    with pytest.raises(DatasetInvalid, match=r"Chunk 3 .* does not inflate"):
        band.columns(3_000, 3_001)


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    write_recording(tmp_path)
    open_recording(tmp_path).band("ap").columns(0, 10)
    counts = write_recording(tmp_path, seed=5)
    np.testing.assert_array_equal(open_recording(tmp_path).band("ap").columns(0, 10), counts[:10])
