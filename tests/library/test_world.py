"""The world moves: what was replaced is fetched again, and what failed in passing is neither kept nor hidden."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.library.open import open_insertion
from dashboard.model.errors import DownloadFailed
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import verified
from tests.replay.server import Replay

PID = "6b4fe251-a7c7-4792-af80-4931c5129c8e"
EID = "f0cf55b9-f908-41f6-a933-2362c62944ec"
AMPS = "alf/probe00/pykilosort/spikes.amps.npy"


@pytest.fixture
def replay(written_alyx: Path) -> Iterator[Replay]:
    with Replay(written_alyx) as server:
        yield server


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def source(replay: Replay, tmp_path: Path) -> Callable[..., AlyxSource]:
    """Make a source as a process of its own would have it; all share one cache."""

    def make(**options: object) -> AlyxSource:
        given = {"cache": tmp_path / "cache", "user": "alice", "password": "alicepass", **options}
        return AlyxSource(replay.url, **given)  # type: ignore[arg-type]

    return make


def opened(source: AlyxSource, cache: Path) -> SpikeSorting:
    return open_insertion(PID, source=source, cache=cache)


def replace_amps(replay: Replay, factor: float) -> None:
    """Put amplitudes of another size into a file of equal size."""
    record = replay.dataset(EID, AMPS)
    content = replay.content(replay.data_path(record))
    assert content is not None
    file = io.BytesIO()
    np.save(file, np.load(io.BytesIO(content)) * factor)
    replay.put(record, file.getvalue())
    record["hash"] = hashlib.md5(file.getvalue()).hexdigest()
    assert record["file_size"] == len(file.getvalue())


def amps(sorting: SpikeSorting) -> float:
    assert sorting.spikes.amps_v is not None
    return float(np.median(sorting.spikes.amps_v))


class TestReplacedByOneOfEqualSize:
    def test_is_fetched_again(self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path) -> None:
        before = opened(source(), tmp_path / "cache")
        was = amps(before)
        replace_amps(replay, 4)
        after = opened(source(), tmp_path / "cache")
        assert amps(after) == pytest.approx(4 * was)
        assert amps(before) == was, "who has the file open keeps what was read"

    def test_is_fetched_by_a_cache_that_remembers_no_checksums(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        was = amps(opened(source(), tmp_path / "cache"))
        for record in (tmp_path / "cache").rglob(f"*{verified.SUFFIX}"):
            record.unlink()
        n_fetched = sum(replay.data_counts().values())
        assert amps(opened(source(), tmp_path / "cache")) == was
        assert sum(replay.data_counts().values()) == n_fetched
        replace_amps(replay, 4)
        assert amps(opened(source(), tmp_path / "cache")) == pytest.approx(4 * was)

    def test_is_fetched_beside_a_cache_that_is_only_read(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        first = source()
        was = amps(opened(first, tmp_path / "cache"))
        theirs = tmp_path / "theirs"
        shutil.copytree(first.data_root, theirs)
        state = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
        replace_amps(replay, 4)
        sorting = opened(source(cache=tmp_path / "own", one_cache=theirs), tmp_path / "own")
        assert amps(sorting) == pytest.approx(4 * was)
        assert [note for note in sorting.notes if "another version" in note and "spikes.amps.npy" in note]
        assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == state

    def test_is_not_taken_for_the_one_on_record_where_it_cannot_be_fetched(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        first = source()
        opened(first, tmp_path / "cache")
        replace_amps(replay, 4)
        first.records._held.clear()
        insertion = first.find(PID)
        assert insertion is not None
        wanted = [d for d in first.datasets(insertion) if d.relative_path == AMPS]
        offline = source(offline=True)
        with pytest.raises(DownloadFailed, match="older version"):
            offline.fetch(insertion, wanted)
        replay.faults.add("/public/*", "status", code=404, times=None)
        with pytest.raises(DownloadFailed, match="does not have it"):
            source().fetch(insertion, wanted)

    def test_no_file_is_read_twice_for_its_checksum(
        self, source: Callable[..., AlyxSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(source(), tmp_path / "cache")

        def read_again(*args: object, **kwargs: object) -> None:
            raise AssertionError("a file was read for its MD5")

        monkeypatch.setattr(verified.hashlib, "md5", read_again)
        assert opened(source(), tmp_path / "cache").n_spikes == 60_000

    def test_a_file_that_was_touched_is_read_again(self, source: Callable[..., AlyxSource], tmp_path: Path) -> None:
        sorting = opened(source(), tmp_path / "cache")
        path = sorting.ref.datasets["spikes.amps"].path
        assert path is not None
        was = amps(sorting)
        with path.open("r+b") as file:
            file.seek(-8 * 1000, 2)
            file.write(b"\xff" * 8)
        assert amps(opened(source(), tmp_path / "cache")) == was
