"""Principal components of single spikes: those of the file, on the channels where they are largest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dashboard
from dashboard.analysis.units.features import feature_picture
from dashboard.figures.figure import Pictures
from dashboard.figures.unit import features
from dashboard.model.errors import BadRequest, DatasetInvalid, DatasetMissing
from dashboard.model.raw import SpikeFeatures
from tests.sources.samples import N, save, write_phy


def test_components_of_a_unit_are_those_of_its_spikes(tmp_path: Path) -> None:
    sample = write_phy(tmp_path / "data")
    sorting = dashboard.open_insertion(sample.folder, cache=tmp_path / "cache")
    found = sorting.features(7)
    rows = np.flatnonzero(sample.clusters == 7)
    assert found.n_all == len(rows)
    chosen = rows if len(rows) == len(found.values) else None
    if chosen is not None:
        np.testing.assert_array_equal(found.values, sample.features[chosen, 0])
        np.testing.assert_array_equal(found.channels, sample.feature_columns[sample.templates_of[chosen]])
    with pytest.raises(BadRequest, match="holds no spike of unit 99"):
        sorting.features(99)


def test_components_may_be_of_some_spikes_only(tmp_path: Path) -> None:
    sample = write_phy(tmp_path / "data")
    some = np.arange(1, N, 3)
    save(sample.folder, pc_features=sample.features[some], pc_feature_spike_ids=some)
    found = dashboard.open_insertion(sample.folder, cache=tmp_path / "cache").features(5)
    rows = some[sample.clusters[some] == 5]
    assert found.n_all == len(rows)
    own = {tuple(row) for row in sample.features[rows, 0].tolist()}
    assert {tuple(row) for row in found.values.tolist()} <= own


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    sample = write_phy(tmp_path / "data")
    sorting = dashboard.open_insertion(sample.folder, cache=tmp_path / "cache")
    save(sample.folder, pc_features=sample.features[:-1])
    with pytest.raises(DatasetInvalid, match=r"pc_features\.npy"):
        sorting.features(5)


def test_a_sorting_without_components_says_what_would_bring_them(tmp_path: Path) -> None:
    sorting = dashboard.open_insertion(write_phy(tmp_path / "data", kilosort4=True).folder, cache=tmp_path / "cache")
    with pytest.raises(DatasetMissing, match="Kilosort and phy"):
        sorting.features(5)


def test_units_are_laid_over_each_other_on_the_channels_of_the_first() -> None:
    near = np.array([[4, 5, 6], [4, 5, 6]])
    first = SpikeFeatures(np.array([[1, 9, -5], [1, 8, -4]], np.float32), near, 2, "pc_features.npy")
    other = SpikeFeatures(np.array([[3, 2, 1]], np.float32), np.array([[6, 5, 9]]), 1, "pc_features.npy")
    apart = SpikeFeatures(np.array([[3, 2, 1]], np.float32), np.array([[8, 7, 9]]), 1, "pc_features.npy")
    found = feature_picture([("a", first), ("b", other), ("c", apart)])
    assert found.channels == (5, 6)
    assert [one.tolist() for one in found.values] == [[[9, -5], [8, -4]], [[2, 3]], []]
    figure = features(found, np.eye(3, dtype=np.uint8) * 255)
    (mark,) = figure.marks
    assert isinstance(mark, Pictures)
    assert [ink for _, _, ink in mark.spikes] == ["#ff0000", "#00ff00", "#0000ff"]
    assert figure.x.label == "Component of channel 5"
