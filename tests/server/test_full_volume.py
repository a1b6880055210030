"""A cache volume that is really full: a small file system of its own, made in a name space that only the test sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library.alf_folder import N_SPIKES, write_session

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT = """
import json, logging, os, subprocess, sys
from pathlib import Path
from dashboard.model.errors import CacheUnusable
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.folder import FolderSource
from dashboard.library.store import InsertionStore

def mount(folder, size, *more):
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *more]), "tmpfs", str(folder)], check=True)

def fill(ballast):
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert "No space left" in str(error)

root = Path(sys.argv[1])
"""
COLUMNS = """
lines = []
class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("dashboard").addHandler(Kept())
mount(root / "cache", "8m")
ballast = root / "cache" / "ballast"
fill(ballast)
assert os.statvfs(root / "cache").f_bavail == 0
store = InsertionStore([FolderSource(root / "data")], root / "cache")
first = store.open("MOUSE_1/2024-01-02/001/probe00")
left = [p.name for p in (root / "cache" / "columns").glob("*")]
store.forget(first)
ballast.unlink()
again = store.open("MOUSE_1/2024-01-02/001/probe00")
kept = [p.name for p in (root / "cache" / "columns").glob("[!.]*")]
said = [line for line in lines if "No space left" in line]
print(json.dumps([first.columns.n_spikes, left, again.columns.n_spikes, len(kept), said]))
"""
DOWNLOAD = """
import threading, time
from tests.replay.server import Replay
KEY = "KM_001/2024-03-05/001/probe00"
cache, said = root / "cache", []
mount(cache, "3m")

def fill_in_the_middle():
    while not any(path.stat().st_size > 200_000 for path in (cache / "one").rglob("*.part*")):
        time.sleep(0.01)
    fill(cache / "ballast")

with Replay(Path(sys.argv[2])) as replay:
    store = InsertionStore([AlyxSource(replay.url, cache=cache, user="alice", password="alicepass")], cache)

    def attempt():
        try:
            return store.open(KEY).columns.n_spikes
        except CacheUnusable as error:
            said.append(str(error))

    attempt()
    subprocess.run(["mount", "-o", "remount,size=64m", str(cache)], check=True)
    replay.faults.add("*spikes.times*", "throttle", times=None, after=100_000, delay=0.1)
    threading.Thread(target=fill_in_the_middle).start()
    attempt()
    (cache / "ballast").unlink()
    replay.faults.clear()
    n_seen = len(replay.seen)
    n_spikes = attempt()
    again = [seen.headers.get("range") for seen in replay.seen[n_seen:] if "spikes.times" in seen.path]
print(json.dumps([said, n_spikes, again]))
"""


@pytest.fixture(scope="module")
def _can_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mount")
    try:
        command = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody mount a file system of their own")


def run(program: str, repository: Path, *arguments: Path) -> list[object]:
    """Run a program where it may mount, and return what it says at its end."""
    command = [*UNSHARE, sys.executable, "-c", MOUNT + program, *map(str, arguments)]
    ended = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return list(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.usefixtures("_can_mount")
def test_columns_are_shown_and_kept_once_there_is_room(tmp_path: Path, repository: Path) -> None:
    write_session(tmp_path / "data")
    shown, left, again, n_kept, said = run(COLUMNS, repository, tmp_path)
    assert (shown, left, again, n_kept) == (N_SPIKES, [], N_SPIKES, 1)
    assert said


@pytest.mark.usefixtures("_can_mount")
def test_downloads_end_with_one_line_and_go_on_once_there_is_room(
    tmp_path: Path, repository: Path, alyx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(repository))
    said, n_spikes, again = run(DOWNLOAD, repository, tmp_path, alyx_folder)
    assert isinstance(said, list)
    assert [text.split(":")[0] for text in said] == [
        "The disk of the cache is too full",
        "The disk of the cache is full",
    ]
    assert all(len(text.splitlines()) == 1 for text in said)
    assert n_spikes == 210_000
    assert isinstance(again, list)
    assert all(str(asked).startswith("bytes=") for asked in again), "what was fetched before was lost"
