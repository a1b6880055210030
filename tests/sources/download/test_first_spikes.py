"""Spikes that can be drawn before the last byte is here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.model.arrival import Arrived
from dashboard.model.references import DatasetRef
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download.first_spikes import ArrivingSpikes
from dashboard.sources.download.partial import PartialFile, partial_path, target_of
from tests.replay.server import Replay

TIMES = np.sort(np.random.default_rng(0).uniform(0, 600, 1000))
DEPTHS = np.random.default_rng(1).uniform(0, 3840, 1000)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., tuple[DatasetRef, Path, bytes]]:
    def save(name: str, values: np.ndarray) -> tuple[DatasetRef, Path, bytes]:
        np.save(tmp_path / name, values)
        dataset = DatasetRef("spikes", name, "npy", "alf/probe00")
        return dataset, tmp_path / f".spikes.{name}.npy.unhashed.part", (tmp_path / f"{name}.npy").read_bytes()

    return save


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of_times=st.integers(0, 8128), of_depths=st.integers(0, 8128))
def test_exactly_the_rows_that_have_arrived(
    saved: Callable[..., tuple[DatasetRef, Path, bytes]], of_times: int, of_depths: int
) -> None:
    arriving = ArrivingSpikes()
    for name, values, n_bytes in (("times", TIMES, of_times), ("depths", DEPTHS, of_depths)):
        dataset, part, content = saved(name, values)
        part.write_bytes(content[:n_bytes])
        arriving(dataset, part, n_bytes)
    n = max(0, (min(of_times, of_depths) - 128) // 8)
    arrived = arriving.spikes()
    if n == 0:
        assert arrived is None
        return
    assert arrived is not None
    np.testing.assert_array_equal(arrived.times_s, TIMES[:n])
    np.testing.assert_array_equal(arrived.depths_um, DEPTHS[:n])
    assert arrived.n_total == 1000
    assert arrived.is_complete == (n == 1000)


def test_a_file_that_got_its_name_meanwhile(saved: Callable[..., tuple[DatasetRef, Path, bytes]]) -> None:
    arriving = ArrivingSpikes()
    for name, values in (("times", TIMES), ("depths", DEPTHS)):
        dataset, part, content = saved(name, values)
        target_of(part).write_bytes(content)
        arriving(dataset, part, 4128)
    arrived = arriving.spikes()
    assert arrived is not None
    np.testing.assert_array_equal(arrived.times_s, TIMES[:500])


def test_a_mapped_file_survives_a_new_beginning(tmp_path: Path) -> None:
    """Were the file cut short, reading the map would end the process."""
    dataset = DatasetRef("spikes", "times", "npy", "alf/probe00", md5="0" * 32)
    part = PartialFile(dataset, tmp_path / "spikes.times.npy")
    with part.opened():
        part.write(b"\7" * 100_000)
        mapped = np.memmap(part.path, np.uint8, "r")
        part.restart()
        part.write(b"\1")
        assert (mapped == 7).all()
        assert part.path.read_bytes() == b"\1"


def test_other_files_are_not_taken() -> None:
    arriving = ArrivingSpikes()
    arriving(DatasetRef("clusters", "depths", "npy", "alf/probe00"), Path("x"), 1)
    arriving(DatasetRef("spikes", "times", "csv", "alf/probe00"), Path("x"), 1)
    assert arriving.spikes() is None


def test_names_of_partial_files() -> None:
    dataset = DatasetRef("spikes", "times", "npy", "alf/probe00", md5="ab" * 16)
    target = Path("/x/spikes.times.npy")
    assert target_of(partial_path(dataset, target)) == target


def test_a_first_picture_before_the_last_byte(source: AlyxSource, replay: Replay) -> None:
    insertion = source.find("983a6668-5d02-4273-8f0d-1f59989c80c2")
    assert insertion is not None
    datasets = [d for d in source.datasets(insertion) if d.collection == "alf/probe00/iblsorter"]
    wanted = [d for d in datasets if d.name in ("spikes.times", "spikes.depths")]
    replay.faults.add("*spikes.*", "throttle", times=None, after=100_000, delay=0.03)
    arriving, seen = ArrivingSpikes(), list[Arrived]()

    def on_partial(dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        arriving(dataset, part, n_bytes)
        arrived = arriving.spikes()
        if arrived is not None:
            seen.append(arrived)

    paths = source.fetch_files(insertion, wanted, on_partial=on_partial)
    times = np.load(paths["alf/probe00/iblsorter/spikes.times.npy"])
    depths = np.load(paths["alf/probe00/iblsorter/spikes.depths.npy"])
    lengths = [len(arrived.times_s) for arrived in seen]
    assert 0 < lengths[0] < len(times)
    assert seen[-1].is_complete and lengths[-1] == len(times)
    for arrived in seen:
        np.testing.assert_array_equal(arrived.times_s, times[: len(arrived.times_s)])
        np.testing.assert_array_equal(arrived.depths_um, depths[: len(arrived.times_s)])
