"""Data files: exactly the spikes, clusters and counts of the view, with where they came from."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.export import spikes as files
from dashboard.export.origin import Subject, provenance
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress
from dashboard.model.sorting import SpikeSorting
from tests.library.alf_folder import sorting_arrays, write_session

WINDOW, DEPTHS = (10.0, 300.0), (400.0, 3000.0)


@pytest.fixture(scope="module")
def subject(small_demo: SpikeSorting, small_columns: SpikeColumns) -> Subject:
    """Good units in a window."""
    mask = np.zeros(small_columns.n_clusters, np.bool_)
    mask[: small_demo.n_clusters] = small_demo.labels == 1
    return Subject(
        small_demo, small_columns, WINDOW, DEPTHS, mask, {"quality": "good"}, selected=(7,), link="http://host/?x=1"
    )


@pytest.fixture
def expected(small_demo: SpikeSorting) -> np.ndarray:
    """Rows of the file, by masks on the arrays."""
    spikes = small_demo.spikes
    good = np.flatnonzero(small_demo.labels == 1)
    assert spikes.depths_um is not None
    inside = (spikes.times_s >= WINDOW[0]) & (spikes.times_s <= WINDOW[1])
    inside &= (spikes.depths_um >= DEPTHS[0]) & (spikes.depths_um <= DEPTHS[1])
    return np.flatnonzero(inside & np.isin(spikes.clusters, good))


def columns_of(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path) as archive:
            return {name: archive[name] for name in archive.files if name != "provenance"}
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.parametrize("kind", ["npz", "parquet"])
@pytest.mark.parametrize("block", [1 << 20, 1000])
def test_spikes_equal_a_mask_on_the_arrays(
    kind: str, block: int, subject: Subject, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", block)
    path = tmp_path / f"spikes.{kind}"
    steps: list[Progress] = []
    n = files.write_spikes(path, subject, kind, steps.append)
    found, spikes = columns_of(path), subject.sorting.spikes
    assert 1000 < n == expected.size == subject.n_in_view
    assert spikes.amps_v is not None
    assert spikes.depths_um is not None
    for name, column in {
        "times": spikes.times_s, "clusters": spikes.clusters, "depths": spikes.depths_um, "amps": spikes.amps_v,
        "rows": np.arange(len(spikes)),
    }.items():  # fmt: skip
        np.testing.assert_array_equal(found[name], column[expected], err_msg=name)
    assert list(tmp_path.iterdir()) == [path]
    assert len(steps) >= (20 if block == 1000 else 1)
    if kind == "npz":
        assert abs(path.stat().st_size - files.estimated_bytes(subject, n)) < files.OVERHEAD_BYTES
    else:
        assert path.stat().st_size < files.estimated_bytes(subject, n) + 50_000


def test_files_say_where_they_came_from(subject: Subject, tmp_path: Path) -> None:
    words = provenance(subject)
    files.write_spikes(tmp_path / "a.npz", subject, "npz")
    with np.load(tmp_path / "a.npz") as archive:
        assert json.loads(str(archive["provenance"])) == words
    files.write_spikes(tmp_path / "a.parquet", subject, "parquet")
    metadata = pq.read_schema(tmp_path / "a.parquet").metadata
    assert metadata[b"pid"].decode() == subject.sorting.ref.insertion.pid
    assert json.loads(metadata[b"provenance"]) == words
    assert words["filters"] == "quality good"
    assert f"of {subject.columns.n_spikes:,} spikes" in words["spikes"]


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_a_cancelled_export_leaves_nothing(kind: str, subject: Subject, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        files.write_spikes(tmp_path / "a", subject, kind, cancel=cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["npz", "parquet"])
def test_rows_point_into_files_that_are_not_sorted(kind: str, tmp_path: Path) -> None:
    arrays = sorting_arrays()
    depths = arrays["spikes.depths"].copy()
    depths[100:110] = np.nan
    order = np.random.default_rng(0).permutation(len(depths))
    changed = {name: arrays[name][order] for name in arrays if name.startswith("spikes.")}
    changed["spikes.depths"] = depths[order]
    folder = write_session(tmp_path / "data", changed=changed)
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    columns = build_columns(sorting, tmp_path / "cache")
    whole = Subject(sorting, columns, columns.time_range_s, columns.depth_range_um)
    n = files.write_spikes(tmp_path / f"a.{kind}", whole, kind)
    found = columns_of(tmp_path / f"a.{kind}")
    assert n == len(depths)
    own = np.isfinite(changed["spikes.depths"][found["rows"]])
    assert np.count_nonzero(~own) == 10
    assert np.isfinite(found["depths"]).all(), "spikes without a depth lie at that of their unit"
    for name in ("times", "depths", "amps", "clusters"):
        which = own if name == "depths" else slice(None)
        np.testing.assert_array_equal(found[name][which], changed[f"spikes.{name}"][found["rows"]][which])
    assert (np.diff(found["times"]) >= 0).all()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_cluster_table_is_what_passes(kind: str, subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / f"clusters.{kind}"
    n = files.write_clusters(path, subject, kind)
    table = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    good = np.flatnonzero(subject.sorting.labels == 1)
    assert n == len(table) == good.size
    np.testing.assert_array_equal(table["cluster_id"], good)
    assert list(table.columns[:4]) == ["pid", "eid", "insertion", "cluster_id"]
    assert set(table["pid"]) == {subject.sorting.ref.insertion.pid}
    assert set(subject.sorting.clusters.columns) <= set(table.columns)
    np.testing.assert_allclose(table["depths"], subject.sorting.clusters["depths"].to_numpy()[good])
    assert list(table["uuids"]) == [str(uuid) for uuid in subject.sorting.clusters["uuids"].to_numpy()[good]]


def test_the_aggregate_is_that_of_render(subject: Subject, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "aggregate.npz"
    n = files.write_aggregate(path, subject)
    image = render(subject.sorting, WINDOW, DEPTHS, clusters=subject.mask, cache=cache)
    with np.load(path) as archive:
        np.testing.assert_array_equal(archive["values"], image.values)
        np.testing.assert_array_equal(archive["time_edges_s"], image.time_edges_s)
        np.testing.assert_array_equal(archive["depth_edges_um"], image.depth_edges_um)
    assert n == image.n_spikes == subject.n_in_view


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path, subject: files.write_spikes(path, subject, "csv"), "npz or parquet"),
        (lambda path, subject: files.write_clusters(path, subject, "npz"), "csv or parquet"),
        (lambda path, subject: files.write_clusters(path / "absent" / "x", subject, "csv"), "No such file"),
    ],
)
def test_what_cannot_be_written_is_one_line(write: object, message: str, subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=message):
        write(tmp_path / "x", subject)  # type: ignore[operator]
