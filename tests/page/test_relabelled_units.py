"""A sorting whose units have other ids, whatever they are, is the same sorting: pictures, filters and files say so."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashboard.analysis.computed import computed_names
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters
from dashboard.engine.build import build_columns
from dashboard.export.code import ibllib_snippet
from dashboard.library.render import render
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ignore_progress
from dashboard.model.sorting import SpikeSorting
from dashboard.model.unit_ids import UnitId
from dashboard.page import link as links
from dashboard.page.core.scene import Scene
from dashboard.page.export.snapshot import Snapshot
from dashboard.page.plot import cursor, raster, unit_rows
from dashboard.page.tabs.clusters.tab import cluster_table
from dashboard.page.tabs.probe.picture import render_units as place_units
from dashboard.page.tabs.registry import page_state
from dashboard.page.tabs.unit import picture as unit_picture
from dashboard.page.tabs.unit import texts as unit_texts
from dashboard.sources.demo.source import DemoSource
from tests.engine.engine_data import make_sorting

N_UNITS, N_SPIKES = 6, 3000
TIMES, DEPTHS, CHOSEN = (0.0, 60.0), (0.0, 400.0), (4, 1)
NEVER = threading.Event()
whole = st.integers(-5, 12) | st.integers(1 - 2**63, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
relabelled = st.lists(whole, unique=True, min_size=N_UNITS, max_size=N_UNITS) | st.lists(
    texts, unique=True, min_size=N_UNITS, max_size=N_UNITS
)
others = settings(max_examples=12)


def dense_sorting() -> SpikeSorting:
    rng = np.random.default_rng(3)
    of_spikes = rng.integers(0, N_UNITS, N_SPIKES)
    made = make_sorting(
        np.sort(rng.uniform(*TIMES, N_SPIKES)), 60.0 * of_spikes + rng.uniform(0, 80, N_SPIKES), of_spikes,
        rng.uniform(5e-5, 2e-4, N_SPIKES),
    )  # fmt: skip
    table = pd.DataFrame(
        {
            "depths": 60.0 * np.arange(N_UNITS) + 40, "label": np.arange(N_UNITS) % 4 / 3,
            "firing_rate": np.bincount(of_spikes) / 60, "atlas_id": np.resize([382, 997], N_UNITS),
            "acronym": np.resize(["CA1", "root"], N_UNITS),
        }
    )  # fmt: skip
    channels = pd.DataFrame({"axial_um": np.arange(0.0, 400, 20), "lateral_um": 0.0})
    return replace(made, clusters=table, channels=channels)


DENSE = dense_sorting()


def with_ids(ids: list[Any], *, by_row: bool = False) -> SpikeSorting:
    """Return the sorting with other ids; spikes name units by them, or by their rows."""
    by_row = by_row or isinstance(ids[0], str)
    own = DENSE.spikes.clusters
    spikes = replace(DENSE.spikes, clusters=own if by_row else np.array(ids)[own], clusters_are_rows=by_row)
    return replace(DENSE, spikes=spikes, clusters=DENSE.clusters.set_axis(pd.Index(ids)))


def opened(sorting: SpikeSorting) -> OpenInsertion:
    columns = build_columns(sorting, None)
    return OpenInsertion(StoreKey("x", "x", None, None), sorting, columns, DemoSource(Path()), 0.0)


def scene(sorting: SpikeSorting, chosen: tuple[int, ...] | None = None) -> Scene:
    mask = None if chosen is None else np.isin(np.arange(N_UNITS), chosen)
    return Scene(opened(sorting), mask)


def alike(one: Any, other: Any) -> None:
    """Compare dataclasses, arrays and values, times of rendering aside."""
    if hasattr(one, "__dataclass_fields__"):
        computed = computed_names(type(one))
        # what such a value is computed from has other ids
        inputs = {"scene", "sorting", "columns", "cancel"} if computed else set()
        for name in {*one.__dataclass_fields__, *computed} - {"render_ms", "names"} - inputs:
            alike(getattr(one, name), getattr(other, name))
    elif isinstance(one, dict):
        for name in set(one) - {"cluster"}:
            alike(one[name], other[name])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for mine, its in zip(one, other, strict=True):
            alike(mine, its)
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other or one is other or (one != one and other != other)


@others
@given(relabelled, st.booleans())
@example([5, 1000, 2_000_000_000, 7, 8, 0], False)
@example([-1, 0, 1, 2, 3, 4], False)
@example([5, 4, 3, 2, 1, 0], False)
def test_columns_and_renders_are_the_same(ids: list[UnitId], by_row: bool) -> None:
    sorting = with_ids(ids, by_row=by_row)
    mine, its = build_columns(DENSE, None), build_columns(sorting, None)
    for name in ("times_s", "depth_codes", "clusters", "amps_uv", "n_clusters"):
        alike(getattr(mine, name), getattr(its, name))
    window = {"time_range": TIMES, "depth_range": DEPTHS, "width": 40, "height": 20}
    for kind in ("count", "amp_max", "region", "label", "unit_rate"):
        one = render(DENSE, **window, aggregate=kind, clusters=list(CHOSEN))
        alike(one, render(sorting, **window, aggregate=kind, clusters=[ids[unit] for unit in CHOSEN]))
    named = render(sorting, **window, aggregate="cluster").values
    dense = render(DENSE, **window, aggregate="cluster").values
    assert named[dense >= 0].tolist() == [ids[unit] for unit in dense[dense >= 0]]
    assert not set(named[dense < 0].tolist()) & set(ids)


@others
@given(relabelled)
def test_filters_find_the_same_units(ids: list[UnitId]) -> None:
    sorting = with_ids(ids)
    counts = np.bincount(DENSE.spikes.clusters)
    for wanted in (ClusterFilter(labels=(1.0,)), ClusterFilter(regions=("CA1",)), ClusterFilter(where="depths > 100")):
        one = filter_clusters(wanted, DENSE.clusters, counts)
        other = filter_clusters(wanted, sorting.clusters, counts)
        alike((one.mask, one.n_spikes), (other.mask, other.n_spikes))
        assert other.ids.tolist() == [ids[unit] for unit in one.ids]
    chosen = filter_clusters(ClusterFilter(ids=tuple(ids[unit] for unit in CHOSEN)), sorting.clusters)
    assert sorted(np.flatnonzero(chosen.mask)) == sorted(CHOSEN)


def test_expressions_name_units_by_their_ids() -> None:
    numbers, names = with_ids([5, 1000, 2_000_000_000, -7, 8, 0]), with_ids(["a", "b", "c", "d", "12", " "])
    for sorting, text, rows in (
        (numbers, "cluster_id == 2000000000", [2]), (numbers, "cluster_id < 0 or id in [8]", [3, 4]),
        (names, "cluster_id == '12'", [4]), (names, "cluster_id in ['a', 'd']", [0, 3]),
    ):  # fmt: skip
        found = filter_clusters(ClusterFilter(where=text), sorting.clusters.assign(cluster_id=1))
        assert np.flatnonzero(found.mask).tolist() == rows
    with pytest.raises(BadRequest, match="text is never a number"):
        filter_clusters(ClusterFilter(where="cluster_id == 12"), names.clusters)


@others
@given(relabelled)
def test_views_draw_the_same(ids: list[UnitId]) -> None:
    mine, its = scene(DENSE), scene(with_ids(ids))
    assert its.indexes([ids[unit] for unit in CHOSEN]) == CHOSEN
    for color in ("count", "cluster", "region"):
        asked = (TIMES, DEPTHS, 64, 40, color, "linear", None, CHOSEN)
        one, other = (raster.render(raster.RasterRequest(each, *asked), NEVER) for each in (mine, its))
        alike(one, other)
        assert one.marks is not None and other.marks is not None
        assert [str(ids[unit]) for unit in one.marks["cluster"]] == list(map(str, other.marks["cluster"]))
    asked = (TIMES, (0, N_UNITS), 64, 40, "count", "linear", None, CHOSEN)
    alike(*(unit_rows.render_rows(unit_rows.RowsRequest(each, *asked), NEVER) for each in (mine, its)))
    one, other = (unit_picture.render_units(unit_picture.UnitRequest(each, CHOSEN, 4), NEVER) for each in (mine, its))
    alike(one, other)
    alike(place_units(mine, NEVER), place_units(its, NEVER))


@pytest.mark.parametrize("ids", [["<b>", "b", "c,d", "12", 'e"', " "], [5, 1000, 2_000_000_000, -7, 8, 0]])
def test_people_read_ids(ids: list[UnitId]) -> None:
    its = scene(with_ids(ids))
    assert cluster_table(its.sorting)["cluster_id"].tolist() == ids
    found = unit_picture.render_units(unit_picture.UnitRequest(its, (0, 2), 0), NEVER)
    shown = "&lt;b&gt;" if ids[0] == "<b>" else str(ids[0])
    assert f"Unit {shown} <small>" in unit_texts.head(its, found, "")
    unit = cursor.nearest_unit(its, 30.0, 160.0, cursor.Reach(30.0, 40.0))
    assert unit is not None
    drawn = render(its.sorting, TIMES, DEPTHS, 4, 4)
    assert f"click: unit {ids[unit]} (" in cursor.describe(its, drawn, 30.0, 160.0, unit)
    state = page_state(insertion="x", selected=[ids[2], ids[0]])
    values = dict(links.parse(links.write(state)).values)
    assert links.drop_gone(values, its.sorting) == () and values["selected"] == [ids[2], ids[0]]
    assert links.drop_gone({"selected": ["nobody", ids[1]]}, its.sorting)


@others
@given(relabelled)
def test_files_hold_ids(ids: list[UnitId]) -> None:
    chosen = (0, 1, 4)
    its = scene(with_ids(ids), chosen)
    asked = page_state(
        time_range=TIMES, depth_range=DEPTHS, selected=[ids[unit] for unit in CHOSEN], filters={"where": "depths > 0"},
        color="count",
    ).values()  # fmt: skip
    found, dense = Snapshot(its, asked), Snapshot(scene(DENSE, chosen), {**asked, "selected": list(CHOSEN)})
    with TemporaryDirectory() as folder:

        def written(name: str, kind: str) -> tuple[Any, Any]:
            paths = [Path(folder) / f"{name}{number}.{kind}" for number in range(2)]
            for path, look in zip(paths, (found, dense), strict=True):
                look.write(path, name, kind, ignore_progress, NEVER)
            read = pq.read_table if kind == "parquet" else lambda path: dict(np.load(path))
            return read(paths[0]), read(paths[1])

        its_spikes, spikes = written("spikes", "parquet")
        assert its_spikes["clusters"].to_pylist() == [ids[unit] for unit in spikes["clusters"].to_pylist()]
        assert its_spikes.drop(["clusters"]).equals(spikes.drop(["clusters"]))
        arrays, own = written("spikes", "npz")
        assert arrays["clusters"].tolist() == [ids[unit] for unit in own["clusters"]]
        table, own_table = written("clusters", "parquet")
        assert table["cluster_id"].to_pylist() == [ids[unit] for unit in chosen]
        assert table.drop(["cluster_id"]).equals(own_table.drop(["cluster_id"]))
        arrays, own = written("rows", "npz")
        assert arrays["cluster_id"].tolist() == [ids[unit] for unit in own["cluster_id"]]
        alike(arrays["values"], own["values"])
        arrays, own = written("pairs", "npz")
        assert arrays["other"].tolist() == [ids[unit] for unit in own["other"]]
        arrays, _ = written("correlogram", "npz")
        assert arrays["cluster_id"].item() == ids[CHOSEN[-1]]
    assert f"{[ids[unit] for unit in chosen]!r}"[1:-1] in ibllib_snippet(found.subject)


def test_columns_in_the_cache_are_of_their_ids(tmp_path: Path) -> None:
    from tests.engine.engine_data import write_sorting

    own = np.asarray(DENSE.spikes.clusters)
    base = write_sorting(
        tmp_path / "data", times=DENSE.spikes.times_s, clusters=np.array([3, 1, 2, 9, 7, 8])[own],
        depths=np.asarray(DENSE.spikes.depths_um),
    )  # fmt: skip
    for ids in ([3, 1, 2, 9, 7, 8], [1, 2, 3, 7, 8, 9]):
        sorting = replace(base, clusters=DENSE.clusters.set_axis(pd.Index(ids)))
        for _ in range(2):
            columns = build_columns(sorting, tmp_path / "cache")
            assert np.array(ids)[columns.clusters].tolist() == np.asarray(base.spikes.clusters).tolist()
