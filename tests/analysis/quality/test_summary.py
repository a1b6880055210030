"""The numbers of the Summary against a direct computation from the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from iblatlas.regions import BrainRegions

from dashboard.analysis.quality.summary import Outcome, Summary, summarise, verdicts
from dashboard.library.open import open_insertion
from dashboard.model.noise import Noise
from dashboard.model.references import DatasetRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.noise import load_noise, noise_datasets
from dashboard.sources.alyx.records import dataset_from_record
from dashboard.sources.demo.source import DemoSource


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[SpikeSorting, Noise, Mapping[str, Path]]:
    folder = tmp_path_factory.mktemp("demo")
    source = DemoSource(folder, n_spikes=20_000)
    insertion = source.find("demo")
    assert insertion is not None
    datasets = source.datasets(insertion)
    files = source.fetch_files(insertion, datasets)
    noise = load_noise([replace(d, path=files[d.relative_path]) for d in noise_datasets(datasets, insertion.probe)])
    return open_insertion(insertion, source=source, cache=folder), noise, files


@pytest.fixture(scope="module")
def summary(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]]) -> Summary:
    return summarise(opened[0], opened[1])


def file(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], dataset: str) -> Path:
    sorting, _, files = opened
    chosen = sorting.ref.datasets.get(dataset)
    if chosen is not None:
        return files[chosen.relative_path]
    return next(path for name, path in files.items() if dataset in name)


def test_units(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary) -> None:
    metrics = pd.read_parquet(file(opened, "clusters.metrics"))
    assert summary.n_good == (metrics["label"] == 1).sum() > 0
    assert summary.n_units == len(np.load(file(opened, "clusters.channels")))
    ids = np.load(file(opened, "channels.brainLocationIds_ccf_2017"))
    names = BrainRegions().id2acronym(ids[np.load(file(opened, "clusters.channels"))], mapping="Beryl")
    assert summary.regions is not None
    assert summary.regions["all"].to_dict() == pd.Series(names).value_counts().to_dict()
    label = metrics.set_index("cluster_id")["label"].reindex(range(len(names))).to_numpy()
    for name, row in summary.regions.iterrows():
        assert row["good"] == ((names == name) & (label == 1)).sum()


def test_channels(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary) -> None:
    labels = np.load(file(opened, "channels.labels"))
    assert summary.bad_channels == {
        "dead": (labels == 1).sum(),
        "noisy": (labels == 2).sum(),
        "outside the brain": (labels == 3).sum(),
    }
    rms = np.load(file(opened, "ephysChannels.apRMS"))
    raw_ind = np.load(file(opened, "channels.rawInd"))
    # as RIGOR_script.py of int-brain-lab/paper-reproducible-ephys has it
    assert summary.ap_rms_p90_uv == pytest.approx(np.percentile(rms[1, raw_ind], 90) * 1e6, rel=1e-12)
    assert summary.is_destriped
    np.testing.assert_array_equal(summary.ap_rms_uv, rms[1] * 1e6)
    assert summary.depths_um is not None
    assert len(summary.depths_um) == rms.shape[1]


def test_the_noise_before_destriping_is_shown_and_never_judged(
    opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary
) -> None:
    sorting, noise, _ = opened
    raw = np.median(np.load(file(opened, "ephysTimeRmsAP.rms")).astype(np.float64), axis=0) * 1e6
    assert summary.ap_rms_p90_uv is not None
    assert np.percentile(raw, 90) > 1.5 * summary.ap_rms_p90_uv
    found = summarise(sorting, replace(noise, channel_rms_v=None))
    np.testing.assert_allclose(found.ap_rms_uv, raw, rtol=1e-6)
    assert (found.is_destriped, found.ap_rms_p90_uv) == (False, None)
    (test, _) = verdicts(found)
    assert (test.outcome, test.reason) == (Outcome.NOT_AVAILABLE, "only the noise before destriping is known")


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [("2.51e-05", 25.1), (2.51e-05, 25.1), (None, None), ("", None), ("nan", None), (0.0, None)],
)
def test_the_record_stands_in_for_the_file(
    opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], recorded: object, expected: float | None
) -> None:
    """Text, as ibllib writes it; the raw percentile beside it is another number."""
    sorting, noise, _ = opened
    extended = {"apRms_p90_raw": "7.47e-05", "apRms_p90_proc": recorded}
    found = summarise(sorting, replace(noise, channel_rms_v=None), extended)
    assert found.ap_rms_p90_uv == (None if expected is None else pytest.approx(expected))


def test_real_records_pass_by_the_noise_after_destriping(
    opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], shared: Path
) -> None:
    """All twelve would fail by the noise before it."""
    files = sorted((shared / "real" / "openalyx").glob("*.json"))
    if not files:
        pytest.skip("no records: shared/real/openalyx is absent")
    for path in files:
        extended = json.loads(path.read_text())["json"]["extended_qc"]
        (test, _) = verdicts(summarise(opened[0], load_noise([]), extended))
        assert test.value == pytest.approx(float(extended["apRms_p90_proc"]) * 1e6)
        assert test.outcome == Outcome.PASS
        assert float(extended["apRms_p90_raw"]) * 1e6 > test.limit


def test_bad_channels_of_the_raw_data_stand_in_for_those_of_the_sorting(
    opened: tuple[SpikeSorting, Noise, Mapping[str, Path]],
) -> None:
    sorting, noise, _ = opened
    bare = replace(sorting, channels=sorting.channels.drop(columns=["labels"]))
    labels = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0])
    assert summarise(bare, replace(noise, channel_labels=labels)).bad_channels == {
        "dead": 2,
        "noisy": 1,
        "outside the brain": 3,
    }


def test_trials(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary) -> None:
    t = pd.read_parquet(file(opened, "trials.table"))
    reaction = t.firstMovement_times - t.stimOn_times
    complete = (
        t[["choice", "feedbackType", "feedback_times", "stimOn_times", "firstMovement_times"]].notna().all(axis=1)
    )
    assert summary.n_trials == len(t)
    assert summary.n_trials_passing == (complete & (reaction >= 0.08) & (reaction <= 2)).sum()


def test_drift(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary) -> None:
    um = np.load(file(opened, "drift.um"))
    removed = summary.removed
    assert removed is not None
    assert removed.rms_um == pytest.approx(float(np.std(um, axis=0) @ np.std(um, axis=0) / um.shape[1]) ** 0.5)
    ranges = um.max(axis=0) - um.min(axis=0)
    assert (removed.least_range_um, removed.most_range_um) == (ranges.min(), ranges.max())


def test_lfp_by_depth_is_that_of_the_files(
    opened: tuple[SpikeSorting, Noise, Mapping[str, Path]], summary: Summary
) -> None:
    power, hz = (np.load(file(opened, f"ephysSpectralDensityLF.{name}")) for name in ("power", "freqs"))
    assert power.shape == (len(hz), summary.n_channels)
    inside = (hz >= 20) & (hz <= 80)
    n_windows = len(np.load(file(opened, "ephysTimeRmsLF.timestamps")))  # the file holds the sum over them
    expected_db = 10 * np.log10(power[inside].mean(axis=0) / n_windows)
    np.testing.assert_allclose(summary.lfp_power_db, expected_db, rtol=1e-5)
    assert (summary.depths_um is not None, summary.lfp_reason) == (True, "")


def test_the_small_files_of_real_records_are_found(shared: Path) -> None:
    """Names and collections as OpenAlyx has them, of all twelve insertions."""
    files = sorted((shared / "real" / "openalyx").glob("*.json"))
    if not files:
        pytest.skip("no records: shared/real/openalyx is absent")
    for path in files:
        record = json.loads(path.read_text())
        datasets = [d for d in (dataset_from_record(row, {}) for row in record["datasets"]) if d is not None]
        found = {d.name for d in noise_datasets(datasets, record["name"])}
        assert found >= {"ephysChannels.apRMS", "ephysSpectralDensityLF.power", "ephysSpectralDensityLF.freqs"}, path


def test_lfp_power_is_the_mean_of_its_band(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]]) -> None:
    rng = np.random.default_rng(0)
    power, hz = rng.uniform(1e-12, 1e-9, (100, 384)), np.linspace(0, 125, 100)
    found = summarise(opened[0], replace(opened[1], lfp_power=power, lfp_hz=hz)).lfp_power_db
    band = power[(hz >= 20) & (hz <= 80)]
    np.testing.assert_allclose(found, 10 * np.log10(band.mean(axis=0)), rtol=1e-12)


def test_verdicts_pass_fail_and_say_when_they_cannot(summary: Summary) -> None:
    assert summary.ap_rms_p90_uv is not None
    ap, rate = verdicts(summary)
    assert ap.outcome == (Outcome.PASS if summary.ap_rms_p90_uv < 40 else Outcome.FAIL)
    assert rate.value == pytest.approx(summary.n_good / summary.n_channels if summary.n_good else 0)
    assert verdicts(summary, ap_rms_max_uv=summary.ap_rms_p90_uv)[0].outcome == Outcome.FAIL
    assert verdicts(summary, yield_min=1e6)[1].outcome == Outcome.FAIL
    absent = replace(summary, ap_rms_p90_uv=None, n_good=None)
    assert [test.outcome for test in verdicts(absent)] == [Outcome.NOT_AVAILABLE] * 2


def test_what_is_not_there_is_none_with_a_reason(opened: tuple[SpikeSorting, Noise, Mapping[str, Path]]) -> None:
    sorting, _, _ = opened
    bare = replace(
        sorting,
        trials=None,
        drift=None,
        clusters=sorting.clusters.drop(columns=["label", "atlas_id"]),
        channels=sorting.channels.drop(columns=["labels"]),
    )
    found = summarise(bare, load_noise([]))
    assert found.n_good is found.regions is found.bad_channels is found.n_trials is found.removed is None
    assert found.ap_rms_p90_uv is None
    assert all((found.ap_reason, found.lfp_reason, found.trials_reason, found.drift_reason))


@pytest.mark.parametrize("n_windows", [1, 7, 2000])
def test_lfp_power_does_not_grow_with_the_duration(
    n_windows: int, tmp_path: Path, opened: tuple[SpikeSorting, Noise, Mapping[str, Path]]
) -> None:
    """The file holds a sum over windows of 1e-10 V^2/Hz; LF's times say how many."""
    hz = np.arange(0.0, 100.0, 10.0)
    values = {
        "ephysSpectralDensityLF.power": np.full((len(hz), 3), 1e-10 * n_windows),
        "ephysSpectralDensityLF.freqs": hz,
        "ephysTimeRmsLF.timestamps": np.arange(float(n_windows)),
    }
    files = []
    for name, array in values.items():
        path = tmp_path / f"_iblqc_{name}.npy"
        np.save(path, array)
        files.append(DatasetRef(*name.split("."), "npy", "raw_ephys_data/probe00", namespace="iblqc", path=path))
    known, unknown = (load_noise(noise_datasets(some, "probe00")) for some in (files, files[:2]))
    assert known.lfp_power is not None and unknown.lfp_power is not None
    np.testing.assert_allclose(known.lfp_power, 1e-10)
    np.testing.assert_allclose(unknown.lfp_power, 1e-10 * n_windows)
    assert [summarise(opened[0], noise).is_lfp_sum for noise in (known, unknown)] == [False, True]


def test_damaged_noise_files_are_reported(tmp_path: Path) -> None:
    def dataset(attribute: str, obj: str, values: np.ndarray) -> DatasetRef:
        path = tmp_path / f"{obj}.{attribute}.npy"
        np.save(path, values)
        return DatasetRef(obj, attribute, "npy", "raw_ephys_data/probe00", namespace="iblqc", path=path)

    files = [
        dataset("rms", "ephysTimeRmsAP", np.zeros(3)),
        dataset("power", "ephysSpectralDensityLF", np.ones((4, 2))),
        dataset("freqs", "ephysSpectralDensityLF", np.arange(5.0)),
        dataset("apRMS", "ephysChannels", np.ones((5, 3))),
        dataset("labels", "ephysChannels", np.ones((5, 3))),
    ]
    assert len(noise_datasets(files, "probe00")) == 5
    assert noise_datasets(files, "probe01") == []
    found = load_noise(files)
    assert found.ap_rms_v is found.lfp_power is found.channel_rms_v is found.channel_labels is None
    assert {item.dataset for item in found.missing} == {
        "ephysTimeRmsAP.rms",
        "ephysSpectralDensityLF.power",
        "ephysChannels.apRMS",
        "ephysChannels.labels",
    }
