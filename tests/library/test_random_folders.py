"""ALF folders made at random open with all their spikes, or are refused in one line; what is told is what numpy reads.

`make fuzz` tries more of them: ``FOLDERS=5000``. A number that failed once stays in `KEPT`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.cli.main import describe
from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import BadRequest, DashboardError
from tests.library.alf_folder import write

N_FOLDERS = int(os.environ.get("FOLDERS", "200"))
BATCH = 20
KEPT: tuple[int, ...] = ()
"""Folders that failed, by number."""

REFUSALS = (
    "No spike sorting", "spikes.times is missing", "spikes.clusters is missing", "holds no spikes", "rows and spikes.",
    "goes from", "goes up to", "has a time", "rows and clusters.depths", "is no unit of the sorting",
)  # fmt: skip


def random_folder(number: int) -> tuple[dict[str, Any], str]:
    """Return the datasets of a folder, and the path of its sorting below the data folder."""
    rng = np.random.default_rng(number)
    n_units, n_channels = int(rng.integers(1, 30)), int(rng.integers(1, 65))
    n = int(rng.choice([0, 1, 2, 5, 40, 400, 2000], p=[0.03, 0.05, 0.05, 0.07, 0.2, 0.3, 0.3]))
    shanks = int(rng.choice([1, 1, 2, 4]))
    local = np.c_[
        rng.integers(0, shanks, n_channels) * 250.0 + rng.choice([11.0, 43.0], n_channels),
        20.0 * (np.arange(n_channels) // 2),
    ]
    ids = np.arange(n_units)
    if rng.random() < 0.3:
        ids = np.sort(rng.choice(5000, n_units, replace=False))
    units = rng.integers(0, n_units, n)
    channels = rng.integers(0, n_channels, n_units)
    times = np.sort(rng.uniform(0, rng.choice([1.0, 60.0, 4000.0]), n)) + rng.choice([0.0, 0.0, 2000.0, -5.0, 1.7e9])
    depths = local[channels, 1][units] + rng.normal(0, 5, n)
    amps = np.exp(rng.normal(np.log(1e-4), 0.3, n)) * rng.choice([1.0, 1e6, -1.0, 0.0], p=[0.7, 0.1, 0.1, 0.1])
    for values, share in ((times, 0.1), (depths, 0.2), (amps, 0.1)):
        if rng.random() < share and n:
            values[rng.random(n) < rng.choice([0.05, 1.0])] = rng.choice([np.nan, np.inf])
    if rng.random() < 0.1:
        rng.shuffle(times)
    label = rng.choice([0.0, 1.0], n_units) if rng.random() < 0.3 else rng.integers(0, 4, n_units) / 3
    metrics = pd.DataFrame({"cluster_id": ids, "label": label, "firing_rate": rng.uniform(0, 20, n_units)})
    if rng.random() < 0.3:
        metrics = metrics.sample(frac=rng.choice([0.5, 1.0]), random_state=number).reset_index(drop=True)
    made: dict[str, Any] = {
        "spikes.times": times.astype(rng.choice([np.float64, np.float64, np.float32])),
        "spikes.clusters": ids[units].astype(rng.choice([np.int32, np.int64, np.uint32, np.float64])),
        "spikes.depths": depths.astype(rng.choice([np.float64, np.float32, np.float16])),
        "spikes.amps": amps.astype(rng.choice([np.float64, np.float32])),
        "clusters.channels": channels.astype(rng.choice([np.int64, np.int32, np.float64])),
        "clusters.depths": local[channels, 1],
        "clusters.metrics": metrics,
        "channels.localCoordinates": local,
        "channels.rawInd": np.arange(n_channels),
        "channels.brainLocationIds_ccf_2017": rng.choice([0, 997, 382, -382, 733], n_channels),
        "channels.mlapdv": rng.normal(0, 1000, (n_channels, 3)),
    }
    odd: dict[str, Any] = {
        "clusters.depths": np.zeros((n_units, 20)),
        "clusters.metrics": metrics.assign(label="good"),
        "channels.rawInd": np.arange(n_channels + 1),
        "channels.brainLocationIds_ccf_2017": np.full(n_channels, np.nan),
        "channels.mlapdv": np.zeros(n_channels),
        "channels.localCoordinates": np.full((n_channels, 2), "x"),
        "clusters.channels": np.full(n_units, 1e9),
    }
    for name in list(made):
        draw = rng.random()
        if draw < 0.08:
            del made[name]
        elif draw < 0.12 and name in odd:
            made[name] = odd[name]
        elif draw < 0.15 and name.startswith("spikes."):
            made[name] = made[name][:, np.newaxis]
    probe = str(rng.choice(["alf/probe00", "alf/probe00/pykilosort", "alf/imec0", "alf", "loose"]))
    return made, f"labx/Subjects/M{number}/2024-01-02/001/{probe}" if probe != "loose" else "loose/folder"


def check_folder(number: int, root: Path) -> None:
    made, place = random_folder(number)
    write(root / "data" / place, made)
    try:
        sorting = open_insertion(root / "data", cache=root / "cache", lazy=True)
        columns = build_columns(sorting, root / "cache")
    except DashboardError as error:
        line = str(error)
        assert "\n" not in line
        assert any(words in line for words in REFUSALS), line
        return
    times = np.ravel(made["spikes.times"]).astype(np.float64)
    ids = np.ravel(made["spikes.clusters"]).astype(np.int64)
    has_time = np.isfinite(times)
    report = describe(sorting)
    assert report["n_spikes"] == len(times)
    assert set(ids.tolist()) <= set(sorting.unit_ids.tolist())
    assert columns.n_spikes == len(times) - sorting.n_dropped
    assert sorting.n_dropped >= np.count_nonzero(~has_time)
    if "channels.localCoordinates" in made and "clusters.channels" in made and columns.is_placed:
        own = np.isfinite(np.ravel(made["spikes.depths"]).astype(float)) if "spikes.depths" in made else ~has_time
        if not sorting.missing_reason("clusters.channels") and not sorting.missing_reason("channels.localCoordinates"):
            assert sorting.n_dropped == np.count_nonzero(~has_time), own.sum()
    kept = np.asarray(columns.spike_rows if columns.spike_rows is not None else np.arange(len(times)))
    assert has_time[kept].all()
    np.testing.assert_array_equal(columns.times_s, np.sort(times[kept]))
    counts = np.diff(columns.unit_index.offsets)
    of_ids = dict(zip(*np.unique(ids[kept], return_counts=True), strict=True))
    assert {unit: int(n) for unit, n in zip(sorting.unit_ids.tolist(), counts, strict=False) if n} == of_ids
    table = made.get("clusters.metrics")
    if table is not None and "cluster_id" in sorting.clusters and sorting.label_kind.name in ("IBL", "FILE"):
        label = dict(zip(table["cluster_id"], table["label"], strict=True))
        for unit, found in zip(sorting.unit_ids.tolist(), sorting.labels, strict=True):
            assert np.isnan(found) if unit not in label else found == label[unit]
    if not columns.is_placed:
        with pytest.raises(BadRequest, match="No spike has a depth"):
            render(sorting, width=20, height=10, cache=root / "cache")
        return
    image = render(sorting, width=20, height=10, cache=root / "cache")
    assert image.values.sum() == image.n_spikes == columns.n_spikes
    edges = (image.depth_edges_um, image.time_edges_s)
    expected = np.histogram2d(columns.depths_um, columns.times_s, bins=edges)[0]
    np.testing.assert_array_equal(image.values, expected)


@pytest.mark.parametrize("first", [*range(0, N_FOLDERS, BATCH)])
def test_folders_at_random(first: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in (*range(first, min(first + BATCH, N_FOLDERS)), *(KEPT if first == 0 else ())):
        try:
            check_folder(number, tmp_path / str(number))
        except Exception as error:
            raise AssertionError(f"folder {number}") from error
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
