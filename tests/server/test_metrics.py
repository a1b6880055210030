"""What /metrics says of memory is what is held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.config.settings import Settings
from dashboard.server.server import Process
from dashboard.sources.raw.chunks import CHUNKS
from dashboard.sources.raw.recording import open_recording
from tests.sources.raw.samples import N_CHANNELS, NP2_4SHANKS, RUN, write_meta, write_recording

LIMIT, CHUNK = 100_000, 2 * (N_CHANNELS + 1) * 1_000


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    limit = CHUNKS.max_bytes
    CHUNKS.clear()
    process = Process([], tmp_path / "cache", Settings(cache=tmp_path / "cache", raw_memory=LIMIT))
    yield process
    process.close()
    CHUNKS.clear()
    CHUNKS.limit(limit)


def held(process: Process) -> float:
    found = {metric.name: metric.samples[0].value for metric in process.collect()}
    return float(found["spike_dashboard_raw_bytes_held"])


def memory_of(array: np.ndarray[Any, Any]) -> int:
    """Return the bytes that an array keeps from being let go: those of what it is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.nbytes


def test_bytes_of_raw_data_are_those_that_are_held_and_within_the_setting(process: Process, tmp_path: Path) -> None:
    assert held(process) == 0
    write_recording(tmp_path / "one")
    write_recording(tmp_path / "two", 12_000, 12_000)
    two = tmp_path / "two" / f"{RUN}.ap.meta"  # its LF is made of the wide band, and kept, too
    write_meta(two, 12_000, imDatPrb_type="24", **{"~imroTbl": NP2_4SHANKS})
    bands = open_recording(tmp_path / "one").bands["ap"], open_recording(tmp_path / "two").bands["lf"]
    for band in bands:
        for first in range(0, band.n_samples - 500, 500):
            band.columns(first, first + 500)
            assert 0 < held(process) == sum(map(memory_of, CHUNKS._chunks.values())) <= LIMIT
    assert held(process) > LIMIT - CHUNK - 2 * CHUNK
