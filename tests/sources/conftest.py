"""The recorded Alyx server, for the tests of sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download.downloader import Downloader
from dashboard.sources.download.transfer import Item
from tests.replay.downloading import COLLECTION, Waits, served
from tests.replay.server import Replay


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep ONE's parameters of the developer out of the tests, and the tests' out of theirs."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def replay(alyx_folder: Path) -> Iterator[Replay]:
    with Replay(alyx_folder) as server:
        yield server


@pytest.fixture
def source(replay: Replay, tmp_path: Path) -> AlyxSource:
    return AlyxSource(replay.url, cache=tmp_path / "cache", user="alice", password="alicepass")


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
        dataset = served(replay, f"{folder}/{name}")
        dataset = dataclasses.replace(dataset, **changes)  # type: ignore[arg-type]
        return Item(dataset, tmp_path / "data" / dataset.relative_path)

    return make
