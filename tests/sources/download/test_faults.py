"""Downloads when servers misbehave: a file is whole, or it is absent and said to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.sources.download.downloader import Downloader
from dashboard.sources.download.transfer import Item
from dashboard.sources.download.transport import retry_after
from tests.replay.downloading import Waits, whole
from tests.replay.server import Replay


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


@pytest.mark.parametrize("url", ["ftp://x.org/a", "file:///etc/passwd", "http://h:abc/", "not an address"])
def test_not_an_address(downloader: Downloader, item: Callable[..., Item], waits: Waits, url: str) -> None:
    wanted = item(url=url)
    assert "cannot be used" in str(downloader.fetch([wanted]).failures[wanted.dataset.relative_path])
    assert waits.seconds == []


def test_redirects_in_a_circle(downloader: Downloader, replay: Replay, item: Callable[..., Item]) -> None:
    wanted = item()
    replay.faults.add("*spikes.times*", "redirect", location=wanted.dataset.url, times=None)
    assert "circle" in str(downloader.fetch([wanted]).failures[wanted.dataset.relative_path])


def test_another_part_than_asked_for_is_not_appended(
    downloader: Downloader, replay: Replay, item: Callable[..., Item]
) -> None:
    replay.faults.add("*spikes.times*", "drop", after=500_000)
    replay.faults.add("*spikes.times*", "wrong_range")
    wanted = item()
    assert whole(wanted, downloader.fetch([wanted]))
    assert [seen.headers.get("range") for seen in replay.seen] == [None, "bytes=500000-", None]
