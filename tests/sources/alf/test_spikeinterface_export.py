"""A folder of SpikeInterface's `export_to_ibl_gui`: the names of IBL's files, beside the spikes, in other units.

As spikeinterface 0.105 writes it (``exporters/to_ibl.py``): templates in uV on all channels, RMS in the unit of the
recording (bits here), LF power as a Welch mean in uV^2/Hz, labels of 0 and 1 from a query, times on one clock.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.raw.by_depth import quality_by_depth, quality_lines, quality_report
from dashboard.analysis.raw.heat import rms_heat
from dashboard.analysis.raw.maps import quality_maps
from dashboard.analysis.raw.spectra import band_powers
from dashboard.library.open import open_insertion
from dashboard.model.conventions import LabelKind

N_UNITS, N_CHANNELS, N_SPIKES, N_WINDOWS = 6, 24, 400, 5
HZ = np.linspace(0, 1_250, 2**13 + 1, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(26)
    units = rng.integers(0, N_UNITS, N_SPIKES).astype(np.int32)
    places = np.c_[np.zeros(N_CHANNELS), 20.0 * np.arange(N_CHANNELS)]
    peaks = np.arange(N_UNITS, dtype=np.int32) * 4
    templates = rng.normal(0, 1, (N_UNITS, 90, N_CHANNELS))
    templates[np.arange(N_UNITS), 30, peaks] = -100.0  # uV
    arrays = {
        "spikes.clusters": units,
        "spikes.depths": places[peaks[units], 1].astype(np.float32),
        "spikes.times": np.sort(rng.uniform(0, 15, N_SPIKES)),
        "spikes.amps": rng.uniform(80e-6, 120e-6, N_SPIKES).astype(np.float32),
        "clusters.waveforms": templates,
        "clusters.channels": peaks,
        "clusters.peakToTrough": rng.uniform(1e-4, 8e-4, N_UNITS),
        "channels.localCoordinates": places,
        "channels.rawInd": np.arange(N_CHANNELS, dtype=np.int32),
        "_iblqc_ephysTimeRmsAP.rms": rng.uniform(3, 5, (N_WINDOWS, N_CHANNELS)),
        "_iblqc_ephysTimeRmsAP.timestamps": np.arange(N_WINDOWS) * 3 + 1.5,
        "_iblqc_ephysTimeRmsLF.rms": rng.uniform(20, 30, (N_WINDOWS, N_CHANNELS)),
        "_iblqc_ephysTimeRmsLF.timestamps": np.arange(N_WINDOWS) * 3 + 1.5,
        "_iblqc_ephysSpectralDensityLF.power": rng.uniform(0.5, 50, (len(HZ), N_CHANNELS)).astype(np.float32),
        "_iblqc_ephysSpectralDensityLF.freqs": HZ,
    }
    folder = tmp_path / "M1" / "probe00"
    folder.mkdir(parents=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    ids = np.arange(N_UNITS)
    metrics = pd.DataFrame({"cluster_id": ids, "snr": 5.0, "cluster_id.1": ids, "label": [1, 0, 1, 1, 0, 0]})
    metrics.to_csv(folder / "clusters.metrics.csv", index=False)
    return folder


def test_its_values_come_in_their_units(folder: Path, tmp_path: Path) -> None:
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    assert len(sorting.spikes) == N_SPIKES
    assert sorting.amps_are_volts
    assert sorting.label_kind is LabelKind.FILE
    assert sorting.labels.tolist() == [1, 0, 1, 1, 0, 0]
    assert sorting.templates is not None
    assert np.abs(sorting.templates.waveforms).max() == pytest.approx(100e-6)
    noise = sorting.noise
    assert noise is not None and noise.lfp_power is not None and noise.lfp_hz is not None
    power = np.load(folder / "_iblqc_ephysSpectralDensityLF.power.npy")
    np.testing.assert_allclose(noise.lfp_power, power.astype(float) * 1e-12)  # a mean: not divided by windows
    assert (noise.rms_is_volts, noise.n_lfp_windows) == (False, 1)


def test_its_pictures_and_tables_say_that_the_unit_of_rms_is_not_known(folder: Path, tmp_path: Path) -> None:
    sorting = open_insertion(folder, cache=tmp_path / "cache")
    assert sorting.noise is not None and sorting.noise.lfp_power is not None and sorting.noise.lfp_hz is not None
    maps = quality_maps(sorting, sorting.noise)
    heat = rms_heat(maps, "rms_ap")
    assert heat.unit == "bits or µV, not said" and "bits or µV, not said" in heat.words
    rms = np.load(folder / "_iblqc_ephysTimeRmsAP.rms.npy")
    medians = np.median(rms, axis=1, keepdims=True)
    np.testing.assert_allclose(heat.image.values, (rms - medians + medians.mean()).T, rtol=1e-9)
    np.testing.assert_array_equal(heat.image.along, np.arange(N_WINDOWS) * 3 + 1.5)
    assert "clock of the spikes" in maps.clock
    table = quality_by_depth(sorting.noise, sorting.channels)
    np.testing.assert_allclose(table["ap_rms"], np.median(rms, axis=0))
    assert "ap_rms_uv" not in table and "lf_rms" in table
    expected = band_powers(sorting.noise.lfp_power, sorting.noise.lfp_hz)["4-10 Hz"]
    np.testing.assert_allclose(table["lf_4_10_hz_db"], expected)
    assert -130 < table["lf_4_10_hz_db"].median() < -90
    lines = quality_lines(quality_report(sorting.noise, sorting.channels))
    assert "bits or uV as recorded" in lines["AP RMS"] and "a sum" not in lines["LF power"]
