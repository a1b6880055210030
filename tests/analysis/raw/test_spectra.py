"""Spectra, current sources and maps by depth: recorded answers of IBL's alignment GUI, and made-up signals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.analysis.raw.maps import DepthImage, rms_image, spectrum_image
from dashboard.analysis.raw.spectra import band_powers, current_sources, spectrogram
from dashboard.model.errors import BadRequest
from dashboard.model.raw import Sites

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
FILES = SAMPLE / "lab/Subjects/RAW_001/2024-02-03/001/raw_ephys_data/probe00"

needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture(scope="module")
def answers() -> Any:
    return json.loads((SAMPLE / "oracle" / "qc.json").read_text())


def load(name: str) -> Any:
    return np.load(FILES / f"_iblqc_{name}.npy")


def depths(answers: Any) -> Any:
    columns, found = (np.array(values) for values in answers["channel_order"].values())
    by_column = np.full(columns.max() + 1, np.nan)
    by_column[columns] = found
    return columns, by_column


@needs_sample
def test_band_powers_are_the_alignment_guis_except_for_the_offset(answers: Any) -> None:
    columns, _ = depths(answers)
    power, hz = load("ephysSpectralDensityLF.power"), load("ephysSpectralDensityLF.freqs")
    found = band_powers(power, hz)
    for name, known in answers["bands_dB"].items():
        values = found[name.replace(" ", "").replace("Hz", " Hz")][columns]
        if name == "0 - 4 Hz":  # of two bins, one is the offset: theirs has it
            np.testing.assert_allclose(values, 10 * np.log10(power[1, columns]), atol=1e-5)
        else:
            np.testing.assert_allclose(values, known["dB"], rtol=0, atol=5e-5)


@needs_sample
def test_images_are_the_alignment_guis(answers: Any) -> None:
    _, by_column = depths(answers)
    with np.load(SAMPLE / "oracle" / "qc_images.npz") as arrays:
        known = dict(arrays)
    spectrum = spectrum_image(load("ephysSpectralDensityLF.power"), load("ephysSpectralDensityLF.freqs"), by_column)
    np.testing.assert_allclose(spectrum.values.T, known["lf_spectrum_dB"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(spectrum.depths_um, known["depths_um"])
    np.testing.assert_allclose(spectrum.levels, answers["lf_spectrum_image"]["levels"], atol=1e-4)
    for band, name in (("AP", "rms_ap"), ("LF", "rms_lf")):
        times = load(f"ephysTimeRms{band}.timestamps")
        image = rms_image(load(f"ephysTimeRms{band}.rms"), times, by_column)
        np.testing.assert_allclose(image.values.T, known[f"{name}_uV"], rtol=1e-5, atol=2e-4)
        np.testing.assert_allclose(image.levels, answers[f"{name}_image_uV"]["levels"], rtol=1e-5)


def probe(n: int) -> Sites:
    """Two staggered columns of sites, 20 um apart along the probe."""
    return Sites(np.arange(n) % 2 * 32.0, 20.0 * np.arange(n), np.zeros(n, np.int64), np.zeros(n))


def sink(n: int, at: int) -> Any:
    """Voltage around a sink: a trough along the probe, in V."""
    z = 20.0 * np.arange(n)
    return -1e-4 * np.exp(-(((z - z[at]) / 100) ** 2))[:, np.newaxis] * np.ones((1, 5))


def test_a_sink_is_negative_and_of_the_size_that_the_formula_says() -> None:
    found = current_sources(sink(40, 20), probe(40))
    assert found[20, 0] == np.nanmin(found)
    assert found[20, 0] == pytest.approx(-0.3 * 2 * 1e-4 / (100e-6) ** 2, rel=0.1)
    assert np.isnan(found[[0, 1, 38, 39]]).all()
    np.testing.assert_allclose(current_sources(sink(40, 20) + 1e-3, probe(40)), found, rtol=1e-6, atol=1e-6)


def test_bad_channels_make_no_sources_of_their_own() -> None:
    volts, labels = sink(40, 20), np.zeros(40, np.int64)
    clean = current_sources(volts, probe(40))
    volts[28], labels[28] = 1.0, 2
    labels[36:] = 3
    found = current_sources(volts, probe(40), labels)
    assert np.isnan(found[36:]).all()
    assert np.nanmax(np.abs(found)) < 1.5 * np.nanmax(np.abs(clean))


def test_a_sine_has_its_power_at_its_frequency_and_stationary_spectra_do_not_grow_with_time() -> None:
    fs, rng = 500.0, np.random.default_rng(0)
    volts = 1e-4 * np.sin(2 * np.pi * 40 * np.arange(10_000) / fs)
    hz, centres, power = spectrogram(volts, fs)
    assert hz[power.mean(axis=1).argmax()] == 40
    assert centres[0] == 0.25
    assert (power.sum(axis=0) * hz[1]).mean() == pytest.approx((volts**2).mean(), rel=1e-3)
    noise = rng.normal(size=300_000)
    short, long = (spectrogram(noise[:n], fs)[2].mean() for n in (50_000, 300_000))
    assert abs(10 * np.log10(short / long)) < 0.5
    with pytest.raises(BadRequest, match="longer than what is read"):
        spectrogram(volts[:100], fs)


def test_bins_hold_the_mean_of_what_lies_in_them_else_the_nearest_value_and_gaps_show() -> None:
    values = np.array([[1.0, 3.0, 5.0, 7.0], [np.nan, 10.0, 10.0, 10.0]])
    image = DepthImage(values, np.array([20.0, 40.0]), np.array([0.5, 1.5, 2.5, 3.5]))
    np.testing.assert_array_equal(
        image.binned(np.array([0.0, 2.0, 4.0]), np.array([10.0, 30.0, 50.0])), [[2, 6], [10, 10]]
    )
    fine = image.binned(np.array([0.4, 0.45, 0.48]), np.array([10.0, 15.0, 18.0, 25.0]))
    np.testing.assert_array_equal(fine, [[1, 1], [1, 1], [1, 1]])
    assert np.isnan(image.binned(np.array([8.0, 9.0]), np.array([10.0, 30.0]))).all()
    assert np.isnan(image.binned(np.array([0.0, 2.0]), np.array([200.0, 300.0]))).all()
