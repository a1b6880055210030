"""Places, amplitudes and waveform durations of units equal pandas', phylib's definition and the demo's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.units.places import mean_amplitudes, peak_to_trough_ms, unit_amplitudes, unit_positions
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.model.sorting import SpikeSorting, Templates


def test_mean_amplitudes_are_those_of_pandas(small_columns: SpikeColumns) -> None:
    assert small_columns.amps_uv is not None
    spikes = pd.DataFrame({"unit": small_columns.clusters, "amp": small_columns.amps_uv.astype(np.float64)})
    expected = spikes.groupby("unit")["amp"].mean().reindex(range(small_columns.n_clusters))
    assert mean_amplitudes(small_columns) == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_spikes_without_an_amplitude_are_left_out(small_columns: SpikeColumns) -> None:
    assert small_columns.amps_uv is not None
    amps = small_columns.amps_uv.copy()
    amps[:1000] = np.nan
    means = mean_amplitudes(replace(small_columns, amps_uv=amps))
    unit = int(small_columns.clusters[0])
    rest = amps[(np.asarray(small_columns.clusters) == unit) & np.isfinite(amps)]
    assert means[unit] == pytest.approx(rest.astype(np.float64).mean())


def test_the_websites_amplitude_comes_first(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    amps = np.linspace(5e-5, 3e-4, small_demo.n_clusters)
    sorting = replace(small_demo, clusters=small_demo.clusters.assign(amps=amps))
    found = unit_amplitudes(sorting, small_columns)
    assert found.name == "clusters.amps"
    assert found.values == pytest.approx(1e6 * amps)
    raw = unit_amplitudes(replace(sorting, amps_are_volts=False), small_columns)
    assert raw.values == pytest.approx(amps)


def test_without_amplitudes_of_spikes_the_metrics_are_taken_or_it_says_why(
    small_demo: SpikeSorting, small_columns: SpikeColumns
) -> None:
    columns = replace(small_columns, amps_uv=None)
    found = unit_amplitudes(small_demo, columns)
    assert found.name == "amp_median of the metrics"
    assert found.values == pytest.approx(1e6 * small_demo.clusters["amp_median"].to_numpy(), nan_ok=True)
    bare = unit_amplitudes(replace(small_demo, clusters=small_demo.clusters.drop(columns=["amp_median"])), columns)
    assert bare.why == "there are no amplitudes"
    assert np.isnan(bare.values).all()


def test_units_lie_on_their_channels(small_demo: SpikeSorting) -> None:
    lateral, axial = unit_positions(small_demo)
    channels = small_demo.channels.iloc[small_demo.clusters["channels"]]
    assert lateral.tolist() == channels["lateral_um"].tolist()
    assert axial.tolist() == small_demo.clusters["depths"].tolist()
    bare = replace(small_demo, clusters=small_demo.clusters[["channels"]])
    assert all(np.isnan(place).all() for place in unit_positions(bare))


def test_durations_are_those_in_the_files(small_demo: SpikeSorting) -> None:
    waveforms = small_demo.ref.datasets["clusters.waveforms"].path
    assert small_demo.templates is not None
    assert isinstance(waveforms, Path)
    expected = np.load(waveforms.with_name("clusters.peakToTrough.npy"))
    found = peak_to_trough_ms(small_demo.templates, small_demo.n_clusters)
    assert found == pytest.approx(expected)


def test_the_channel_with_the_largest_swing_counts_and_others_are_no_channels() -> None:
    waveforms = np.zeros((3, 40, 2), np.float32)
    waveforms[0, 10, 0], waveforms[0, 25, 0] = -5, 1  # trough first
    waveforms[0, 3, 1] = 2
    waveforms[1, 30, 0], waveforms[1, 12, 0] = -1, 3  # peak first
    waveforms[1, :, 1] = 90 * np.arange(40)  # no channel
    channels = np.array([[4, 5], [4, -1], [4, 5]])
    found = peak_to_trough_ms(Templates(waveforms, channels, "clusters.waveforms"), 4)
    assert found == pytest.approx([0.5, -0.6, np.nan, np.nan], nan_ok=True)


def test_no_spike_is_no_error(small_demo: SpikeSorting) -> None:
    spikes = small_demo.spikes
    none = replace(
        spikes, times_s=spikes.times_s[:0], clusters=spikes.clusters[:0], depths_um=np.zeros(0), amps_v=np.zeros(0)
    )
    columns = build_columns(replace(small_demo, spikes=none))
    assert np.isnan(mean_amplitudes(columns)).all()
