"""A source of each kind with an insertion of a few spikes, for what holds of all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.config.settings import Settings
from dashboard.model.references import InsertionRef
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from dashboard.sources.locate import sources_at
from tests.replay.server import Replay
from tests.sources.samples import WRITERS

#: The insertion of each source that the tests open; one with a sorting of a few spikes.
KEYS = {
    "demo": None,
    "folder": "KM_003/2024-04-11/002/probe02",
    "alyx": "KM_003/2024-04-11/002/probe02",
    "phy": "M4/2024-05-05/001/imec0",
    "analyzer": "M4/2024-05-05/001/imec0",
    "zarr": "M4/2024-05-05/001/imec0",
    "nwb": "M4/2024-05-05/001/imec0",
}


def source_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """Return a source of a kind; what is written for it lies in ``tmp_path / "data"``."""
    if kind == "demo":
        return DemoSource(request.getfixturevalue("demo_folder"), n_spikes=20_000)
    if kind == "alyx":
        server: Replay = request.getfixturevalue("replayed")
        return AlyxSource(server.url, cache=tmp_path / "cache", user="alice", password="alicepass")
    if kind in WRITERS:
        WRITERS[kind](tmp_path / "data")
        (made,) = sources_at(tmp_path / "data", Settings(cache=tmp_path / "cache"))
        return made
    recorded: Path = request.getfixturevalue("alyx_folder")
    return FolderSource(recorded / "data")


def insertion_of(kind: str, source: Source) -> InsertionRef:
    """Return the insertion of a source that is opened."""
    key = KEYS[kind]
    found = source.find(key) if key else next(source.insertions())
    assert found is not None
    return found
