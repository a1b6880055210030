"""Signal to noise: the template's largest deflection over the noise of its channel, or why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dashboard.analysis.quality.snr import channel_noise, with_snr
from dashboard.library.open import open_insertion
from dashboard.model.noise import Noise
from dashboard.model.sorting import SNR, SpikeSorting, Templates
from tests.sources.samples import write_analyzer


def bare(sorting: SpikeSorting) -> SpikeSorting:
    return replace(sorting, clusters=sorting.clusters.drop(columns=SNR, errors="ignore"))


def test_it_is_the_largest_deflection_over_the_noise_after_destriping(small_demo: SpikeSorting) -> None:
    found = with_snr(bare(small_demo))
    assert found.templates is not None and found.noise is not None and found.noise.channel_rms_v is not None
    assert found.templates.dataset == "clusters.waveforms"
    for unit in (0, 7, 40):
        waveform, channels = found.templates.waveforms[unit], found.templates.channels[unit]
        peak = int(np.ptp(waveform, axis=0).argmax())
        column = int(found.channels["rawInd"].iloc[channels[peak]])
        noise = found.noise.channel_rms_v[1][column]
        assert found.clusters[SNR].iloc[unit] == pytest.approx(np.abs(waveform[:, peak]).max() / noise, rel=1e-5)
    assert 2 < found.clusters[SNR].median() < 60
    assert found.clusters[SNR].equals(small_demo.clusters[SNR]), "the table of an opened sorting has it"
    assert not found.why_no_snr
    assert "over the RMS of AP after destriping of its channel" in found.snr_definition


def test_without_the_noise_after_destriping_it_is_that_before_it(small_demo: SpikeSorting) -> None:
    rms = np.full((3, 384), 12e-6) * np.array([[1], [2], [9]])
    found = channel_noise(Noise(ap_rms_v=rms), small_demo.channels)
    assert found is not None
    np.testing.assert_allclose(found, 24e-6)
    assert channel_noise(Noise(ap_rms_v=rms, rms_is_volts=False), small_demo.channels) is None


def test_units_after_curation_have_the_template_that_most_spikes_were_found_with(small_demo: SpikeSorting) -> None:
    plain = bare(small_demo)
    assert plain.templates is not None
    templates = replace(plain.templates, dataset="templates.waveforms")
    of_spikes = np.asarray(plain.spikes.clusters, np.int64)
    as_sorted = replace(plain.spikes, extra={**plain.spikes.extra, "templates": of_spikes})
    whole = with_snr(replace(plain, templates=templates, spikes=as_sorted)).clusters[SNR]
    np.testing.assert_allclose(whole, small_demo.clusters[SNR])
    moved = np.where(of_spikes == 7, 9, of_spikes)  # unit 7 was found with template 9
    moved[:3] = -1
    curated = replace(plain.spikes, extra={**plain.spikes.extra, "templates": moved})
    found = with_snr(replace(plain, templates=templates, spikes=curated)).clusters[SNR]
    assert found.iloc[7] == small_demo.clusters[SNR].iloc[9]
    assert found.iloc[8] == small_demo.clusters[SNR].iloc[8]


def test_a_unit_without_a_waveform_has_none(small_demo: SpikeSorting) -> None:
    plain = bare(small_demo)
    assert plain.templates is not None
    waveforms = np.array(plain.templates.waveforms[:20])
    waveforms[3] = 0
    waveforms[4] = np.nan
    few = Templates(waveforms, plain.templates.channels[:20], plain.templates.dataset)
    found = with_snr(replace(plain, templates=few)).clusters[SNR]
    assert found.isna().to_numpy().nonzero()[0].tolist() == [3, 4, *range(20, len(found))]


def test_why_there_is_none_is_said(small_demo: SpikeSorting) -> None:
    plain = bare(small_demo)
    for changed, said in (
        ({"templates": None}, "no templates"),
        ({"amps_are_volts": False}, "templates are in arbitrary units"),
        ({"noise_is_remote": True}, "is on the server, and is not fetched"),
        ({"open_noise": None}, "no file says the noise of the channels"),
        ({"open_noise": lambda: Noise()}, "no file says the noise of the channels"),
    ):
        found = with_snr(replace(plain, **changed))
        assert said in found.why_no_snr
        assert SNR not in found.clusters
    told = with_snr(replace(plain, amps_are_volts=False, why_no_snr="the source knows why"))
    assert told.why_no_snr == "the source knows why"


def test_a_file_that_has_it_keeps_it(tmp_path: Path) -> None:
    write_analyzer(tmp_path / "M2" / "analyzer")
    sorting = open_insertion(tmp_path / "M2", cache=tmp_path / "cache")
    own = sorting.clusters.assign(**{SNR: 5.0})
    assert with_snr(replace(sorting, clusters=own)).clusters[SNR].eq(5.0).all()
