"""Rows of `spikes.samples`: from a file, and from a server by one range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dashboard.model.errors import DatasetInvalid
from dashboard.sources.alf.samples import MAX_ROWS, read_samples
from dashboard.sources.download.ranges import RangeReader, RemoteFile
from tests.replay.server import Replay

N = 300_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "spikes.samples.npy", np.cumsum(np.random.default_rng(1).integers(1, 90, N)))
    return tmp_path / "spikes.samples.npy"


@pytest.fixture
def remote(replay: Replay, file: Path) -> RemoteFile:
    replay.files["/public/spikes.samples.npy"] = content = file.read_bytes()
    return RangeReader(None, [f"127.0.0.1:{replay.port}"]).open(
        f"{replay.url}/public/spikes.samples.npy", len(content), "md5"
    )


def test_rows_come_in_the_order_that_they_are_asked_in(file: Path, remote: RemoteFile) -> None:
    rows = np.array([120_000, 119_990, 120_400])
    known = np.load(file)[rows].tolist()
    for place in (file, remote):
        found = read_samples(place, rows, N)
        assert found is not None
        assert (found.tolist(), found.dtype) == (known, np.int64)


def test_a_server_is_asked_for_the_header_and_the_rows_and_not_for_rows_far_apart(
    replay: Replay, file: Path, remote: RemoteFile
) -> None:
    read_samples(remote, np.arange(1_000, 1_400), N)
    assert replay.sent["/public/spikes.samples.npy"] == 256 + 8 * 400
    assert read_samples(remote, np.array([0, MAX_ROWS + 5]), N) is None
    assert replay.sent["/public/spikes.samples.npy"] == 256 + 8 * 400
    assert read_samples(file, np.array([0, MAX_ROWS + 5]), N) is not None


def test_a_file_of_another_sorting_is_refused(file: Path, remote: RemoteFile) -> None:
    for place in (file, remote):
        with pytest.raises(DatasetInvalid, match=r"for 299,999 spikes"):
            read_samples(place, np.arange(3), N - 1)
