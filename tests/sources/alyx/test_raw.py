"""Raw data on a data server: the chunks that a window needs, and not a byte more."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from dashboard.model.errors import DatasetInvalid, DatasetMissing, DownloadFailed
from dashboard.model.references import InsertionRef
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download.ranges import RangeReader
from dashboard.sources.raw.chunks import CHUNKS
from tests.replay.downloading import EID
from tests.replay.recordings import RECORDED_DATA, Record
from tests.replay.server import Replay
from tests.sources.raw.samples import RUN, write_recording

HOME = "raw_ephys_data/probe00"


@pytest.fixture
def served(replay: Replay, tmp_path: Path) -> Path:
    """Serve a raw recording of the recorded session; return the folder with its files."""
    folder = tmp_path / "server"
    write_recording(folder, seed=7)
    CHUNKS.clear()
    rows: list[Record] = replay.session(EID)["data_dataset_session_related"]
    rows[:] = [row for row in rows if row["collection"] != HOME]
    for path in folder.iterdir():
        content, name = path.read_bytes(), str(uuid.uuid4())
        where = f"public/labrig/Subjects/KM_001/2024-03-05/001/{HOME}/{path.stem}.{name}{path.suffix}"
        rows.append({
            "id": name, "name": path.name, "data_url": f"{RECORDED_DATA}/{where}", "file_size": len(content),
            "hash": hashlib.md5(content).hexdigest(), "collection": HOME, "revision": "", "default_revision": "True",
        })  # fmt: skip
        replay.put(rows[-1] | {"data_url": f"{replay.url}/{where}"}, content)
    return folder


@pytest.fixture
def source(replay: Replay, tmp_path: Path) -> AlyxSource:
    return make_source(replay, tmp_path, [f"127.0.0.1:{replay.port}"])


def make_source(replay: Replay, tmp_path: Path, hosts: list[str]) -> AlyxSource:
    cache = tmp_path / "cache"
    ranges = RangeReader(cache / "ranges", hosts)
    return AlyxSource(replay.url, cache=cache, user="alice", password="alicepass", ranges=ranges)


def insertion(source: AlyxSource) -> InsertionRef:
    found = source.find(f"{EID}/probe00")
    assert found is not None
    return found


def sent(replay: Replay) -> int:
    return sum(n for path, n in replay.sent.items() if path.endswith(".cbin"))


def test_a_window_takes_its_chunks_and_nothing_else(
    replay: Replay, served: Path, source: AlyxSource, tmp_path: Path
) -> None:
    offsets = json.loads((served / f"{RUN}.ap.ch").read_text())["chunk_offsets"]
    band = source.raw(insertion(source)).band("ap")
    assert sent(replay) == 0
    assert band.hold is None  # nothing is read ahead over a line
    band.columns(1_000, 2_000)
    assert sent(replay) == offsets[2] - offsets[1]
    band.columns(1_500, 2_500)
    assert sent(replay) == offsets[3] - offsets[1]
    CHUNKS.clear()
    again = make_source(replay, tmp_path, [f"127.0.0.1:{replay.port}"]).raw(insertion(source)).band("ap")
    again.columns(1_000, 3_000)  # from the disk
    assert sent(replay) == offsets[3] - offsets[1]


def test_counts_and_session_times_are_those_of_the_file(served: Path, source: AlyxSource, tmp_path: Path) -> None:
    counts = write_recording(tmp_path / "same", seed=7)
    recording = source.raw(insertion(source))
    np.testing.assert_array_equal(recording.band("ap").columns(0, 4_000), counts)
    assert recording.times_at("ap", [0, 3_000]).tolist() == [10.0, 10.1]


def test_a_chunk_that_is_damaged_on_the_way_comes_again(replay: Replay, served: Path, source: AlyxSource) -> None:
    band = source.raw(insertion(source)).band("ap")
    replay.faults.add("*.cbin", "corrupt", after=50)
    assert len(band.columns(0, 500)) == 500
    assert replay.count(".cbin") == 2


def test_a_chunk_that_is_damaged_on_the_server_is_one_line_and_is_not_kept(
    replay: Replay, served: Path, source: AlyxSource, tmp_path: Path
) -> None:
    band = source.raw(insertion(source)).band("ap")
    replay.faults.add("*.cbin", "corrupt", after=50, times=None)
    with pytest.raises(DatasetInvalid, match=r"Chunk 0 .samples 0 to 999. does not inflate"):
        band.columns(0, 500)
    assert len(band.columns(1_000, 1_500)) == 500
    replay.faults.clear()
    assert len(band.columns(0, 500)) == 500


def test_a_server_that_is_not_of_the_list_is_not_asked(replay: Replay, served: Path, tmp_path: Path) -> None:
    source = make_source(replay, tmp_path, ["data.example.org"])
    with pytest.raises(DownloadFailed, match=r"not read from 127.0.0.1\. Add its server with --range-host"):
        source.raw(insertion(source))
    assert replay.count(".cbin") == 0


def test_an_insertion_without_raw_data_says_so(replay: Replay, source: AlyxSource) -> None:
    with pytest.raises(DatasetMissing, match=r"The database lists no .cbin or .bin"):
        source.raw(insertion(source))


def test_a_file_that_describes_the_samples_is_missing_by_its_name(
    replay: Replay, served: Path, source: AlyxSource
) -> None:
    rows = replay.session(EID)["data_dataset_session_related"]
    rows[:] = [row for row in rows if not row["name"].endswith(".ap.ch")]
    with pytest.raises(DatasetMissing, match=r"\.ch file of the band ap"):
        source.raw(insertion(source))
