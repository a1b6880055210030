"""Downloads: resumed, in order, cancelled, once for everybody."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.model.errors import CacheUnusable, Cancelled
from dashboard.model.progress import Progress
from dashboard.model.references import DatasetRef
from dashboard.sources.download.downloader import Downloader, Fetched
from dashboard.sources.download.meter import ALL_FILES
from dashboard.sources.download.partial import partial_path
from dashboard.sources.download.transfer import Item
from tests.replay.downloading import COLLECTION, EID, until, whole
from tests.replay.server import Replay


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
    # the lock was given back, long before the server or a time-out would have ended the read
    impatient = threading.Event()
    timer = threading.Timer(10.0, impatient.set)
    timer.start()
    fetched = downloader.fetch([wanted], cancel=impatient)
    timer.cancel()
    assert fetched[wanted.dataset.relative_path].stat().st_size == wanted.dataset.size


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
    from dashboard.sources.download import partial

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
    monkeypatch.setattr("dashboard.sources.download.partial.PartialFile._take_up", lambda self: None)
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
