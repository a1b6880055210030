"""Filters of raw voltage: ibldsp's recorded answers, and what each step does to a made-up signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from dashboard.analysis.raw.filters import destripe, destripe_lf, high_pass, reference
from dashboard.model.raw import RawRecording, Sites
from dashboard.sources.raw.recording import open_recording

SAMPLE = Path(__file__).parents[4] / "shared" / "formats" / "raw"
FULL_SCALE_V = {"ap": 0.6 / 500, "lf": 0.6 / 250}
TOLERANCE = 1e-6
FS_HZ = 30_000.0

needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample session is not beside the repository")


@pytest.fixture(scope="module")
def recording() -> RawRecording:
    return open_recording(SAMPLE / "lab/Subjects/RAW_001/2024-02-03/001/raw_ephys_data/probe00")


@pytest.fixture(scope="module")
def answers() -> Any:
    return json.loads((SAMPLE / "oracle" / "destripe.json").read_text())


def check(found: npt.NDArray[np.float64], known: dict[str, Any], band: str) -> None:
    """Compare what the answers keep of a window: the level of each channel, extremes, first and last value."""
    atol = TOLERANCE * FULL_SCALE_V[band]
    np.testing.assert_allclose(
        np.sqrt((found**2).mean(axis=1)), known["rms_of_each_channel_V"], rtol=0, atol=atol
    )  # fmt: skip
    values = (found.min(), found.max(), found[0, 0], found[-1, -1])
    np.testing.assert_allclose(values, [known[name] for name in ("min", "max", "first", "last")], rtol=0, atol=atol)


@needs_sample
def test_the_high_pass_is_ibldsps(recording: RawRecording, answers: Any) -> None:
    band = recording.band("ap")
    check(high_pass(band.volts(4_000, 7_000), band.fs_hz), answers["variants"]["butterworth_only"], "ap")


@needs_sample
@pytest.mark.parametrize("name", ["k_filter", "car", "k_filter_no_labels"])
def test_destriped_windows_are_ibldsps(recording: RawRecording, answers: Any, name: str) -> None:
    band = recording.band("ap")
    labels = None if name == "k_filter_no_labels" else np.array(answers["labels"])
    found = destripe(band.volts(4_000, 7_000), band.fs_hz, band.sites, labels, spatial=name != "car")
    check(found, answers["variants"][name], "ap")
    with np.load(SAMPLE / "oracle" / "destripe.npz") as arrays:
        if name in arrays:
            first, end = answers["npz_columns"]
            atol = TOLERANCE * FULL_SCALE_V["ap"]
            np.testing.assert_allclose(found[:, first:end], arrays[name], rtol=0, atol=atol)


@needs_sample
def test_destriped_lf_is_ibldsps(recording: RawRecording, answers: Any) -> None:
    band = recording.band("lf")
    found = destripe_lf(band.volts(0, band.n_samples), band.fs_hz, band.sites, recording.labels)
    check(found, answers["destripe_lfp_of_whole_lf_file"], "lf")


def line(n: int, shift: float = 0.0) -> Sites:
    return Sites(np.zeros(n), 20.0 * np.arange(n), np.zeros(n, np.int64), np.arange(n) % 2 * shift)


def test_the_reference_is_that_of_each_shank_and_bad_channels_are_not_in_it() -> None:
    volts = np.array([[1.0], [1.0], [9.0], [4.0], [4.0], [7.0]])
    shank = np.array([0, 0, 0, 1, 1, 1])
    labels = np.array([0, 0, 2, 0, 0, 3])
    assert reference(volts, shank, labels).ravel().tolist() == [0, 0, 8, 0, 0, 7]


@pytest.mark.parametrize("n_samples", [1_200, 1_201])
def test_the_delay_of_converters_is_removed_unless_the_file_had_it(n_samples: int) -> None:
    sites, times = line(4, 0.5), np.arange(n_samples)
    moved = times[np.newaxis] + sites.shift[:, np.newaxis]  # a channel that is sampled later sees the signal earlier
    volts = np.sin(2 * np.pi * 2_000 / FS_HZ * moved)
    middle = slice(500, 700)
    aligned = destripe(volts, FS_HZ, sites, None, spatial=False)
    assert np.abs(aligned[:, middle]).max() < 1e-3
    assert np.abs(destripe(volts, FS_HZ, sites, None, spatial=False, is_shifted=True)[:, middle]).max() > 0.1


def test_a_bad_channel_is_put_together_from_its_neighbours_and_one_without_is_silent() -> None:
    rng = np.random.default_rng(0)
    volts = rng.normal(size=(40, 1_500))
    volts[20] = 1e3 * rng.normal(size=1_500)
    labels = np.zeros(40, np.int64)
    labels[20] = 2
    found = destripe(volts, FS_HZ, line(40), labels)
    assert found[20].std() < 2 * found[[19, 21]].std()
    labels[:] = 1
    assert not destripe(volts, FS_HZ, line(40), labels).any()


def test_channels_outside_the_brain_are_only_high_passed() -> None:
    volts = np.random.default_rng(0).normal(size=(30, 1_500))
    labels = np.repeat([0, 3], 15)
    found = destripe(volts, FS_HZ, line(30), labels)
    np.testing.assert_allclose(found[15:], high_pass(volts, FS_HZ)[15:], atol=1e-12)


def test_theta_stays_where_what_is_common_stays() -> None:
    times = np.arange(5_000) / 2_500
    volts = np.tile(np.sin(2 * np.pi * 8 * times), (12, 1))
    middle = slice(1_000, 4_000)
    assert np.abs(destripe_lf(volts, 2_500, line(12), None)[:, middle]).max() < 1e-6
    assert destripe_lf(volts, 2_500, line(12), None, common=True)[:, middle].std() == pytest.approx(
        np.sqrt(0.5), rel=0.02
    )
