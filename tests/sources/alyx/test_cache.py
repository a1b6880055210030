"""Answers remembered on disk: asked once, used when the server is gone, never half written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard.model.errors import SourceUnavailable
from dashboard.sources.alyx import cache
from dashboard.sources.alyx.cache import FRESH_S, RETRY_S, CachedRecords
from dashboard.sources.alyx.client import Client
from tests.replay.server import Replay

PATH = "/insertions/983a6668-5d02-4273-8f0d-1f59989c80c2"
OTHER = "/insertions/d122e597-530d-4e16-afd3-6124b86f826b"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(replay: Replay, tmp_path: Path, clock: Clock) -> CachedRecords:
    client = Client(replay.url, "alice", "alicepass", sleep=lambda seconds: None)
    return CachedRecords(client, tmp_path / "records", clock=clock)


def test_asked_again_only_when_stale(records: CachedRecords, replay: Replay, clock: Clock) -> None:
    records.read(PATH)
    clock.now = FRESH_S - 1
    records.read(PATH)
    assert replay.count(PATH) == 1
    clock.now = FRESH_S + 1
    records.read(PATH)
    assert replay.count(PATH) == 2


def test_a_change_on_the_server_is_seen(records: CachedRecords, replay: Replay, clock: Clock) -> None:
    records.read(PATH)
    replay.insertion(PATH[-36:])["model"] = "NP2.4"
    clock.now = FRESH_S + 1
    assert (records.read(PATH) or {})["model"] == "NP2.4"


def test_unknown_is_not_remembered(records: CachedRecords) -> None:
    assert records.read("/insertions/00000000-0000-4000-8000-000000000000") is None
    assert not records.folder.exists()


def test_a_dead_server_is_left_alone_for_a_while(records: CachedRecords, replay: Replay, clock: Clock) -> None:
    replay.faults.add("*", "status", code=502, times=None)
    for path in (PATH, OTHER, PATH):
        with pytest.raises(SourceUnavailable):
            records.read(path)
    asked = len(replay.seen)
    assert replay.count("/insertions/") == 0  # the login failed, and nothing was asked after it
    replay.faults.clear()
    clock.now = RETRY_S + 1
    assert records.read(PATH) is not None
    assert len(replay.seen) > asked
    assert records.notice == ""


def test_one_bad_question_stops_nobody(records: CachedRecords, replay: Replay) -> None:
    with pytest.raises(SourceUnavailable):
        records.listed("/insertions", {"django": "nofield,1"})
    assert records.read(PATH) is not None
    assert records.notice == ""


def test_a_busy_server_is_left_alone_as_long_as_it_asks(records: CachedRecords, replay: Replay, clock: Clock) -> None:
    replay.faults.add("/insertions/*", "status", code=429, retry_after="60")
    with pytest.raises(SourceUnavailable, match="60 s"):
        records.read(PATH)
    clock.now = 59
    with pytest.raises(SourceUnavailable):
        records.read(PATH)
    assert replay.count(PATH) == 1
    clock.now = 61
    assert records.read(PATH) is not None


def test_a_list_that_breaks_off_is_completed_from_the_disk(
    records: CachedRecords, replay: Replay, clock: Clock
) -> None:
    every = [row["id"] for page in records.pages("/sessions", {"limit": "100"}) for row in page]
    clock.now = FRESH_S + 1
    replay.faults.add("/sessions", "status", code=500, times=None, skip=2)
    again = [row["id"] for page in records.pages("/sessions", {"limit": "100"}) for row in page]
    assert sorted(again) == sorted(every)
    assert len(set(again)) == 305
    assert "answered 500" in records.notice


def test_a_list_that_breaks_off_is_not_remembered(records: CachedRecords, replay: Replay) -> None:
    replay.faults.add("/sessions", "status", code=500, times=None, skip=2)
    with pytest.raises(SourceUnavailable):
        list(records.pages("/sessions", {"limit": "100"}))
    assert not records.folder.exists()


def test_nothing_half_written_is_left(records: CachedRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_file", full)
    assert records.read(PATH) is not None
    assert list(records.folder.iterdir()) == []


def test_files_name_what_they_answer(records: CachedRecords) -> None:
    records.read(PATH)
    records.listed("/insertions", {"session": "476cedbd-08e6-4844-ac5d-baed40ae4d78"})
    keys = {json.loads(file.read_text())["key"] for file in records.folder.iterdir()}
    assert keys == {PATH, "/insertions?session=476cedbd-08e6-4844-ac5d-baed40ae4d78"}
    assert len(list(records.remembered("insertions"))) == 2


def test_no_secret_is_written(records: CachedRecords) -> None:
    records.read(PATH)
    token = (records.client._token or {})["token"]
    text = "".join(file.read_text() for file in records.folder.iterdir())
    assert token not in text and "alicepass" not in text
