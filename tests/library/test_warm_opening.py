"""Opening again what was prepared before reads none of the columns, and hashes none of the files.

A process of its own opens, since pages that a process once touched stay its own while anything refers to them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.library.alf_folder import DURATION_S, N_CLUSTERS, write_session

N_SPIKES = 2_000_000
KEY = "MOUSE_1/2024-01-02/001/probe00"
COLUMNS = ("spikes.times", "spikes.clusters", "spikes.depths", "spikes.amps")
# A touched page brings its neighbours along: mostly 64 kB, up to 2 MB.
LITTLE = 0.5

OPENING = """
import hashlib, json, sys
from pathlib import Path

from dashboard.engine.count.raster import aggregate, overview
from dashboard.sources.folder import FolderSource
from dashboard.library.store import InsertionStore

root, key = Path(sys.argv[1]), sys.argv[2]
hashed = []

def counting(make):
    def hasher(data=b"", **words):
        hashed.append(len(data))
        return make(data, **words)
    return hasher

for name in ("md5", "sha1", "sha256", "blake2b"):
    setattr(hashlib, name, counting(getattr(hashlib, name)))

def touched():
    found, name = {}, ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the line that begins a mapping; anonymous ones have no name
            name = words[5] if len(words) > 5 and words[5].startswith(str(root)) else ""
        elif name and words[0] == "Rss:":
            found[Path(name).name] = found.get(Path(name).name, 0) + int(words[1]) * 1024
    return found

def bytes_read():
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])

store = InsertionStore([FolderSource(root / "data")], root / "cache")
before = bytes_read()
opened = store.open(key)
answer = {"read": bytes_read() - before, "hashed": sum(hashed), "opened": touched()}
answer["n_spikes"] = opened.columns.n_spikes
picture = overview(opened.columns)
answer["n_in_overview"] = int(picture.values.sum())
answer["overview"] = touched()
answer["n_in_picture"] = int(aggregate(opened.columns, width=1600, height=800, kind="count", snap=True).values.sum())
answer["picture"] = touched()
opened.sorting.spikes.depths_um[:].sum()
answer["all"] = touched()
print(json.dumps(answer))
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def opened_in_a_process(root: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", OPENING, str(root), KEY], capture_output=True, text=True, timeout=120, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warm")
    rng = np.random.default_rng(0)
    columns = {
        "spikes.times": np.sort(rng.uniform(0, DURATION_S, N_SPIKES)),
        "spikes.clusters": rng.integers(0, N_CLUSTERS, N_SPIKES).astype(np.uint32),
        "spikes.depths": rng.uniform(20, 480, N_SPIKES),
        "spikes.amps": rng.uniform(5e-5, 2e-4, N_SPIKES),
    }
    write_session(folder / "data", changed=columns)
    return folder


@pytest.fixture(scope="module")
def cold(root: Path) -> dict[str, Any]:
    return opened_in_a_process(root)


@pytest.fixture(scope="module")
def warm(cold: dict[str, Any], root: Path) -> dict[str, Any]:
    return opened_in_a_process(root)


def sizes(root: Path) -> dict[str, int]:
    """Return bytes of every file with at least two per spike, by name."""
    files = [*root.rglob("*.npy")]
    return {path.name: size for path in files if (size := path.stat().st_size) >= 2 * N_SPIKES}


def test_no_column_is_read_again(warm: dict[str, Any], root: Path) -> None:
    files = sizes(root)
    assert {f"{name}.npy" for name in COLUMNS} <= set(files)
    assert len(files) > len(COLUMNS)  # those of the cache
    for name, size in files.items():
        assert warm["opened"].get(name, 0) < LITTLE * size, name
    assert warm["read"] < N_SPIKES  # a byte per spike; the smallest column has two
    assert warm["n_spikes"] == N_SPIKES


def test_reading_a_column_would_be_seen(warm: dict[str, Any], cold: dict[str, Any], root: Path) -> None:
    assert warm["all"]["spikes.depths.npy"] > 0.9 * sizes(root)["spikes.depths.npy"]
    assert cold["opened"]["spikes.times.npy"] > 0.9 * sizes(root)["spikes.times.npy"]


def test_nothing_is_hashed_but_names(warm: dict[str, Any]) -> None:
    assert 0 < warm["hashed"] < 100_000


def test_the_first_picture_is_the_one_that_was_kept(warm: dict[str, Any], root: Path) -> None:
    assert warm["n_in_overview"] == N_SPIKES
    for name, size in sizes(root).items():
        if name != "overview.npy":
            assert warm["overview"].get(name, 0) < LITTLE * size, name


def test_pictures_are_drawn_from_prepared_columns(warm: dict[str, Any], root: Path) -> None:
    assert warm["n_in_picture"] == N_SPIKES
    files = sizes(root)
    for name in ("spikes.clusters.npy", "spikes.depths.npy", "spikes.amps.npy"):
        assert warm["picture"].get(name, 0) < LITTLE * files[name], name
