"""Columns hold every spike that can be shown, and their files are never taken for what they are not."""

from __future__ import annotations

import json
import logging
import mmap
import multiprocessing
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.engine import build as columns_module
from dashboard.engine.build import build_columns
from dashboard.engine.columns.depths import MAX_CODES, depth_grid
from dashboard.model import sidecars
from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.sources.alf.identity import identity_of
from tests.engine.engine_data import N_CLUSTERS, make_sorting, write_sorting

N_SPIKES = 5_000


def arrays(seed: int = 0, n_spikes: int = N_SPIKES) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "times": np.sort(rng.uniform(0, 100, n_spikes)),
        "depths": rng.uniform(20, 3800, n_spikes),
        "clusters": rng.integers(0, N_CLUSTERS, n_spikes).astype(np.uint32),
        "amps": rng.lognormal(-9.2, 0.5, n_spikes),
    }


def same(a: columns_module.SpikeColumns, b: columns_module.SpikeColumns) -> bool:
    names = ("times_s", "depths_um", "depth_codes", "clusters", "amps_uv", "spike_rows")
    pairs = [(getattr(a, name), getattr(b, name)) for name in names]
    pairs += [(a.unit_index.order, b.unit_index.order), (a.rank_index.before, b.rank_index.before)]
    facts = ("depth_origin_um", "depth_step_um", "n_codes", "n_clusters", "amp_unit", "depth_range_um")
    return all((x is None) is (y is None) and (x is None or np.array_equal(x, y)) for x, y in pairs) and all(
        getattr(a, fact) == getattr(b, fact) for fact in facts
    )


def sidecar(cache: Path) -> Path:
    (folder,) = [path for path in (cache / "columns").iterdir() if not path.name.startswith(".")]
    return folder


def test_what_needs_no_change_is_the_file_itself(tmp_path):
    sorting = write_sorting(tmp_path / "alf", **arrays())
    columns = build_columns(sorting, tmp_path / "cache")
    assert np.shares_memory(columns.times_s, sorting.spikes.times_s)
    assert np.shares_memory(columns.depths_um, sorting.spikes.depths_um)
    assert columns.spike_rows is None
    assert not (sidecar(tmp_path / "cache") / "times.npy").exists()


def test_columns_hold_the_spikes_in_the_types_the_kernels_know():
    given_arrays = arrays()
    columns = build_columns(make_sorting(*(given_arrays[name] for name in ("times", "depths", "clusters", "amps"))))
    assert columns.depth_codes.dtype == np.uint16 and columns.clusters.dtype == np.uint16
    np.testing.assert_array_equal(columns.clusters, given_arrays["clusters"])
    np.testing.assert_array_equal(columns.amps_uv, (given_arrays["amps"] * 1e6).astype(np.float32))
    low = columns.depth_origin_um + columns.depth_codes * columns.depth_step_um
    assert (low <= columns.depths_um).all() and (columns.depths_um < low + columns.depth_step_um).all()
    assert columns.time_range_s == (given_arrays["times"][0], given_arrays["times"][-1])
    assert columns.depth_range_um == (given_arrays["depths"].min(), given_arrays["depths"].max())
    assert not any(a.flags.writeable for a in (columns.times_s, columns.depth_codes, columns.unit_index.order))


def test_a_second_open_maps_what_the_first_wrote(tmp_path, monkeypatch):
    sorting = write_sorting(tmp_path / "alf", **arrays())
    first = build_columns(sorting, tmp_path / "cache")
    monkeypatch.setattr(columns_module, "_compose", None)  # nothing is built again
    second = build_columns(sorting, tmp_path / "cache")
    assert same(first, second)
    owner = second.depth_codes
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap.mmap)


@pytest.mark.parametrize("dtype", [np.float32, ">f8", np.int64])
def test_times_and_depths_of_other_types_become_float64(tmp_path, dtype):
    given_arrays = arrays()
    given_arrays["times"] = given_arrays["times"].astype(dtype)
    given_arrays["depths"] = given_arrays["depths"].astype(dtype)
    columns = build_columns(write_sorting(tmp_path / "alf", **given_arrays), tmp_path / "cache")
    assert columns.times_s.dtype == columns.depths_um.dtype == np.float64
    np.testing.assert_array_equal(columns.times_s, given_arrays["times"].astype(np.float64))
    np.testing.assert_array_equal(columns.depths_um, given_arrays["depths"].astype(np.float64))


def test_columns_of_one_value_per_row_are_flat(tmp_path):
    flat = arrays()
    columns = build_columns(write_sorting(tmp_path / "alf", **{k: v[:, None] for k, v in flat.items()}))
    np.testing.assert_array_equal(columns.times_s, flat["times"])


@pytest.mark.parametrize("cached", [True, False])
def test_spikes_without_time_or_depth_are_left_out_and_rows_lead_back(tmp_path, cached):
    given_arrays = arrays()
    given_arrays["times"][[0, 17]] = np.nan
    given_arrays["depths"][[5, 17, 900]] = np.nan
    given_arrays["depths"][6] = np.inf
    good = np.isfinite(given_arrays["times"]) & np.isfinite(given_arrays["depths"])
    sorting = write_sorting(tmp_path / "alf", **given_arrays)
    sorting = replace(sorting, clusters=sorting.clusters.drop(columns="depths"))  # nor have the units one
    columns = build_columns(sorting, tmp_path / "cache" if cached else None)
    assert columns.n_spikes == good.sum() == N_SPIKES - 5
    np.testing.assert_array_equal(columns.spike_rows, np.flatnonzero(good))
    np.testing.assert_array_equal(columns.times_s, given_arrays["times"][columns.spike_rows])
    np.testing.assert_array_equal(columns.depths_um, given_arrays["depths"][columns.spike_rows])
    np.testing.assert_array_equal(columns.clusters, given_arrays["clusters"][columns.spike_rows])


def test_unsorted_times_are_sorted_and_equal_ones_keep_their_order(tmp_path):
    given_arrays = arrays()
    times = np.round(np.random.default_rng(3).permutation(given_arrays["times"]), 1)
    given_arrays["times"] = times
    columns = build_columns(write_sorting(tmp_path / "alf", **given_arrays), tmp_path / "cache")
    np.testing.assert_array_equal(columns.spike_rows, np.argsort(times, kind="stable"))
    np.testing.assert_array_equal(columns.times_s, np.sort(times))
    np.testing.assert_array_equal(columns.depths_um, given_arrays["depths"][columns.spike_rows])


def test_without_depths_a_spike_has_its_clusters_and_none_is_none():
    clusters = np.array([0, 3, 3, 1])
    depths = np.array([10.0, np.nan, 0.0, 70.0])
    columns = build_columns(make_sorting(np.arange(4.0), None, clusters, cluster_depths=depths))
    assert columns.depths_um.tolist() == [10.0, 70.0, 70.0]
    assert columns.spike_rows.tolist() == [0, 1, 2]


def test_blocks_join_without_a_seam(tmp_path, monkeypatch):
    given_arrays = arrays()
    given_arrays["depths"][::7] = np.nan
    whole = build_columns(make_sorting(*(given_arrays[k] for k in ("times", "depths", "clusters", "amps"))))
    monkeypatch.setattr(columns_module, "BLOCK", 333)
    pieces = build_columns(write_sorting(tmp_path / "alf", **given_arrays), tmp_path / "cache")
    assert same(whole, pieces)


@pytest.mark.parametrize("change", ["content", "touched", "longer", "md5", "other path"])
def test_changed_files_are_never_shown_from_old_columns(tmp_path, change):
    cache = tmp_path / "cache"
    sorting = write_sorting(tmp_path / "alf", **arrays(0))
    build_columns(sorting, cache)
    path = sorting.ref.datasets["spikes.times"].path
    status = path.stat()
    fresh = arrays(1, N_SPIKES + 10 if change == "longer" else N_SPIKES)
    folder = tmp_path / ("elsewhere" if change == "other path" else "alf")
    changed = write_sorting(folder, **fresh)
    if change == "md5":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        datasets = {k: replace(d, md5="new") for k, d in changed.ref.datasets.items()}
        changed = replace(changed, identity=identity_of(replace(changed.ref, datasets=datasets)))
    elif change == "touched":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        changed = replace(changed, identity=identity_of(changed.ref))
    np.testing.assert_array_equal(build_columns(changed, cache).times_s, fresh["times"])
    np.testing.assert_array_equal(build_columns(changed, cache).clusters, fresh["clusters"])


@pytest.mark.parametrize("name", ["codes", "clusters", "amps", "order", "offsets", "ranks", "manifest"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_sidecar_is_built_anew(tmp_path, name, damage, caplog):
    cache = tmp_path / "cache"
    sorting = write_sorting(tmp_path / "alf", **arrays())
    whole = build_columns(make_sorting(*(arrays()[k] for k in ("times", "depths", "clusters", "amps"))))
    build_columns(sorting, cache)
    path = sidecar(cache) / ("manifest.json" if name == "manifest" else f"{name}.npy")
    if damage == "missing":
        path.unlink()
    else:
        shutil.copy(path, tmp_path / "copy")  # not in place: what is mapped stays whole
        os.truncate(tmp_path / "copy", path.stat().st_size // 2)
        (tmp_path / "copy").replace(path)
    with caplog.at_level(logging.WARNING):
        assert same(build_columns(sorting, cache), whole)
    assert same(build_columns(sorting, cache), whole)
    assert [p.name for p in (cache / "columns").iterdir()] == [sidecar(cache).name]


def test_an_interrupted_build_leaves_nothing_to_be_taken_for_whole(tmp_path):
    sorting = write_sorting(tmp_path / "alf", **arrays())
    cancel = threading.Event()
    steps = []

    def stop_at_the_third(progress):
        steps.append(progress)
        if len(steps) == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        build_columns(sorting, tmp_path / "cache", stop_at_the_third, cancel)
    assert list((tmp_path / "cache" / "columns").iterdir()) == []
    assert build_columns(sorting, tmp_path / "cache").n_spikes == N_SPIKES


def test_what_a_killed_builder_left_is_removed_after_a_day(tmp_path):
    root = tmp_path / "cache" / "columns"
    for name, age_s in ((".old.1.a.part", 90_000), (".young.1.a.part", 60)):
        (root / name).mkdir(parents=True)
        (root / name / "codes.npy").write_bytes(b"")
        os.utime(root / name, (time.time() - age_s,) * 2)
    build_columns(write_sorting(tmp_path / "alf", **arrays()), tmp_path / "cache")
    assert [path.name for path in root.glob(".*")] == [".young.1.a.part"]


def test_progress_counts_up_to_its_total(tmp_path):
    reports = []
    build_columns(write_sorting(tmp_path / "alf", **arrays()), tmp_path / "cache", reports.append)
    done = [report.done for report in reports]
    assert done == sorted(done) and done[-1] == reports[-1].total and reports[-1].unit == "spikes"


def test_threads_that_open_together_build_once(tmp_path, monkeypatch):
    sorting = write_sorting(tmp_path / "alf", **arrays())
    built = []
    compose = columns_module._compose
    monkeypatch.setattr(columns_module, "_compose", lambda *args: built.append(1) or compose(*args))
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(build_columns(sorting, tmp_path / "cache"))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and len(results) == 6
    assert all(same(results[0], other) for other in results)


def _open(folder: Path, cache: Path, barrier, answers) -> None:
    datasets = {name: np.load(folder / f"spikes.{name}.npy", mmap_mode="r") for name in arrays(0, 1)}
    from dashboard.model.references import DatasetRef

    refs = {
        f"spikes.{name}": DatasetRef("spikes", name, "npy", "alf/probe00", path=folder / f"spikes.{name}.npy")
        for name in datasets
    }
    sorting = make_sorting(*(datasets[k] for k in ("times", "depths", "clusters", "amps")), refs)
    barrier.wait()
    columns = build_columns(sorting, cache)
    answers.put((columns.n_spikes, int(columns.depth_codes.sum(dtype=np.int64))))


def test_processes_that_open_together_both_end_right(tmp_path):
    write_sorting(tmp_path / "alf", **arrays())
    expected = build_columns(make_sorting(*(arrays()[k] for k in ("times", "depths", "clusters", "amps"))))
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_open, args=(tmp_path / "alf", tmp_path / "cache", barrier, answers)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    got = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    assert got == [(N_SPIKES, int(expected.depth_codes.sum(dtype=np.int64)))] * 2
    assert [p.name for p in (tmp_path / "cache" / "columns").iterdir()] == [sidecar(tmp_path / "cache").name]


def test_a_cache_that_cannot_be_written_is_done_without_and_said(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file, not a folder")
    columns = build_columns(write_sorting(tmp_path / "alf", **arrays()), tmp_path / "cache")
    assert columns.n_spikes == N_SPIKES
    assert "kept in memory" in caplog.text


@pytest.mark.parametrize("call", ["posix_fallocate", "fdatasync"])
def test_a_full_disk_is_done_without_and_leaves_nothing(tmp_path, monkeypatch, caplog, call):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    columns = build_columns(write_sorting(tmp_path / "alf", **arrays()), tmp_path / "cache")
    assert columns.n_spikes == N_SPIKES and "No space left" in caplog.text
    assert list((tmp_path / "cache" / "columns").iterdir()) == []


def test_a_sorting_without_files_is_not_cached(tmp_path):
    build_columns(make_sorting([1.0], [2.0]), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_arrays_in_memory_under_the_same_files_do_not_share_columns(tmp_path):
    sorting = write_sorting(tmp_path / "alf", **arrays())
    kept = arrays()
    a = make_sorting(kept["times"], kept["depths"], kept["clusters"], kept["amps"], dict(sorting.ref.datasets))
    moved = make_sorting(kept["times"] + 1, kept["depths"], kept["clusters"], kept["amps"], dict(sorting.ref.datasets))
    assert sidecars.sidecar_key(a) != sidecars.sidecar_key(moved) != sidecars.sidecar_key(sorting)


def test_the_manifest_names_every_file(tmp_path):
    build_columns(write_sorting(tmp_path / "alf", **arrays()), tmp_path / "cache")
    folder = sidecar(tmp_path / "cache")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {f"{name}.npy" for name in manifest["files"]} | {"manifest.json"} == {p.name for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depths": np.zeros(3)}, "different lengths"),
        ({"clusters": np.full(N_SPIKES, -1)}, "cluster id"),
        ({"clusters": np.full(N_SPIKES, 2**31)}, "cluster id"),
    ],
)
def test_columns_that_cannot_be_right_are_refused(change, message):
    given_arrays = {**arrays(), **change}
    with pytest.raises(DatasetInvalid, match=message):
        columns_module.build_columns(
            make_sorting_unchecked(*(given_arrays[k] for k in ("times", "depths", "clusters", "amps")))
        )


def make_sorting_unchecked(times, depths, clusters, amps):
    from dataclasses import replace

    sorting = make_sorting(times, None)
    return replace(sorting, spikes=replace(sorting.spikes, depths_um=depths, clusters=clusters, amps_v=amps))


def test_ids_beyond_16_bits_are_kept():
    columns = build_columns(make_sorting([1.0, 2.0], [3.0, 4.0], np.array([70_000, 5])))
    assert columns.clusters.dtype == np.uint32 and columns.n_clusters == 70_001
    assert columns.unit_index.rows(70_000).tolist() == [0]


def test_rows_of_a_unit_ascend_and_are_all_there():
    columns = build_columns(make_sorting(*(arrays()[k] for k in ("times", "depths", "clusters", "amps"))))
    for cluster in range(columns.n_clusters):
        np.testing.assert_array_equal(columns.unit_index.rows(cluster), np.flatnonzero(columns.clusters == cluster))
    assert columns.unit_index.rows(10**6).size == columns.unit_index.rows(-1).size == 0


@given(low=st.floats(-1e5, 1e5), span=st.floats(0, 1e5))
def test_the_depth_grid_holds_its_span_in_16_bits(low, span):
    high = low + span
    grid = depth_grid(low, high)
    assert grid.n_codes <= MAX_CODES
    assert grid.origin_um <= low and high < grid.origin_um + grid.n_codes * grid.step_um
    assert grid.step_um <= 0.5 or span > 16_000
    assert np.log2(grid.step_um) == int(np.log2(grid.step_um))
