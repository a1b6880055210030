"""The demo as a source: written once, whole or not at all, as files that other readers of ALF understand."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from iblatlas.regions import BrainRegions
from one.alf import io as alfio
from one.alf.path import filename_parts

from dashboard.model.errors import BadRequest, CacheUnusable, Cancelled
from dashboard.model.progress import Progress
from dashboard.sources.demo import source as demo
from dashboard.sources.demo.channels import SITE_COLUMNS_UM
from dashboard.sources.demo.files import SPIKE_DTYPES
from dashboard.sources.demo.source import DEMO_EID, DEMO_PID, DemoSource, demo_files, write_demo
from dashboard.sources.download.locks import file_lock
from dashboard.sources.folder import FolderSource

N = 60_000
COLLECTIONS = ("iblsorter", "pykilosort", "pykilosort/#2024-05-06#")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "demo"
    write_demo(folder, N, seed=3)
    return folder


@pytest.fixture(scope="module")
def session(root: Path) -> Path:
    return root / demo.SESSION


@pytest.fixture(params=COLLECTIONS, scope="module")
def sorting(request: pytest.FixtureRequest, session: Path) -> Path:
    return session / "alf" / "probe00" / str(request.param)


def spikes(sorting: Path, name: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.load(sorting / f"spikes.{name}.npy")


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def test_the_default_sorting_has_exactly_the_spikes_asked_for(session: Path) -> None:
    assert spikes(session / "alf/probe00/iblsorter", "times").size == N
    others = [spikes(session / "alf/probe00" / name, "times").size for name in COLLECTIONS[1:]]
    assert max(others) < N
    assert others[0] != others[1]


def test_spikes_have_real_dtypes_are_sorted_and_belong_to_clusters(sorting: Path) -> None:
    times, clusters = spikes(sorting, "times"), spikes(sorting, "clusters")
    dtypes = {name: spikes(sorting, name).dtype for name in SPIKE_DTYPES}
    assert dtypes == {name: np.dtype(dtype) for name, dtype in SPIKE_DTYPES.items()}
    assert dtypes["times"] == np.float64 and dtypes["clusters"] == np.uint32 and dtypes["depths"] == np.float64
    assert (np.diff(times) >= 0).all()
    assert np.isfinite(times).all()
    n_clusters = np.load(sorting / "clusters.channels.npy").size
    assert np.unique(clusters).size == n_clusters
    assert clusters.max() == n_clusters - 1
    np.testing.assert_allclose(times, spikes(sorting, "samples") / 30_000, atol=0.05)


def test_only_the_original_pykilosort_lacks_depths(session: Path) -> None:
    missing = [int(np.isnan(spikes(session / "alf/probe00" / name, "depths")).sum()) for name in COLLECTIONS]
    assert missing == [0, 42, 0]


def test_depths_and_amplitudes_are_those_of_a_probe(sorting: Path) -> None:
    depths, amps = spikes(sorting, "depths"), spikes(sorting, "amps")
    assert np.nanmin(depths) >= 0 and np.nanmax(depths) <= 3860
    assert 30e-6 < np.median(amps) < 300e-6
    assert amps.min() > 0
    peaks = np.load(sorting / "clusters.depths.npy")
    median = pd.Series(depths).groupby(spikes(sorting, "clusters")).median()
    assert np.abs(median - peaks).max() < 60


def test_one_reads_every_object(sorting: Path) -> None:
    for name in ("spikes", "clusters", "channels", "drift"):
        loaded = alfio.load_object(sorting, name)
        rows = {len(value) for value in loaded.values()}
        assert len(rows) == 1, name


def test_metrics_have_ibllibs_columns_and_one_row_per_cluster(sorting: Path, shared: Path) -> None:
    table = pd.read_parquet(sorting / "clusters.metrics.pqt")
    assert len(table) == np.load(sorting / "clusters.channels.npy").size
    folder = shared / "alyx/data/public/labrig/Subjects/KM_001/2024-03-05/001/alf/probe00/iblsorter"
    recorded = pd.read_parquet(next(folder.glob("clusters.metrics.*.pqt")))
    assert table.dtypes.to_dict().items() >= recorded.dtypes.to_dict().items()
    counts = np.bincount(spikes(sorting, "clusters"), minlength=len(table))
    np.testing.assert_array_equal(table["spike_count"], counts)
    uuids = pd.read_csv(sorting / "clusters.uuids.csv")["uuids"]
    assert uuids.is_unique
    assert list(uuids) == list(table["uuids"])


def test_labels_take_all_four_values(session: Path) -> None:
    table = pd.read_parquet(session / "alf/probe00/iblsorter/clusters.metrics.pqt")
    assert set(table["label"].round(3)) == {0.0, 0.333, 0.667, 1.0}


def test_passing_spikes_are_those_of_the_good_units(sorting: Path) -> None:
    table = pd.read_parquet(sorting / "passingSpikes.table.pqt")
    good = pd.read_parquet(sorting / "clusters.metrics.pqt")["label"].to_numpy() == 1
    keep = good[spikes(sorting, "clusters")]
    assert 0 < keep.sum() < keep.size
    for name, dtype in {"times": "float64", "clusters": "uint32", "depths": "float32", "amps": "float32"}.items():
        assert table[name].dtype == dtype
        np.testing.assert_array_equal(table[name], spikes(sorting, name)[keep].astype(dtype))


def test_channels_are_a_neuropixels_probe_in_known_regions(sorting: Path) -> None:
    local = np.load(sorting / "channels.localCoordinates.npy")
    assert local.shape == (384, 2)
    np.testing.assert_array_equal(local[:4], [[43, 20], [11, 20], [59, 40], [27, 40]])
    assert set(local[:, 0]) == set(SITE_COLUMNS_UM)
    assert local[-1, 1] == 3840
    ids = np.load(sorting / "channels.brainLocationIds_ccf_2017.npy")
    regions = BrainRegions()
    known = dict(zip(regions.id, regions.acronym, strict=True))
    assert {"CA1", "LP", "PO", "VISp5", "void"} <= {known[number] for number in ids}
    mlapdv = np.load(sorting / "channels.mlapdv.npy")
    assert mlapdv.dtype == np.int64
    length = np.linalg.norm(np.diff(mlapdv[[0, -1]], axis=0))
    assert length == pytest.approx(3820, rel=0.05), "the track is as long as the probe"


def test_templates_peak_on_their_cluster_channel_with_its_amplitude(sorting: Path) -> None:
    waveforms, sites = np.load(sorting / "clusters.waveforms.npy"), np.load(sorting / "clusters.waveformsChannels.npy")
    channels, amps = np.load(sorting / "clusters.channels.npy"), np.load(sorting / "clusters.amps.npy")
    assert waveforms.shape == (channels.size, 82, 32) and waveforms.dtype == np.float32
    assert sites.shape == (channels.size, 32)
    np.testing.assert_array_equal(sites[:, 0], channels)
    height = np.ptp(waveforms, axis=1)
    np.testing.assert_array_equal(np.argmax(height, axis=1), 0)
    np.testing.assert_allclose(height[:, 0], amps, rtol=1e-5)
    delay = np.load(sorting / "clusters.peakToTrough.npy")
    assert 0.15 < np.median(delay) < 1.2


def test_the_revision_has_templates_in_the_newer_layout_too(session: Path) -> None:
    folder = session / "alf/probe00/pykilosort/#2024-05-06#"
    waveforms = np.load(folder / "waveforms.templates.npy")
    with np.load(folder / "waveforms.channels.npz") as archive:
        assert archive["channels"].shape == waveforms.shape[:2]
    n = np.load(folder / "clusters.channels.npy").size
    assert waveforms.shape == (n, 40, 128) and waveforms.dtype == np.float16
    assert np.isfinite(waveforms).all()
    np.testing.assert_allclose(
        np.ptp(waveforms[:, 0].astype(float), axis=1), np.load(folder / "clusters.amps.npy"), rtol=0.01
    )


def test_drift_has_nine_depths(sorting: Path) -> None:
    times, um, depths = (np.load(sorting / f"{name}.npy") for name in ("drift.times", "drift.um", "drift_depths.um"))
    assert um.shape == (times.size, 9) and depths.shape == (9,)
    assert np.allclose(np.diff(times), 65_600 / 30_000)


def test_find_knows_the_demo_by_all_its_names(tmp_path: Path) -> None:
    source = DemoSource(tmp_path, N)
    names = [
        "demo",
        DEMO_PID,
        DEMO_EID,
        f"{DEMO_EID}/probe00",
        "DEMO_001/2024-01-15/001/probe00",
        "DEMO_001/2024-01-15/1",
    ]
    found = {source.find(name) for name in names}
    assert found == set(source.insertions())
    assert source.find("DEMO_001/2024-01-16/001/probe00") is None
    assert source.find("") is None
    assert not any(tmp_path.iterdir()), "looking writes nothing"


def test_the_manifest_is_what_a_folder_source_finds(root: Path) -> None:
    folder = FolderSource(root)
    insertion = folder.find("DEMO_001/2024-01-15/001/probe00")
    assert insertion is not None and insertion.lab == "demolab"
    found = {dataset.relative_path: dataset for dataset in folder.datasets(insertion)}
    assert set(found) == set(demo_files())


def test_datasets_are_known_before_they_are_written_and_fetch_writes_them(tmp_path: Path) -> None:
    source = DemoSource(tmp_path, 5_000, progress=(early := []).append)
    insertion = source.find("demo")
    assert insertion is not None
    datasets = source.datasets(insertion)
    assert {d.relative_path for d in datasets} == set(demo_files())
    assert all(d.size is None for d in datasets)
    paths = source.fetch_files(insertion, datasets)
    assert set(paths) == set(demo_files())
    assert all(path.is_file() for path in paths.values())
    assert early, "progress given to the source is used where fetch is given none"
    assert all(d.size for d in source.datasets(insertion))
    assert source.record(insertion) is None


def test_progress_runs_evenly_to_its_end(tmp_path: Path) -> None:
    reports: list[Progress] = []
    write_demo(tmp_path / "a", 20_000, progress=reports.append)
    done = [report.done / report.total for report in reports]
    assert done == sorted(done)
    assert done[0] < 0.05 and done[-1] == pytest.approx(1, abs=0.002)
    assert {report.stage for report in reports} == {
        "drawing spikes",
        "measuring units",
        "writing spikes",
        "sorting again",
    }


def test_the_same_seed_makes_the_same_files(tmp_path: Path, root: Path) -> None:
    write_demo(tmp_path / "again", N, seed=3)
    assert digests(tmp_path / "again") == digests(root)
    write_demo(tmp_path / "other", N, seed=4)
    name = (demo.SESSION / "alf/probe00/iblsorter/spikes.times.npy").as_posix()
    assert digests(tmp_path / "other")[name] != digests(root)[name]


def test_what_is_there_is_not_written_again(root: Path) -> None:
    before = (root / demo.SESSION).stat().st_mtime_ns
    reports: list[Progress] = []
    assert write_demo(root, N, seed=3, progress=reports.append) == root / demo.SESSION
    assert not reports
    assert (root / demo.SESSION).stat().st_mtime_ns == before


def test_a_folder_with_something_else_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="in use"):
        write_demo(root, N, seed=5)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadRequest, match="in use"):
        write_demo(tmp_path, N)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("n_spikes", "seed"), [(0, 0), (999, 0), (100_000_001, 0), (5_000, -1)])
def test_sizes_out_of_range_are_refused(tmp_path: Path, n_spikes: int, seed: int) -> None:
    with pytest.raises(BadRequest):
        DemoSource(tmp_path, n_spikes, seed)
    with pytest.raises(BadRequest):
        write_demo(tmp_path / "x", n_spikes, seed)


@pytest.mark.parametrize("moment", range(0, 1000, 140))
def test_cancelling_leaves_nothing(tmp_path: Path, moment: int) -> None:
    cancel = threading.Event()

    def progress(report: Progress) -> None:
        if report.done >= moment:
            cancel.set()

    with pytest.raises(Cancelled):
        write_demo(tmp_path / "demo", 5_000, progress=progress, cancel=cancel)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def _write_and_die(folder: Path) -> None:
    import os

    def progress(report: Progress) -> None:
        if report.stage == "sorting again":
            os._exit(9)

    write_demo(folder, 5_000, progress=progress)


def test_a_run_that_was_killed_leaves_nothing_that_passes_for_a_demo(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path / "demo",))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not (tmp_path / "demo").exists()
    assert any(path.is_dir() for path in tmp_path.iterdir()), "it did leave an unfinished folder"
    write_demo(tmp_path / "demo", 5_000)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["demo"]


def test_two_processes_and_threads_write_one_demo(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes, ThreadPoolExecutor(2) as threads:
        jobs = [pool.submit(write_demo, target, 5_000) for pool in (processes, processes, threads, threads)]
        assert {job.result() for job in jobs} == {target / demo.SESSION}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["demo"]
    write_demo(tmp_path / "alone", 5_000)
    assert digests(target) == digests(tmp_path / "alone")


def test_waiting_for_another_writer_can_be_cancelled(tmp_path: Path) -> None:
    cancel = threading.Event()
    reports: list[Progress] = []

    def progress(report: Progress) -> None:
        reports.append(report)
        cancel.set()

    with file_lock(tmp_path / ".demo.lock"), pytest.raises(Cancelled):
        write_demo(tmp_path / "demo", 5_000, progress=progress, cancel=cancel)
    assert [report.stage for report in reports] == ["waiting for another writer"]


def test_a_cache_that_is_a_file_is_unusable(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(CacheUnusable):
        write_demo(tmp_path / "cache" / "demo" / "x", 5_000)


def test_a_full_disk_is_said_before_and_during(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(demo.shutil, "disk_usage", lambda path: type("", (), {"free": 1000})())
        with pytest.raises(CacheUnusable, match="are free"):
            write_demo(tmp_path / "demo", 5_000)

    def fail(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dashboard.sources.demo.files.os.pwrite", fail)
    with pytest.raises(CacheUnusable, match="No space left"):
        write_demo(tmp_path / "demo", 5_000)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_every_file_name_is_alf() -> None:
    for relative in demo_files():
        assert filename_parts(relative.rpartition("/")[2], assert_valid=True)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("ERROR", logger="dashboard.sources.demo.source"):
        yield
