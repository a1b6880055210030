"""Kilosort and phy folders as phylib reads them: the recorded answers for the sample folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dashboard
from dashboard.model.conventions import Clock, DepthKind, LabelKind
from dashboard.sources.waveforms import undo

SAMPLES = Path(__file__).parents[4] / "shared" / "formats" / "phy"
NAMES = ("kilosort25", "kilosort4_4shanks", "template_phylib")

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample folders are not beside the repository")


@pytest.fixture(scope="module", params=NAMES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Any, Any]:
    name: str = request.param
    sorting = dashboard.open_insertion(SAMPLES / name, cache=tmp_path_factory.mktemp("cache"))
    answers = json.loads((SAMPLES / "oracle" / f"{name}.json").read_text())
    with np.load(SAMPLES / "oracle" / f"{name}.npz") as arrays:
        return name, sorting, answers, dict(arrays)


def array(name: str, file: str) -> np.ndarray:
    return np.load(SAMPLES / name / f"{file}.npy").squeeze()


def test_times_and_units(sample: tuple[str, Any, Any, Any]) -> None:
    _, sorting, answers, arrays = sample
    np.testing.assert_array_equal(sorting.spikes.times_s, arrays["spike_times_s"])
    assert sorting.unit_ids.tolist() == answers["cluster_ids_present"]
    counts = np.bincount(sorting.unit_indexes(), minlength=sorting.n_clusters)
    assert dict(zip(map(str, sorting.unit_ids), counts, strict=True)) == answers["spikes_per_cluster"]
    assert (sorting.clock, sorting.label_kind) == (Clock.PROBE, LabelKind.CURATED)


def test_channels(sample: tuple[str, Any, Any, Any]) -> None:
    _, sorting, answers, _ = sample
    assert sorting.channels["rawInd"].tolist() == answers["channel_map"]["values"]
    assert sorting.channels[["lateral_um", "axial_um"]].to_numpy().tolist() == answers["channel_positions"]["values"]
    assert sorting.channels["shank"].tolist() == answers["channel_shanks"]["values"]


def test_depths(sample: tuple[str, Any, Any, Any]) -> None:
    name, sorting, _, arrays = sample
    assert sorting.depth_kind is DepthKind.SPIKE
    if name == "kilosort4_4shanks":
        np.testing.assert_array_equal(sorting.spikes.depths_um, arrays["spike_depths_um"])
    elif name == "kilosort25":
        np.testing.assert_array_equal(sorting.spikes.depths_um, arrays["spike_depths_um_from_features"])
    else:  # of 32 float32 terms, added in another order
        expected = arrays["spike_depths_um_from_features"]
        np.testing.assert_allclose(sorting.spikes.depths_um, expected, rtol=1e-6)


def test_largest_channels(sample: tuple[str, Any, Any, Any]) -> None:
    name, sorting, answers, _ = sample
    if name == "template_phylib":  # phylib takes the first column of sparse templates for the largest: row 0 for all
        templates, columns = array(name, "templates"), array(name, "template_ind")
        undone = np.einsum("tsc,tcd->tsd", templates, array(name, "whitening_mat_inv")[columns])
        row = np.ptp(undone, axis=1).argmax(axis=1)
        assert sorting.clusters["channels"].tolist() == row[answers["template_ids_present"]].tolist()
        return
    expected = list(answers["peak_channel_of_cluster"].values())
    assert sorting.clusters["channels"].tolist() == expected
    assert sorting.clusters["depths"].tolist() == list(answers["depth_um_of_cluster"].values())
    assert sorting.clusters["rawInd"].tolist() == list(answers["file_column_of_cluster"].values())
    assert sorting.clusters["shank"].tolist() == list(answers["shank_of_cluster"].values())


def test_groups(sample: tuple[str, Any, Any, Any]) -> None:
    _, sorting, answers, _ = sample
    for column, values in answers["metadata (all tsv but cluster_info)"].items():
        shown = {str(unit): value for unit, value in sorting.clusters[column].items() if value == value and value}
        present = {unit: value for unit, value in values.items() if int(unit) in sorting.unit_ids and value}
        assert shown == present, column
    for unit, said in answers.get("label_to_show", {}).items():
        quality = sorting.clusters["quality"][int(unit)]
        assert said["label"] == (None if pd.isna(quality) else quality)


def test_amplitudes(sample: tuple[str, Any, Any, Any]) -> None:
    name, sorting, answers, arrays = sample
    assert not sorting.amps_are_volts
    known = answers.get("get_amplitudes_true(sample2unit=1, use=templates)")
    if name == "kilosort25":
        np.testing.assert_array_equal(sorting.spikes.amps_v, arrays["spike_amps_bits"])
    elif name == "kilosort4_4shanks":
        np.testing.assert_array_equal(sorting.spikes.amps_v, array(name, "amplitudes"))
        # What phylib makes of norms all the same, a number without a unit, by the same un-whitening.
        n = len(sorting.channels)
        sizes = undo(array(name, "templates"), None, array(name, "whitening_mat_inv"), None, n).sizes
        amps = sizes.astype(np.float32)[array(name, "spike_templates")] * array(name, "amplitudes")
        assert amps.sum(dtype=np.float64) == pytest.approx(known["spike_amps"]["sum"], rel=1e-6)
        assert amps.max() == pytest.approx(known["spike_amps"]["max"], rel=1e-6)
