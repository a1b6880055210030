"""Folders as people have them: units, labels and depths are those that the files hold, and what is odd costs itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.inputs import unit_spikes
from dashboard.analysis.quality.metrics import recompute, with_metrics
from dashboard.analysis.units.templates import unit_template
from dashboard.engine.build import build_columns
from dashboard.export.origin import Subject
from dashboard.export.spikes import write_spikes
from dashboard.library.completion import METRICS, completed, titles
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.conventions import LabelKind
from dashboard.model.errors import BadRequest, InsertionAmbiguous, NoSpikeSorting
from dashboard.model.progress import ignore_progress
from dashboard.model.sorting import SpikeSorting
from tests.library.alf_folder import N_CHANNELS, N_CLUSTERS, N_SPIKES, SESSION, sorting_arrays, write, write_session


def opened(root: Path, *, lazy: bool = True, **options: Any) -> SpikeSorting:
    write_session(root / "data", **options)
    return open_insertion(root / "data", cache=root / "cache", lazy=lazy)


def said(sorting: SpikeSorting) -> str:
    return "\n".join((*sorting.notes, *(f"{item.dataset}: {item.reason}" for item in sorting.missing)))


def metrics_table(**columns: Any) -> pd.DataFrame:
    """Metrics that hold the tests behind the IBL label, all of which pass."""
    counts = np.bincount(sorting_arrays()["spikes.clusters"], minlength=N_CLUSTERS)
    own = {"spike_count": counts, "max_confidence": 99.0, "noise_cutoff": 1.0, "amp_median": 9e-5, "label": 1.0}
    return pd.DataFrame({"cluster_id": np.arange(N_CLUSTERS), **own, **columns})


# -- labels -------------------------------------------------------------------------------------------

GOOD_OR_MUA = np.where(np.arange(N_CLUSTERS) % 2, "good", "mua")
LABELS: dict[str, tuple[Callable[[], pd.DataFrame], LabelKind, int | None]] = {
    "good units only": (lambda: metrics_table(ks2_label="good"), LabelKind.IBL, N_CLUSTERS),
    "tests contradict": (
        lambda: metrics_table(ks2_label=GOOD_OR_MUA, label=1.0 * (GOOD_OR_MUA == "good")), LabelKind.KILOSORT, None,
    ),
    "tests absent": (
        lambda: pd.DataFrame({"ks2_label": GOOD_OR_MUA, "label": 1 * (GOOD_OR_MUA == "good")}),
        LabelKind.KILOSORT, None,
    ),
    "the file's own": (
        lambda: pd.DataFrame({"snr": 3.0, "label": (np.arange(N_CLUSTERS) < 4).astype(int)}), LabelKind.FILE, 4,
    ),
    "none": (lambda: metrics_table().drop(columns="label"), LabelKind.NONE, None),
    "thirds": (lambda: pd.DataFrame({"label": np.arange(N_CLUSTERS) % 4 / 3}), LabelKind.IBL, N_CLUSTERS // 4),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_whose_label_it_is_follows_from_what_the_file_holds(case: str, tmp_path: Path) -> None:
    table, kind, n_good = LABELS[case]
    sorting = opened(tmp_path, changed={"clusters.metrics": table()})
    assert sorting.label_kind is kind
    assert (None if sorting.why_no_labels else int((sorting.labels == 1).sum())) == n_good
    assert sorting.tests_can_be_made == (kind is not LabelKind.IBL)
    assert sorting.metrics_wanted == (kind is LabelKind.KILOSORT)
    assert ("IBL tests are not in the file" in said(sorting)) == (kind is LabelKind.FILE)
    # They are computed by themselves where there is no other opinion than Kilosort's, else when somebody asks.
    assert titles(sorting) == [METRICS] * sorting.metrics_wanted
    assert titles(sorting, with_tests=True) == [METRICS] * sorting.tests_can_be_made
    for is_asked, is_made in ((False, sorting.metrics_wanted), (True, sorting.tests_can_be_made)):
        found = completed(sorting, None, ignore_progress, None, with_tests=is_asked)
        assert found.metrics_made == is_made
        assert found.label_kind is (LabelKind.IBL if is_made else kind)


def test_a_label_of_the_file_stays_beside_the_one_that_is_computed(tmp_path: Path) -> None:
    own = (np.arange(N_CLUSTERS) < 4).astype(int)
    sorting = opened(tmp_path, changed={"clusters.metrics": pd.DataFrame({"label": own})})
    tested = with_metrics(sorting, recompute(sorting))
    assert tested.label_kind is LabelKind.IBL
    assert tested.clusters["label_in_file"].tolist() == own.tolist()
    assert not tested.tests_can_be_made
    assert "label_in_file" in said(tested)


# -- ids ----------------------------------------------------------------------------------------------


def test_fewer_metrics_are_joined_by_id(tmp_path: Path) -> None:
    table = metrics_table().assign(label=np.arange(N_CLUSTERS) % 4 / 3).drop([3, 7]).iloc[::-1].reset_index(drop=True)
    sorting = opened(tmp_path, changed={"clusters.metrics": table})
    assert not sorting.metrics_stale
    expected = np.where(np.isin(np.arange(N_CLUSTERS), [3, 7]), np.nan, np.arange(N_CLUSTERS) % 4 / 3)
    np.testing.assert_array_equal(sorting.labels, expected)
    assert sorting.clusters["cluster_id"].tolist() == list(range(N_CLUSTERS))
    assert "there are none for 3, 7" in said(sorting)


def test_fewer_metrics_of_another_sorting_are_not_taken(tmp_path: Path) -> None:
    table = metrics_table(spike_count=1).iloc[:-2]
    assert opened(tmp_path, changed={"clusters.metrics": table}).metrics_stale


IDS = np.sort(np.random.default_rng(2).choice(5000, N_CLUSTERS, replace=False))


@pytest.mark.parametrize("without", [(), ("clusters.channels", "clusters.depths", "clusters.uuids")])
def test_metrics_that_name_the_ids_of_the_spikes_name_the_units(without: tuple[str, ...], tmp_path: Path) -> None:
    arrays = sorting_arrays()
    order = np.random.default_rng(3).permutation(N_CLUSTERS)
    if not without:  # row n of the clusters object is row n of the metrics
        order = np.arange(N_CLUSTERS)
    table = metrics_table(cluster_id=IDS).iloc[order].reset_index(drop=True)
    changed = {"spikes.clusters": IDS[arrays["spikes.clusters"]], "clusters.metrics": table}
    sorting = opened(tmp_path, without=without, changed=changed)
    assert sorting.unit_ids.tolist() == IDS.tolist()
    assert sorting.clusters["cluster_id"].tolist() == IDS.tolist()
    counts = np.bincount(sorting.unit_indexes(), minlength=N_CLUSTERS)
    assert sorting.clusters["spike_count"].tolist() == counts.tolist()


def test_ids_without_clusters_files_are_those_that_exist(tmp_path: Path) -> None:
    without = [name for name in sorting_arrays() if name.startswith("clusters.")]
    changed = {"spikes.clusters": IDS[sorting_arrays()["spikes.clusters"]]}
    sorting = opened(tmp_path, lazy=False, without=without, changed=changed)
    assert sorting.n_clusters == N_CLUSTERS
    assert sorting.clusters["cluster_id"].tolist() == sorting.unit_ids.tolist() == IDS.tolist()


# -- depths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 50])
def test_spikes_without_a_depth_are_at_the_channel_of_their_cluster(step: int, tmp_path: Path) -> None:
    arrays = sorting_arrays()
    depths = arrays["spikes.depths"].copy()
    depths[::step] = np.nan
    sorting = opened(tmp_path, changed={"spikes.depths": depths})
    of_clusters = arrays["channels.localCoordinates"][arrays["clusters.channels"], 1]
    expected = np.where(np.isnan(depths), of_clusters[arrays["spikes.clusters"]], depths)
    for _ in range(2):  # found, and as it was recorded
        assert (sorting.n_dropped, sorting.drop_reason) == (0, "")
        np.testing.assert_array_equal(sorting.spikes.depths_um, depths)  # as on disk
        columns = build_columns(sorting, tmp_path / "cache")
        assert (columns.n_spikes, columns.is_placed) == (N_SPIKES, True)
        np.testing.assert_array_equal(columns.depths_um, expected)
        assert "depth of its cluster's channel" in said(sorting)
        sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)


def test_without_any_depth_what_needs_none_shows_all(tmp_path: Path) -> None:
    without = ("spikes.depths", "clusters.depths", "clusters.channels", "channels.localCoordinates")
    sorting = opened(tmp_path, without=without)
    assert sorting.n_dropped == 0
    assert "no spike can be placed" in said(sorting)
    for _ in range(2):  # built, and mapped
        columns = build_columns(sorting, tmp_path / "cache")
        assert (columns.n_spikes, columns.is_placed) == (N_SPIKES, False)
        unit = unit_spikes(columns, 3)
        assert len(unit) == np.count_nonzero(sorting_arrays()["spikes.clusters"] == 3)
    with pytest.raises(BadRequest, match="No spike has a depth"):
        render(sorting, cache=tmp_path / "cache")


# -- odd datasets -------------------------------------------------------------------------------------

ODD: dict[str, dict[str, Any]] = {
    "clusters.depths": {"clusters.depths": np.zeros((N_CLUSTERS, 20))},
    "clusters.amps": {"clusters.amps": np.zeros(N_CLUSTERS + 1)},
    "clusters.uuids": {"clusters.uuids": pd.DataFrame({"a": [1, 2], "b": [3, 4]})},
    "channels.table": {"channels.table": pd.DataFrame({"x": np.zeros(N_CHANNELS), "acronym": "CA1"})},
    "channels.labels": {"channels.labels": np.zeros(N_CHANNELS - 1)},
    "channels.mlapdv": {"channels.mlapdv": np.zeros((N_CHANNELS, 2))},
    "channels.brainLocationIds_ccf_2017": {"channels.brainLocationIds_ccf_2017": np.full(N_CHANNELS, 123_456_789)},
    "channels.localCoordinates": {"channels.localCoordinates": np.full((N_CHANNELS, 2), "x")},
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_out_with_the_reason(name: str, tmp_path: Path) -> None:
    write_session(tmp_path / "data", changed=ODD[name])
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", attributes=["clusters.amps"])
    assert sorting.missing_reason(name)
    assert (sorting.n_spikes, sorting.n_dropped, sorting.n_clusters) == (N_SPIKES, 0, N_CLUSTERS)
    table = sorting_arrays()["clusters.metrics"]
    assert sorting.clusters["label"].tolist() == table["label"].tolist()
    assert ("axial_um" in sorting.channels) == (name != "channels.localCoordinates")


def test_uuids_may_have_an_id_beside_them(tmp_path: Path) -> None:
    uuids = sorting_arrays()["clusters.uuids"]
    both = uuids.assign(cluster_id=np.arange(N_CLUSTERS))[["cluster_id", "uuids"]]
    sorting = opened(tmp_path, changed={"clusters.uuids": both})
    assert sorting.clusters["uuids"].tolist() == uuids["uuids"].tolist()


def test_channels_without_a_brain_location_are_void(tmp_path: Path) -> None:
    ids = np.where(np.arange(N_CHANNELS) < 5, np.nan, 382.0)
    changed = {"channels.brainLocationIds_ccf_2017": ids, "channels.mlapdv": np.zeros((N_CHANNELS, 3))}
    sorting = opened(tmp_path, changed=changed)
    assert sorting.channels["acronym"].tolist() == ["void"] * 5 + ["CA1"] * (N_CHANNELS - 5)
    assert sorting.channels["atlas_id"].dtype == np.int64
    assert f"5 of {N_CHANNELS} channels have no brain location" in said(sorting)


# -- regions ------------------------------------------------------------------------------------------


def test_regions_of_both_hemispheres_void_and_root_are_told_apart(tmp_path: Path) -> None:
    y = sorting_arrays()["channels.localCoordinates"][:, 1]
    edges = np.linspace(0, y.max() + 1, 6)
    ids = np.array([-733, -382, 382, -997, 0])[np.digitize(y, edges) - 1]
    changed = {"channels.brainLocationIds_ccf_2017": ids, "channels.mlapdv": np.zeros((N_CHANNELS, 3))}
    sorting = opened(tmp_path, changed=changed)
    image = render(sorting, width=30, height=20, aggregate="region", cache=tmp_path / "cache")
    arrays = sorting_arrays()
    of_spikes = ids[arrays["clusters.channels"]][arrays["spikes.clusters"]]
    assert image.none == np.iinfo(np.int32).min
    for row in range(20):
        for column in range(30):
            is_in = (arrays["spikes.times"] >= image.time_edges_s[column]) & (
                arrays["spikes.times"] < image.time_edges_s[column + 1]
            )
            is_in &= (arrays["spikes.depths"] >= image.depth_edges_um[row]) & (
                arrays["spikes.depths"] < image.depth_edges_um[row + 1]
            )
            found, n = np.unique(of_spikes[is_in], return_counts=True)
            if row < 19 and column < 29:  # the last ones are closed
                assert image.values[row, column] == (found[np.argmax(n)] if len(n) else image.none)


# -- electrodes, amplitudes, revisions --------------------------------------------------------------


def electrodes(folder: Path, n: int = N_CHANNELS + 6) -> dict[str, Any]:
    """Write ``electrodeSites`` of more sites than the sorting has channels, with a region for each; return them."""
    sites = {
        "localCoordinates": np.c_[np.tile([43.0, 11.0, 59.0, 27.0], n)[:n], 20.0 * (np.arange(n) // 2 + 1)],
        "brainLocationIds_ccf_2017": np.array([382, 385, 733])[np.arange(n) // 20],
        "mlapdv": np.c_[np.zeros(n), np.zeros(n), -np.arange(n)],
    }
    write(folder.parent, {f"electrodeSites.{name}": values for name, values in sites.items()})
    return sites


@pytest.mark.parametrize("says", ["rawInd", "coordinates"])
def test_channels_are_at_their_electrodes(says: str, tmp_path: Path) -> None:
    n = N_CHANNELS + 6
    of = np.setdiff1d(np.arange(n), [3, 9, 15, 21, 27, 33])
    folder = write_session(tmp_path / "data")
    sites = electrodes(folder, n)
    if says == "rawInd":
        np.save(folder / "channels.rawInd.npy", of)
        np.save(folder / "channels.localCoordinates.npy", np.zeros((N_CHANNELS, 2)))
    else:
        np.save(folder / "channels.localCoordinates.npy", sites["localCoordinates"][of])
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)
    channels = sorting_arrays()["clusters.channels"]
    np.testing.assert_array_equal(sorting.clusters["axial_um"], sites["localCoordinates"][of[channels], 1])
    np.testing.assert_array_equal(sorting.clusters["atlas_id"], sites["brainLocationIds_ccf_2017"][of[channels]])
    np.testing.assert_array_equal(sorting.clusters["axial_um_in_ibllib"], sites["localCoordinates"][channels, 1])
    assert len(sorting.channels) == N_CHANNELS
    assert f"another for {np.count_nonzero(of != np.arange(N_CHANNELS))} of them" in said(sorting)


def test_where_nothing_says_which_electrode_a_channel_is_ibllibs_answer_is_shown(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "data", without=["channels.rawInd", "channels.localCoordinates"])
    np.save(folder / "channels.labels.npy", np.zeros(N_CHANNELS))
    sites = electrodes(folder)
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)
    channels = sorting_arrays()["clusters.channels"]
    np.testing.assert_array_equal(sorting.clusters["axial_um"], sites["localCoordinates"][channels, 1])
    assert "channel n is at electrode n, as in ibllib" in said(sorting)


def test_depths_of_clusters_that_are_not_their_channels_are_said(tmp_path: Path) -> None:
    arrays = sorting_arrays()
    depths = arrays["clusters.depths"] + np.r_[90.0, 60.0, np.zeros(N_CLUSTERS - 2)]
    assert f"2 of {N_CLUSTERS} clusters have a depth" in said(opened(tmp_path, changed={"clusters.depths": depths}))


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_of_negative_amplitudes_the_magnitude_is_shown_and_the_sign_exported(scale: float, tmp_path: Path) -> None:
    amps = sorting_arrays()["spikes.amps"] * np.where(np.arange(N_SPIKES) % 3, -scale, scale)
    sorting = opened(tmp_path, changed={"spikes.amps": amps})
    n_negative = np.count_nonzero(amps < 0)
    assert f"{n_negative:,} of {N_SPIKES:,} amplitudes are negative" in said(sorting)
    assert sorting.amps_are_volts == (scale == 1.0)
    columns = build_columns(sorting, tmp_path / "cache")
    np.testing.assert_allclose(columns.amps_uv, np.abs(amps) * sorting.amp_scale, rtol=1e-6)
    whole = (columns.time_range_s[0], columns.time_range_s[1]), columns.depth_range_um
    write_spikes(tmp_path / "spikes.npz", Subject(sorting, columns, *whole), "npz")
    with np.load(tmp_path / "spikes.npz") as file:
        np.testing.assert_array_equal(file["amps"], amps[file["rows"]])
    if scale == 1.0:
        computed = recompute(sorting)["amp_median"]
        usual = recompute(opened(tmp_path / "usual"))["amp_median"]
        np.testing.assert_allclose(computed, usual)


def test_a_check_of_an_earlier_version_learns_of_negative_amplitudes(tmp_path: Path) -> None:
    opened(tmp_path, changed={"spikes.amps": -sorting_arrays()["spikes.amps"]})
    (record,) = (tmp_path / "cache" / "validation").iterdir()
    before = {k: v for k, v in json.loads(record.read_text()).items() if k != "n_negative_amps"}
    record.write_text(json.dumps(before))
    again = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)
    assert again.n_negative_amps == N_SPIKES
    assert json.loads(record.read_text())["n_negative_amps"] == N_SPIKES


def test_an_empty_revision_is_the_original_which_ibllib_takes_for_its_default(tmp_path: Path) -> None:
    write_session(tmp_path / "data")
    write_session(tmp_path / "data", revision="2024-05-06")
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True, revision="")
    choices = {name: (value, reason) for name, value, reason in sorting.choices}
    assert choices["revision"] == ("original", "asked for; ibllib takes an empty revision for its default")


# -- templates, times and places ----------------------------------------------------------------------


def test_waveforms_on_all_channels_need_no_file_of_channels(tmp_path: Path) -> None:
    arrays = sorting_arrays()
    waves = np.zeros((N_CLUSTERS, 30, N_CHANNELS), np.float32)
    waves[np.arange(N_CLUSTERS), 10, arrays["clusters.channels"]] = -8e-5
    sorting = opened(tmp_path, changed={"clusters.waveforms": waves})
    assert sorting.templates is not None
    for unit in range(N_CLUSTERS):
        found, why = unit_template(sorting, build_columns(sorting), unit)
        assert found is not None, why
        place = found.axial_um[found.is_peak], found.lateral_um[found.is_peak]
        assert (
            np.ravel(place).tolist()[::-1]
            == arrays["channels.localCoordinates"][arrays["clusters.channels"][unit]].tolist()
        )


def _sentinels(times: np.ndarray) -> np.ndarray:
    return np.r_[-0.5, -0.4, times[2:1000], np.full(7, -1.0), times[1007:]]


ODD_TIMES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "sentinels": (_sentinels, "7 spikes are at exactly -1 s"),
    "before zero": (_sentinels, "2 spikes are before 0 s"),
    "restart": (lambda times: np.where(times < 60, times, times - 60), "steps back once, by up to 59.9"),
    "overflow": (
        lambda times: ((times * 1500 * 20_000).astype(np.int64).astype(np.int32)) / 20_000,
        "as 32-bit sample numbers that overflow at 20,000 Hz do",
    ),
}


@pytest.mark.parametrize("case", ODD_TIMES)
def test_times_that_are_odd_are_said_and_all_are_shown(case: str, tmp_path: Path) -> None:
    change, words = ODD_TIMES[case]
    sorting = opened(tmp_path, changed={"spikes.times": change(sorting_arrays()["spikes.times"])})
    assert words in said(sorting)
    assert sorting.n_dropped == 0
    assert render(sorting, width=20, height=10, cache=tmp_path / "cache").values.sum() == N_SPIKES


def test_spikes_above_all_channels_are_said(tmp_path: Path) -> None:
    depths = sorting_arrays()["spikes.depths"]
    sorting = opened(tmp_path, changed={"spikes.depths": np.where(np.arange(N_SPIKES) < 9, depths + 3840, depths)})
    assert f"9 of {N_SPIKES:,} spikes lie more than 100 µm above all channels" in said(sorting)


def test_a_session_without_a_folder_per_probe_opens(tmp_path: Path) -> None:
    alf = tmp_path / "data" / SESSION / "alf"
    write(alf, sorting_arrays())
    pd.DataFrame({"stimOn_times": [1.0, 2.0], "choice": [1.0, -1.0]}).to_parquet(alf / "_ibl_trials.table.pqt")
    for folder in (tmp_path / "data", tmp_path / "data" / SESSION, alf):
        sorting = open_insertion(folder, cache=tmp_path / "cache", lazy=True)
        assert (sorting.n_spikes, sorting.n_clusters) == (N_SPIKES, N_CLUSTERS)
        assert sorting.trials is not None
        assert len(sorting.trials) == 2


def test_names_may_have_a_further_part(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "data")
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"{path.stem}.probe_00{path.suffix}"))
    sorting = open_insertion(tmp_path / "data", cache=tmp_path / "cache", lazy=True)
    assert sorting.labels.tolist() == sorting_arrays()["clusters.metrics"]["label"].tolist()
    np.testing.assert_array_equal(sorting.spikes.times_s, sorting_arrays()["spikes.times"])


def test_a_link_that_leads_out_is_named(tmp_path: Path) -> None:
    write_session(tmp_path / "store")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labx").symlink_to(tmp_path / "store" / "labx")
    with pytest.raises(NoSpikeSorting, match="labx is a link that leads out of"):
        open_insertion(tmp_path / "data", cache=tmp_path / "cache")


def test_all_probes_of_a_session_are_listed_once(tmp_path: Path) -> None:
    names = ["probe_left", "probe_right", "probe_00", "probe00", "probe00a", "probe00b", "shank_0", "imec0", "Probe1"]
    for name in names:
        write_session(tmp_path / "data", probe=name)
    with pytest.raises(InsertionAmbiguous, match="9 insertions match") as caught:
        open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    assert sorted(Path(place).name for place in caught.value.candidates) == sorted(names)
    for place in caught.value.candidates:
        assert place in str(caught.value)
        sorting = open_insertion(place, cache=tmp_path / "cache", lazy=True)
        assert sorting.ref.insertion.probe == Path(place).name
