"""ibllib itself, run on the demo, answers what we answer. Needs ibllib: `make parity`."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

brainbox_io = pytest.importorskip("brainbox.io.one", reason="ibllib is not installed (make parity)")
single_units = pytest.importorskip("brainbox.metrics.single_units")
matplotlib = pytest.importorskip("matplotlib")

from iblatlas.regions import BrainRegions  # noqa: E402
from iblutil.numerical import bincount2D  # noqa: E402
from one.alf import io as alfio  # noqa: E402
from one.alf.cache import make_parquet_db  # noqa: E402
from one.api import One  # noqa: E402

from dashboard.analysis.curation.subject import Subject  # noqa: E402
from dashboard.analysis.quality.metrics import COLUMNS, label_tests, recompute  # noqa: E402
from dashboard.engine.build import build_columns  # noqa: E402
from dashboard.engine.count.heatmap import firing_rate  # noqa: E402
from dashboard.library.curation import tables  # noqa: E402
from dashboard.library.curation.file import shown_to  # noqa: E402
from dashboard.library.open import open_insertion  # noqa: E402
from dashboard.model.curation import CurationRules  # noqa: E402
from dashboard.model.sorting import SpikeSorting  # noqa: E402
from dashboard.sources.demo.source import DemoSource  # noqa: E402
from dashboard.sources.folder import FolderSource  # noqa: E402

pytestmark = [
    pytest.mark.parity,
    # ibllib, ONE and what they import warn freely; ours is held to `error` everywhere else
    pytest.mark.filterwarnings("ignore"),
]

# A revision before all others is the original one to ONE, which compares strings.
CASES = {
    "default": {},
    "pykilosort": {"sorter": "pykilosort"},
    "pykilosort-original": {"sorter": "pykilosort", "revision": ""},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    matplotlib.use("Agg")
    source = DemoSource(tmp_path_factory.mktemp("cache"), n_spikes=300_000)
    insertion = source.find("demo")
    assert insertion is not None
    source.fetch_files(insertion, source.datasets(insertion))  # which writes the files
    return source


@pytest.fixture(scope="module")
def ours(demo: DemoSource, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SpikeSorting]:
    cache = tmp_path_factory.mktemp("ours")
    return lambda case: open_insertion("demo", source=demo, cache=cache, **CASES[case])


@pytest.fixture(scope="module")
def theirs(demo: DemoSource) -> Callable[[str], tuple[Any, Any, Any, Any]]:
    root = demo.session.parents[4]
    make_parquet_db(root, hash_files=False)
    one = One(cache_dir=root, mode="local")
    atlas = types.SimpleNamespace(regions=BrainRegions())  # the rest of the atlas would be downloaded
    loader = brainbox_io.SpikeSortingLoader(eid=one.to_eid(demo.session), pname="probe00", one=one, atlas=atlas)

    def load(case: str) -> tuple[Any, Any, Any, Any]:
        words = {"spike_sorter" if k == "sorter" else k: v or "0" for k, v in CASES[case].items()}
        return loader, *loader.load_spike_sorting(**words)

    return load


@pytest.mark.parametrize("case", CASES)
def test_the_same_files(case: str, ours: Any, theirs: Any) -> None:
    sorting, (loader, *_) = ours(case), theirs(case)
    assert sorting.ref.collection == loader.collection
    assert sorting.histology == loader.histology
    for obj in ("spikes", "clusters", "channels"):
        mine = {d.path for d in sorting.ref.datasets.values() if d.object == obj and "aveforms" not in d.name}
        assert mine == {Path(path) for path in loader.files[obj]}


@pytest.mark.parametrize("case", CASES)
def test_spikes_to_the_last_value(case: str, ours: Any, theirs: Any) -> None:
    mine, (_, spikes, _, _) = ours(case).spikes, theirs(case)
    columns = {"times": mine.times_s, "clusters": mine.clusters, "depths": mine.depths_um, "amps": mine.amps_v}
    assert set(spikes) == set(columns)
    for name, column in columns.items():
        assert column.dtype == spikes[name].dtype
        np.testing.assert_array_equal(column, spikes[name])


@pytest.mark.parametrize("case", CASES)
def test_channels_and_merged_clusters_to_the_last_value(case: str, ours: Any, theirs: Any) -> None:
    sorting, (loader, spikes, clusters, channels) = ours(case), theirs(case)
    merged = loader.merge_clusters(spikes, clusters, channels)
    for table, answer in ((sorting.channels, channels), (sorting.clusters, merged)):
        assert set(table.columns) - {"snr"} == set(answer)  # which ibllib's table does not have
        for name, column in answer.items():
            np.testing.assert_array_equal(table[name].to_numpy(), np.asarray(column), err_msg=name)


def test_recomputed_metrics_to_the_last_value(ours: Any, theirs: Any) -> None:
    sorting, (loader, spikes, clusters, _) = ours("pykilosort"), theirs("pykilosort")
    answer = loader.compute_metrics(spikes, clusters)
    found = recompute(sorting)
    assert set(found.columns) == set(COLUMNS) == set(answer.columns)
    for name in COLUMNS:
        np.testing.assert_array_equal(found[name].to_numpy(), answer[name].to_numpy(), err_msg=name)
    np.testing.assert_array_equal(
        label_tests(found).to_numpy().mean(axis=1), single_units.compute_labels(answer), err_msg="label"
    )


def sample_amplitudes() -> list[npt.NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    return [
        *(np.exp(rng.normal(np.log(1e-4), 0.3, n)) for n in (2, 3, 10, 99, 1001, 20_000)),
        np.clip(rng.normal(1e-4, 4e-5, 5000), 8e-5, None),
        np.full(700, 1e-4),
        np.repeat([1e-4, 2e-4], 400),
    ]


@pytest.mark.parametrize("amps", sample_amplitudes(), ids=len)
def test_noise_cutoff_and_missed_spikes(amps: npt.NDArray[np.float64]) -> None:
    from dashboard.analysis.quality.metrics import missed_spikes, noise_cutoff

    words = single_units.METRICS_PARAMS
    np.testing.assert_array_equal(noise_cutoff(amps), single_units.noise_cutoff(amps, **words["noise_cutoff"])[1])
    if amps.min() < amps.max():
        answer = single_units.missed_spikes_est(amps, **words["missed_spikes_est"])[0]
        np.testing.assert_array_equal(missed_spikes(amps), answer)


def test_example_3_of_the_documentation_is_our_heatmap(ours: Any, theirs: Any) -> None:
    _, spikes, _, _ = theirs("default")
    kept = ~np.isnan(spikes["depths"])
    counts, times, depths = bincount2D(spikes["times"][kept], spikes["depths"][kept], 0.05, 10)
    mine = firing_rate(build_columns(ours("default")), 0.05, 10.0, max_cells=None)
    assert mine.values.shape == counts.shape
    np.testing.assert_array_equal(mine.values, counts / 0.05)
    np.testing.assert_allclose(mine.time_edges_s[:-1], times, rtol=0, atol=1e-9)
    np.testing.assert_allclose(mine.depth_edges_um[:-1], depths, rtol=0, atol=1e-9)


def test_title_and_counts_of_its_raster(ours: Any, theirs: Any) -> None:
    sorting, (loader, spikes, _, channels) = ours("default"), theirs("default")
    figure, axes = loader.raster(spikes, channels, t_bin=0.5, d_bin=20)
    ref = sorting.ref.insertion
    columns = build_columns(sorting)
    n_units = np.count_nonzero(np.diff(columns.unit_index.offsets))
    title = axes[0, 0].get_title()
    assert f"{ref.date}_{ref.number}_{ref.subject}_{ref.probe}" in title
    assert f"{sorting.n_spikes:_} spikes, {n_units:_} clusters" in title
    assert axes[1, 1].get_title() == sorting.histology
    counts = axes[1, 0].images[0].get_array()
    mine = firing_rate(columns, 0.5, 20.0, max_cells=None)
    np.testing.assert_array_equal(mine.values * 0.5, counts)
    drift = axes[0, 0].lines
    assert len(drift) == sorting.drift.um.shape[1]
    np.testing.assert_array_equal(drift[0].get_xdata(), sorting.drift.times_s)
    matplotlib.pyplot.close(figure)


def test_the_table_of_a_namespace_is_what_ibllib_loads(tmp_path: Path) -> None:
    source = DemoSource(tmp_path, n_spikes=20_000)
    source.fetch_files(source.find("demo"), source.datasets(source.find("demo")))
    sorting = open_insertion("demo", source=source, cache=tmp_path)
    subject = Subject.of(sorting)
    said = [subject.decide("Ada", "label", "mua", 5, name="quality"), subject.decide("Ada", "note", "odd", 8)]
    where = sorting.ref.datasets["clusters.metrics"].path
    file = shown_to("Ada", said, subject, CurationRules())
    tables.write_alf(where.with_name("_ada_clusters.metrics.pqt"), file, sorting, "quality")
    root = source.session.parents[4]
    make_parquet_db(root, hash_files=False)
    one = One(cache_dir=root, mode="local")
    atlas = types.SimpleNamespace(regions=BrainRegions())
    loader = brainbox_io.SpikeSortingLoader(eid=one.to_eid(source.session), pname="probe00", one=one, atlas=atlas)
    theirs = loader.merge_clusters(*loader.load_spike_sorting(namespace="ada"))
    for column, expected in (("curated", {5: "mua"}), ("curated_note", {8: "odd"})):
        assert {unit: text for unit, text in zip(theirs["cluster_id"], theirs[column], strict=True) if text} == expected
    np.testing.assert_array_equal(theirs["label"], sorting.clusters["label"])  # IBL's own is what it was
    key = sorting.ref.insertion.key
    ours = open_insertion(key, source=FolderSource(source.session), cache=tmp_path / "other", namespace="ada")
    assert ours.clusters["curated"].tolist() == list(theirs["curated"])


def test_trials_are_those_of_the_table(demo: DemoSource, ours: Any) -> None:
    answer = alfio.load_object(demo.session / "alf", "trials", namespace="ibl").to_df()
    found = ours("default").trials.table
    for name in answer:
        np.testing.assert_array_equal(found[name].to_numpy(), answer[name].to_numpy(), err_msg=name)
