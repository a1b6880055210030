"""Parts of files on servers: exactly what was asked for, from servers of the list only; else an error in one line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.model.errors import BadRequest, Cancelled, DashboardError, DatasetInvalid, DownloadFailed
from dashboard.model.progress import Progress
from dashboard.model.requester import reading_for
from dashboard.sources.download.ranges import Budget, KeptParts, RangeReader
from dashboard.sources.download.transfer import RetryPolicy
from tests.replay.downloading import Waits, until
from tests.replay.server import Replay

PATH = "/public/big.bin"
CONTENT = bytes(range(256)) * 400


@pytest.fixture
def url(replay: Replay) -> str:
    replay.files[PATH] = CONTENT
    return replay.url + PATH


@pytest.fixture
def reader(replay: Replay, tmp_path: Path, waits: Waits) -> RangeReader:
    return make_reader(replay, tmp_path, waits)


def make_reader(replay: Replay, folder: Path | None, waits: Waits | None = None, **options: object) -> RangeReader:
    retry = RetryPolicy(3, waits or Waits(), lambda: 0.5)
    return RangeReader(folder, [f"127.0.0.1:{replay.port}"], retry=retry, **{"read_s": 5.0, **options})  # type: ignore[arg-type]


def test_a_part_comes_and_nothing_else(reader: RangeReader, replay: Replay, url: str) -> None:
    file = reader.open(url, len(CONTENT), "md5")
    assert file(1000, 3000) == CONTENT[1000:3000]
    assert replay.sent[PATH] == 2000
    assert replay.seen[-1].headers["range"] == "bytes=1000-2999"


def test_pieces_that_are_kept_are_not_asked_for_and_a_run_of_others_comes_at_once(
    reader: RangeReader, replay: Replay, url: str
) -> None:
    file = reader.open(url, len(CONTENT), "md5")
    file.pieces([200, 300])
    assert file.pieces([100, 200, 300, 400, 500]) == [CONTENT[a : a + 100] for a in (100, 200, 300, 400)]
    assert [seen.headers["range"] for seen in replay.seen] == ["bytes=200-299", "bytes=100-199", "bytes=300-499"]


def test_parts_outlive_the_process_and_a_damaged_one_comes_again(
    reader: RangeReader, replay: Replay, tmp_path: Path, url: str
) -> None:
    reader.open(url, len(CONTENT), "md5")(0, 50)
    other = make_reader(replay, tmp_path)
    assert other.open(url, len(CONTENT), "md5")(0, 50) == CONTENT[:50]
    assert replay.sent[PATH] == 50
    (kept,) = tmp_path.glob("*/0-50")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    third = make_reader(replay, tmp_path)
    assert third.open(url, len(CONTENT), "md5")(0, 50) == CONTENT[:50]
    assert replay.sent[PATH] == 100


def test_a_size_that_no_record_has_is_asked_for(reader: RangeReader, replay: Replay, url: str) -> None:
    file = reader.open(url)
    assert file.size == len(CONTENT)
    assert replay.sent[PATH] == 1
    with pytest.raises(DownloadFailed, match="its record says 7"):
        reader.open(url, 7)


@pytest.mark.parametrize("kind", ["drop", "truncate", "wrong_range", "stall", "status"])
def test_what_may_pass_is_asked_again(replay: Replay, tmp_path: Path, url: str, kind: str) -> None:
    waits = Waits()
    read_s = 1.0 if kind == "stall" else 30.0
    file = make_reader(replay, tmp_path, waits, read_s=read_s).open(url, len(CONTENT), "md5")
    replay.faults.add("*big*", kind, after=10, code=503)
    assert file(1000, 1100) == CONTENT[1000:1100]
    assert waits.seconds[0] == 0.5


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("truncate", {"after": 10}, "sent 10 bytes for 100, 3 times"),
        ("drop", {"after": 10}, "the connection broke, 3 times|only 10 of 100 bytes came, 3 times"),
        ("stall", {"after": 10}, "stopped sending, 3 times"),
        ("stall_headers", {}, "stopped sending, 3 times"),
        ("wrong_range", {}, "another part than asked for, 3 times"),
        ("status", {"code": 404}, "does not have it .404."),
        ("status", {"code": 403}, "refused .403.. Set SPIKE_DASHBOARD_DATA_USER"),
        ("status", {"code": 500}, "answered 500, 3 times"),
        ("status", {"code": 429, "retry_after": "9000"}, "asks to wait 9000 s"),
        ("redirect", {"location": "http://elsewhere.example.org/x"}, "not read from elsewhere.example.org"),
        ("redirect", {"location": "file:///etc/passwd"}, "no address of a file on a server"),
    ],
)
def test_what_does_not_pass_is_one_line(
    replay: Replay, tmp_path: Path, url: str, kind: str, options: dict[str, object], words: str
) -> None:
    read_s = 0.3 if kind.startswith("stall") else 30.0
    file = make_reader(replay, tmp_path, read_s=read_s).open(url, len(CONTENT), "md5")
    replay.faults.add("*big*", kind, times=None, **options)
    with pytest.raises(DownloadFailed, match=words) as raised:
        file(1000, 1100)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("*/1000-1100"))


def test_a_whole_file_in_place_of_a_part_is_stopped(reader: RangeReader, replay: Replay, url: str) -> None:
    replay.files[PATH] = bytes(64 << 20)
    file = reader.open(url, 64 << 20, "md5")
    replay.faults.add("*big*", "ignore_range", times=None)
    with pytest.raises(DownloadFailed, match="sends the whole file where a part was asked for"):
        file(1000, 1100)
    assert replay.count("big") == 1
    assert replay.sent[PATH] < 32 << 20, "what the buffers between the two hold"


def test_a_server_that_is_gone_is_one_line(reader: RangeReader, replay: Replay, url: str) -> None:
    file = reader.open(url, len(CONTENT), "md5")
    replay.down = True
    with pytest.raises(DownloadFailed, match="3 times"):
        file(0, 10)


def test_a_redirect_to_a_server_of_the_list_is_followed_and_sees_no_password(replay: Replay, url: str) -> None:
    with Replay(replay.root.parent) as other:
        other.files[PATH] = CONTENT
        hosts = [f"127.0.0.1:{replay.port}", f"127.0.0.1:{other.port}"]
        file = RangeReader(None, hosts, user="u", password="p").open(url, len(CONTENT), "md5")
        replay.faults.add("*big*", "redirect", location=other.url + PATH)
        assert file(5, 9) == CONTENT[5:9]
        assert "authorization" in replay.seen[-1].headers
        assert "authorization" not in other.seen[-1].headers


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://data.example.org/x.cbin", "by https only"),
        ("https://other.example.org/x.cbin", "not read from other.example.org. Add its server with --range-host"),
        ("https://data.example.org:8443/x.cbin", "not read from"),
        ("https://user:secret@data.example.org/x.cbin", "no address"),
        ("ftp://data.example.org/x.cbin", "no address"),
        ("https://data.example.org:port/x.cbin", "no address"),
        ("", "no address"),
    ],
)
def test_an_address_beyond_the_list_is_refused_before_anything_is_sent(address: str, words: str) -> None:
    with pytest.raises(DownloadFailed, match=words) as raised:
        RangeReader(None, ["data.example.org"]).open(address, 10, "md5")
    assert "secret" not in str(raised.value)


def test_a_file_that_changes_on_the_server_is_never_mixed(reader: RangeReader, replay: Replay, url: str) -> None:
    by_etag, by_size = reader.open(url), reader.open(url, len(CONTENT), "md5")
    replay.files[PATH] = CONTENT[::-1]
    with pytest.raises(DatasetInvalid, match="has changed"):
        by_etag(10, 20)
    replay.files[PATH] = CONTENT + b"more"
    with pytest.raises(DatasetInvalid, match="has 102,404 bytes, and had 102,400"):
        by_size(10, 20)


def test_bytes_beyond_the_file_are_refused(reader: RangeReader, url: str) -> None:
    with pytest.raises(BadRequest, match="It has 102,400 bytes"):
        reader.open(url, len(CONTENT), "md5")(0, len(CONTENT) + 1)


def test_a_cancel_cuts_a_server_that_sends_nothing(replay: Replay, url: str) -> None:
    file = make_reader(replay, None, read_s=60.0).open(url, len(CONTENT), "md5")
    replay.faults.add("*big*", "stall", after=10, times=None)
    cancel, ended = threading.Event(), threading.Event()
    raised: list[DashboardError] = []

    def read() -> None:
        with reading_for(cancel=cancel):
            try:
                file(0, 1000)
            except DashboardError as error:
                raised.append(error)
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    until(lambda: replay.sent[PATH] == 10)
    cancel.set()
    assert ended.wait(20)
    assert isinstance(raised[0], Cancelled)


def test_progress_tells_the_bytes_of_the_part(reader: RangeReader, url: str) -> None:
    told: list[Progress] = []
    with reading_for(progress=told.append):
        reader.open(url, len(CONTENT), "md5")(0, 1000)
    assert (told[-1].stage, told[-1].done, told[-1].total) == ("big.bin from 127.0.0.1", 1000, 1000)


def test_each_person_has_so_many_bytes_an_hour(replay: Replay, url: str) -> None:
    now = [0.0]
    file = make_reader(replay, None, budget_bytes=250, clock=lambda: now[0]).open(url, len(CONTENT), "md5")
    with reading_for("ada"):
        file(0, 100), file(100, 200)
        now[0] = 1800
        file(0, 100)  # what is kept costs nothing
        with pytest.raises(BadRequest, match="Go on in 30 minutes"):
            file(200, 300)
    with reading_for("bob"):
        file(200, 300)
    now[0] = 3601
    with reading_for("ada"):
        file(300, 400)


def test_what_one_file_may_cost_is_said_with_the_setting() -> None:
    with pytest.raises(BadRequest, match="--range-budget"):
        Budget(10, lambda: 0.0).take("", 11)


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., KeptParts]:
    return lambda disk, memory: KeptParts(tmp_path, disk, memory)


def test_parts_stay_within_their_bytes_in_memory_and_on_disk(kept: Callable[..., KeptParts], tmp_path: Path) -> None:
    parts = kept(1000, 250)
    for k in range(20):
        parts.put("file", k, k + 100, bytes(100))
    on_disk = [path.stat().st_size for path in tmp_path.glob("*/*")]
    assert len(on_disk) >= 5
    assert sum(on_disk) <= 1000
    assert len(parts._memory) == 2
    assert parts.get("file", 19, 119) == bytes(100)
    parts.forget("file", 19, 119)
    assert parts.get("file", 19, 119) is None
