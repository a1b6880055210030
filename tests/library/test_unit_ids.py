"""ALF sortings whose ids have gaps, or whose metrics stand in another order, keep the ids of spikes.clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting
from tests.library.alf_folder import N_CLUSTERS, sorting_arrays, write_session

SPARSE = [5, 1000, 2_000_000_000]
ONLY_SPIKES = [name for name in sorting_arrays() if name.startswith("clusters.")]


def sparse(root: Path, ids: list[int] = SPARSE) -> SpikeSorting:
    own = sorting_arrays()["spikes.clusters"]
    write_session(root / "data", without=ONLY_SPIKES, changed={"spikes.clusters": np.array(ids)[own % len(ids)]})
    return open_insertion(root / "data", cache=root / "cache")


def test_ids_with_gaps_have_a_unit_each(tmp_path: Path) -> None:
    sorting = sparse(tmp_path)
    assert sorting.unit_ids.tolist() == sorting.clusters.index.tolist() == SPARSE
    assert set(np.unique(sorting.spikes.clusters)) == set(SPARSE)  # as on disk
    again = open_insertion(tmp_path / "data", cache=tmp_path / "cache")
    assert again.unit_ids.tolist() == SPARSE


def test_ids_with_gaps_are_drawn_by_their_ids(tmp_path: Path) -> None:
    sorting = sparse(tmp_path)
    on_disk = np.asarray(sorting.spikes.clusters)
    for folder in (tmp_path / "cache", tmp_path / "cache", tmp_path / "other"):  # built, mapped, built
        picture = render(sorting, clusters=[1000, SPARSE[2]], cache=folder, width=40, height=20)
        assert picture.n_spikes == np.isin(on_disk, [1000, SPARSE[2]]).sum()
    assert render(sorting, clusters=np.array([True, False, False]), cache=folder).n_spikes == (on_disk == 5).sum()
    colours = render(sorting, aggregate="cluster", cache=folder, width=40, height=20).values
    assert set(np.unique(colours)) == {-1, *SPARSE}


def test_an_id_in_a_gap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"No such unit: 6\. There are 3 units: 5, 1000, 2000000000"):
        render(sparse(tmp_path), clusters=[5, 6], cache=tmp_path / "cache")


def with_metrics(root: Path, cluster_id: np.ndarray) -> SpikeSorting:
    table = pd.DataFrame({"cluster_id": cluster_id, "firing_rate": 10.0 * np.arange(N_CLUSTERS)})
    write_session(root, changed={"clusters.metrics": table})
    return open_insertion(root, cache=root.parent / "cache", lazy=True)


def test_metrics_in_another_order_are_found_by_id(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(N_CLUSTERS)
    sorting = with_metrics(tmp_path / "data", order)
    assert sorting.clusters["cluster_id"].tolist() == sorting.unit_ids.tolist() == list(range(N_CLUSTERS))
    assert sorting.clusters["firing_rate"].to_numpy()[order].tolist() == (10.0 * np.arange(N_CLUSTERS)).tolist()
    assert any("another order" in note for note in sorting.notes)


def test_metrics_that_number_something_else_are_said(tmp_path: Path) -> None:
    sorting = with_metrics(tmp_path / "data", np.arange(N_CLUSTERS) + 1)
    assert sorting.unit_ids.tolist() == list(range(N_CLUSTERS))
    assert "cluster_id" not in sorting.clusters
    assert sorting.clusters["cluster_id_in_metrics"].tolist() == list(range(1, N_CLUSTERS + 1))
    assert any("cluster_id_in_metrics" in note for note in sorting.notes)
