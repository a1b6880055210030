"""The recorded Alyx server, for the tests of sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.sources.alyx import AlyxSource
from tests.replay.server import Replay

#: Insertions of the recordings.
KM_001_PROBE00 = "983a6668-5d02-4273-8f0d-1f59989c80c2"


@pytest.fixture(scope="session")
def alyx_folder(shared: Path) -> Path:
    folder = shared / "alyx"
    if not folder.is_dir():
        pytest.skip("no recordings: shared/alyx is absent")
    return folder


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
