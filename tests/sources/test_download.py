"""Downloads: whole or not at all, resumed, verified, cancelled, in order."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.model.errors import CacheUnusable, Cancelled, DownloadFailed
from dashboard.model.references import DatasetRef
from dashboard.sources.alyx_records import dataset_from_record
from dashboard.sources.download import Downloader, Fetched
from dashboard.sources.meter import ALL_FILES
from dashboard.sources.partial import partial_path
from dashboard.sources.protocol import Progress
from dashboard.sources.transfer import Item
from dashboard.sources.transport import retry_after
from tests.replay.server import Replay

EID = "476cedbd-08e6-4844-ac5d-baed40ae4d78"
COLLECTION = "alf/probe00/pykilosort/#2024-05-06#"


class Waits:
    """Takes the place of sleeping, and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, stop: threading.Event, seconds: float) -> bool:
        self.seconds.append(seconds)
        return stop.is_set()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def downloader(tmp_path: Path, waits: Waits) -> Downloader:
    return Downloader(tmp_path / "locks", wait=waits, jitter=lambda: 0.5, connect_s=2.0, read_s=2.0)


@pytest.fixture
def item(replay: Replay, tmp_path: Path) -> Callable[..., Item]:
    """Make the item of one dataset of the recorded session, with fields replaced."""

    def make(name: str = "spikes.times.npy", folder: str = COLLECTION, **changes: object) -> Item:
        record = replay.dataset(EID, f"{folder}/{name}")
        dataset = dataset_from_record(
            {**record, "data_url": replay.rewritten(record["data_url"]).decode().strip('"')}, {}
        )
        assert dataset is not None
        dataset = dataclasses.replace(dataset, **changes)  # type: ignore[arg-type]
        return Item(dataset, tmp_path / "data" / dataset.relative_path)

    return make


def served(server: Replay, ending: str) -> DatasetRef:
    """Return a dataset of the recorded session, at the replay's address."""
    record = server.dataset(EID, ending)
    dataset = dataset_from_record(json.loads(server.rewritten(record)), {})
    assert dataset is not None
    return dataset


def whole(item: Item, fetched: Fetched) -> bool:
    """Return whether the file is in its place, right to the last byte, with nothing beside it."""
    path = fetched[item.dataset.relative_path]
    assert path == item.target
    beside = {p.name for p in path.parent.iterdir()} - {path.name}
    return hashlib.md5(path.read_bytes()).hexdigest() == item.dataset.md5 and not beside


def test_a_file_with_number_signs_in_its_address(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    wanted = item()
    assert "%232024-05-06%23" in (wanted.dataset.url or "")
    assert whole(wanted, downloader.fetch([wanted]))
    assert replay.count("/#2024-05-06#/spikes.times") == 1


def test_what_is_there_is_not_fetched_again(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    downloader.fetch([item()])
    assert whole(item(), downloader.fetch([item()]))
    assert sum(replay.data_counts().values()) == 1


def test_a_file_of_the_wrong_size_is_fetched_again(downloader: Downloader, item: Callable[..., Item]) -> None:
    wanted = item()
    wanted.target.parent.mkdir(parents=True)
    wanted.target.write_bytes(b"partial")
    assert whole(wanted, downloader.fetch([wanted]))


def test_dropped_connections_are_resumed_where_they_broke(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    replay.faults.add("*spikes.times*", "drop", times=4, after=300_000)
    wanted = item()
    assert whole(wanted, downloader.fetch([wanted]))
    ranges = [seen.headers.get("range") for seen in replay.seen]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-", "bytes=1200000-"]
    assert all("if-range" in seen.headers for seen in replay.seen[1:])


def test_progress_never_exhausts_patience(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    replay.faults.add("*spikes.times*", "drop", times=None, after=100_000)
    wanted = item()  # 1.6 MB in 17 pieces, more than the attempts allowed without progress
    assert whole(wanted, downloader.fetch([wanted]))


@pytest.mark.parametrize("kind", ["truncate", "corrupt", "no_length", "ignore_range", "throttle", "stall"])
def test_one_fault_is_survived(
    replay: Replay, item: Callable[..., Item], tmp_path: Path, waits: Waits, kind: str
) -> None:
    downloader = Downloader(tmp_path / "locks", wait=waits, read_s=0.3)
    replay.faults.add("*spikes.times*", kind, after=400_000, delay=0.01)
    wanted = item()
    assert whole(wanted, downloader.fetch([wanted]))


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_error_is_asked_again(
    downloader: Downloader, replay: Replay, item: Callable[..., Item], waits: Waits, code: int
) -> None:
    replay.faults.add("*spikes.times*", "status", code=code, times=2)
    assert whole(item(), downloader.fetch([item()]))
    assert waits.seconds == [0.5, 1.0]


def test_retry_after_is_honoured(
    downloader: Downloader, replay: Replay, item: Callable[..., Item], waits: Waits
) -> None:
    replay.faults.add("*spikes.times*", "status", code=429, retry_after="17")
    assert whole(item(), downloader.fetch([item()]))
    assert waits.seconds == [17.0]


def test_a_very_long_retry_after_is_reported(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    replay.faults.add("*spikes.times*", "status", code=503, retry_after="3600", times=None)
    failures = downloader.fetch([item()]).failures
    assert "asks to wait 3600 s" in str(failures[item().dataset.relative_path])


def test_waits_grow_and_end(downloader: Downloader, replay: Replay, item: Callable[..., Item], waits: Waits) -> None:
    replay.faults.add("*spikes.times*", "status", code=500, times=None)
    failures = downloader.fetch([item()]).failures
    assert "answered 500, 5 times" in str(failures[item().dataset.relative_path])
    assert waits.seconds == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("code", "words"), [(401, "refused"), (403, "refused"), (404, "does not have it"), (418, "answered 418")]
)
def test_a_lasting_error_is_not_asked_again(
    downloader: Downloader, replay: Replay, item: Callable[..., Item], code: int, words: str
) -> None:
    replay.faults.add("*spikes.times*", "status", code=code, times=None)
    wanted = [item(), item("spikes.depths.npy")]
    fetched = downloader.fetch(wanted)
    assert list(fetched) == [wanted[1].dataset.relative_path]
    assert words in str(fetched.failures[wanted[0].dataset.relative_path])
    assert replay.count("spikes.times") == 1
    assert not wanted[0].target.exists()


def test_a_wrong_hash_is_never_taken(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    replay.faults.add("*spikes.times*", "corrupt", times=None, after=1000)
    wanted = item()
    fetched = downloader.fetch([wanted])
    assert not fetched
    assert "MD5" in str(fetched.failures[wanted.dataset.relative_path])
    assert not wanted.target.exists()
    assert replay.count("spikes.times") == 2


@pytest.mark.parametrize("kind", ["truncate", "drop"])
@pytest.mark.parametrize("md5", ["recorded", None])
def test_a_file_that_never_comes_whole_is_never_taken(
    downloader: Downloader, replay: Replay, item: Callable[..., Item], kind: str, md5: str | None
) -> None:
    replay.etags = replay.ranges = False
    replay.faults.add("*spikes.times*", kind, times=None, after=1000)
    wanted = item() if md5 else item(md5=None)
    fetched = downloader.fetch([wanted])
    assert "5 times" in str(fetched.failures[wanted.dataset.relative_path])
    assert not wanted.target.exists()


def test_a_longer_file_than_on_record_is_refused(downloader: Downloader, item: Callable[..., Item]) -> None:
    wanted = item(size=1000, md5=None)
    fetched = downloader.fetch([wanted])
    assert "more came" in str(fetched.failures[wanted.dataset.relative_path])
    assert not wanted.target.exists()


def test_unknown_size_and_hash_are_taken_by_content_length(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    replay.faults.add("*spikes.times*", "drop", after=5000)
    wanted = item(size=None, md5=None)
    assert downloader.fetch([wanted])[wanted.dataset.relative_path].stat().st_size == 1640128


def test_nothing_to_verify_by_is_refused(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    replay.faults.add("*spikes.times*", "no_length", times=None)
    wanted = item(size=None, md5=None)
    assert "how long" in str(downloader.fetch([wanted]).failures[wanted.dataset.relative_path])


def test_no_address(downloader: Downloader, item: Callable[..., Item]) -> None:
    wanted = item(url=None)
    assert "no address" in str(downloader.fetch([wanted]).failures[wanted.dataset.relative_path])


def test_unreachable_server(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    names = ("spikes.times.npy", "spikes.depths.npy", "spikes.amps.npy", "spikes.clusters.npy", "spikes.samples.npy")
    wanted = [item(name, url="http://127.0.0.1:9/nothing") for name in names]
    fetched = downloader.fetch(wanted)
    assert len(fetched.failures) == 5
    assert all("cannot be reached" in str(error) for error in fetched.failures.values())


def test_unplugged_in_the_middle_and_back(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    wanted = item()
    replay.faults.add("*spikes.times*", "drop", after=500_000)
    replay.faults.add("*spikes.times*", "status", code=503, times=None)
    assert not downloader.fetch([wanted])
    assert partial_path(wanted.dataset, wanted.target).stat().st_size == 500_000
    replay.faults.clear()
    replay.seen.clear()
    assert whole(wanted, downloader.fetch([wanted]))
    assert replay.seen[0].headers["range"] == "bytes=500000-"


def test_a_newer_version_does_not_continue_an_older_one(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    older = item(md5="0" * 32)
    replay.faults.add("*spikes.times*", "drop", after=500_000)
    replay.faults.add("*spikes.times*", "status", code=404)
    downloader.fetch([older])
    replay.seen.clear()
    assert whole(item(), downloader.fetch([item()]))
    assert "range" not in replay.seen[0].headers


def test_a_spoiled_remainder_costs_one_more_download(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    wanted = item()
    part = partial_path(wanted.dataset, wanted.target)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 700_000)
    assert whole(wanted, downloader.fetch([wanted]))
    assert [seen.headers.get("range") for seen in replay.seen] == ["bytes=700000-", None]


def test_a_remainder_that_is_whole_is_not_asked_for(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    wanted = item()
    part = partial_path(wanted.dataset, wanted.target)
    part.parent.mkdir(parents=True)
    content = replay.content(replay.data_path(replay.dataset(EID, f"{COLLECTION}/spikes.times.npy")))
    part.write_bytes(content or b"")
    assert whole(wanted, downloader.fetch([wanted]))
    assert not replay.seen


def test_times_and_depths_come_first(replay: Replay, item: Callable[..., Item], tmp_path: Path) -> None:
    names = ["clusters.uuids.csv", "spikes.amps.npy", "spikes.clusters.npy", "spikes.depths.npy", "spikes.times.npy"]
    Downloader(tmp_path / "locks", workers=1).fetch([item(name) for name in names])
    asked = [".".join(seen.path.split("/")[-1].split(".")[:2]) for seen in replay.seen]
    assert asked == ["spikes.times", "spikes.depths", "spikes.clusters", "spikes.amps", "clusters.uuids"]


def test_files_come_in_parallel(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    """Each of four files waits until the other three were asked for."""
    names = ["spikes.times.npy", "spikes.depths.npy", "spikes.amps.npy", "spikes.clusters.npy"]
    together = threading.Barrier(4)
    passed = []

    def on_partial(dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        if dataset.name not in passed:
            passed.append(dataset.name)
            together.wait(5)

    assert len(downloader.fetch([item(name) for name in names], on_partial=on_partial)) == 4


def test_progress_adds_up(downloader: Downloader, item: Callable[..., Item]) -> None:
    wanted = [item(), item("spikes.depths.npy"), item("clusters.uuids.csv")]
    reports: list[Progress] = []
    downloader.fetch(wanted, reports.append)
    total = sum(i.dataset.size or 0 for i in wanted)
    last = {report.stage: report for report in reports}
    assert {name: report.done for name, report in last.items()} == {
        ALL_FILES: total,
        **{i.dataset.name: i.dataset.size for i in wanted},
    }
    assert last[ALL_FILES].total == total
    assert all(report.unit == "B" and 0 <= report.done <= report.total for report in reports)
    sums = [report.done for report in reports if report.stage == ALL_FILES]
    assert sums == sorted(sums)


def test_partial_bytes_are_those_of_the_file(replay: Replay, item: Callable[..., Item], tmp_path: Path) -> None:
    replay.faults.add("*spikes.times*", "throttle", after=200_000, delay=0.15)
    content = replay.content(replay.data_path(replay.dataset(EID, f"{COLLECTION}/spikes.times.npy"))) or b""
    lengths = []

    def on_partial(dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        assert part.read_bytes()[:n_bytes] == content[:n_bytes]
        lengths.append(n_bytes)

    Downloader(tmp_path / "locks").fetch([item()], on_partial=on_partial)
    assert len(lengths) > 3
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("kind", ["stall", "stall_headers", "throttle"])
def test_cancel_ends_at_once_and_keeps_what_came(
    replay: Replay, item: Callable[..., Item], tmp_path: Path, kind: str
) -> None:
    """The time-outs are ten times longer than the test may take."""
    downloader = Downloader(tmp_path / "locks", read_s=60.0)
    done, wanted = item("spikes.depths.npy"), item()
    downloader.fetch([done])
    replay.faults.add("*spikes.times*", kind, times=None, after=100_000, delay=0.5)
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(Cancelled):
        downloader.fetch([done, wanted], cancel=cancel)
    assert done.target.exists()
    assert not wanted.target.exists()
    if kind != "stall_headers":
        assert partial_path(wanted.dataset, wanted.target).stat().st_size >= 100_000
    replay.faults.clear()
    assert whole(wanted, downloader.fetch([wanted])) or done.target.exists()  # the lock was given back


def test_cancel_while_waiting_between_attempts(replay: Replay, item: Callable[..., Item], tmp_path: Path) -> None:
    replay.faults.add("*spikes.times*", "status", code=503, retry_after="100", times=None)
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(Cancelled):
        Downloader(tmp_path / "locks").fetch([item()], cancel=cancel)


def test_cancelled_before_it_began(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        downloader.fetch([item()], cancel=cancel)
    assert not replay.seen


def test_disk_full(downloader: Downloader, item: Callable[..., Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes 200 kB and no more."""
    from dashboard.sources import partial

    def full(self: partial.PartialFile, block: bytes, write: Callable[..., None] = partial.PartialFile.write) -> None:
        if self.length + len(block) > 200_000:
            raise partial.unusable(OSError(28, os.strerror(28)), self.path)
        write(self, block)

    monkeypatch.setattr(partial.PartialFile, "write", full)
    wanted = item()
    with pytest.raises(CacheUnusable, match="full"):
        downloader.fetch([wanted])
    assert not wanted.target.exists()
    monkeypatch.undo()
    assert whole(wanted, downloader.fetch([wanted]))


def test_a_real_full_device(downloader: Downloader, item: Callable[..., Item], monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    wanted = item()
    wanted.target.parent.mkdir(parents=True)
    partial_path(wanted.dataset, wanted.target).symlink_to("/dev/full")
    monkeypatch.setattr("dashboard.sources.partial.PartialFile._take_up", lambda self: None)
    with pytest.raises(CacheUnusable, match="full"):
        downloader.fetch([wanted])


def test_what_cannot_fit_is_refused_before_the_first_byte(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    with pytest.raises(CacheUnusable, match="MB free"):
        downloader.fetch([item(size=10**17)])
    assert not replay.seen


def test_read_only_cache(downloader: Downloader, item: Callable[..., Item], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(CacheUnusable, match="cannot be written"):
        downloader.fetch([item()])


def test_two_who_want_the_same_cause_one_download(replay: Replay, item: Callable[..., Item], tmp_path: Path) -> None:
    replay.faults.add("*spikes.times*", "throttle", after=400_000, delay=0.05, times=None)
    wanted = [item(), item("spikes.depths.npy")]
    results: list[Fetched] = []
    reports: list[Progress] = []

    def fetch(reports_to: Callable[[Progress], None]) -> None:
        results.append(Downloader(tmp_path / "locks").fetch(wanted, reports_to))

    threads = [threading.Thread(target=fetch, args=(reports.append,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(result) for result in results] == [2] * 5
    assert set(replay.data_counts().values()) == {1}


def test_who_waits_goes_on_when_the_other_is_cancelled(
    replay: Replay, item: Callable[..., Item], tmp_path: Path
) -> None:
    replay.faults.add("*spikes.times*", "stall", after=500_000)
    wanted, cancel, results = item(), threading.Event(), []
    downloader = Downloader(tmp_path / "locks", read_s=60.0)

    def first() -> None:
        with pytest.raises(Cancelled):
            downloader.fetch([wanted], cancel=cancel)

    def second() -> None:
        results.append(downloader.fetch([wanted]))

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    part = partial_path(wanted.dataset, wanted.target)
    until(lambda: part.exists() and part.stat().st_size == 500_000)
    threads[1].start()
    cancel.set()
    for thread in threads:
        thread.join()
    assert whole(wanted, results[0])
    assert [seen.headers.get("range") for seen in replay.seen] == [None, "bytes=500000-"]


class TestPassword:
    """The data server's password is for the data server."""

    @pytest.fixture
    def private(self, alyx_folder: Path) -> Replay:
        return Replay(alyx_folder, data_auth=("reader", "secret"))

    def fetch(self, downloader: Downloader, server: Replay, tmp_path: Path) -> tuple[Item, Fetched]:
        record = server.dataset(EID, f"{COLLECTION}/spikes.times.npy")
        dataset = dataset_from_record(
            {**record, "data_url": server.rewritten(record["data_url"]).decode().strip('"')}, {}
        )
        assert dataset is not None
        wanted = Item(dataset, tmp_path / "data" / dataset.relative_path)
        return wanted, downloader.fetch([wanted])

    def test_is_sent_to_it(self, private: Replay, tmp_path: Path) -> None:
        with private:
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret")
            assert whole(*self.fetch(downloader, private, tmp_path))

    def test_is_missing_or_wrong(self, private: Replay, tmp_path: Path) -> None:
        with private:
            for password in (None, "wrong"):
                downloader = Downloader(tmp_path / "locks", user="reader", password=password)
                wanted, fetched = self.fetch(downloader, private, tmp_path)
                assert "refused (401)" in str(fetched.failures[wanted.dataset.relative_path])

    def test_is_not_sent_to_other_hosts(self, private: Replay, replay: Replay, tmp_path: Path) -> None:
        with private:
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret", hosts=["elsewhere.org"])
            self.fetch(downloader, private, tmp_path)
            assert all("authorization" not in seen.headers for seen in private.seen)

    def test_does_not_follow_a_redirect(self, private: Replay, replay: Replay, tmp_path: Path) -> None:
        path = replay.data_path(replay.dataset(EID, f"{COLLECTION}/spikes.times.npy")).replace("#", "%23")
        with private:
            private.faults.add("*spikes.times*", "redirect", location=replay.url + path)
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret")
            assert whole(*self.fetch(downloader, private, tmp_path))
        assert "authorization" in private.seen[0].headers
        assert "authorization" not in replay.seen[0].headers

    def test_is_not_taken_from_netrc(self, private: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with private:
            self.fetch(Downloader(tmp_path / "locks"), private, tmp_path)
            assert all("authorization" not in seen.headers for seen in private.seen)

    def test_is_never_logged(self, private: Replay, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        with private:
            private.faults.add("*spikes.times*", "status", code=500)
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret", wait=lambda stop, s: False)
            self.fetch(downloader, private, tmp_path)
        assert caplog.records
        assert "secret" not in caplog.text


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(st.sampled_from(["drop", "truncate", "corrupt", "ignore_range", "no_length"]), st.integers(0, 9000)),
        max_size=4,
    )
)
def test_whatever_happens_a_file_is_whole_or_absent(
    replay: Replay, item: Callable[..., Item], tmp_path: Path, faults: list[tuple[str, int]]
) -> None:
    for kind, after in faults:
        replay.faults.add("*clusters.uuids*", kind, after=after)
    wanted = item("clusters.uuids.csv")
    downloader = Downloader(tmp_path / "locks", wait=lambda stop, seconds: False)
    fetched = downloader.fetch([wanted])
    assert wanted.target.exists() == bool(fetched)
    if fetched:
        assert whole(wanted, fetched)
        wanted.target.unlink()
    replay.faults.clear()
    assert whole(wanted, downloader.fetch([wanted]))
    wanted.target.unlink()


@pytest.mark.parametrize(
    ("text", "seconds"), [("12", 12.0), ("", 0.0), ("soon", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after_header(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition."""
    for _ in itertools.count():
        if condition():
            return
        seconds -= 0.01
        assert seconds > 0, "it did not happen"
        time.sleep(0.01)


def test_failed_is_an_error_with_the_name() -> None:
    assert str(DownloadFailed("a", "b")) == "Could not fetch a: b. Try again"
