"""SortingAnalyzers that are damaged: one line with the file and what to do, and nothing else lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.model.errors import DatasetInvalid, DatasetMissing, NoSpikeSorting
from tests.sources.samples import N, write_analyzer

SPIKES, INFO = "sorting/spikes.npy", "sorting/numpysorting_info.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_analyzer(tmp_path / "data" / "an")


def field(name: str, value: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        spikes = np.load(folder / SPIKES)
        spikes[name][N // 2] = value
        np.save(folder / SPIKES, spikes)

    return change


def told(file: str, **values: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / f"{file}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def cut(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


def objects(name: str) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / name, np.array([print] * 3, dtype=object), allow_pickle=True)


INFO_NAME = INFO.removesuffix(".json")
FATAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (cut(SPIKES), "Truncated"),
    "objects": (objects(SPIKES), "never loaded"),
    "a unit beyond": (field("unit_index", 7), "unit 7, and there are 3"),
    "a negative unit": (field("unit_index", -1), "there are 3 units"),
    "a segment beyond": (field("segment_index", 5), "segment 5, and there are 2"),
    "no fields": (lambda folder: np.save(folder / SPIKES, np.arange(N)), "no field sample_index"),
    "no spikes": (lambda folder: np.save(folder / SPIKES, np.load(folder / SPIKES)[:0]), "holds no spikes"),
    "no JSON": (lambda folder: (folder / INFO).write_text("{"), "Not readable as JSON"),
    "no JSON file": (lambda folder: (folder / INFO).unlink(), "numpysorting_info.json"),
    "no rate": (told(INFO_NAME, sampling_frequency=0), "no rate in Hz"),
    "a rate without end": (told(INFO_NAME, sampling_frequency=float("inf")), "no rate in Hz"),
    "ids twice": (told(INFO_NAME, unit_ids=["a", "a", "b"]), "Two units have one id"),
    "segments without end": (told(INFO_NAME, num_segments=10**12), "num_segments"),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_cannot_be_read_is_one_line_with_file_and_remedy(folder: Path, cache: Path, case: str) -> None:
    change, said = FATAL[case]
    change(folder)
    with pytest.raises((DatasetInvalid, DatasetMissing, NoSpikeSorting), match=said) as caught:
        dashboard.open_insertion(folder, cache=cache)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert caught.value.remedy


LOCATIONS, AVERAGE = "extensions/spike_locations/spike_locations.npy", "extensions/templates/average.npy"
LESS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated locations": (cut(LOCATIONS), "spike_locations"),
    "locations of other spikes": (lambda folder: np.save(folder / LOCATIONS, np.zeros(5)), "spike_locations"),
    "objects as amplitudes": (objects("extensions/spike_amplitudes/amplitudes.npy"), "spike_amplitudes"),
    "templates of other units": (lambda folder: np.save(folder / AVERAGE, np.zeros((9, 5, 16))), "templates"),
    "objects as a property": (objects("sorting/properties/area.npy"), "area.npy"),
    "metrics of other units": (
        lambda folder: [
            (folder / "extensions/quality_metrics").mkdir(),
            (folder / "extensions/quality_metrics/metrics.csv").write_text(",snr\n1,2\n"),
        ],
        "quality_metrics",
    ),
    "metrics that are none": (
        lambda folder: [
            (folder / "extensions/quality_metrics").mkdir(),
            (folder / "extensions/quality_metrics/metrics.csv").write_bytes(b"\x00\xff" * 9),
        ],
        "quality_metrics",
    ),
}


@pytest.mark.parametrize("case", LESS)
def test_what_else_is_wrong_is_said_and_nothing_else_lost(folder: Path, cache: Path, case: str) -> None:
    change, name = LESS[case]
    change(folder)
    sorting = dashboard.open_insertion(folder, cache=cache)
    assert sorting.n_spikes == N
    assert sorting.missing_reason(name)


@pytest.mark.parametrize("lengths", [None, "two", [60], [-1, 5], [10**30, 1], [1.5, 2]])
def test_segments_of_no_told_length_follow_their_last_spikes(folder: Path, cache: Path, lengths: Any) -> None:
    told("recording_info/recording_attributes", num_samples=lengths)(folder)
    sorting = dashboard.open_insertion(folder, cache=cache)
    spikes = np.load(folder / SPIKES)
    last = spikes["sample_index"][spikes["segment_index"] == 0].max() + 1
    assert sorting.segment_starts_s == (last / 30_000.0,)
