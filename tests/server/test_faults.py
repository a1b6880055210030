"""What goes wrong while a server runs: nothing is lost, one line says what, and it works again without a restart.

A locked database is in tests/test_keeping.py.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.library.check import remove, verify
from dashboard.library.store import InsertionStore
from dashboard.model.errors import CacheUnusable, Cancelled, SourceUnavailable
from dashboard.page.session import DashboardSession
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.library.alf_folder import N_SPIKES, write_session
from tests.replay.downloading import until
from tests.replay.server import Replay
from tests.server.asking import stay_until
from tests.serving import serving

KEY = "MOUSE_1/2024-01-02/001/probe00"


@pytest.fixture
def lab(tmp_path: Path) -> FolderSource:
    write_session(tmp_path / "data")
    return FolderSource(tmp_path / "data")


@pytest.fixture
def alyx(alyx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Replay, AlyxSource]]:
    """The recorded Alyx server with its data server, and a source that asks it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with Replay(alyx_folder) as replay:
        yield replay, AlyxSource(replay.url, cache=tmp_path / "cache", user="alice", password="alicepass")


RECORDED = "KM_001/2024-03-05/001/probe01"


def test_a_process_killed_while_it_prepares_leaves_nothing_to_be_taken_for_whole(tmp_path: Path) -> None:
    """SIGKILL in the middle of building the columns; the next one starts anew, and the leftover has a name."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom dashboard.engine import build as columns\n"
        "from dashboard.sources.demo.source import DemoSource\nfrom dashboard.library.store import InsertionStore\n"
        "columns._choose_rows = lambda *given: (print('building', flush=True), sys.stdin.read())\n"
        "cache = Path(sys.argv[1])\nInsertionStore([DemoSource(cache, n_spikes=20_000)], cache).open('demo')\n"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "building\n"
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=30)
    (problem,) = verify(tmp_path)
    assert problem.why == "columns whose making was interrupted"
    opened = InsertionStore([DemoSource(tmp_path, n_spikes=20_000)], tmp_path).open("demo")
    assert opened.columns.n_spikes == 20_000
    remove(problem)
    assert list(verify(tmp_path)) == []


def test_a_load_that_is_cancelled_in_the_middle_can_be_asked_for_again(lab: FolderSource, tmp_path: Path) -> None:
    store, cancel = InsertionStore([lab], tmp_path / "cache"), threading.Event()

    def give_up(progress: object) -> None:
        cancel.set()
        time.sleep(0.5)  # who waits has gone before the load is through

    with pytest.raises(Cancelled):
        store.open(KEY, progress=give_up, cancel=cancel)
    while store.n_loading:
        time.sleep(0.01)
    assert store.open(KEY).columns.n_spikes == N_SPIKES


def test_a_full_cache_volume_costs_speed_and_nothing_else(
    lab: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = InsertionStore([lab], tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        patched.setattr("dashboard.sources.alf.spikes.write_file", full)
        opened = store.open(KEY)
    assert opened.columns.n_spikes == N_SPIKES
    assert "No space left on device" in caplog.text
    assert [path for path in (tmp_path / "cache" / "columns").iterdir()] == []
    store.forget(opened)
    assert store.open(KEY).columns.n_spikes == N_SPIKES
    assert len(list((tmp_path / "cache" / "columns").iterdir())) == 1, "it is kept once there is room"


def test_a_full_volume_ends_a_download_with_one_line_and_it_goes_on_later(
    alyx: tuple[Replay, AlyxSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = alyx
    store = InsertionStore([source], tmp_path / "cache")

    def full(self: object, block: bytes) -> None:
        from dashboard.sources.download.locks import unusable

        raise unusable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), tmp_path / "cache")

    with monkeypatch.context() as patched:
        patched.setattr("dashboard.sources.download.partial.PartialFile.write", full)
        with pytest.raises(CacheUnusable, match="The disk of the cache is full") as caught:
            store.open(RECORDED)
        assert "\n" not in str(caught.value)
    assert store.open(RECORDED).columns.n_spikes > 0


def test_alyx_down_opens_what_was_fetched_and_comes_back_by_itself(
    alyx: tuple[Replay, AlyxSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, source = alyx
    store = InsertionStore([source], tmp_path / "cache")
    replay.down = True
    with pytest.raises(SourceUnavailable) as caught:
        store.open(RECORDED)
    assert len(str(caught.value).splitlines()) == 1
    replay.down = False
    monkeypatch.setattr("dashboard.sources.alyx.cache.RETRY_S", 0.0)
    fresh = AlyxSource(replay.url, cache=tmp_path / "cache", user="alice", password="alicepass")
    held = InsertionStore([fresh], tmp_path / "cache")
    fetched = held.open(RECORDED)
    assert held.bytes_fetched >= sum(d.size or 0 for d in fetched.sorting.ref.datasets.values()) > 0
    assert held.n_fetching == 0
    held.forget(fetched)
    replay.down = True
    again = held.open(RECORDED)
    assert again.columns.n_spikes == fetched.columns.n_spikes
    replay.down = False
    # The store that was refused at first: once the server is spared no longer, it opens without a restart.
    source.records._ask_again_at = 0.0
    assert store.open(RECORDED).columns.n_spikes == fetched.columns.n_spikes


def test_a_corrupt_fetched_file_is_said_and_comes_anew(alyx: tuple[Replay, AlyxSource], tmp_path: Path) -> None:
    """Cut short or damaged inside, it is fetched again by itself; the check finds it, too."""
    _, source = alyx
    store = InsertionStore([source], tmp_path / "cache")
    opened = store.open(RECORDED)
    n_spikes, paths = opened.columns.n_spikes, {name: d.path for name, d in opened.sorting.ref.datasets.items()}
    store.forget(opened)
    del opened
    gc.collect()
    times = paths["spikes.times"]
    assert times is not None
    whole = times.read_bytes()
    times.unlink()
    times.write_bytes(whole[: len(whole) // 2])
    assert store.open(RECORDED).columns.n_spikes == n_spikes
    assert times.read_bytes() == whole
    times.unlink()
    times.write_bytes(bytes(128) + whole[128:])
    (problem,) = verify(tmp_path / "cache")
    assert problem.path == times
    assert InsertionStore([source], tmp_path / "cache").open(RECORDED).columns.n_spikes == n_spikes
    assert times.read_bytes() == whole
    assert not list(verify(tmp_path / "cache"))


def test_corrupt_columns_are_made_again_while_the_server_runs(lab: FolderSource, tmp_path: Path) -> None:
    store = InsertionStore([lab], tmp_path / "cache")
    opened = store.open(KEY)
    codes = np.array(opened.columns.depth_codes)
    (folder,) = (tmp_path / "cache" / "columns").iterdir()
    store.forget(opened)
    (folder / "codes.npy").unlink()
    (folder / "codes.npy").write_bytes(b"nothing")
    again = store.open(KEY)
    assert np.array_equal(again.columns.depth_codes, codes)
    assert np.array_equal(opened.columns.depth_codes, codes), "who had it open lost it"
    assert list(verify(tmp_path / "cache")) == []


def test_a_store_smaller_than_one_insertion_serves_one_after_the_other(tmp_path: Path) -> None:
    for number in range(3):
        write_session(tmp_path / "data", session=f"labx/Subjects/M_{number}/2024-01-02/001")
    store = InsertionStore([FolderSource(tmp_path / "data")], tmp_path / "cache", limit_bytes=1)
    for number in (0, 1, 2, 0, 1):
        assert store.open(f"M_{number}/2024-01-02/001/probe00").columns.n_spikes == N_SPIKES
        gc.collect()
        assert len(store) == 1


def test_a_browser_that_goes_in_the_middle_of_a_picture_leaves_the_others_alone(
    lab: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A real server and its sessions; the render of the one that goes is held in the middle until it has gone."""
    from dashboard.engine.count import raster
    from dashboard.page import session as app
    from dashboard.page.plot import raster as view

    started, go, done = threading.Event(), threading.Event(), threading.Event()
    real = raster.aggregate

    def slow(*given: object, **named: object) -> object:
        started.set()
        assert go.wait(120)
        try:
            return real(*given, **named)
        finally:
            done.set()

    def discard(server: Any) -> None:
        async def all_sessions() -> None:
            for context in server._tornado._applications.values():
                while sessions := tuple(context.sessions):  # one that has a turn under way is left until it ends
                    for session in sessions:
                        await context._discard_session(session, lambda session: True)

        asyncio.run_coroutine_threadsafe(all_sessions(), server.io_loop.asyncio_loop).result(30)

    with serving([lab], tmp_path / "cache") as server:
        url = f"http://127.0.0.1:{server.port}"
        with monkeypatch.context() as patched:
            patched.setattr(app, "QUICK_S", 0.0)  # or the picture is part of the page, drawn on the server's own thread
            patched.setattr(view, "aggregate", slow)
            pages = server.process.sessions
            came: list[Any] = []
            stay_until(lambda: started.is_set() and not came.extend(pages), url, f"insertion={KEY}")
            until(lambda: not server._tornado._clients, 10)
            discard(server)
            assert server.process.sessions == {}
            go.set()
            assert done.wait(60)
        (gone,) = set(came)
        assert isinstance(gone, DashboardSession)
        assert gone.raster.picture is None
        stay_until(lambda: any(other.raster.picture for other in tuple(pages)), url, f"insertion={KEY}")
        until(lambda: not server._tornado._clients, 10)
        discard(server)
    assert [record for record in caplog.records if record.exc_info] == []
