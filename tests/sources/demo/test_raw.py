"""The demo's made-up voltage: always the same, said to be synthetic, with its spikes where the sorting has them."""

from __future__ import annotations

import numpy as np

from dashboard.analysis.raw.snippet import cut, read
from dashboard.model.sorting import SpikeSorting


def test_it_is_synthetic_and_the_same_wherever_it_is_cut(small_demo: SpikeSorting) -> None:
    raw = small_demo.raw
    assert raw.is_synthetic
    assert read(raw, 0.02, 0.03).attrs["is_synthetic"]
    for name in ("ap", "lf"):
        band = raw.band(name)
        n = round(band.fs_hz)
        across = band.columns(n - 20, n + 20)
        np.testing.assert_array_equal(across[:20], band.columns(0, n)[-20:])
        np.testing.assert_array_equal(across[20:], band.columns(n, n + 20))


def test_single_spikes_are_the_template_in_noise_and_the_same_each_time(small_demo: SpikeSorting) -> None:
    unit = int(np.bincount(small_demo.unit_indexes()).argmax())
    found = small_demo.waveforms(small_demo.units.of(unit))
    assert small_demo.templates is not None
    template = np.asarray(small_demo.templates.waveforms[unit], np.float64).T
    assert "synthetic" in found.source
    assert found.volts.shape == (min(100, len(found.samples)), *template.shape)
    assert np.abs(found.volts.mean(axis=0) - template).max() < 5e-6 + 0.1 * np.abs(template).max()
    raw_ind = small_demo.channels["rawInd"].to_numpy()
    assert found.columns[0].tolist() == raw_ind[small_demo.templates.channels[unit]].tolist()
    assert found.columns[0][0] == raw_ind[small_demo.clusters["channels"].iloc[unit]]
    np.testing.assert_array_equal(small_demo.waveforms(small_demo.units.of(unit)).volts, found.volts)


def test_troughs_of_large_units_lie_on_their_spikes(small_demo: SpikeSorting) -> None:
    raw, sorting = small_demo.raw, small_demo
    units, n_units = sorting.unit_indexes(), sorting.n_clusters
    early = sorting.spikes.times_s < 60
    counts = np.bincount(units[early], minlength=n_units)
    sums = np.bincount(units[early], np.abs(sorting.spikes.amps_v[early]), n_units)
    unit = int(np.argmax(np.where(counts >= 5, sums / np.maximum(counts, 1), 0)))
    times = sorting.spikes.times_s[units == unit]
    times = times[(times > 0.01) & (times < 60)][:5]
    column = sorting.channels["rawInd"].to_numpy()[sorting.clusters["channels"].to_numpy()[unit]]
    mean = np.mean([cut(raw, t - 0.001, t + 0.001).volts[column, :60] for t in times], axis=0)
    extreme = np.abs(mean).argmax()
    assert abs(extreme - 30) <= 3
