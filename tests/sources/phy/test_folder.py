"""Kilosort and phy folders that the suite writes: what is read, said and refused, and that nothing of them is run."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters, filtered_table
from dashboard.engine.build import build_columns
from dashboard.library.completion import completed, titles
from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.model.errors import Cancelled, DashboardError, DatasetInvalid, DatasetMissing
from dashboard.model.progress import ignore_progress
from dashboard.sources.phy.source import PhySource
from tests.sources.samples import N_CHANNELS, RATE_HZ, N, save, write_phy


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def opened(folder: Path, cache: Path, **options: Any) -> Any:
    return dashboard.open_insertion(folder, cache=cache, **options)


def test_curated_ids_have_gaps_and_merges(tmp_path: Path, cache: Path) -> None:
    sample = write_phy(tmp_path / "data")
    sorting = opened(sample.folder, cache)
    assert sorting.unit_ids.tolist() == [0, 1, 5, 7]
    np.testing.assert_array_equal(sorting.spikes.times_s, sample.samples / RATE_HZ)
    counts = dict(zip(*np.unique(sample.clusters, return_counts=True), strict=True))
    assert np.bincount(sorting.unit_indexes()).tolist() == list(counts.values())
    assert sorting.clusters["quality"].tolist() == ["noise", "mua", "good", "good"]
    assert sorting.clusters["KSLabel"].tolist()[:3] == ["good", "mua", "mua"]
    assert (sorting.label_kind, sorting.clock) == (LabelKind.CURATED, Clock.PROBE)
    assert list(sorting.differences) == ["clock", "amplitude", "labels"]
    image = dashboard.render(sorting, (0, 120), (-100, 400), 24, 16, cache=cache)
    assert image.values.sum() == N


def test_good_units_are_those_of_the_curation_and_no_ibl_label_is_claimed(tmp_path: Path, cache: Path) -> None:
    sorting = opened(write_phy(tmp_path / "data").folder, cache)
    assert sorting.labels.tolist() == [0, 0, 1, 1]
    assert (sorting.why_no_labels, sorting.good_words) == ("", "good by its group")
    kept = filter_clusters(ClusterFilter(labels=(1.0,)), filtered_table(sorting)).mask
    assert sorting.unit_ids[kept].tolist() == [5, 7]
    assert "label" not in sorting.clusters
    assert sorting.clusters["firing_rate"].notna().all()


def test_depths_are_those_of_the_features_in_the_background(tmp_path: Path, cache: Path) -> None:
    sample = write_phy(tmp_path / "data")
    early = opened(sample.folder, cache, lazy=True)
    assert titles(early)[0] == "computing depths"
    assert (early.depth_kind, early.spikes.depths_um) == (DepthKind.UNIT, None)
    assert any("largest channel: they are being computed" in note for note in early.notes)
    assert build_columns(early, cache).n_spikes == N  # at the depth of their units meanwhile
    late = completed(early, cache, ignore_progress, None)
    weights = np.maximum(sample.features[:, 0], 0).astype(np.float64) ** 2
    at = sample.positions[sample.feature_columns[sample.templates_of].astype(int), 1]
    with np.errstate(invalid="ignore"):
        expected = (at * weights).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(late.spikes.depths_um, expected, rtol=1e-6)
    assert (late.depth_kind, late.later) == (DepthKind.SPIKE, ())
    assert late.identity != early.identity
    assert build_columns(late, cache).n_spikes == N


def test_computing_depths_can_be_cancelled(tmp_path: Path, cache: Path) -> None:
    early = opened(write_phy(tmp_path / "data").folder, cache, lazy=True)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        completed(early, cache, ignore_progress, cancel)


def test_amplitudes_are_volts_where_whitening_mixes_and_the_gain_is_known(tmp_path: Path, cache: Path) -> None:
    sample = write_phy(tmp_path / "data")
    undone = sample.templates @ np.linalg.inv(sample.whitening)
    expected = np.ptp(undone, axis=1).max(axis=1)[sample.templates_of] * sample.factors
    plain = opened(sample.folder, cache)
    assert not plain.amps_are_volts
    np.testing.assert_allclose(plain.spikes.amps_v, expected, rtol=1e-5)
    assert any("--bit-uv" in note for note in plain.notes)
    settings = dashboard.config.settings.Settings(cache=cache, bit_uv=2.34375)
    source = PhySource(sample.folder, settings)
    volts = opened(next(source.insertions()), cache, source=source)
    assert volts.amps_are_volts
    np.testing.assert_allclose(volts.spikes.amps_v, expected * 2.34375e-6, rtol=1e-5)
    save(sample.folder, whitening_mat=np.eye(N_CHANNELS) * 0.005)
    scaled = opened(next(source.insertions()), cache, source=source)
    assert not scaled.amps_are_volts
    assert any("only scales" in note for note in scaled.notes)


def test_kilosort_4s_amplitudes_have_no_unit_and_its_depths_are_after_drift_correction(
    tmp_path: Path, cache: Path
) -> None:
    sample = write_phy(tmp_path / "data", kilosort4=True)
    sorting = opened(sample.folder, cache)
    assert sorting.ref.sorter.value == "kilosort4"
    np.testing.assert_array_equal(sorting.spikes.depths_um, np.load(sample.folder / "spike_positions.npy")[:, 1])
    np.testing.assert_allclose(sorting.spikes.amps_v, sample.factors, rtol=1e-6)
    assert not sorting.amps_are_volts
    assert any("drift correction" in note for note in sorting.notes)
    assert "pickle" in (sorting.missing_reason("drift") or "")


def test_kilosorts_copy_of_its_labels_is_no_manual_decision(tmp_path: Path, cache: Path) -> None:
    folder = write_phy(tmp_path / "data").folder
    (folder / "cluster_group.tsv").write_text((folder / "cluster_KSLabel.tsv").read_text())
    sorting = opened(folder, cache)
    assert sorting.label_kind is LabelKind.KILOSORT
    assert "group" not in sorting.clusters


def test_before_curation_units_are_templates(tmp_path: Path, cache: Path) -> None:
    sample = write_phy(tmp_path / "data")
    (sample.folder / "spike_clusters.npy").unlink()
    sorting = opened(sample.folder, cache)
    assert sorting.unit_ids.tolist() == [0, 1, 3, 4, 5]
    assert any("before any curation" in note for note in sorting.notes)


@pytest.mark.parametrize("name", ["sync.csv", "sync.npy", "_spikeglx_imec0.sync.npy"])
def test_a_table_of_two_clocks_brings_times_to_the_session(tmp_path: Path, cache: Path, name: str) -> None:
    sample, table = write_phy(tmp_path / "data"), np.array([[10.0, 110.0], [20.0, 120.2], [60.0, 160.2]])
    if name.endswith(".npy"):
        np.save(sample.folder / name, table)
    else:
        (sample.folder / name).write_text("probe,session\n" + "\n".join(f"{a},{b}" for a, b in table))
    sorting = opened(sample.folder, cache)
    seconds = sample.samples / RATE_HZ
    expected = np.interp(seconds, table[:, 0], table[:, 1])
    expected = np.where(seconds < 10, 110 + 1.02 * (seconds - 10), expected)
    expected = np.where(seconds > 60, 160.2 + (seconds - 60), expected)
    np.testing.assert_allclose(sorting.spikes.times_s, expected, rtol=1e-12)
    assert sorting.clock is Clock.SESSION
    assert "clock" not in sorting.differences


def test_clocks_that_do_not_rise_are_refused(tmp_path: Path, cache: Path) -> None:
    folder = write_phy(tmp_path / "data").folder
    (folder / "sync.csv").write_text("a,b\n1,2\n3,1\n")
    with pytest.raises(DatasetInvalid, match="do not both rise"):
        opened(folder, cache)


def text(name: str, content: str) -> Any:
    return lambda folder: (folder / name).write_text(content)


def array(**arrays: Any) -> Any:
    return lambda folder: save(folder, **arrays)


def cut(name: str) -> Any:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return change


FATAL = {
    "lengths": (array(spike_clusters=np.zeros(N - 1, np.int32)), "spike_clusters.npy", "rows"),
    "times as floats": (array(spike_times=np.arange(N) / 30.0), "spike_times.npy", "whole numbers"),
    "ids as floats": (array(spike_clusters=np.zeros(N)), "spike_clusters.npy", "whole numbers"),
    "no spikes": (array(spike_times=np.zeros(0, int), spike_clusters=np.zeros(0, int)), "spike_times.npy", "no spikes"),
    "two columns of times": (array(spike_times=np.zeros((N, 2), int)), "spike_times.npy", "one column"),
    "truncated": (cut("spike_times.npy"), "spike_times.npy", "Truncated"),
    "an expression": (text("params.py", "sample_rate = 30 * 1000"), "params.py", "expression"),
    "a call": (text("params.py", "sample_rate = float('30000')"), "params.py", "expression"),
    "no rate": (text("params.py", "dtype = 'int16'"), "params.py", "sample_rate"),
    "a rate of zero": (text("params.py", "sample_rate = 0"), "params.py", "no rate"),
    "no Python": (text("params.py", "sample rate: 30000"), "params.py", "assignments"),
    "deep Python": (text("params.py", "sample_rate = " + "(" * 5000), "params.py", "assignments"),
    "much Python": (text("params.py", "#" * 100_000 + "\nsample_rate = 1"), "params.py", "Larger"),
    "no params": (lambda folder: (folder / "params.py").unlink(), "params.py", "missing"),
    "samples of a week": (array(spike_times=np.arange(N) * 10**8), "spike_times.npy", "sampling rate"),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_cannot_be_read_is_one_line_with_file_and_remedy(tmp_path: Path, cache: Path, case: str) -> None:
    change, name, said = FATAL[case]
    folder = write_phy(tmp_path / "data").folder
    change(folder)
    with pytest.raises((DatasetInvalid, DatasetMissing), match=said) as caught:
        opened(folder, cache)
    line = str(caught.value)
    assert "\n" not in line
    assert name in line
    assert caught.value.remedy


LESS = {
    "ids beyond templates": (array(spike_templates=np.full(N, 70)), "templates"),
    "negative templates": (array(spike_templates=np.full(N, -1)), "templates"),
    "no channel map": (array(channel_map=None), "channel_map.npy"),
    "a short channel map": (array(channel_map=np.arange(3)), "channel_map.npy"),
    "shanks of other channels": (array(channel_shanks=np.zeros(3)), "channel_shanks.npy"),
    "short amplitudes": (array(amplitudes=np.ones(7)), "amplitudes.npy"),
    "truncated amplitudes": (cut("amplitudes.npy"), "amplitudes.npy"),
    "no templates": (array(templates=None), "templates.npy"),
    "templates of other channels": (array(templates=np.ones((6, 5, 3), np.float32)), "templates"),
    "truncated features": (cut("pc_features.npy"), "pc_features.npy"),
    "short features": (array(pc_features=np.ones((4, 3, 6), np.float32)), "depths of pc_features.npy"),
    "features of some spikes": (array(pc_feature_spike_ids=np.arange(N)[::-1]), "depths of pc_features.npy"),
    "objects": (
        lambda folder: np.save(folder / "amplitudes.npy", np.array([{}]), allow_pickle=True),
        "amplitudes.npy",
    ),
    "a table without ids": (text("cluster_purity.tsv", "a\tb\n1\t2\n"), "cluster_purity.tsv"),
    "an empty table": (text("cluster_purity.tsv", ""), "cluster_purity.tsv"),
}


@pytest.mark.parametrize("case", LESS)
def test_what_else_is_wrong_is_said_and_nothing_else_lost(tmp_path: Path, cache: Path, case: str) -> None:
    change, name = LESS[case]
    folder = write_phy(tmp_path / "data").folder
    change(folder)
    for _ in range(2):  # what is kept of the first opening says it, too
        sorting = opened(folder, cache)
        assert sorting.n_spikes == N
        assert sorting.missing_reason(name)
        assert build_columns(sorting, cache).n_spikes == N


def test_without_positions_of_channels_and_spikes_there_is_still_every_spike(tmp_path: Path, cache: Path) -> None:
    folder = write_phy(tmp_path / "data", channel_positions=np.zeros((0, 2))).folder
    save(folder, channel_positions=None)
    sorting = opened(folder, cache)
    assert build_columns(sorting, cache).n_spikes == N
    assert any("units have rows instead" in note for note in sorting.notes)


class Marks:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_no_code_of_a_folder_is_run(tmp_path: Path, cache: Path) -> None:
    folder, mark = write_phy(tmp_path / "data", kilosort4=True).folder, tmp_path / "mark"
    written = (folder / "params.py").read_text()
    code = f"open({str(mark)!r}, 'w')"
    (folder / "params.py").write_text(f"import os\n{code}\nhp_filtered = {code}\n{written}\nclass A:\n    {code}\n")
    harm = np.empty(1, dtype=object)
    harm[0] = Marks(mark)
    for name in ("ops", "amplitudes", "similar_templates", "events", "channel_shanks", "templates", "sync"):
        np.save(folder / f"{name}.npy", harm, allow_pickle=True)
    (folder / "cluster_info.pkl").write_bytes(pickle.dumps(Marks(mark)))
    for name in ("conftest.py", "__init__.py", "sitecustomize.py"):
        (folder / name).write_text(code)
    for remove in ("", "sync.npy", "events.npy"):
        if remove:
            (folder / remove).unlink()
        try:
            sorting = opened(folder, cache)
        except DashboardError:
            continue
        build_columns(sorting, cache)
        assert sorting.n_spikes == N
        assert any("hp_filtered" in note for note in sorting.notes)
    assert list(PhySource(folder).insertions())
    assert not mark.exists()
    with pytest.raises(FileNotFoundError):
        mark.stat()
    np.load(folder / "ops.npy", allow_pickle=True)  # the mark is one
    assert mark.exists()


def test_nothing_is_written_to_the_folder(tmp_path: Path, cache: Path) -> None:
    folder = write_phy(tmp_path / "data").folder
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    build_columns(opened(folder, cache), cache)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("path", "key", "sorter"),
    [
        ("M4/2024-05-05/001/imec0/kilosort4", "M4/2024-05-05/001/imec0", "kilosort4"),
        ("M4/2024-05-05/001/spike_sorters/ks2_matlab/probe00", "M4/2024-05-05/001/probe00", "ks2_matlab"),
        ("run_g0/run_g0_imec1/kilosort25_curated", "run_g0/imec1", "kilosort25_curated"),
        ("mouse/sorter_output", "mouse/probe", "kilosort"),
        ("mouse", "mouse/probe", "kilosort"),
    ],
)
def test_insertions_are_named_after_their_folders(tmp_path: Path, path: str, key: str, sorter: str) -> None:
    root = tmp_path / "data"
    write_phy(root / path, n=10)
    (insertion,) = PhySource(root).insertions()
    assert insertion.key == key
    source = PhySource(root)
    (offer,) = source.sortings(insertion)
    assert offer.sorter == sorter
    assert source.place(insertion) == str(root / path)
    assert next(PhySource(root / path).insertions()).probe == insertion.probe


def test_two_sortings_of_a_probe_are_of_one_insertion(tmp_path: Path, cache: Path) -> None:
    for name in ("kilosort4", "kilosort4_curated"):
        write_phy(tmp_path / "data" / "imec0" / name, n=50)
    source = PhySource(tmp_path / "data")
    (insertion,) = source.insertions()
    assert {offer.sorter for offer in source.sortings(insertion)} == {"kilosort4", "kilosort4_curated"}
    for name in ("kilosort4", "kilosort4_curated"):
        assert opened(insertion, cache, source=source, sorter=name).ref.sorter.value == name


def test_links_out_of_the_folder_are_not_entered(tmp_path: Path) -> None:
    write_phy(tmp_path / "elsewhere", n=10)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    assert not list(PhySource(tmp_path / "data").insertions())
