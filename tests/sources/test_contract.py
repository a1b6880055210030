"""What holds for every source: the demo, a folder, and Alyx, whose server is replayed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard.library.open import open_insertion
from dashboard.model.errors import Cancelled, InsertionAmbiguous
from dashboard.model.progress import Progress
from dashboard.model.references import Histology, InsertionRecord, InsertionRef
from dashboard.sources.alf.choose import sorters
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.base import Source
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.replay.server import Replay

#: The insertion of each source that the tests open; one with a sorting of a few spikes.
KEYS = {"demo": None, "folder": "KM_003/2024-04-11/002/probe02", "alyx": "KM_003/2024-04-11/002/probe02"}


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the demo is written already, for its contract does not ask how fast that is."""
    cache = tmp_path_factory.mktemp("demo")
    demo = DemoSource(cache, n_spikes=20_000)
    insertion = next(demo.insertions())
    demo.fetch_files(insertion, demo.datasets(insertion))
    return cache


@pytest.fixture(scope="module")
def replayed(request: pytest.FixtureRequest) -> Iterator[Replay]:
    with Replay(request.getfixturevalue("alyx_folder")) as server:
        yield server


@pytest.fixture(params=sorted(KEYS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    kind: str = request.param
    if kind == "demo":
        return DemoSource(request.getfixturevalue("demo_folder"), n_spikes=20_000)
    if kind == "alyx":
        server: Replay = request.getfixturevalue("replayed")
        return AlyxSource(server.url, cache=tmp_path / "cache", user="alice", password="alicepass")
    recorded: Path = request.getfixturevalue("alyx_folder")
    return FolderSource(recorded / "data")


@pytest.fixture
def insertion(source: Source, request: pytest.FixtureRequest) -> InsertionRef:
    key = KEYS[request.node.callspec.params["source"]]
    found = source.find(key) if key else next(source.insertions())
    assert found is not None
    return found


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


def test_datasets_concern_the_insertion(source: Source, insertion: InsertionRef) -> None:
    datasets = source.datasets(insertion)
    assert len({d.relative_path for d in datasets}) == len(datasets)
    assert "spikes.times" in {d.name for d in datasets}
    assert all(f"{d.collection}/".startswith(("alf/", f"raw_ephys_data/{insertion.probe}/")) for d in datasets)
    others = {i.probe for i in source.insertions() if i.session == insertion.session} - {insertion.probe}
    assert not [d for d in datasets if d.collection.split("/")[1:2] and d.collection.split("/")[1] in others]
    assert sorters(datasets, insertion.probe)


def test_fetches_what_was_asked_for(source: Source, insertion: InsertionRef) -> None:
    wanted = [d for d in source.datasets(insertion) if d.object == "channels"]
    reports: list[Progress] = []
    paths = source.fetch_files(insertion, wanted, reports.append)
    assert set(paths) == {d.relative_path for d in wanted}
    for dataset in wanted:
        path = paths[dataset.relative_path]
        assert path.is_file()
        assert path.name == dataset.file_name or dataset.id is not None
        assert dataset.size in (None, path.stat().st_size)
    assert all(0 <= report.done <= report.total or report.total == 0 for report in reports)
    again = {d.relative_path: d.path for d in source.datasets(insertion) if d.relative_path in paths}
    assert again == dict(paths)


def test_fetches_nothing_where_nothing_is_asked_for(source: Source, insertion: InsertionRef) -> None:
    assert dict(source.fetch_files(insertion, [])) == {}


def test_a_cancelled_fetch_ends(source: Source, insertion: InsertionRef) -> None:
    wanted = [d for d in source.datasets(insertion) if d.object == "spikes"]
    cancel = threading.Event()
    cancel.set()
    try:
        paths = source.fetch_files(insertion, wanted, cancel=cancel)
    except Cancelled:
        return
    assert all(path.is_file() for path in paths.values())  # nothing was to be done


def test_record(source: Source, insertion: InsertionRef) -> None:
    record = source.record(insertion)
    assert record is None or isinstance(record, InsertionRecord)


@pytest.mark.parametrize("histology", list(Histology))
def test_brain_locations(source: Source, insertion: InsertionRef, histology: Histology) -> None:
    table = source.brain_locations(insertion, histology)
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
        answers.append((found, tuple(sorted(d.relative_path for d in source.datasets(found)))))

    run_in_threads(ask, 6)
    assert len(answers) == 6
    assert len(set(answers)) == 1


def test_opens(source: Source, insertion: InsertionRef, tmp_path: Path) -> None:
    sorting = open_insertion(insertion, source=source, cache=tmp_path / "computed", lazy=True)
    assert sorting.n_spikes > 0
    assert sorting.ref.insertion == insertion
    assert sorting.n_clusters == len(sorting.clusters)


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
