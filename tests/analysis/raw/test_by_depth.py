"""Quality of the recording by depth: the recorded answers of IBL's alignment GUI, and what `check` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import signal

import dashboard
from dashboard.analysis.raw.by_depth import POWERS, quality_by_depth, quality_lines, quality_report, stretches
from dashboard.analysis.raw.spectra import band_powers
from dashboard.model.noise import Noise
from dashboard.model.references import DatasetRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.noise import load_noise

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
FILES = SAMPLE / "lab/Subjects/RAW_001/2024-02-03/001/raw_ephys_data/probe00"

needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture(scope="module")
def sorting(tmp_path_factory: pytest.TempPathFactory) -> SpikeSorting:
    return dashboard.open_insertion(SAMPLE / "lab", cache=tmp_path_factory.mktemp("cache"))


@needs_sample
def test_a_depth_has_the_mean_of_its_channels_by_the_columns_that_rawind_names(sorting: SpikeSorting) -> None:
    assert sorting.noise is not None
    table = quality_by_depth(sorting.noise, sorting.channels)
    columns, depths = sorting.channels["rawInd"].to_numpy(), sorting.channels["axial_um"].to_numpy()
    assert table["depth_um"].tolist() == sorted(set(depths))
    own = columns[depths == table["depth_um"][50]]
    rms = np.median(np.load(FILES / "_iblqc_ephysTimeRmsAP.rms.npy"), axis=0)
    assert table["ap_rms_uv"][50] == pytest.approx(1e6 * rms[own].mean())
    power = band_powers(sorting.noise.lfp_power, sorting.noise.lfp_hz)  # held equal to the GUI's in test_spectra
    for band, name in POWERS.items():
        assert table[name][50] == pytest.approx(power[band][own].mean())
    counts = {name: int(table[name].sum()) for name in ("dead", "noisy", "outside")}
    labels = np.load(FILES / "_iblqc_ephysChannels.labels.npy")[columns]
    assert counts == {name: int((labels == k + 1).sum()) for k, name in enumerate(counts)}


@needs_sample
def test_check_has_stretches_of_the_probe_and_bad_channels_by_column(sorting: SpikeSorting) -> None:
    assert sorting.noise is not None
    report = json.loads(json.dumps(quality_report(sorting.noise, sorting.channels)))
    assert report["bad_channels"]["dead"] == [55]
    assert report["bad_channels"]["outside"] == list(range(364, 384))
    assert [row["from_um"] for row in report["by_depth"]] == [200.0 * k for k in range(len(report["by_depth"]))]
    assert sum(row["n_channels"] for row in report["by_depth"]) == len(sorting.channels)
    lines = quality_lines(report)
    assert list(lines) == ["AP RMS", "LF RMS", "LF power", "channels"]
    assert lines["channels"] == "1 dead, 1 noisy, 20 outside the brain"
    assert "bins of 2.44 Hz" in lines["LF power"]


def test_what_no_file_holds_is_left_out() -> None:
    channels = pd.DataFrame({"rawInd": [0, 1, 2, 3], "axial_um": [20.0, 20.0, 40.0, 40.0]})
    assert quality_report(Noise(), channels) == {}
    assert quality_lines({}) == {}
    table = quality_by_depth(Noise(channel_rms_v=np.array([[4e-6, 6e-6, 1e-6, 3e-6]] * 2)), channels)
    assert table.columns.tolist() == ["depth_um", "n_channels", "ap_rms_uv", "ap_rms_destriped_uv"]
    assert table["ap_rms_uv"].tolist() == pytest.approx([5.0, 2.0])
    assert stretches(table)[0]["ap_rms_uv"] == pytest.approx(3.5)


def test_the_file_of_sixty_stationary_minutes_says_the_same_as_that_of_ten(tmp_path: Path) -> None:
    """ibllib adds the spectra of its windows up: they are divided by the number of times of RMS."""
    rng, fs_hz, levels = np.random.default_rng(3), 250.0, []
    for minutes in (10, 60):
        volts = rng.normal(0, 1e-5, (minutes * 20, round(3 * fs_hz)))  # windows of 3 s
        hz, power = signal.welch(volts, fs_hz, nperseg=256)
        found = write_noise(tmp_path / str(minutes), hz, np.tile(power.sum(axis=0), (2, 1)).T, len(volts))
        levels.append([values[0] for values in band_powers(found.lfp_power, found.lfp_hz).values()])
    assert np.nanmax(np.abs(np.subtract(*levels))) < 0.5


def write_noise(folder: Path, hz: Any, power: Any, n_windows: int) -> Any:
    folder.mkdir()
    values = {"ephysSpectralDensityLF.freqs": hz, "ephysSpectralDensityLF.power": power,
              "ephysTimeRmsLF.timestamps": 3.0 * np.arange(n_windows)}  # fmt: skip
    datasets = []
    for name, array in values.items():
        path = folder / f"_iblqc_{name}.npy"
        np.save(path, array)
        of, attribute = name.split(".")
        datasets.append(DatasetRef(of, attribute, "npy", "raw_ephys_data/probe00", path=path))
    return load_noise(datasets)
