"""What is read, what is filled in, and what is said about it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.model.errors import Cancelled, DatasetMissing
from dashboard.model.sorting import Spikes
from dashboard.sources.alf.spikes import MAX_MEDIAN_V, count_invalid, validate
from tests.library.alf_folder import (
    DURATION_S,
    N_CHANNELS,
    N_CLUSTERS,
    N_SPIKES,
    SESSION,
    sorting_arrays,
    write,
    write_session,
)


def opened(root: Path, **words: Any) -> Any:
    return open_insertion(root, cache=root.parent / "cache", **words)


# -- spikes -----------------------------------------------------------------------------------------


def test_columns_are_memory_maps_of_the_files(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    spikes = opened(tmp_path).spikes
    for name in ("times_s", "clusters", "depths_um", "amps_v"):
        column = getattr(spikes, name)
        assert isinstance(column, np.memmap)
        assert not column.flags.writeable
        assert Path(column.filename).parent == folder


@pytest.mark.parametrize("ids", ["u1", "i2", "u4", "i8", "u8", "f4", "f8", ">u4"])
@pytest.mark.parametrize("values", ["f4", "f8", ">f8"])
def test_any_type_and_a_second_axis_of_one(tmp_path: Path, ids: Any, values: Any) -> None:
    arrays = sorting_arrays()
    kinds = {"spikes.times": values, "spikes.clusters": ids, "spikes.depths": values, "spikes.amps": values}
    write_session(tmp_path, changed={n: arrays[n].astype(kind).reshape(-1, 1) for n, kind in kinds.items()})
    spikes = opened(tmp_path).spikes
    for name, column in (("spikes.times", spikes.times_s), ("spikes.clusters", spikes.clusters)):
        assert column.shape == (N_SPIKES,)
        assert column.dtype == kinds[name]
        assert isinstance(column, np.memmap)
        np.testing.assert_array_equal(column, arrays[name].astype(kinds[name]))


def test_ids_may_have_gaps(tmp_path: Path) -> None:
    ids = sorting_arrays()["spikes.clusters"]
    ids[ids == 3] = 4
    write_session(tmp_path, changed={"spikes.clusters": ids})
    assert opened(tmp_path).n_clusters == N_CLUSTERS


def test_spikes_without_time_or_depth_are_counted(tmp_path: Path) -> None:
    times, depths = (sorting_arrays()[f"spikes.{name}"] for name in ("times", "depths"))
    times[[5, 6]], depths[[6, 7, 8]] = np.nan, np.nan
    write_session(tmp_path, changed={"spikes.times": times, "spikes.depths": depths})
    sorting = opened(tmp_path)
    assert (sorting.n_spikes, sorting.n_dropped, sorting.drop_reason) == (N_SPIKES, 2, "no time")
    assert not any("sorted" in note for note in sorting.notes)


@settings(max_examples=60, deadline=None)
@given(
    times=hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 10) | st.just(np.nan) | st.just(np.inf)),
    data=st.data(),
)
def test_one_pass_finds_what_numpy_finds(times: npt.NDArray[Any], data: st.DataObject) -> None:
    n = len(times)
    draw = data.draw
    depths = draw(hnp.arrays(np.float32, n, elements=st.floats(0, 100, width=32) | st.just(np.nan)))
    amps = draw(hnp.arrays(np.float64, n, elements=st.floats(0, 0.02) | st.just(np.nan)))
    ids = draw(hnp.arrays(np.int32, n, elements=st.integers(0, 9)))
    found = validate(Spikes(times, ids, depths, amps))
    good = np.isfinite(times)
    assert found.n_dropped == np.count_nonzero(~good | ~np.isfinite(depths)) == count_invalid(times, depths)
    assert (found.lowest_id, found.highest_id) == (ids.min(), ids.max())
    assert found.times_sorted == bool(np.all(np.diff(times[good]) >= 0))
    finite = np.sort(amps[np.isfinite(amps)])
    if finite.size:  # the median of an even number is the lower of the two in the middle
        assert found.amps_are_volts == (finite[(finite.size - 1) // 2] <= MAX_MEDIAN_V)


def test_the_pass_can_be_stopped() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        validate(Spikes(np.zeros(3), np.zeros(3, int), None, None), cancel=cancel)


def test_a_second_open_reads_no_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_session(tmp_path)
    first = opened(tmp_path)
    monkeypatch.setattr("dashboard.sources.alf.source.validate", lambda *args: pytest.fail("columns are read again"))
    monkeypatch.setattr(
        "dashboard.sources.alf.source.count_invalid", lambda *args: pytest.fail("columns are read again")
    )
    assert opened(tmp_path).n_dropped == first.n_dropped


def test_with_cached_columns_nothing_is_read_of_the_files(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    cache = tmp_path.parent / "cache"
    before = build_columns(opened(tmp_path), cache)
    counts = np.bincount(before.clusters)
    for name in ("spikes.clusters", "spikes.amps"):  # times and depths are mapped from where they are
        path = folder / f"{name}.npy"
        status = path.stat()
        np.save(path, np.full_like(np.load(path), 77))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    sorting = opened(tmp_path)  # 77 is no cluster: a look at the column would refuse it
    np.testing.assert_array_equal(np.bincount(build_columns(sorting, cache).clusters), counts)
    assert sorting.amps_are_volts


def test_a_file_that_changed_is_checked_again(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    assert opened(tmp_path).n_dropped == 0
    times = sorting_arrays()["spikes.times"]
    times[0] = np.nan
    np.save(folder / "spikes.times.npy", times)
    assert opened(tmp_path).n_dropped == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"n_spikes": 3, "other": 1}'])
def test_a_damaged_record_of_the_check_is_made_again(tmp_path: Path, damage: bytes) -> None:
    write_session(tmp_path / "data")
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    (record,) = (tmp_path / "cache" / "validation").iterdir()
    record.write_bytes(damage)
    assert open_insertion(tmp_path / "data", cache=tmp_path / "cache").n_dropped == sorting.n_dropped
    assert json.loads(record.read_text())["n_spikes"] == N_SPIKES


def test_unsorted_times_are_said_so(tmp_path: Path) -> None:
    times = sorting_arrays()["spikes.times"][::-1].copy()
    write_session(tmp_path, changed={"spikes.times": times})
    assert any("not sorted" in note for note in opened(tmp_path).notes)


def test_without_depths_spikes_lie_on_the_channel_of_their_cluster(tmp_path: Path) -> None:
    write_session(tmp_path, without=["spikes.depths"])
    sorting, arrays = opened(tmp_path), sorting_arrays()
    expected = arrays["channels.localCoordinates"][arrays["clusters.channels"], 1][arrays["spikes.clusters"]]
    np.testing.assert_array_equal(sorting.spikes.depths_um, expected)
    assert sorting.missing_reason("spikes.depths")
    assert any("depth of its cluster" in note for note in sorting.notes)
    assert sorting.n_dropped == 0


def test_without_depths_and_channels_those_of_the_clusters_object(tmp_path: Path) -> None:
    gone = ["spikes.depths", "clusters.channels", "channels.localCoordinates", "channels.rawInd"]
    depths = sorting_arrays()["clusters.depths"]
    depths[2] = np.nan
    write_session(tmp_path, without=gone, changed={"clusters.depths": depths})
    for _ in range(2):  # also from what was recorded
        sorting = opened(tmp_path)
        ids = sorting_arrays()["spikes.clusters"]
        np.testing.assert_array_equal(sorting.spikes.depths_um, depths[ids].astype(np.float32))
        assert (sorting.n_dropped, sorting.drop_reason) == (np.count_nonzero(ids == 2), "no depth")


def test_without_any_depth_no_spike_can_be_placed(tmp_path: Path) -> None:
    write_session(tmp_path, without=[n for n in sorting_arrays() if n not in ("spikes.times", "spikes.clusters")])
    for _ in range(2):
        sorting = opened(tmp_path, lazy=True)
        assert sorting.spikes.depths_um is None
        assert sorting.n_dropped == 0  # views that need no depth show them
        assert sorting.n_clusters == N_CLUSTERS
        assert any("no spike can be placed" in note for note in sorting.notes)


def test_without_amps_the_reason_is_given(tmp_path: Path) -> None:
    write_session(tmp_path, without=["spikes.amps"])
    sorting = opened(tmp_path)
    assert sorting.spikes.amps_v is None
    assert sorting.missing_reason("spikes.amps") == "no file spikes.amps"


def test_amps_that_cannot_be_volts(tmp_path: Path) -> None:
    write_session(tmp_path, changed={"spikes.amps": sorting_arrays()["spikes.amps"] * 1e5})
    sorting = opened(tmp_path)
    assert not sorting.amps_are_volts
    assert any("arbitrary units" in note for note in sorting.notes)


def test_further_attributes(tmp_path: Path) -> None:
    samples, amps = np.arange(N_SPIKES), np.linspace(0, 1, N_CLUSTERS)
    waves = np.zeros((N_CLUSTERS, 3, 2))
    folder = write_session(
        tmp_path,
        changed={"spikes.samples": samples, "clusters.amps": amps, "clusters.wide": waves, "templates.amps": amps},
    )
    assert "amps" not in opened(tmp_path).clusters
    wanted = ("spikes.samples", "clusters.amps", "clusters.wide", "templates.*", "spikes.nothing", "clusters.nothing")
    sorting = opened(tmp_path, attributes=wanted)
    np.testing.assert_array_equal(sorting.spikes.extra["samples"], samples)
    np.testing.assert_array_equal(sorting.clusters["amps"], amps)
    assert sorting.ref.datasets["templates.amps"].path == folder / "templates.amps.npy"
    assert sorting.missing_reason("clusters.wide") == "several values per cluster"
    assert sorting.missing_reason("spikes.nothing") == "no file spikes.nothing"
    assert sorting.missing_reason("clusters.nothing") == "no file clusters.nothing"


def test_good_units_come_from_the_small_table(tmp_path: Path) -> None:
    arrays = sorting_arrays()
    good = arrays["spikes.clusters"] < 3
    table = pd.DataFrame({n: arrays[f"spikes.{n}"][good] for n in ("times", "clusters", "depths", "amps")})
    write_session(tmp_path, changed={"passingSpikes.table": table})
    sorting = opened(tmp_path, good_units=True)
    assert sorting.n_spikes == np.count_nonzero(good)
    assert sorting.spikes.clusters.dtype == np.float64
    np.testing.assert_array_equal(sorting.spikes.times_s, arrays["spikes.times"][good])


def test_good_units_without_the_table(tmp_path: Path) -> None:
    write_session(tmp_path)
    with pytest.raises(DatasetMissing, match=r"passingSpikes.table.*label 1"):
        opened(tmp_path, good_units=True)


# -- clusters and channels ---------------------------------------------------------------------------


def test_clusters_hold_their_metrics_and_their_channel(tmp_path: Path) -> None:
    write_session(tmp_path)
    sorting, arrays = opened(tmp_path), sorting_arrays()
    table = sorting.clusters
    assert list(table.columns) == ["channels", "depths", "uuids", "cluster_id", "label",
                                   "axial_um", "lateral_um", "rawInd"]  # fmt: skip
    np.testing.assert_array_equal(
        table["axial_um"], arrays["channels.localCoordinates"][arrays["clusters.channels"], 1]
    )
    np.testing.assert_array_equal(table["label"], arrays["clusters.metrics"]["label"])
    assert not sorting.metrics_stale


@pytest.mark.parametrize(("label", "said"), [([1.0, 0.0], True), ([1.0, 1.0], False)])
def test_a_label_that_is_kilosorts_is_said_so(tmp_path: Path, label: list[float], said: bool) -> None:
    metrics = pd.DataFrame({"KSLabel": ["good", "mua"] * (N_CLUSTERS // 2), "label": label * (N_CLUSTERS // 2)})
    write_session(tmp_path, changed={"clusters.metrics": metrics})
    assert any("Kilosort's own opinion" in note for note in opened(tmp_path).notes) == said


def test_without_clusters_files_there_is_a_row_per_id(tmp_path: Path) -> None:
    write_session(tmp_path, without=[name for name in sorting_arrays() if name.startswith("clusters.")])
    sorting = opened(tmp_path, lazy=True)
    assert sorting.n_clusters == N_CLUSTERS
    assert sorting.metrics_stale
    assert sorting.missing_reason("clusters.channels")


@pytest.mark.parametrize("wrong", ["absent", "short"])
def test_metrics_that_cannot_be_used_are_computed(tmp_path: Path, wrong: str) -> None:
    metrics = sorting_arrays()["clusters.metrics"]
    without, changed = (["clusters.metrics"], {}) if wrong == "absent" else ([], {"clusters.metrics": metrics[:-1]})
    write_session(tmp_path, without=without, changed=changed)
    lazy = opened(tmp_path, lazy=True)
    assert lazy.metrics_stale
    assert "label" not in lazy.clusters
    now = opened(tmp_path)
    assert not now.metrics_stale
    counts = np.bincount(sorting_arrays()["spikes.clusters"], minlength=N_CLUSTERS)
    np.testing.assert_array_equal(now.clusters["spike_count"], counts)
    assert list(now.clusters.columns[:3]) == ["channels", "depths", "uuids"]
    assert now.clusters.columns[-1] == "rawInd"


def test_computed_metrics_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_session(tmp_path, without=["clusters.metrics"])
    first = opened(tmp_path)
    monkeypatch.setattr("dashboard.analysis.quality.metrics.recompute", lambda *args: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(opened(tmp_path).clusters, first.clusters)


def test_damaged_kept_metrics_are_computed_again(tmp_path: Path) -> None:
    write_session(tmp_path / "data", without=["clusters.metrics"])
    first = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache" / "metrics").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    pd.testing.assert_frame_equal(open_insertion(tmp_path / "data", cache=tmp_path / "cache").clusters, first.clusters)


def located(n: int = N_CHANNELS) -> dict[str, Any]:
    return {
        "brainLocationIds_ccf_2017": np.r_[np.full(n // 2, 382), np.full(n - n // 2, 997)],
        "mlapdv": np.c_[np.arange(n), np.arange(n), -np.arange(n)],
    }


def test_brain_locations_in_the_files(tmp_path: Path) -> None:
    write_session(tmp_path, changed={f"channels.{name}": column for name, column in located().items()})
    sorting = opened(tmp_path)
    assert sorting.histology == "alf"
    assert sorting.channels["acronym"].tolist() == ["CA1"] * (N_CHANNELS // 2) + ["root"] * (N_CHANNELS // 2)
    np.testing.assert_array_equal(sorting.channels["z"], -np.arange(N_CHANNELS) / 1e6)
    assert {"acronym", "atlas_id", "x"} <= set(sorting.clusters.columns)


def test_electrode_sites_prevail(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    sites = {f"electrodeSites.{name}": column for name, column in located().items()}
    local = sorting_arrays()["channels.localCoordinates"] + [0, 100.0]
    write(folder.parent, {**sites, "electrodeSites.localCoordinates": local})
    sorting = opened(tmp_path)
    assert sorting.histology == "alf"
    np.testing.assert_array_equal(sorting.channels["axial_um"], local[:, 1])
    np.testing.assert_array_equal(sorting.channels["rawInd"], np.arange(N_CHANNELS))


def test_electrode_sites_of_another_number_stand_alone(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    n = N_CHANNELS + 4
    sites = {f"electrodeSites.{name}": column for name, column in located(n).items()}
    write(folder.parent, {**sites, "electrodeSites.localCoordinates": np.c_[np.zeros(n), np.arange(n) * 20.0]})
    channels = opened(tmp_path).channels
    assert len(channels) == n
    np.testing.assert_array_equal(channels["rawInd"], np.arange(n))


def test_without_brain_locations_a_folder_cannot_know(tmp_path: Path) -> None:
    write_session(tmp_path)
    sorting = opened(tmp_path)
    assert sorting.histology == "unknown"
    assert any("without a database" in note for note in sorting.notes)


def test_locations_of_another_sorting_are_pointed_at(tmp_path: Path) -> None:
    write_session(tmp_path)
    write_session(tmp_path, sorter="kilosort4", changed={f"channels.{n}": c for n, c in located().items()})
    sorting = opened(tmp_path)
    assert sorting.histology == "unknown"
    assert any("another sorting: kilosort4" in note for note in sorting.notes)


def test_channel_labels(tmp_path: Path) -> None:
    labels = np.arange(N_CHANNELS) % 4
    write_session(tmp_path, changed={"channels.labels": labels.astype(float)})
    np.testing.assert_array_equal(opened(tmp_path).channels["labels"], labels)


# -- drift, templates, trials -------------------------------------------------------------------------


def test_drift_with_its_depths(tmp_path: Path) -> None:
    um = np.arange(30.0).reshape(10, 3)
    write_session(
        tmp_path,
        changed={"drift.times": np.arange(10.0), "drift.um": um, "drift_depths.um": np.array([[0], [9], [99]])},
    )
    drift = opened(tmp_path).drift
    np.testing.assert_array_equal(drift.um, um)
    np.testing.assert_array_equal(drift.depths_um, [0, 9, 99])


@pytest.mark.parametrize(("rows", "reason"), [(9, "10 times"), (None, "no file drift.um")])
def test_drift_that_does_not_fit(tmp_path: Path, rows: int | None, reason: str) -> None:
    um = {} if rows is None else {"drift.um": np.zeros((rows, 1))}
    write_session(tmp_path, changed={"drift.times": np.arange(10.0), **um})
    sorting = opened(tmp_path)
    assert sorting.drift is None
    assert reason in sorting.missing_reason("drift")


@pytest.mark.parametrize("layout", ["templates.waveforms", "clusters.waveforms", "waveforms.templates"])
@pytest.mark.parametrize("packed", [False, True])
def test_templates_in_each_layout(tmp_path: Path, layout: str, packed: bool) -> None:
    waves = np.random.default_rng(0).normal(size=(N_CLUSTERS, 82, 32)).astype(np.float32)
    channels = np.tile(np.arange(32), (N_CLUSTERS, 1))
    on_disk = waves.swapaxes(1, 2) if layout == "waveforms.templates" else waves
    chans = {"templates.waveforms": "templates.waveformsChannels", "clusters.waveforms": "clusters.waveformsChannels",
             "waveforms.templates": "waveforms.channels"}[layout]  # fmt: skip
    folder = write_session(tmp_path, changed={} if packed else {layout: on_disk, chans: channels})
    if packed:
        np.savez(folder / f"{layout}.npz", templates=on_disk)
        np.savez(folder / f"{chans}.npz", channels=channels)
    templates = opened(tmp_path).templates
    assert templates.dataset == layout
    np.testing.assert_array_equal(templates.waveforms, waves)
    np.testing.assert_array_equal(templates.channels, channels)


def test_template_channels_that_are_absent(tmp_path: Path) -> None:
    channels = np.tile(np.arange(4.0), (N_CLUSTERS, 1))
    channels[0, 3] = np.nan
    waves = np.zeros((N_CLUSTERS, 10, 4))
    write_session(tmp_path, changed={"templates.waveforms": waves, "templates.waveformsChannels": channels})
    assert opened(tmp_path).templates.channels[0].tolist() == [0, 1, 2, -1]


def test_trials_as_a_table(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    table = pd.DataFrame({"stimOn_times": [1.0, 2.0], "intervals_0": [0.5, 1.5]})
    write(folder.parents[1], {"trials.table": table, "trials.extra_times": np.array([3.0, 4.0]),
                              "trials.other": np.arange(7)}, namespace="ibl")  # fmt: skip
    trials = opened(tmp_path).trials
    assert trials.table.to_dict("list") == {**table.to_dict("list"), "extra_times": [3.0, 4.0]}


def test_trials_as_single_columns_of_a_task_folder(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    columns = {"trials.stimOn_times": np.array([1.0, 2.0]), "trials.intervals": np.array([[0, 1.5], [1.5, 3]])}
    write(folder.parents[1] / "task_00", columns, namespace="ibl", ids=True)
    trials = opened(tmp_path).trials
    assert trials.table["stimOn_times"].tolist() == [1.0, 2.0]
    assert trials.table["intervals_1"].tolist() == [1.5, 3.0]


def test_the_passive_period(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    table = pd.DataFrame({"Unnamed: 0": ["start", "stop"], "passiveProtocol": [70.0, 110.0], "RFM": [71.0, 90.0]})
    write(folder.parents[1], {"passivePeriods.intervalsTable": table}, namespace="ibl")
    sorting = opened(tmp_path)
    assert sorting.trials.passive_s == (70.0, 110.0)
    assert len(sorting.trials) == 0
    assert sorting.missing_reason("trials")


# -- names, revisions, read-only data -------------------------------------------------------------------


@pytest.mark.parametrize("ids", [False, True])
def test_with_and_without_uuids_in_the_names(tmp_path: Path, ids: bool) -> None:
    write_session(tmp_path, ids=ids)
    sorting = opened(tmp_path)
    assert sorting.n_spikes == N_SPIKES
    assert all((d.id is not None) == ids for d in sorting.ref.datasets.values())


def test_mixed_revisions_open_and_are_named(tmp_path: Path) -> None:
    write_session(tmp_path)
    write_session(tmp_path, revision="2024-05-06", without=["channels.rawInd"])
    sorting = opened(tmp_path)
    assert sorting.ref.revision.value == "2024-05-06"
    assert any("channels.rawInd is of the original" in note for note in sorting.notes)
    assert opened(tmp_path, revision="").ref.revision.value == ""
    assert not any("mixed" in note for note in opened(tmp_path, revision="").notes)


def test_revisions_that_cannot_go_together_are_refused(tmp_path: Path) -> None:
    write_session(tmp_path)
    clusters = sorting_arrays()["spikes.clusters"]
    write(
        tmp_path / SESSION / "alf/probe00/pykilosort/#2024-05-06#", {"spikes.clusters": np.r_[clusters, clusters[:9]]}
    )
    with pytest.raises(Exception, match="choose another revision") as caught:
        opened(tmp_path)
    assert "#2024-05-06#/spikes.clusters.npy" in str(caught.value)
    assert "pykilosort/spikes.times.npy" in str(caught.value)
    assert opened(tmp_path, revision="").n_spikes == N_SPIKES


def test_reading_changes_nothing_in_the_data(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


def test_the_duration_is_in_seconds(tmp_path: Path) -> None:
    write_session(tmp_path)
    times = opened(tmp_path).spikes.times_s
    assert 0 < times[0] < times[-1] < DURATION_S
