"""The cache folder: what is not whole is found and named, and a limit removes what was used longest ago."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dashboard.cli import main
from dashboard.engine.build import build_columns
from dashboard.library.check import Problem, verify
from dashboard.library.disk_limit import DiskLimit, held
from dashboard.library.store import InsertionStore
from dashboard.model.sidecars import MANIFEST
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.demo.source import DemoSource


@pytest.fixture
def own(small_demo: SpikeSorting, tmp_path: Path) -> Path:
    """A cache of one's own with the columns of the small demo."""
    build_columns(small_demo, tmp_path)
    return tmp_path


def columns_folder(cache: Path) -> Path:
    return next(path for path in (cache / "columns").iterdir() if not path.name.startswith("."))


def test_a_whole_cache_is_whole(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["cache", "verify", "--cache", str(own)]) == 0
    assert capsys.readouterr().out == "every file is whole\n"
    assert main.main(["cache", "verify", "--cache", str(own / "absent")]) == 0


def flip(name: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        path = folder / name
        content = bytearray(path.read_bytes())
        middle = (128 + len(content)) // 2 // 8 * 8
        content[middle : middle + 8] = b"\xff" * 8
        path.write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "codes.npy").unlink(), "without codes.npy"),
        (lambda folder: os.truncate(folder / "amps.npy", 1000), "cut short: amps.npy has 1,000 of "),
        (lambda folder: (folder / MANIFEST).unlink(), "without a manifest"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "columns "),
        (lambda folder: (folder / MANIFEST).write_text('{"files": 3}'), "columns "),
        (flip("codes.npy"), "beyond their bounds in codes.npy"),
        (flip("clusters.npy"), "clusters.npy"),
        (flip("order.npy"), "order.npy"),
        (flip("offsets.npy"), "offsets.npy"),
        (flip("ticks.npy"), "ticks.npy"),
    ],
)
def test_damaged_columns_are_named_and_removed(
    own: Path, damage: Callable[[Path], object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = columns_folder(own)
    damage(folder)
    assert main.main(["cache", "verify", "--cache", str(own)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{folder}: columns")
    assert said in first
    assert last == "1 not whole, 1 left"
    assert main.main(["cache", "verify", "--remove", "--cache", str(own)]) == 0
    assert "; removed" in capsys.readouterr().out
    assert not folder.exists()
    assert list(verify(own)) == []


def test_what_was_interrupted_is_found_and_what_runs_is_left(own: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    key = columns_folder(own).name
    for process in (ended.stdout.decode().strip(), os.getpid()):
        (own / "columns" / f".{key}.{process}.0123456789ab.part").mkdir()
    (own / "columns" / f".{key}.0123456789ab.broken").mkdir()
    found = {problem.path.name.split(".")[-1]: problem.why for problem in verify(own)}
    assert set(found) == {"part", "broken"}
    assert len(list(verify(own))) == 2


def test_files_are_held_against_the_records(tmp_path: Path) -> None:
    """Size and MD5 of the server's record; arrays without one by their header; part files by their name."""
    root = tmp_path / "one" / "alyx.example.org" / "lab" / "Subjects" / "M_1" / "2024-01-15" / "001" / "alf" / "probe00"
    root.mkdir(parents=True)
    records = []
    for name in ("spikes.times", "spikes.amps", "spikes.depths", "spikes.clusters"):
        np.save(root / f"{name}.npy", np.arange(100.0))
        content = (root / f"{name}.npy").read_bytes()
        address = f"https://d.example.org/lab/Subjects/M_1/2024-01-15/001/alf/probe00/{name}.npy"
        records.append(
            {
                "id": f"id-{name}", "name": f"{name}.npy", "collection": "alf/probe00", "revision": None,
                "dataset_type": name, "default_revision": "True", "data_url": address, "file_size": len(content),
                "hash": hashlib.md5(content, usedforsecurity=False).hexdigest(), "version": None,
            }
        )  # fmt: skip
    session = {
        "lab": "lab", "subject": "M_1", "number": 1, "start_time": "2024-01-15T10:00:00",
        "data_dataset_session_related": records,
    }  # fmt: skip
    answers = tmp_path / "alyx" / "alyx.example.org"
    answers.mkdir(parents=True)
    (answers / "sessions_x.json").write_text(json.dumps({"key": "k", "fetched": "", "body": session}))
    (root / "clusters.depths.npy").write_bytes(b"")
    assert {problem.path.name for problem in verify(tmp_path)} == {"clusters.depths.npy"}
    os.truncate(root / "spikes.times.npy", 200)
    content = bytearray((root / "spikes.amps.npy").read_bytes())
    content[-1] ^= 1
    (root / "spikes.amps.npy").write_bytes(content)
    (root / ".spikes.depths.npy.0123abcd.part").write_bytes(b"12")
    (answers / "insertions_y.json").write_text("{")
    (root / ".spikes.clusters.npy.verified").write_text("{")
    found = {problem.path.name: problem.why for problem in verify(tmp_path)}
    assert found["spikes.times.npy"] == "cut short: 200 of 928 bytes"
    assert found["spikes.amps.npy"] == "damaged: its MD5 is not that of the record"
    assert found[".spikes.depths.npy.0123abcd.part"] == "a download that is not finished (2 bytes)"
    assert {"insertions_y.json", ".spikes.clusters.npy.verified"} <= set(found)
    assert len(found) == 6


def test_a_damaged_database_is_said_and_never_removed(tmp_path: Path) -> None:
    database = tmp_path / "kept.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE verdict (x)")
    connection.close()
    assert list(verify(tmp_path)) == []
    database.write_bytes(b"no database" * 500)
    (problem,) = verify(tmp_path)
    assert problem == Problem(database, problem.why, can_go=False)
    assert main.main(["cache", "verify", "--remove", "--cache", str(tmp_path)]) == 1
    assert database.exists()


def test_a_damaged_file_of_the_lfp_is_named_and_may_go(tmp_path: Path) -> None:
    path = tmp_path / "lfp" / "a.npz"
    path.parent.mkdir()
    np.savez(path, power_db=np.zeros((5, 100, 40), np.float32))
    assert list(verify(tmp_path)) == []
    content = bytearray(path.read_bytes())
    content[5_000] ^= 255
    path.write_bytes(content)
    (problem,) = verify(tmp_path)
    assert (problem.path, problem.can_go) == (path, True)


def evicted(limit: DiskLimit) -> list[Path]:
    """Return what goes once nothing holds it: a small picture is drawn of what was opened, in its thread."""
    for _ in range(3_000):
        gc.collect()
        if gone := limit.evict():
            return gone
        threading.Event().wait(0.01)
    raise AssertionError("nothing went")


def test_the_disk_limit_removes_what_was_used_longest_ago_and_never_what_is_open(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache / "demo", tmp_path / "demo") if (cache / "demo").exists() else None
    limit = DiskLimit(tmp_path, 1, grace_s=0.0)
    store = InsertionStore([DemoSource(tmp_path, n_spikes=50_000)], tmp_path, disk=limit)
    shown, other = store.open("demo"), store.open("demo", sorter="pykilosort")
    assert limit.evict() == [], "columns that are open were removed"
    assert len(held(tmp_path)) == 2
    values = np.array(shown.columns.depth_codes)
    store.forget(other)
    del other
    (gone,) = evicted(limit)
    assert not gone.exists()
    assert len(held(tmp_path)) == 1
    assert np.array_equal(shown.columns.depth_codes, values)
    again = store.open("demo", sorter="pykilosort")
    assert again.columns.n_spikes > 0
    assert gone.exists(), "what was removed is made again when it is asked for"
    assert list(verify(tmp_path)) == []


def test_the_oldest_go_first_and_what_was_just_used_stays(tmp_path: Path) -> None:
    folders = []
    for age, name in ((3000, "a" * 32), (2000, "b" * 32), (0, "c" * 32)):
        folder = tmp_path / "columns" / name
        folder.mkdir(parents=True)
        (folder / "codes.npy").write_bytes(bytes(1000))
        used = folder.stat().st_mtime - age
        os.utime(folder, (used, used))
        folders.append(folder)
    session = tmp_path / "one" / "host" / "lab" / "Subjects" / "M_1" / "2024-01-15" / "001"
    session.mkdir(parents=True)
    (session / "spikes.times.npy").write_bytes(bytes(900))
    (session / ".spikes.times.npy.verified").write_bytes(bytes(100))
    os.utime(session, (1.0, 1.0))
    assert DiskLimit(tmp_path, 10_000).evict() == []
    assert DiskLimit(tmp_path, 3999).evict() == [session], "what was verified counts, and goes with its files"
    assert not session.exists()
    assert DiskLimit(tmp_path, 2500).evict() == [folders[0]]
    assert DiskLimit(tmp_path, 1).evict() == [folders[1]], "one that was used a moment ago went"


def test_another_process_that_has_it_open_is_respected(small_demo: SpikeSorting, own: Path) -> None:
    """Its mark ends with it, however it ends."""
    folder = columns_folder(own)
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom dashboard.library.disk_limit import _hold\n"
        f"assert _hold(Path({str(own)!r}), Path({str(folder)!r})) is not None\n"
        "print('held', flush=True)\ntime.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "held\n"
        assert DiskLimit(own, 1, grace_s=0.0).evict() == []
    finally:
        other.kill()
        other.communicate()
    assert DiskLimit(own, 1, grace_s=0.0).evict() == [folder]
