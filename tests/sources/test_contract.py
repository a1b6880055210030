"""What holds for every source: the demo, folders and files of each kind, and Alyx, whose server is replayed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.model.errors import (
    Cancelled,
    DatasetInvalid,
    DownloadFailed,
    InsertionAmbiguous,
    RevisionMissing,
    SorterMissing,
)
from dashboard.model.progress import Progress
from dashboard.model.references import Histology, InsertionRecord, InsertionRef, SortingRequest
from dashboard.sources.alf.choose import sorters
from dashboard.sources.alf.source import AlfSource
from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from dashboard.sources.registry import SOURCES
from tests.sources.kinds import KEYS, insertion_of, source_of


@pytest.fixture(params=sorted(KEYS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return source_of(request.param, request, tmp_path)


@pytest.fixture
def alf(source: Source) -> AlfSource:
    """The source, where its files are ALF's."""
    if not isinstance(source, AlfSource):
        pytest.skip("a source of other files than ALF's")
    return source


@pytest.fixture
def insertion(source: Source, request: pytest.FixtureRequest) -> InsertionRef:
    return insertion_of(request.node.callspec.params["source"], source)


def test_lists_insertions_once(source: Source) -> None:
    listed = list(source.insertions())
    assert listed
    assert len({i.key for i in listed}) == len(listed)
    assert all(i.source == source.name for i in listed)


def test_finds_by_key(source: Source, insertion: InsertionRef) -> None:
    assert source.find(insertion.key) == insertion
    assert source.find(f" {insertion.key} ") == insertion
    short = f"{insertion.subject}/{insertion.date}/{insertion.number}/{insertion.probe}"
    assert source.find(short) == insertion


def test_finds_by_ids(source: Source, insertion: InsertionRef) -> None:
    if insertion.pid is None:
        pytest.skip("a source without ids")
    assert source.find(insertion.pid) == insertion
    assert source.find(f"{insertion.eid}/{insertion.probe}") == insertion


@pytest.mark.parametrize(
    "text",
    ["", "nobody", "nobody/2024-01-01/001/probe00", "00000000-0000-4000-8000-000000000000", "../..", "/", "a/b/c/d"],
)
def test_does_not_know(source: Source, text: str) -> None:
    assert source.find(text) is None


def test_a_session_of_several_probes_is_ambiguous(source: Source, insertion: InsertionRef) -> None:
    probes = [i for i in source.insertions() if i.session == insertion.session]
    if len(probes) == 1:
        assert source.find(insertion.session) == insertion
        return
    with pytest.raises(InsertionAmbiguous) as caught:
        source.find(insertion.session)
    assert {source.find(candidate) for candidate in caught.value.candidates} == set(probes)


def test_datasets_concern_the_insertion(alf: AlfSource, insertion: InsertionRef) -> None:
    datasets = alf.datasets(insertion)
    assert len({d.relative_path for d in datasets}) == len(datasets)
    assert "spikes.times" in {d.name for d in datasets}
    assert all(f"{d.collection}/".startswith(("alf/", f"raw_ephys_data/{insertion.probe}/")) for d in datasets)
    others = {i.probe for i in alf.insertions() if i.session == insertion.session} - {insertion.probe}
    assert not [d for d in datasets if d.collection.split("/")[1:2] and d.collection.split("/")[1] in others]
    assert sorters(datasets, insertion.probe)


def test_fetches_what_was_asked_for(alf: AlfSource, insertion: InsertionRef) -> None:
    wanted = [d for d in alf.datasets(insertion) if d.object == "channels"]
    reports: list[Progress] = []
    paths = alf.fetch_files(insertion, wanted, reports.append)
    assert set(paths) == {d.relative_path for d in wanted}
    for dataset in wanted:
        path = paths[dataset.relative_path]
        assert path.is_file()
        assert path.name == dataset.file_name or dataset.id is not None
        assert dataset.size in (None, path.stat().st_size)
    assert all(0 <= report.done <= report.total or report.total == 0 for report in reports)
    again = {d.relative_path: d.path for d in alf.datasets(insertion) if d.relative_path in paths}
    assert again == dict(paths)


def test_fetches_nothing_where_nothing_is_asked_for(alf: AlfSource, insertion: InsertionRef) -> None:
    assert dict(alf.fetch_files(insertion, [])) == {}


def test_a_cancelled_fetch_ends(alf: AlfSource, insertion: InsertionRef) -> None:
    wanted = [d for d in alf.datasets(insertion) if d.object == "spikes"]
    cancel = threading.Event()
    cancel.set()
    try:
        paths = alf.fetch_files(insertion, wanted, cancel=cancel)
    except Cancelled:
        return
    assert all(path.is_file() for path in paths.values())  # nothing was to be done


def test_record(source: Source, insertion: InsertionRef) -> None:
    record = source.record(insertion)
    assert record is None or isinstance(record, InsertionRecord)


@pytest.mark.parametrize("histology", list(Histology))
def test_brain_locations(alf: AlfSource, insertion: InsertionRef, histology: Histology) -> None:
    table = alf.brain_locations(insertion, histology)
    if histology is Histology.NONE:
        assert table is None
    if table is not None:
        assert list(table.columns) == ["axial_um", "lateral_um", "x", "y", "z", "atlas_id"]
        assert table.axial_um.is_monotonic_increasing
        assert table[["x", "y", "z"]].abs().max().max() < 0.02, "not in metres"


def test_threads_agree(source: Source, insertion: InsertionRef) -> None:
    answers = []

    def ask() -> None:
        found = source.find(insertion.key)
        assert found is not None
        answers.append((found, tuple(offer.sorter for offer in source.sortings(found))))

    run_in_threads(ask, 6)
    assert len(answers) == 6
    assert len(set(answers)) == 1


def test_opens(source: Source, insertion: InsertionRef, tmp_path: Path) -> None:
    sorting = open_insertion(insertion, source=source, cache=tmp_path / "computed", lazy=True)
    assert sorting.n_spikes > 0
    assert sorting.ref.insertion == insertion
    assert sorting.n_clusters == len(sorting.clusters)


def test_units_have_a_rate_presence_and_contamination(source: Source, insertion: InsertionRef, tmp_path: Path) -> None:
    units = open_insertion(insertion, source=source, cache=tmp_path / "computed").clusters
    for name in ("firing_rate", "presence_ratio", "contamination"):
        assert np.isfinite(units[name].to_numpy(np.float64, na_value=np.nan)).any(), name


def test_every_kind_of_source_is_here() -> None:
    assert set(KEYS) - {"zarr"} == set(SOURCES.names), "zarr is another layout of the analyzer's"


def test_lists_its_sortings_the_default_one_first(source: Source, insertion: InsertionRef, tmp_path: Path) -> None:
    offers = source.sortings(insertion)
    assert [offer.is_default for offer in offers] == [True] + [False] * (len(offers) - 1)
    assert len({(offer.sorter, offer.revision) for offer in offers}) == len(offers)
    sorting = source.open(insertion)
    assert (sorting.ref.sorter.value, sorting.ref.revision.value) == (offers[0].sorter, offers[0].revision)
    assert sorting.offers == source.sortings(insertion)


def test_a_sorting_that_does_not_exist_is_refused_with_those_that_do(source: Source, insertion: InsertionRef) -> None:
    sorter = source.sortings(insertion)[0].sorter
    with pytest.raises(SorterMissing, match=sorter or "base"):
        source.open(insertion, SortingRequest(sorter="nobody"))
    with pytest.raises(RevisionMissing):
        source.open(insertion, SortingRequest(revision="nothing"))


def test_opening_reports_progress_and_can_be_cancelled(source: Source, insertion: InsertionRef) -> None:
    reports: list[Progress] = []
    source.open(insertion, progress=reports.append)
    assert reports
    assert all(report.stage and (report.done <= report.total or not report.total) for report in reports)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        source.open(insertion, cancel=cancel)


def test_fetches_without_opening(source: Source, insertion: InsertionRef, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("load_spikes", "load_clusters", "load_trials"):
        module = "clusters" if name == "load_clusters" else "source"
        monkeypatch.setattr(f"dashboard.sources.alf.{module}.{name}", lambda *args: pytest.fail("a file is opened"))
    ref = source.fetch(insertion)
    assert ref is None or all(d.path is not None and d.path.is_file() for d in ref.datasets.values())


def test_a_second_opening_maps_the_columns_of_the_first(
    source: Source, insertion: InsertionRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "computed"
    first = source.open(insertion, cache=cache)
    assert first.identity is not None
    columns = build_columns(first, cache)
    monkeypatch.setattr("dashboard.engine.build._compose", lambda *args: pytest.fail("columns are built anew"))
    again = source.open(insertion, cache=cache)
    assert again.identity == first.identity
    assert np.array_equal(build_columns(again, cache).depth_codes, columns.depth_codes)


def test_damaged_data_are_one_line_that_names_the_file(source: Source, insertion: InsertionRef, tmp_path: Path) -> None:
    sorting = source.open(insertion)
    assert sorting.identity is not None
    path = next(
        Path(file.path)
        for file in sorting.identity.files
        if file.name.startswith("spike") or file.name.endswith(".nwb") or file.path.endswith("sample_index/0")
    )
    del sorting
    whole = path.read_bytes()
    home = tmp_path if tmp_path in path.parents else None
    if home is None and not isinstance(source, DemoSource):  # recordings are not written to
        copied = tmp_path / "copy"
        shutil.copytree(source.root, copied)  # type: ignore[attr-defined]
        source, path = FolderSource(copied), copied / path.relative_to(source.root)  # type: ignore[attr-defined]
    replaced = path.with_name("whole")
    path.rename(replaced)  # what maps the file keeps it
    try:
        path.write_bytes(whole[: len(whole) // 2])
        try:
            source.open(insertion)
        except (DatasetInvalid, DownloadFailed) as error:
            assert "\n" not in str(error)
            assert path.name in str(error)
        else:
            assert path.read_bytes() == whole, "a damaged file was taken for a whole one"
    finally:
        replaced.replace(path)


def run_in_threads(work: Callable[[], None], n: int) -> None:
    """Run `work` in `n` threads at once."""
    together = threading.Barrier(n)

    def run() -> None:
        together.wait(10)
        work()

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
