"""What people have reported of their sortings and of other programs that show them, made anew as small folders.

Each docstring names the report. None of these is among the folders that are kept beside the checkout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.analysis.units.templates import unit_template
from dashboard.cli.main import describe
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.sorting import SpikeSorting
from tests.library.alf_folder import N_CHANNELS, N_CLUSTERS, N_SPIKES, SESSION, sorting_arrays, write, write_session
from tests.page.driving import driven_page, is_idle, waits

KEY = "MOUSE_1/2024-01-02/001/probe00"


class Opening:
    """Writes a folder and opens it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, **options: Any) -> SpikeSorting:
        write_session(self.root / "data", **options)
        sorting = open_insertion(self.root / "data", cache=self.root / "cache", lazy=True)
        assert (sorting.n_spikes, sorting.n_dropped) == (N_SPIKES, 0)
        assert describe(sorting)["n_spikes"] == N_SPIKES
        if sorting.spikes.depths_um is not None:
            image = render(sorting, width=20, height=10, cache=self.root / "cache")
            assert image.values.sum() == N_SPIKES
        return sorting

    def columns(self, sorting: SpikeSorting) -> SpikeColumns:
        return build_columns(sorting, self.root / "cache")

    def visit(self, *units: int, tabs: tuple[str, ...] = ("Unit",)) -> None:
        """Select each unit on each tab; nothing is left computing, and nothing is refused."""
        with driven_page(self.root / "data", self.root / "cache") as page:
            page.open(KEY)
            assert not page.do(lambda: page.session.card.alert.visible)
            for tab in tabs:
                for unit in units:
                    made = page.select(tab, unit)
                    page.wait(lambda made=made: is_idle(made) and not waits(made), tab)
                    assert page.do(lambda made=made: made.busy.panel.object) == ""


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    return Opening(tmp_path)


def said(sorting: SpikeSorting) -> str:
    return "\n".join((*sorting.notes, *(f"{item.dataset}: {item.reason}" for item in sorting.missing)))


def test_attributes_of_clusters_that_are_no_columns(opening: Opening) -> None:
    """An extraction wrote clusters.amps (n, 2) and waveformDuration (n, n): int-brain-lab/ibllib#78."""
    changed = {
        "clusters.amps": np.ones((N_CLUSTERS, 2)),
        "clusters.waveformDuration": np.ones((N_CLUSTERS, N_CLUSTERS)),
    }
    sorting = opening(changed=changed)
    assert "amps" not in sorting.clusters
    assert sorting.clusters["label"].tolist() == sorting_arrays()["clusters.metrics"]["label"].tolist()


def test_trials_whose_columns_differ_in_length(opening: Opening) -> None:
    """415 choices and 412 times of feedback: int-brain-lab/iblenv#203."""
    alf = opening.root / "data" / SESSION / "alf"
    times = {"feedback_times": 12, "stimOn_times": 12, "goCue_times": 12, "choice": 15, "probabilityLeft": 15}
    write(alf, {f"_ibl_trials.{name}": np.linspace(1.0, 60.0, n) for name, n in times.items()})
    sorting = opening()
    assert sorting.trials is not None
    assert list(sorting.trials.table) == ["feedback_times", "goCue_times", "stimOn_times"]
    assert "trials.choice: 15 rows for 12 trials" in said(sorting)


@pytest.mark.parametrize("nothing", ["NaN", "zeros"])
def test_a_template_without_values(nothing: str, opening: Opening) -> None:
    """The template of a unit with 11 spikes is all NaN: MouseLand/Kilosort#568, cortex-lab/phy#1060."""
    waves = np.random.default_rng(0).normal(0, 1e-5, (N_CLUSTERS, 30, 8)).astype(np.float32)
    waves[4] = np.nan if nothing == "NaN" else 0.0
    channels = np.tile(np.arange(8), (N_CLUSTERS, 1))
    sorting = opening(changed={"templates.waveforms": waves, "templates.waveformsChannels": channels})
    columns = opening.columns(sorting)
    assert unit_template(sorting, columns, 3)[0] is not None
    found, why = unit_template(sorting, columns, 4)
    assert found is None
    assert "has no waveform for cluster 4" in why
    opening.visit(4)


def test_templates_of_spikes_beyond_the_templates(opening: Opening) -> None:
    """655 template ids and 517 templates: MouseLand/Kilosort#604, cortex-lab/phy#1275, #1327."""
    of_spikes = sorting_arrays()["spikes.clusters"].astype(np.int64) + 5
    waves = np.random.default_rng(0).normal(0, 1e-5, (N_CLUSTERS, 30, 8)).astype(np.float32)
    channels = np.tile(np.arange(8), (N_CLUSTERS, 1))
    changed = {
        "spikes.templates": of_spikes, "templates.waveforms": waves, "templates.waveformsChannels": channels,
    }  # fmt: skip
    sorting = opening(changed=changed)
    columns = opening.columns(sorting)
    assert unit_template(sorting, columns, 2)[0] is not None
    found, why = unit_template(sorting, columns, N_CLUSTERS - 1)
    assert found is None
    assert why
    opening.visit(2, N_CLUSTERS - 1)


def test_a_template_on_no_channel(opening: Opening) -> None:
    """A sparse export leaves a unit without channels: SpikeInterface/spikeinterface#1945, #2200, #2561."""
    waves = np.random.default_rng(0).normal(0, 1e-5, (N_CLUSTERS, 30, 4)).astype(np.float32)
    channels = np.tile(np.arange(4.0), (N_CLUSTERS, 1))
    channels[5] = np.nan
    channels[6, 1:] = np.nan
    sorting = opening(changed={"clusters.waveforms": waves, "clusters.waveformsChannels": channels})
    columns = opening.columns(sorting)
    assert unit_template(sorting, columns, 5)[0] is None
    found, _ = unit_template(sorting, columns, 6)
    assert found is not None
    assert len(found.axial_um) == 1
    opening.visit(5, 6, tabs=("Unit", "Probe"))


@pytest.mark.parametrize("name", ["spikes.amps", "spikes.depths"])
def test_a_column_of_spikes_of_another_shape_costs_itself(name: str, opening: Opening) -> None:
    """Amplitudes come out as (n, 2): SpikeInterface/spikeinterface#3520."""
    sorting = opening(changed={name: np.ones((N_SPIKES, 2))})
    assert "should be one column of numbers" in (sorting.missing_reason(name) or "")
    columns = opening.columns(sorting)
    assert (columns.amps_uv is None) == (name == "spikes.amps")
    of_channels = sorting_arrays()["channels.localCoordinates"][sorting_arrays()["clusters.channels"], 1]
    if name == "spikes.depths":
        np.testing.assert_array_equal(columns.depths_um, of_channels[sorting_arrays()["spikes.clusters"]])
    opening.visit(3, tabs=("Unit", "Probe", "Summary"))


def test_a_split_unit_whose_row_is_copied(opening: Opening) -> None:
    """A split copies the row of the unit, so that two rows have one id: SpikeInterface/spikeinterface#1690."""
    table = sorting_arrays()["clusters.metrics"].assign(cluster_id=[0, 1, 2, 2, *range(4, N_CLUSTERS)])
    sorting = opening(changed={"clusters.metrics": table})
    assert sorting.unit_ids.tolist() == list(range(N_CLUSTERS))
    assert "cluster_id in clusters.metrics does not number the clusters" in said(sorting)
    assert sorting.clusters["cluster_id_in_metrics"].tolist() == table["cluster_id"].tolist()


def test_ids_of_another_program_beside_those_of_the_spikes(opening: Opening) -> None:
    """The exporter's own ids are words, and not those of the spikes: SpikeInterface/spikeinterface#522, #814, #1202."""
    names = [f"probe0_unit{i}" for i in range(N_CLUSTERS)]
    sorting = opening(changed={"clusters.metrics": sorting_arrays()["clusters.metrics"].assign(cluster_id=names)})
    assert sorting.unit_ids.tolist() == list(range(N_CLUSTERS))
    assert sorting.clusters["cluster_id_in_metrics"].tolist() == names
    assert sorting.labels.tolist() == sorting_arrays()["clusters.metrics"]["label"].tolist()


def test_shanks_of_a_probe_of_64_channels(opening: Opening) -> None:
    """Six shanks, 200 um apart, of two columns 16.5 um apart: SpikeInterface/spikeinterface#1925."""
    shank = np.arange(N_CHANNELS) % 6
    place = np.arange(N_CHANNELS) // 6
    local = np.c_[200.0 * shank + 16.5 * (place % 2), 15.0 * place]
    sorting = opening(changed={"channels.localCoordinates": local})
    assert sorting.channels["shank"].tolist() == shank.tolist()
    assert describe(sorting)["differences"]["shanks"].startswith("6 shanks")


def test_a_single_channel(opening: Opening) -> None:
    """A sorting of one channel: cortex-lab/phy#784."""
    changed = {
        "channels.localCoordinates": np.zeros((1, 2)),
        "channels.rawInd": np.zeros(1, np.int64),
        "clusters.channels": np.zeros(N_CLUSTERS, np.int64),
        "clusters.depths": np.zeros(N_CLUSTERS),
        "spikes.depths": np.zeros(N_SPIKES),
    }
    sorting = opening(changed=changed)
    assert sorting.clusters["axial_um"].tolist() == [0.0] * N_CLUSTERS
    opening.visit(3, tabs=("Summary", "Unit", "Probe", "Change"))


@pytest.mark.parametrize("turn", [lambda y: -y, lambda y: y - 5000.0])
def test_depths_below_zero(turn: Callable[[Any], Any], opening: Opening) -> None:
    """The axis of depth is turned round, or starts anywhere: cortex-lab/KiloSort#26."""
    arrays = sorting_arrays()
    local = arrays["channels.localCoordinates"]
    changed = {
        "channels.localCoordinates": np.c_[local[:, 0], turn(local[:, 1])],
        "clusters.depths": turn(arrays["clusters.depths"]),
        "spikes.depths": turn(arrays["spikes.depths"]),
    }
    sorting = opening(changed=changed)
    columns = opening.columns(sorting)
    np.testing.assert_array_equal(columns.depths_um, changed["spikes.depths"])
    assert "all channels" not in said(sorting)
    opening.visit(3, tabs=("Unit", "Probe"))


def test_a_table_with_tabs_that_is_called_csv(opening: Opening) -> None:
    """A copy of a table has tabs in it and .csv for its end: SpikeInterface/spikeinterface#1167."""
    table = sorting_arrays()["clusters.metrics"]
    folder = write_session(opening.root / "data", without=["clusters.metrics"])
    table.to_csv(folder / "clusters.metrics.csv", sep="\t", index=False)
    sorting = opening(without=["clusters.metrics"])
    np.testing.assert_allclose(sorting.labels, table["label"])


def test_a_table_with_blank_ids(opening: Opening) -> None:
    """Rows of merged units have no group, those of new ones no id: SpikeInterface/spikeinterface#4210."""
    ids = pd.array([*range(N_CLUSTERS - 2), None, None], dtype="Int64")
    sorting = opening(changed={"clusters.metrics": sorting_arrays()["clusters.metrics"].assign(cluster_id=ids)})
    assert sorting.unit_ids.tolist() == list(range(N_CLUSTERS))
    assert "does not number the clusters" in said(sorting)
    assert describe(sorting)["n_good"] == (sorting_arrays()["clusters.metrics"]["label"] == 1).sum()
