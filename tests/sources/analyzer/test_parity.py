"""SortingAnalyzers as SpikeInterface reads them: its recorded answers for the samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.model.conventions import Clock, LabelKind

SAMPLES = Path(__file__).parents[4] / "shared" / "formats" / "spikeinterface"
NAMES = ("analyzer_two_segments", "analyzer_string_ids.zarr")

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample analyzers are not beside the repository")


@pytest.fixture(scope="module", params=NAMES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    name: str = request.param
    sorting = dashboard.open_insertion(SAMPLES / name, cache=tmp_path_factory.mktemp("cache"))
    return sorting, json.loads((SAMPLES / "oracle" / f"{name.removesuffix('.zarr')}.json").read_text())


def equals(array: np.ndarray, answer: dict[str, Any], rel: float) -> None:
    assert list(array.shape) == answer["shape"]
    values = np.asarray(array, np.float64)
    for name, value in (("sum", values.sum()), ("min", values.min()), ("max", values.max())):
        assert value == pytest.approx(answer[name], rel=rel), name
    assert (values.flat[0], values.flat[-1]) == pytest.approx((answer["first"], answer["last"]), rel=rel)


def test_spikes_and_units(sample: tuple[Any, Any]) -> None:
    sorting, answers = sample
    assert sorting.unit_ids.tolist() == answers["unit_ids"]
    equals(sorting.spikes.extra["samples"], answers["spike_vector"]["sample_index"], 0)
    equals(sorting.unit_indexes(), answers["spike_vector"]["unit_index"], 0)
    assert (sorting.clock, sorting.label_kind) == (Clock.PROBE, LabelKind.CURATED)


def test_segments_follow_one_another(sample: tuple[Any, Any]) -> None:
    sorting, answers = sample
    rate, lengths = answers["sampling_frequency"], answers["samples_per_segment"]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    units, samples = sorting.unit_indexes(), sorting.spikes.times_s * rate
    for k in range(answers["n_segments"]):
        inside = (samples >= starts[k]) & (samples < starts[k + 1])
        for row, unit in enumerate(sorting.unit_ids):
            train = np.round(samples[inside & (units == row)]) - starts[k]
            equals(train, answers["spike_trains"][str(unit)][k], 0)


def test_depths_and_amplitudes(sample: tuple[Any, Any]) -> None:
    sorting, answers = sample
    equals(sorting.spikes.depths_um, answers["spike_locations_y"], 1e-9)
    assert sorting.amps_are_volts
    assert sorting.amps_at_peak
    # SpikeInterface's are signed; the magnitude is shown.
    low, high = (answers["spike_amplitudes_uV"][name] for name in ("min", "max"))
    assert sorting.spikes.amps_v.max() == pytest.approx(max(-low, high) * 1e-6, rel=1e-6)
    assert sorting.spikes.amps_v[[0, -1]] == pytest.approx(
        np.abs([answers["spike_amplitudes_uV"]["first"], answers["spike_amplitudes_uV"]["last"]]) * 1e-6, rel=1e-6
    )
    assert (sorting.spikes.amps_v >= 0).all()


def test_units(sample: tuple[Any, Any]) -> None:
    sorting, answers = sample
    units = sorting.clusters
    assert units["depths"].tolist() == [place[1] for place in answers["unit_locations"]["values"]]
    assert units["quality"].tolist() == answers["quality_property"]
    assert units["channels"].tolist() == list(answers["peak_channel_index_of_unit"].values())
    for name in ("firing_rate", "snr"):
        assert units[name].tolist() == pytest.approx(list(answers[name].values()), rel=1e-12)
    assert set(answers["quality_metrics_columns"]) <= set(units)
    assert "label" not in units


def test_channels_and_templates(sample: tuple[Any, Any]) -> None:
    sorting, answers = sample
    assert sorting.channels[["lateral_um", "axial_um"]].to_numpy().tolist() == answers["channel_locations_um"]
    templates = sorting.templates
    assert list(templates.waveforms.shape) == answers["templates"]["shape"]
    assert templates.waveforms.min() == pytest.approx(answers["templates"]["min"] * 1e-6, rel=1e-6)
    assert templates.waveforms.sum(dtype=np.float64) == pytest.approx(answers["templates"]["sum"] * 1e-6, rel=1e-5)
