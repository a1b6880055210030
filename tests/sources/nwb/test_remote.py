"""NWB files on a server: what comes is what HDF5 asks for, and equal to the file on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.config.settings import Settings, load
from dashboard.library.open import open_insertion
from dashboard.model.errors import BadRequest, DashboardError, InsertionAmbiguous, SourceUnavailable
from dashboard.sources.locate import find, locate
from dashboard.sources.nwb.remote import RemoteNwbSource
from tests.replay.server import Replay
from tests.sources.samples import write_nwb

PATH = "/public/M4.nwb"


@pytest.fixture
def file(replay: Replay, tmp_path: Path) -> Path:
    path = write_nwb(tmp_path / "M4.nwb")
    replay.files[PATH] = path.read_bytes()
    return path


@pytest.fixture
def settings(replay: Replay, tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", range_host=(f"127.0.0.1:{replay.port}",), nwb=(replay.url + PATH,))


def opened(url: str, settings: Settings) -> Any:
    source, insertion = locate(url, settings=settings)
    return open_insertion(insertion, source=source, cache=settings.cache)


def test_a_file_on_a_server_is_what_it_is_on_the_disk(replay: Replay, file: Path, settings: Settings) -> None:
    remote, local = opened(replay.url + PATH, settings), dashboard.open_insertion(file, cache=settings.cache)
    for name in ("times_s", "depths_um", "amps_v"):
        np.testing.assert_array_equal(getattr(remote.spikes, name), getattr(local.spikes, name))
    assert remote.clusters.equals(local.clusters)
    assert remote.trials.table.equals(local.trials.table)
    assert remote.identity.metrics != local.identity.metrics


def test_blocks_come_once_and_only_those_that_are_needed(
    replay: Replay, file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import h5py

    with h5py.File(file, "a") as content:
        content["acquisition/raw"] = np.random.default_rng(0).integers(0, 1000, (1 << 20,))  # 8 MB, not of the units
    replay.files[PATH] = file.read_bytes()
    monkeypatch.setattr("dashboard.sources.range_file.BLOCK_BYTES", 1 << 14)
    opened(replay.url + PATH, settings)
    assert replay.sent[PATH] < 1 << 20
    ranges = [seen.headers["range"] for seen in replay.seen if seen.path == PATH]
    assert len(ranges) == len(set(ranges))
    before = replay.sent[PATH]
    opened(replay.url + PATH, settings)
    assert replay.sent[PATH] <= before + 1, "the size and version are asked for again, and nothing else"


def test_probes_of_one_file_are_insertions_that_are_named(replay: Replay, tmp_path: Path, settings: Settings) -> None:
    replay.files[PATH] = write_nwb(tmp_path / "two.nwb", probes=("imec0", "imec1")).read_bytes()
    with pytest.raises(InsertionAmbiguous, match=r"imec0, .*imec1"):
        locate(replay.url + PATH, settings=settings)
    source, insertion = locate("M4/imec1", settings=settings)
    sorting = open_insertion(insertion, source=source, cache=settings.cache)
    assert len(sorting.clusters) == 3


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("status", {"code": 404}, "does not have it"),
        ("ignore_range", {}, "sends the whole file"),
        ("redirect", {"location": "http://elsewhere.example.org/x"}, "not read from elsewhere"),
    ],
)
def test_a_fault_is_one_line_of_the_server_and_not_of_hdf5(
    replay: Replay, file: Path, settings: Settings, kind: str, options: dict[str, Any], words: str
) -> None:
    source = RemoteNwbSource(replay.url + PATH, settings)
    insertion = next(iter(source.insertions()))
    source._ranges._kept._memory.clear()
    for kept in settings.cache.glob("ranges/*/*"):
        kept.unlink()
    replay.faults.add("*.nwb", kind, times=None, **options)
    with pytest.raises(DashboardError, match=words):
        open_insertion(insertion, source=source, cache=settings.cache)
    with pytest.raises(SourceUnavailable, match=words):
        next(iter(RemoteNwbSource(replay.url + PATH, settings).insertions()))


def test_a_file_that_is_no_hdf5_says_so(replay: Replay, settings: Settings) -> None:
    replay.files[PATH] = b"x" * 5000
    with pytest.raises(SourceUnavailable, match="not an HDF5 file, or damaged"):
        locate(replay.url + PATH, settings=settings)


def test_an_address_of_a_page_or_link_is_never_asked(replay: Replay, file: Path, settings: Settings) -> None:
    other = replay.url + "/public/other.nwb"
    with pytest.raises(DashboardError, match="No insertion is found for"):
        find(other, [RemoteNwbSource(replay.url + PATH, settings)])
    assert replay.count("other.nwb") == 0


def test_the_setting_takes_addresses_without_a_password() -> None:
    two = "https://data.example.org/x.nwb https://data.example.org:8443/y.nwb"
    assert load(environ={"SPIKE_DASHBOARD_NWB": two}).nwb == tuple(two.split())
    with pytest.raises(BadRequest, match="not the address of a file"):
        load(environ={"SPIKE_DASHBOARD_NWB": "https://a:b@data.example.org/x.nwb"})
