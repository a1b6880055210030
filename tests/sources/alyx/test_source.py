"""The Alyx source against the replay of a recorded server."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from dashboard.model.errors import Cancelled, DownloadFailed, InsertionAmbiguous, SourceUnavailable
from dashboard.model.references import DatasetRef, Histology, InsertionRef
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download.partial import is_complete
from tests.replay.server import Replay

EID = "476cedbd-08e6-4844-ac5d-baed40ae4d78"
KM_001 = ("983a6668-5d02-4273-8f0d-1f59989c80c2", "d122e597-530d-4e16-afd3-6124b86f826b")
KM_002 = ("6b4fe251-a7c7-4792-af80-4931c5129c8e", "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2")
KM_003 = (
    "266820b1-21f0-4a0b-88c7-5ba8aa19cb1a",
    "9ca72bb6-6dfd-4214-91f6-8a717cc69006",
    "3f9e3d4d-4ed9-431d-98e5-cdcf4bcd2edc",
)
NO_SORTING = "a2bd848a-04b7-4648-a57d-7be58905d581"


def found(source: AlyxSource, text: str) -> InsertionRef:
    insertion = source.find(text)
    assert insertion is not None
    return insertion


def small(source: AlyxSource, insertion: InsertionRef) -> list[DatasetRef]:
    """Return some small datasets of the insertion."""
    return [d for d in source.datasets(insertion) if d.object == "channels" and d.collection.endswith("/pykilosort")]


@pytest.mark.parametrize(
    "text",
    [
        KM_001[1],
        KM_001[1].upper(),
        f"  {KM_001[1]}\n",
        f"{EID}/probe01",
        "KM_001/2024-03-05/1/probe01",
        "KM_001/2024-03-05/001/probe01",
        "labrig/Subjects/KM_001/2024-03-05/001/alf/probe01/pykilosort/spikes.times.npy",
        f"https://alyx.example.org/insertions/{KM_001[1]}",
        f"https://alyx.example.org/admin/experiments/probeinsertion/{KM_001[1]}/change/",
        f"https://viz.example.org/app?dset=bwm&pid={KM_001[1]}&tid=0",
        f"https://alyx.example.org/sessions/{EID}/probe01",
    ],
)
def test_find(source: AlyxSource, text: str) -> None:
    assert found(source, text) == InsertionRef(
        "KM_001", "2024-03-05", 1, "probe01", source.name, lab="labrig", pid=KM_001[1], eid=EID
    )


@pytest.mark.parametrize(
    "text",
    [
        EID,
        "KM_001/2024-03-05/001",
        f"https://alyx.example.org/sessions/{EID}",
        f"https://alyx.example.org/admin/actions/ephyssession/{EID}/change",
    ],
)
def test_a_session_with_two_probes_is_ambiguous(source: AlyxSource, text: str) -> None:
    with pytest.raises(InsertionAmbiguous) as caught:
        source.find(text)
    assert caught.value.candidates == ("KM_001/2024-03-05/001/probe00", "KM_001/2024-03-05/001/probe01")
    assert all(source.find(candidate) is not None for candidate in caught.value.candidates)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        "/some/folder",
        "00000000-0000-4000-8000-000000000000",
        "983a6668-5d02-4273-8f0d",
        f"{EID}/probe07",
        "KM_001/2024-03-05/002/probe00",
        "KM_00/2024-03-05/001/probe00",
        "../../etc/passwd",
    ],
)
def test_what_the_server_does_not_know(source: AlyxSource, text: str) -> None:
    assert source.find(text) is None


def test_a_session_of_one_probe_needs_no_name(source: AlyxSource) -> None:
    assert found(source, "6c4c9aab-4d40-4dd8-9f29-8ad4b96f79e4").key == "KM_005/2024-05-02/001/probe00"


def test_every_insertion_is_listed_once(source: AlyxSource, replay: Replay) -> None:
    keys = [insertion.key for insertion in source.insertions()]
    assert len(keys) == len(set(keys)) == len(replay.recordings.tables["insertions"])


def test_datasets_are_those_of_the_manifest(source: AlyxSource, alyx_folder: Path) -> None:
    manifest = json.loads((alyx_folder / "manifest.json").read_text())["datasets"]
    ours = {d.id: d for d in source.datasets(found(source, KM_001[0]))}
    theirs = {
        d["id"]: d
        for d in manifest
        if d["eid"] == EID and (d["collection"] == "alf" or f"{d['collection']}/".startswith("alf/probe00/"))
    }
    assert ours.keys() == theirs.keys()
    for id_, dataset in ours.items():
        row = theirs[id_]
        assert (dataset.file_name, dataset.collection, dataset.revision) == (
            row["name"], row["collection"], row["revision"],
        )  # fmt: skip
        assert (dataset.is_default, dataset.size, dataset.md5, dataset.version) == (
            row["default"], row["size"], row["md5"], row["version"] or None,
        )  # fmt: skip
        assert "#" not in (dataset.url or "")
        assert dataset.path is None


def test_fetched_files_are_right_and_laid_out_as_one_does(source: AlyxSource, replay: Replay) -> None:
    insertion = found(source, KM_001[0])
    datasets = small(source, insertion)
    paths = source.fetch_files(insertion, datasets)
    assert len(datasets) > 4
    for dataset in datasets:
        path = paths[dataset.relative_path]
        assert path.relative_to(source.data_root).as_posix() == (
            f"labrig/Subjects/KM_001/2024-03-05/001/{dataset.relative_path}"
        )
        assert is_complete(path, dataset)
    here = {d.relative_path: d.path for d in source.datasets(insertion) if d.path is not None}
    assert here == dict(paths)
    source.fetch_files(insertion, datasets)
    assert set(replay.data_counts().values()) == {1}


def test_an_existing_one_cache_is_used_as_it_is(replay: Replay, source: AlyxSource, tmp_path: Path) -> None:
    insertion = found(source, KM_001[0])
    datasets = small(source, insertion)
    source.fetch_files(insertion, datasets)
    asked = sum(replay.data_counts().values())
    theirs = source.data_root
    before = {p: p.stat().st_mtime_ns for p in theirs.rglob("*")}
    other = AlyxSource(replay.url, cache=tmp_path / "b", user="alice", password="alicepass", one_cache=theirs)
    paths = other.fetch_files(insertion, other.datasets(insertion)[:0] + datasets)
    assert all(path.is_relative_to(theirs) for path in paths.values())
    assert sum(replay.data_counts().values()) == asked
    assert {p: p.stat().st_mtime_ns for p in theirs.rglob("*")} == before


def test_ones_parameters_name_the_cache_and_the_login(replay: Replay, tmp_path: Path) -> None:
    home = Path.home() / ".one"
    home.mkdir()
    key = f".127.0.0.1_{replay.port}"
    (home / key).write_text(json.dumps({"ALYX_URL": replay.url, "ALYX_LOGIN": "alice", "ALYX_PWD": "alicepass"}))
    (home / ".caches").write_text(json.dumps({"CLIENT_MAP": {key[1:]: str(tmp_path / "one")}, "DEFAULT": key[1:]}))
    before = {p: p.read_text() for p in home.iterdir()}
    source = AlyxSource(replay.url, cache=tmp_path / "cache")
    assert source.find(KM_001[0]) is not None
    assert source.one_cache == tmp_path / "one"
    assert {p: p.read_text() for p in home.iterdir()} == before


def test_nothing_is_written_at_home(source: AlyxSource) -> None:
    insertion = found(source, KM_001[0])
    source.fetch_files(insertion, small(source, insertion)[:1])
    source.record(insertion)
    assert list(Path.home().iterdir()) == []


def test_a_dataset_without_an_address(source: AlyxSource, replay: Replay) -> None:
    """ONE fails to list the whole session; here one dataset is missing, by its name and revision."""
    record = replay.dataset(EID, "alf/probe00/pykilosort/#2024-05-06#/channels.rawInd.npy")
    record["data_url"] = None
    insertion = found(source, KM_001[0])
    datasets = small(source, insertion)
    (bare,) = [d for d in datasets if d.url is None]
    assert bare.relative_path == "alf/probe00/pykilosort/#2024-05-06#/channels.rawInd.npy"
    fetched = source.fetch_files(insertion, datasets)
    assert list(fetched.failures) == [bare.relative_path]
    assert "no address" in str(fetched.failures[bare.relative_path])
    assert len(fetched) == len(datasets) - 1


def test_nothing_came_through(source: AlyxSource, replay: Replay) -> None:
    insertion = found(source, KM_001[0])
    (dataset, *_) = small(source, insertion)
    replay.faults.add("/public/*", "status", code=404, times=None)
    with pytest.raises(DownloadFailed, match="does not have it"):
        source.fetch_files(insertion, [dataset])


def test_names_cannot_lead_out_of_the_cache(source: AlyxSource, replay: Replay) -> None:
    insertion = found(source, KM_001[0])
    (dataset, *_) = small(source, insertion)
    for change in (
        {"collection": "../../.."},
        {"collection": "/etc"},
        {"revision": "a/../../../b"},
        {"object": "a/../../b"},
    ):
        with pytest.raises(DownloadFailed, match="cannot be a file's"):
            source.fetch_files(insertion, [dataclasses.replace(dataset, **change)])
    with pytest.raises(DownloadFailed, match="cannot be a file's"):
        source.fetch_files(dataclasses.replace(insertion, lab=".."), [dataset])
    assert not replay.data_counts()


@pytest.mark.parametrize(
    ("pid", "histology", "resolved_by", "model"),
    [
        (KM_001[0], Histology.RESOLVED, "alice", "3B2"),
        (KM_002[0], Histology.ALIGNED, None, "3B2"),
        (KM_002[1], Histology.TRACED, None, "3B2"),
        (KM_003[0], Histology.NONE, None, "3B2"),
        (KM_003[1], Histology.NONE, None, "3B2"),
        (KM_003[2], Histology.RESOLVED, "alice", "3B2"),
    ],
)
def test_records(source: AlyxSource, pid: str, histology: Histology, resolved_by: str | None, model: str) -> None:
    record = source.record(found(source, pid))
    assert record is not None
    assert (record.histology, record.resolved_by, record.model) == (histology, resolved_by, model)


def test_record_says_what_the_server_says(source: AlyxSource) -> None:
    record = source.record(found(source, KM_001[0]))
    assert record is not None
    assert record.qc == "PASS"
    assert record.extended_qc["alignment_resolved_date"] == "2024-05-21T08:00:00"
    assert record.projects == ("ibl_neuropixel_brainwide_01", "rig_project")
    assert record.task_protocol == "_iblrig_tasks_ephysChoiceWorld6.4.2"


@pytest.mark.parametrize(
    ("pid", "case"),
    [
        (KM_001[0], "S1p00_base"),
        (KM_001[1], "S1p01_default_mixedrev_resolved"),
        (KM_002[0], "S2p00_aligned"),
        (KM_002[1], "S2p01_traced"),
    ],
)
def test_brain_locations_are_ibllibs(source: AlyxSource, recorded_alyx: Path, pid: str, case: str) -> None:
    """ibllib computes them from the atlas volume; Alyx holds them in um, which costs the last bit of a float."""
    histology = Histology(json.loads((recorded_alyx / "oracle" / "index.json").read_text())[case]["histology"])
    ours = source.brain_locations(found(source, pid), histology)
    assert ours is not None
    theirs = np.load(recorded_alyx / "oracle" / f"{case}.channels.npz", allow_pickle=True)
    order = np.lexsort((theirs["lateral_um"], theirs["axial_um"]))
    assert list(ours.columns) == ["axial_um", "lateral_um", "x", "y", "z", "atlas_id"]
    for column in ("axial_um", "lateral_um", "atlas_id"):
        np.testing.assert_array_equal(ours[column], theirs[column][order])
        assert ours[column].dtype == theirs[column].dtype
    for column in "xyz":
        np.testing.assert_array_max_ulp(ours[column].to_numpy(), theirs[column][order], maxulp=1)


@pytest.mark.parametrize(
    ("pid", "histology"), [(KM_003[0], Histology.TRACED), (KM_001[0], Histology.ALF), (KM_001[0], Histology.NONE)]
)
def test_no_brain_locations(source: AlyxSource, pid: str, histology: Histology) -> None:
    assert source.brain_locations(found(source, pid), histology) is None


def test_an_insertion_without_sorting_has_no_spikes(source: AlyxSource) -> None:
    datasets = source.datasets(found(source, NO_SORTING))
    assert not [d for d in datasets if d.object == "spikes"]


def test_an_insertion_of_another_source_is_looked_up(source: AlyxSource) -> None:
    bare = InsertionRef("KM_001", "2024-03-05", 1, "probe00")
    assert len(source.datasets(bare)) == len(source.datasets(found(source, KM_001[0])))


def test_one_pid_is_asked_for_once_however_many_want_it(source: AlyxSource, replay: Replay) -> None:
    answers = []

    def find() -> None:
        answers.append(source.find(KM_001[0]))

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and len(set(answers)) == 1
    assert replay.count("/insertions/") == 1
    assert replay.count("/auth-token", "POST") == 1


class TestOffline:
    """What was fetched before opens without the server, by whatever names it, and says so."""

    @pytest.fixture
    def seen(self, source: AlyxSource) -> AlyxSource:
        insertion = found(source, KM_001[0])
        source.fetch_files(insertion, small(source, insertion))
        record = source.record(insertion)
        assert record is not None
        source.brain_locations(insertion, record.histology)
        assert source.notice == ""
        return source

    @pytest.fixture(params=["server down", "by choice", "refused", "broken"])
    def offline(self, seen: AlyxSource, replay: Replay, tmp_path: Path, request: pytest.FixtureRequest) -> AlyxSource:
        password = "alicepass"
        if request.param == "server down":
            replay.down = True
        elif request.param == "refused":
            password = "wrong"
        elif request.param == "broken":
            replay.faults.add("/*", "not_json", times=None)
        return AlyxSource(
            replay.url, cache=tmp_path / "cache", user="alice", password=password, offline=request.param == "by choice"
        )

    def test_opens(self, offline: AlyxSource, seen: AlyxSource) -> None:
        insertion = found(offline, KM_001[0])
        assert "ffline" in offline.notice
        assert offline.datasets(insertion) == seen.datasets(insertion)
        wanted = small(offline, insertion)
        assert len(offline.fetch_files(insertion, wanted)) == len(wanted)
        assert offline.record(insertion) == seen.record(insertion)
        ours, before = (s.brain_locations(insertion, Histology.RESOLVED) for s in (offline, seen))
        assert ours is not None and ours.equals(before)

    @pytest.mark.parametrize("text", [f"{EID}/probe00", EID, "KM_001/2024-03-05/001/probe00", "KM_001/2024-03-05/1"])
    def test_finds_by_other_names(self, offline: AlyxSource, text: str) -> None:
        assert found(offline, text).pid == KM_001[0]

    def test_lists_what_it_knows(self, offline: AlyxSource) -> None:
        assert [insertion.pid for insertion in offline.insertions()] == [KM_001[0]]

    def test_says_what_it_does_not_know(self, offline: AlyxSource) -> None:
        with pytest.raises(SourceUnavailable):
            offline.find(KM_002[0])

    def test_files_that_are_missing_fail_by_name(self, offline: AlyxSource, replay: Replay) -> None:
        replay.faults.add("/public/*", "status", code=404, times=None)
        insertion = found(offline, KM_001[0])
        absent = [d for d in offline.datasets(insertion) if d.name == "clusters.amps"]
        with pytest.raises(DownloadFailed, match=r"clusters\.amps"):
            offline.fetch_files(insertion, absent)

    def test_comes_back(self, seen: AlyxSource, replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr(seen.records, "_clock", lambda: now[0])
        replay.down, now[0] = True, 1e6
        assert seen.find(KM_001[0]) is not None
        assert "cannot be reached" in seen.notice
        asked = len(replay.seen)
        replay.down = False
        assert seen.find(KM_001[0]) is not None
        assert len(replay.seen) == asked, "the server was asked again at once"
        now[0] += 100
        assert seen.find(KM_001[0]) is not None
        assert seen.notice == ""


def test_a_spoiled_answer_on_disk_is_ignored(source: AlyxSource) -> None:
    found(source, KM_001[0])
    (file,) = source.records.folder.glob("insertions_*.json")
    file.write_text('{"key": "/insertions')
    other = AlyxSource(source.client.base_url, cache=source.records.folder.parents[1], offline=True)
    with pytest.raises(SourceUnavailable):
        other.find(KM_001[0])


def test_a_cache_that_cannot_be_written_still_answers(
    replay: Replay, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "alyx").write_text("a file where the folder should be")
    source = AlyxSource(replay.url, cache=tmp_path, user="alice", password="alicepass")
    assert source.find(KM_001[0]) is not None
    assert "not remembered" in caplog.text


def test_cancel_reaches_the_download(source: AlyxSource, replay: Replay) -> None:
    insertion = found(source, KM_001[0])
    datasets = small(source, insertion)
    replay.faults.add("/public/*", "stall", times=None, after=100)
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(Cancelled):
        source.fetch_files(insertion, datasets, cancel=cancel)
