"""Downloads by several processes: one fetches, the others wait; one that is killed leaves nothing wrong."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dashboard.model.references import DatasetRef
from dashboard.sources.alyx.records import dataset_from_record
from dashboard.sources.download.partial import partial_path
from tests.replay.server import Replay

EID = "476cedbd-08e6-4844-ac5d-baed40ae4d78"

SCRIPT = """
import json, sys
from pathlib import Path
from dashboard.model.references import DatasetRef
from dashboard.sources.download.downloader import Downloader
from dashboard.sources.download.transfer import Item
given = json.loads(sys.argv[1])
item = Item(DatasetRef(**given["dataset"]), Path(given["target"]))
print(len(Downloader(Path(given["locks"])).fetch([item])))
"""


@pytest.fixture
def dataset(replay: Replay) -> DatasetRef:
    record = replay.dataset(EID, "alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy")
    found = dataset_from_record(json.loads(replay.rewritten(record)), {})
    assert found is not None
    return found


def start(dataset: DatasetRef, folder: Path, repository: Path) -> subprocess.Popen[str]:
    fields = {name: getattr(dataset, name) for name in dataset.__slots__ if name != "path"}
    given = {"dataset": fields, "target": str(target(dataset, folder)), "locks": str(folder / "locks")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(given)], cwd=repository, stdout=subprocess.PIPE, text=True
    )


def target(dataset: DatasetRef, folder: Path) -> Path:
    return folder / dataset.relative_path


def wait_for(path: Path, n_bytes: int) -> None:
    for _ in range(1500):
        if path.exists() and path.stat().st_size >= n_bytes:
            return
        time.sleep(0.01)
    raise AssertionError(f"{path.name} never grew to {n_bytes} bytes")


def is_right(dataset: DatasetRef, folder: Path) -> bool:
    return hashlib.md5(target(dataset, folder).read_bytes()).hexdigest() == dataset.md5


def test_processes_fetch_a_file_once(replay: Replay, dataset: DatasetRef, tmp_path: Path, repository: Path) -> None:
    replay.faults.add("*spikes.times*", "throttle", after=200_000, delay=0.1, times=None)
    processes = [start(dataset, tmp_path, repository) for _ in range(3)]
    answers = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert answers == ["1", "1", "1"]
    assert is_right(dataset, tmp_path)
    assert list(replay.data_counts().values()) == [1]


def test_killed_in_mid_download(replay: Replay, dataset: DatasetRef, tmp_path: Path, repository: Path) -> None:
    replay.faults.add("*spikes.times*", "stall", after=800_000)
    killed = start(dataset, tmp_path, repository)
    part = partial_path(dataset, target(dataset, tmp_path))
    wait_for(part, 800_000)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    assert not target(dataset, tmp_path).exists()
    following = start(dataset, tmp_path, repository)
    assert following.communicate(timeout=30)[0].strip() == "1"
    assert is_right(dataset, tmp_path)
    assert [seen.headers.get("range") for seen in replay.seen] == [None, "bytes=800000-"]


def test_who_waits_takes_over_from_a_killed_one(
    replay: Replay, dataset: DatasetRef, tmp_path: Path, repository: Path
) -> None:
    replay.faults.add("*spikes.times*", "stall", after=800_000)
    killed = start(dataset, tmp_path, repository)
    wait_for(partial_path(dataset, target(dataset, tmp_path)), 800_000)
    waiting = start(dataset, tmp_path, repository)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    assert waiting.communicate(timeout=30)[0].strip() == "1"
    assert is_right(dataset, tmp_path)
