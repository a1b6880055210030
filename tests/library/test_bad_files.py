"""A file that cannot be right costs itself, or where nothing can be shown without it is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.library.open import open_insertion
from dashboard.model.errors import DashboardError, DatasetInvalid, DatasetMissing, NoSpikeSorting
from tests.library.alf_folder import N_CHANNELS, N_CLUSTERS, N_SPIKES, sorting_arrays, write_session


def opened(root: Path) -> Any:
    return open_insertion(root, cache=root.parent / "cache")


def refused(root: Path, *names: str, match: str, error: type[DashboardError] = DatasetInvalid) -> None:
    with pytest.raises(error, match=match) as caught:
        opened(root)
    line = str(caught.value)
    assert "\n" not in line
    for name in names:
        assert name in line
    assert caught.value.remedy


def left_out(root: Path, dataset: str, match: str) -> None:
    """A dataset that spikes can be shown without costs itself, and the reason names its file."""
    sorting = opened(root)
    reason = sorting.missing_reason(dataset)
    assert reason is not None
    assert dataset in reason
    assert re.search(match, reason)
    assert (sorting.n_spikes, sorting.n_clusters) == (N_SPIKES, N_CLUSTERS)


def refused_or_left_out(root: Path, dataset: str, file: str, match: str) -> None:
    if dataset.startswith("spikes."):
        refused(root, file, match=match)
    else:
        left_out(root, dataset, match)


def cut(name: str, keep: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:keep])

    return damage


def garbage(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b"\x00not what it says\xff" * 40) and None


ALL = ["spikes.times", "spikes.clusters", "spikes.depths", "spikes.amps", "clusters.channels", "clusters.depths",
       "channels.localCoordinates", "channels.rawInd"]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("keep", "says"), [(0, "empty"), (20, "header"), (200, "Truncated")])
def test_a_truncated_array(tmp_path: Path, name: str, keep: int, says: str) -> None:
    cut(f"{name}.npy", keep)(write_session(tmp_path))
    refused_or_left_out(tmp_path, name, f"{name}.npy", says)


@pytest.mark.parametrize("name", [*(f"{n}.npy" for n in ALL), "clusters.metrics.pqt"])
def test_a_corrupt_file(tmp_path: Path, name: str) -> None:
    garbage(name)(write_session(tmp_path))
    refused_or_left_out(tmp_path, name.rpartition(".")[0], name, "damaged|readable")


@pytest.mark.parametrize("keep", [0, 100])
def test_a_truncated_table(tmp_path: Path, keep: int) -> None:
    cut("clusters.metrics.pqt", keep)(write_session(tmp_path))
    left_out(tmp_path, "clusters.metrics", "clusters.metrics.pqt.*again|empty.*again")


def test_a_corrupt_table_of_uuids(tmp_path: Path) -> None:
    (write_session(tmp_path) / "clusters.uuids.csv").write_bytes(b"\xff\xfe\x00")
    left_out(tmp_path, "clusters.uuids", "readable")


def test_python_objects_are_not_loaded(tmp_path: Path) -> None:
    folder = write_session(tmp_path, without=["spikes.times"])
    np.save(folder / "spikes.times.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    refused(tmp_path, "spikes.times.npy", match="Python objects")


@pytest.mark.parametrize("name", ["spikes.clusters", "spikes.depths", "spikes.amps"])
def test_spikes_of_different_lengths_name_both_files(tmp_path: Path, name: str) -> None:
    arrays = sorting_arrays()
    longer = np.concatenate([arrays[name], arrays[name][:5]])
    write_session(tmp_path, changed={name: longer})
    refused(tmp_path, "spikes.times.npy", f"{name}.npy", match=rf"{N_SPIKES:,} rows and {name} has {N_SPIKES + 5:,}")


def test_clusters_of_different_lengths_name_both_files(tmp_path: Path) -> None:
    write_session(tmp_path, changed={"clusters.depths": np.arange(N_CLUSTERS + 1.0)})
    refused(tmp_path, "clusters.channels.npy", "clusters.depths.npy", match="13")


def test_channels_of_different_lengths(tmp_path: Path) -> None:
    write_session(tmp_path, changed={"channels.rawInd": np.arange(5)})
    sorting = opened(tmp_path)
    assert sorting.missing_reason("channels.rawInd") == f"5 rows, and channels.localCoordinates has {N_CHANNELS}"


def test_ids_beyond_the_clusters_object(tmp_path: Path) -> None:
    ids = sorting_arrays()["spikes.clusters"]
    ids[7] = N_CLUSTERS
    write_session(tmp_path, changed={"spikes.clusters": ids})
    refused(tmp_path, "spikes.clusters.npy", "clusters.channels.npy", match=f"up to {N_CLUSTERS}")
    refused(tmp_path, "spikes.clusters.npy", match=f"up to {N_CLUSTERS}")  # and again, from what was recorded


def test_negative_ids(tmp_path: Path) -> None:
    ids = sorting_arrays()["spikes.clusters"].astype(np.int64)
    ids[0] = -1
    write_session(tmp_path, changed={"spikes.clusters": ids})
    refused(tmp_path, "spikes.clusters.npy", match="negative")


def test_more_units_than_tables_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.sources.alf.clusters.MAX_UNITS", 3)
    write_session(tmp_path, without=[n for n in sorting_arrays() if n.startswith("clusters.")])
    refused(tmp_path, "spikes.clusters.npy", match=f"names {N_CLUSTERS} clusters")


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_ids_that_are_not_whole(tmp_path: Path, wrong: float) -> None:
    ids = sorting_arrays()["spikes.clusters"].astype(np.float64)
    ids[3] = wrong
    write_session(tmp_path, changed={"spikes.clusters": ids})
    refused(tmp_path, "spikes.clusters.npy", match="whole number")


def test_channels_of_clusters_beyond_the_channels(tmp_path: Path) -> None:
    channels = sorting_arrays()["clusters.channels"]
    channels[0] = 4000
    write_session(tmp_path, changed={"clusters.channels": channels})
    refused(tmp_path, "clusters.channels.npy", "channels.localCoordinates.npy", match="4000")


def test_a_column_of_words(tmp_path: Path) -> None:
    write_session(tmp_path, changed={"spikes.times": np.array(["a"] * N_SPIKES)})
    refused(tmp_path, "spikes.times.npy", match="column of numbers")


def test_an_empty_sorting(tmp_path: Path) -> None:
    empty = {name: sorting_arrays()[name][:0] for name in ALL[:4]}
    write_session(tmp_path, changed=empty)
    refused(tmp_path, "spikes.times.npy", match="no spikes")


def test_a_folder_without_sorting(tmp_path: Path) -> None:
    (tmp_path / "data" / "labx" / "Subjects").mkdir(parents=True)
    refused(tmp_path / "data", str(tmp_path), match="No spike sorting", error=NoSpikeSorting)


@pytest.mark.parametrize("name", ["spikes.times", "spikes.clusters"])
def test_without_times_or_clusters_there_is_nothing_to_show(tmp_path: Path, name: str) -> None:
    write_session(tmp_path, without=[name])
    refused(tmp_path, name, match=f"{name} is missing", error=DatasetMissing)


def test_an_unknown_brain_region(tmp_path: Path) -> None:
    n = len(sorting_arrays()["channels.rawInd"])
    locations = {"channels.brainLocationIds_ccf_2017": np.full(n, 123456789), "channels.mlapdv": np.zeros((n, 3))}
    write_session(tmp_path, changed=locations)
    left_out(tmp_path, "channels.brainLocationIds_ccf_2017", "no region")


def test_a_damaged_trials_table_does_not_keep_the_spikes_away(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    (folder.parents[1] / "_ibl_trials.table.pqt").write_bytes(b"PAR1 nothing")
    sorting = opened(tmp_path)
    assert sorting.trials is None
    assert "trials.table.pqt" in (sorting.missing_reason("trials.table") or "")


def test_what_is_open_stays_open_when_another_fails(tmp_path: Path) -> None:
    write_session(tmp_path / "good")
    sorting = opened(tmp_path / "good")
    cut("spikes.times.npy", 200)(write_session(tmp_path / "bad"))
    refused(tmp_path / "bad", match="Truncated")
    np.testing.assert_array_equal(sorting.spikes.times_s, sorting_arrays()["spikes.times"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_spikes_without_any_time(tmp_path: Path, value: float) -> None:
    write_session(tmp_path, changed={"spikes.times": np.full(N_SPIKES, value)})
    refused(tmp_path, "spikes.times.npy", match="None of the 3,000 spikes has a time")


def test_an_id_that_is_infinite(tmp_path: Path) -> None:
    ids = sorting_arrays()["spikes.clusters"].astype(np.float64)
    ids[3] = np.inf
    write_session(tmp_path, changed={"spikes.clusters": ids})
    refused(tmp_path, "spikes.clusters.npy", match="whole number")


@pytest.mark.parametrize("name", ["clusters.channels", "clusters.depths", "channels.localCoordinates"])
def test_words_where_numbers_should_be(tmp_path: Path, name: str) -> None:
    write_session(tmp_path, changed={name: sorting_arrays()[name].astype(str)})
    left_out(tmp_path, name, f"{name} should be numbers")


def test_brain_locations_of_two_columns(tmp_path: Path) -> None:
    n = len(sorting_arrays()["channels.rawInd"])
    locations = {"channels.brainLocationIds_ccf_2017": np.full((n, 2), 382), "channels.mlapdv": np.zeros((n, 3))}
    write_session(tmp_path, changed=locations)
    left_out(tmp_path, "channels.brainLocationIds_ccf_2017", "1 column")


def test_a_header_of_impossible_shape(tmp_path: Path) -> None:
    path = write_session(tmp_path) / "spikes.times.npy"
    for shape in (b"(-300,)", b"(1 << 9", b"(9999999999999999999, 9999999999999)"):
        whole = bytearray(128 + 8 * N_SPIKES)
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + b", }"
        whole[:10] = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
        whole[10:128] = header.ljust(117) + b"\n"
        path.write_bytes(bytes(whole))
        refused(tmp_path, "spikes.times.npy", match="damaged|Truncated|Claims")
