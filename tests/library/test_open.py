"""From what a person writes to an open sorting: the one place that joins sources, loading and compute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.config.settings import load as load_settings
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import (
    BadRequest,
    Cancelled,
    DownloadFailed,
    InsertionAmbiguous,
    InsertionNotFound,
    NoSpikeSorting,
    SourceUnavailable,
)
from dashboard.model.progress import Progress
from dashboard.model.references import DatasetRef, Histology, InsertionRecord, InsertionRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.folder import FolderSource
from dashboard.sources.locate import configured_sources, find, locate

N_SPIKES, N_CLUSTERS, N_CHANNELS = 2000, 6, 24
SESSION = "labx/Subjects/MOUSE_1/2024-01-02/001"


def write_sorting(root: Path, probe: str = "probe00", session: str = SESSION, **changed: Any) -> Path:
    rng = np.random.default_rng(0)
    folder = root / session / "alf" / probe / "pykilosort"
    folder.mkdir(parents=True)
    ids = rng.integers(0, N_CLUSTERS, N_SPIKES)
    arrays = {
        "spikes.times": np.sort(rng.uniform(0, 100, N_SPIKES)),
        "spikes.clusters": ids,
        "spikes.depths": 40.0 * ids + rng.uniform(0, 40, N_SPIKES),
        "spikes.amps": rng.uniform(5e-5, 2e-4, N_SPIKES),
        "clusters.channels": np.arange(N_CLUSTERS),
        "clusters.depths": 20.0 * np.arange(N_CLUSTERS),
        "channels.localCoordinates": np.c_[np.zeros(N_CHANNELS), 20.0 * np.arange(N_CHANNELS)],
        "channels.rawInd": np.arange(N_CHANNELS),
    } | changed
    for name, array in arrays.items():
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    labels = pd.DataFrame({"cluster_id": range(N_CLUSTERS), "label": [0, 1 / 3, 2 / 3, 1, 1, np.nan]})
    labels.to_parquet(folder / "clusters.metrics.pqt")
    return folder


class Database(FolderSource):
    """A folder with a database in front."""

    def __init__(self, root: Path, state: Histology, locations: pd.DataFrame | None = None) -> None:
        super().__init__(root)
        self.state, self.locations = state, locations

    def record(self, insertion: InsertionRef) -> InsertionRecord | None:
        return InsertionRecord(histology=self.state)

    def brain_locations(self, insertion: InsertionRef, histology: Histology) -> pd.DataFrame | None:
        return self.locations


def sites(axial: Any) -> pd.DataFrame:
    axial = np.asarray(axial, float)
    ids = np.where(axial < 200, 382, 997)
    return pd.DataFrame(
        {"axial_um": axial, "lateral_um": 0.0, "x": axial / 1e6, "y": 0.0, "z": -axial / 1e6, "atlas_id": ids}
    )


# -- what a person writes ---------------------------------------------------------------------------


def test_a_folder_by_its_path(tmp_path: Path) -> None:
    folder = write_sorting(tmp_path / "data")
    for path in (tmp_path / "data", folder, str(folder), str(folder.parents[2])):
        assert open_insertion(path).n_spikes == N_SPIKES


def test_a_folder_with_several_insertions_names_them(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    write_sorting(tmp_path, "probe01")
    with pytest.raises(InsertionAmbiguous) as caught:
        open_insertion(tmp_path)
    assert [Path(text).name for text in caught.value.candidates] == ["probe00", "probe01"]
    assert open_insertion(caught.value.candidates[1]).ref.insertion.probe == "probe01"


def test_a_folder_without_sorting_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(NoSpikeSorting, match=r"spikes\.\* files"):
        open_insertion(tmp_path)


def test_what_the_configured_folders_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sorting(tmp_path / "data")
    monkeypatch.setenv("SPIKE_DASHBOARD_DATA", str(tmp_path / "data"))
    sorting = open_insertion("MOUSE_1/2024-01-02/001/probe00")
    assert sorting.ref.insertion.source == "data"
    assert open_insertion(sorting.ref.insertion).n_spikes == N_SPIKES


@pytest.mark.parametrize("text", ["nothing/2024-01-02/001/probe00", "00000000-0000-4000-8000-000000000000", ""])
def test_what_nobody_knows(text: str) -> None:
    with pytest.raises((InsertionNotFound, InsertionAmbiguous, NoSpikeSorting)):
        open_insertion(text or "no such thing")


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(InsertionNotFound, match="No such folder"):
        open_insertion(tmp_path / "nowhere")


def test_with_a_source_text_is_never_a_path(tmp_path: Path) -> None:
    write_sorting(tmp_path / "data")
    write_sorting(tmp_path / "other", session="labx/Subjects/SECRET/2024-01-02/001")
    source = FolderSource(tmp_path / "data")
    for text in (str(tmp_path / "other"), "../other", "SECRET/2024-01-02/001/probe00"):
        with pytest.raises(InsertionNotFound):
            locate(text, source=source)
        with pytest.raises(InsertionNotFound):
            find(text, [source])


def test_the_demo_is_always_among_the_sources(tmp_path: Path) -> None:
    sources = configured_sources(replace(load_settings(), data=(tmp_path,)))
    assert [source.name for source in sources] == [tmp_path.name, "demo"]
    assert find("demo", sources)[1].probe == "probe00"


def test_the_demo_opens(small_demo: SpikeSorting) -> None:
    assert small_demo.n_spikes == 50_000
    assert small_demo.histology == "alf"
    assert small_demo.trials is not None
    assert not small_demo.missing
    assert not small_demo.metrics_stale


def test_the_real_sorting(real_alf: Path) -> None:
    sorting = open_insertion(real_alf)
    assert (sorting.n_spikes, sorting.n_clusters, sorting.n_dropped) == (290_360, 403, 0)
    assert len(sorting.channels) == 383
    assert not sorting.amps_are_volts
    assert sorting.missing_reason("trials")
    assert set(sorting.clusters["label"]) == {0.0, 1.0}
    assert sorting.title == "ZFM-02370 2021-04-28/001 probe00 · kilosort4 · original"


# -- brain locations from a database ------------------------------------------------------------------


@pytest.mark.parametrize("state", [Histology.RESOLVED, Histology.ALIGNED, Histology.TRACED])
def test_locations_of_the_database_are_matched_by_site(tmp_path: Path, state: Histology) -> None:
    write_sorting(tmp_path)
    locations = sites(20.0 * np.arange(N_CHANNELS)).sample(frac=1, random_state=0)
    source = Database(tmp_path, state, locations)
    sorting = open_insertion(next(source.insertions()), source=source)
    assert sorting.histology == state
    np.testing.assert_array_equal(sorting.channels["x"], 20.0 * np.arange(N_CHANNELS) / 1e6)
    assert sorting.channels["acronym"].tolist() == ["CA1"] * 10 + ["root"] * (N_CHANNELS - 10)
    assert list(sorting.channels.columns) == [
        "x", "y", "z", "acronym", "atlas_id", "axial_um", "lateral_um", "rawInd"]  # fmt: skip
    assert sorting.clusters["acronym"].tolist() == ["CA1"] * N_CLUSTERS


def test_other_sites_are_interpolated_and_said_so(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Database(tmp_path, Histology.RESOLVED, sites(np.arange(0.0, 480, 40)))
    sorting = open_insertion(next(source.insertions()), source=source)
    inside = sorting.channels["axial_um"] <= 440
    np.testing.assert_allclose(sorting.channels["x"][inside] * 1e6, sorting.channels["axial_um"][inside])
    assert any("interpolated" in note for note in sorting.notes)


def test_an_untraced_probe(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Database(tmp_path, Histology.NONE)
    sorting = open_insertion(next(source.insertions()), source=source)
    assert sorting.histology == "none"
    assert any("not been traced" in note for note in sorting.notes)


def test_a_record_without_locations_does_not_claim_them(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Database(tmp_path, Histology.ALIGNED)
    sorting = open_insertion(next(source.insertions()), source=source)
    assert sorting.histology == "none"
    assert any("record says aligned" in note for note in sorting.notes)


def test_a_database_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FolderSource, insertion: InsertionRef) -> None:
        raise SourceUnavailable("No answer", "alyx.example.org", "Try again later")

    write_sorting(tmp_path)
    monkeypatch.setattr(FolderSource, "record", refuse)
    sorting = open_insertion(tmp_path)
    assert sorting.histology == "unknown"
    assert any("alyx.example.org" in note for note in sorting.notes)


# -- fetching -----------------------------------------------------------------------------------------


class Fetching(FolderSource):
    """A source that cannot fetch some datasets, and notes in which order it was asked."""

    def __init__(self, root: Path, lost: Sequence[str] = ()) -> None:
        super().__init__(root)
        self.lost, self.order = set(lost), list[str]()

    def fetch_files(self, insertion: InsertionRef, datasets: Sequence[DatasetRef], *rest: Any) -> Mapping[str, Path]:
        self.order = [dataset.name for dataset in datasets]
        return super().fetch_files(insertion, [d for d in datasets if d.name not in self.lost], *rest)


def test_times_and_depths_are_asked_for_first(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Fetching(tmp_path)
    open_insertion(next(source.insertions()), source=source)
    assert source.order[:3] == ["spikes.times", "spikes.depths", "spikes.clusters"]


def test_what_could_not_be_fetched_is_said_where_it_can_be_spared(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Fetching(tmp_path, ["spikes.amps", "clusters.metrics"])
    sorting = open_insertion(next(source.insertions()), source=source, lazy=True)
    assert sorting.spikes.amps_v is None
    assert not sorting.metrics_stale, "metrics that exist are not replaced by computed ones"
    assert sorting.why_no_labels == "clusters.metrics could not be fetched"
    reasons = {item.dataset: item.reason for item in reversed(sorting.missing)}
    assert "could not be fetched" in reasons["spikes.amps"]
    assert sum(item.dataset == "spikes.amps" for item in sorting.missing) == 1


@pytest.mark.parametrize("name", ["spikes.times", "spikes.clusters"])
def test_without_times_or_clusters_the_failure_is_an_error(tmp_path: Path, name: str) -> None:
    write_sorting(tmp_path)
    source = Fetching(tmp_path, [name])
    with pytest.raises(DownloadFailed, match=name):
        open_insertion(next(source.insertions()), source=source)


def test_every_dataset_has_its_path(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    sorting = open_insertion(tmp_path)
    assert sorting.ref.datasets
    assert all(d.path is not None and d.path.is_file() for d in sorting.ref.datasets.values())


def test_cancelling(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        open_insertion(tmp_path, cancel=cancel)


def test_cancelling_while_metrics_are_computed(tmp_path: Path) -> None:
    (write_sorting(tmp_path) / "clusters.metrics.pqt").unlink()
    cancel = threading.Event()

    def stop(progress: Progress) -> None:
        if progress.stage == "computing metrics":
            cancel.set()

    with pytest.raises(Cancelled):
        open_insertion(tmp_path, cancel=cancel, progress=stop, cache=tmp_path / "new")
    assert not (tmp_path / "new" / "metrics").exists()


def test_progress_says_what_is_done(tmp_path: Path) -> None:
    (write_sorting(tmp_path) / "clusters.metrics.pqt").unlink()
    seen: list[Progress] = []
    open_insertion(tmp_path, progress=seen.append, cache=tmp_path / "fresh")
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["listing files", "files", "checking spikes", "computing metrics"]
    assert all(progress.done <= progress.total for progress in seen if progress.total)


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (write_sorting(tmp_path / "data") / "clusters.metrics.pqt").unlink()
    (tmp_path / "cache").write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING):
        sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    assert sorting.n_spikes == N_SPIKES
    assert "not kept" in caplog.text


# -- the public names -----------------------------------------------------------------------------------


def test_the_package_has_two_functions_and_a_version() -> None:
    assert dashboard.open_insertion is open_insertion
    assert dashboard.render is render
    assert {"open_insertion", "render", "__version__"} <= set(dir(dashboard))
    with pytest.raises(AttributeError, match="nothing"):
        _ = dashboard.nothing


def test_render_counts_as_numpy_does(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    sorting = open_insertion(tmp_path)
    image = dashboard.render(sorting, time_range=(10, 60), depth_range=(0, 200), width=321, height=123)
    counts, _, _ = np.histogram2d(
        sorting.spikes.depths_um, sorting.spikes.times_s, [image.depth_edges_um, image.time_edges_s]
    )
    assert image.values.shape == (123, 321)
    assert image.values.dtype == np.uint32
    np.testing.assert_array_equal(image.values, counts)


def test_render_by_label_and_region(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    source = Database(tmp_path, Histology.RESOLVED, sites(20.0 * np.arange(N_CHANNELS)))
    sorting = open_insertion(next(source.insertions()), source=source)
    labels = render(sorting, depth_range=(0, 240), width=10, height=6, aggregate="label").values
    assert [row.max() for row in labels] == [0, 1, 2, 3, 3, -1]
    image = render(sorting, width=10, height=6, aggregate="region")
    assert set(np.unique(image.values)) == {382}
    assert image.none == np.iinfo(np.int32).min
    assert render(sorting, aggregate="count", clusters=[2], width=10, height=6).values.sum() == np.count_nonzero(
        np.asarray(sorting.spikes.clusters) == 2
    )


def test_render_by_region_without_regions(tmp_path: Path) -> None:
    write_sorting(tmp_path)
    with pytest.raises(BadRequest, match="no brain locations"):
        render(open_insertion(tmp_path), aggregate="region")


def test_a_folder_is_a_source(tmp_path: Path) -> None:
    source: Source = FolderSource(tmp_path)
    assert list(source.insertions()) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("params.py", "part of a Kilosort or phy folder, without spike_times.npy"),
        ("run_g0_t0.imec0.ap.meta", "a raw recording of SpikeGLX"),
        ("sorting/provenance.json", "part of a SpikeInterface folder"),
        ("structure.oebin", "a recording of Open Ephys"),
        ("notes.txt", ""),
    ],
)
def test_a_folder_of_no_known_kind_is_told_what_it_looks_like(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(parents=True)
    path.write_text("n_channels = open('here')")
    with pytest.raises(NoSpikeSorting) as caught:
        open_insertion(tmp_path / "data")
    said = f"It looks like {kind}, which is not supported. " if kind else ""
    assert str(caught.value).startswith(f"No spike sorting in the folder: {tmp_path / 'data'}. {said}Supported are ALF")
