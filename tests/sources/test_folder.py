"""Folders of any shape list their insertions, and nothing outside of them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.model.errors import BadRequest, DatasetMissing, InsertionAmbiguous, InsertionNotFound
from dashboard.model.references import InsertionRef
from dashboard.sources.alf.choose import resolve, sorters
from dashboard.sources.folder import FolderSource

SESSION = "labx/Subjects/MOUSE_1/2024-01-02/001"
KEY = "MOUSE_1/2024-01-02/001/probe00"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


@pytest.fixture
def labdata(tmp_path: Path) -> Path:
    return touch(
        tmp_path / "data",
        f"{SESSION}/alf/probe00/pykilosort/spikes.times.npy",
        f"{SESSION}/alf/probe00/pykilosort/#2024-05-06#/spikes.times.{uuid.uuid4()}.npy",
        f"{SESSION}/alf/probe00/pykilosort/_av_clusters.metrics.{uuid.uuid4()}.pqt",
        f"{SESSION}/alf/probe00/spikes.times.npy",
        f"{SESSION}/alf/probe00/electrodeSites.mlapdv.npy",
        f"{SESSION}/alf/probe01/kilosort4/spikes.times.npy",
        f"{SESSION}/alf/task_00/_ibl_trials.table.pqt",
        f"{SESSION}/alf/_ibl_passivePeriods.intervalsTable.csv",
        f"{SESSION}/raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.rms.npy",
        f"{SESSION}/raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.cbin",
        "labx/Subjects/MOUSE_2/2024-01-03/002/raw_video_data/movie.mp4",
        "labx/Subjects/MOUSE_2/2024-01-04/001/alf/_ibl_trials.table.pqt",
    )


def keys(root: Path) -> list[str]:
    return [insertion.key for insertion in FolderSource(root).insertions()]


BOTH = [KEY, "MOUSE_1/2024-01-02/001/probe01"]


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("", BOTH),
        ("labx", BOTH),
        ("labx/Subjects", BOTH),
        ("labx/Subjects/MOUSE_1", BOTH),
        ("labx/Subjects/MOUSE_1/2024-01-02", BOTH),
        (SESSION, BOTH),
        (f"{SESSION}/alf", BOTH),
        (f"{SESSION}/alf/probe01", BOTH[1:]),
        (f"{SESSION}/alf/probe00/pykilosort", BOTH[:1]),
        (f"{SESSION}/alf/probe00/pykilosort/#2024-05-06#", BOTH[:1]),
        ("labx/Subjects/MOUSE_2", []),
    ],
)
def test_a_folder_above_or_below_the_session(labdata: Path, below: str, expected: list[str]) -> None:
    assert keys(labdata / below) == expected


def test_a_parent_called_alf_is_not_a_session(tmp_path: Path) -> None:
    touch(tmp_path / "alf", f"{SESSION}/alf/probe00/ks/spikes.times.npy")
    assert keys(tmp_path / "alf") == [KEY]


@pytest.mark.parametrize("below", [".", "alf", "alf/labx", "alf/labx/Subjects/MOUSE_1"])
@pytest.mark.parametrize("session", [SESSION, "labx/Subjects/MOUSE_1/first", "MOUSE_1", "2024-01-02/001"])
def test_sessions_below_a_folder_called_alf_are_found(tmp_path: Path, below: str, session: str) -> None:
    touch(tmp_path / "alf", f"{session}/alf/probe00/ks/spikes.times.npy")
    if (tmp_path / below).is_dir():
        source = FolderSource(tmp_path / below)
        (found,) = source.insertions()
        assert found.probe == "probe00"
        assert source.place(found) == str(tmp_path / "alf" / session / "alf" / "probe00")


def test_the_lab_is_read_off_the_path(labdata: Path) -> None:
    first = next(FolderSource(labdata).insertions())
    assert (first.lab, first.subject, first.date, first.number) == ("labx", "MOUSE_1", "2024-01-02", 1)
    assert first.pid is None


def test_without_lab_and_subjects(tmp_path: Path) -> None:
    touch(tmp_path, "MOUSE_1/2024-01-02/1/alf/probe00/ks/spikes.times.npy")
    source = FolderSource(tmp_path)
    assert [i.key for i in source.insertions()] == [KEY]
    assert next(source.insertions()).lab is None


def test_every_dataset_of_the_probe_and_of_its_session(labdata: Path) -> None:
    source = FolderSource(labdata)
    insertion = source.find(KEY)
    assert insertion is not None
    found = {d.relative_path: d for d in source.datasets(insertion)}
    assert set(found) == {
        "alf/probe00/pykilosort/spikes.times.npy",
        "alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy",
        "alf/probe00/pykilosort/_av_clusters.metrics.pqt",
        "alf/probe00/spikes.times.npy",
        "alf/probe00/electrodeSites.mlapdv.npy",
        "alf/task_00/_ibl_trials.table.pqt",
        "alf/_ibl_passivePeriods.intervalsTable.csv",
        "raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.rms.npy",
    }
    revised = found["alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy"]
    assert (revised.revision, revised.size, revised.is_default) == ("2024-05-06", 1, None)
    assert revised.id is not None
    assert revised.path is not None
    assert revised.path.is_file()
    assert found["alf/probe00/pykilosort/_av_clusters.metrics.pqt"].namespace == "av"
    assert sorters(list(found.values()), "probe00") == ["pykilosort", ""]


def test_the_folder_of_one_sorting_opens_that_one(labdata: Path) -> None:
    touch(labdata, f"{SESSION}/alf/probe00/iblsorter/spikes.times.npy")
    source = FolderSource(labdata / SESSION / "alf" / "probe00" / "pykilosort")
    insertion = next(source.insertions())
    datasets = source.datasets(insertion)
    assert resolve(insertion, datasets).collection == "alf/probe00/pykilosort"
    assert {"electrodeSites.mlapdv", "trials.table"} <= {d.name for d in datasets}


def test_a_file_with_and_without_uuid_is_one_dataset(tmp_path: Path) -> None:
    touch(tmp_path, f"{SESSION}/alf/probe00/ks/spikes.times.{uuid.uuid4()}.npy",
          f"{SESSION}/alf/probe00/ks/spikes.times.npy")  # fmt: skip
    source = FolderSource(tmp_path)
    datasets = source.datasets(next(source.insertions()))
    assert [(d.file_name, d.id) for d in datasets] == [("spikes.times.npy", None)]


def test_timescales_and_parts_do_not_stand_in_for_the_dataset(tmp_path: Path) -> None:
    names = ("spikes.times.npy", "spikes.times_ephysClock.npy", "spikes.times.part1.npy",
             "channels.brainLocationIds_ccf_2017.npy", "not alf", ".spikes.times.npy.part")  # fmt: skip
    touch(tmp_path, *(f"{SESSION}/alf/probe00/ks/{name}" for name in names))
    source = FolderSource(tmp_path)
    datasets = source.datasets(next(source.insertions()))
    assert {d.name for d in datasets} == {
        "spikes.times",
        "spikes.times_ephysClock",
        "spikes.times.part1",
        "channels.brainLocationIds_ccf_2017",
    }


@pytest.mark.parametrize("folder", ["sorted", "probe00/kilosort4", "a b/über"])
def test_loose_files(tmp_path: Path, folder: str) -> None:
    touch(tmp_path / "rig", f"{folder}/spikes.times.npy", f"{folder}/spikes.clusters.npy")
    for root in (tmp_path / "rig", tmp_path / "rig" / folder):
        source = FolderSource(root)
        (insertion,) = source.insertions()
        assert (insertion.date, insertion.number) == ("", 0)
        assert source.find(insertion.key) == insertion
        ref = resolve(insertion, source.datasets(insertion))
        assert set(ref.datasets) == {"spikes.times", "spikes.clusters"}
        assert source.place(insertion) == str((tmp_path / "rig" / folder).resolve())


def test_loose_folders_have_different_names(tmp_path: Path) -> None:
    touch(tmp_path, "a/ks/spikes.times.npy", "b/ks/spikes.times.npy")
    assert len(set(keys(tmp_path))) == 2


def test_a_session_folder_without_subject_and_date(tmp_path: Path) -> None:
    touch(tmp_path, "my session/alf/probe00/ks/spikes.times.npy", "my session/alf/_ibl_trials.table.pqt")
    source = FolderSource(tmp_path)
    (insertion,) = source.insertions()
    assert insertion.key == "my session/probe00"
    assert {d.name for d in source.datasets(insertion)} == {"spikes.times", "trials.table"}


def test_find_takes_the_number_with_or_without_zeros_and_spaces(labdata: Path) -> None:
    source = FolderSource(labdata)
    for text in (KEY, f" {KEY} ", "MOUSE_1/2024-01-02/1/probe00", f"/{KEY}/"):
        found = source.find(text)
        assert found is not None
        assert found.key == KEY
    assert source.find("MOUSE_1/2024-01-02/001/probe07") is None
    assert source.find("") is None


def test_a_session_with_two_probes_is_ambiguous(labdata: Path) -> None:
    with pytest.raises(InsertionAmbiguous) as caught:
        FolderSource(labdata).find("MOUSE_1/2024-01-02/001")
    assert caught.value.candidates == tuple(BOTH)


def test_the_name_of_a_source_stands_for_its_only_insertion(labdata: Path) -> None:
    source = FolderSource(labdata / SESSION / "alf" / "probe01", name="mine")
    found = source.find("mine")
    assert found is not None
    assert found.key == BOTH[1]


@pytest.mark.parametrize(
    "text",
    ["/etc/passwd", "../../etc", f"../{KEY}", "labx/Subjects/../../x", f"{KEY}/..", "~", ".", "..", "\x00", "%2e%2e/",
     "MOUSE_1/2024-01-02/001/../probe00", "labx/Subjects/MOUSE_1/2024-01-02/001/probe00"],
)  # fmt: skip
def test_text_never_becomes_a_path(labdata: Path, text: str) -> None:
    assert FolderSource(labdata).find(text) is None


@settings(max_examples=50)
@given(text=st.text(max_size=40))
def test_find_answers_only_with_what_is_listed(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.getbasetemp() / "listed"
    if not root.exists():
        touch(root, f"{SESSION}/alf/probe00/ks/spikes.times.npy")
    source = FolderSource(root)
    found = source.find(text)
    assert found is None or found in list(source.insertions())


def test_links_out_of_the_folder_are_not_followed(labdata: Path, tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "private", "SECRET/2024-01-02/001/alf/probe00/ks/spikes.times.npy")
    (labdata / "labx" / "Subjects" / "SECRET").symlink_to(elsewhere / "SECRET")
    (labdata / SESSION / "alf" / "probe09").symlink_to(elsewhere / "SECRET/2024-01-02/001/alf/probe00")
    (labdata / SESSION / "alf" / "probe00" / "stolen").symlink_to(elsewhere / "SECRET/2024-01-02/001/alf/probe00/ks")
    assert keys(labdata) == BOTH
    source = FolderSource(labdata)
    assert source.find("SECRET/2024-01-02/001/probe00") is None
    assert "stolen" not in sorters(source.datasets(next(source.insertions())), "probe00")


def test_links_in_a_circle_end(labdata: Path) -> None:
    (labdata / "labx" / "again").symlink_to(labdata)
    assert keys(labdata) == BOTH


def test_links_inside_the_folder_are_followed(labdata: Path) -> None:
    (labdata / "labx" / "Subjects" / "ALIAS").symlink_to(labdata / "labx" / "Subjects" / "MOUSE_1")
    assert "ALIAS/2024-01-02/001/probe00" in keys(labdata)


def test_a_dangling_link_is_left_out(labdata: Path) -> None:
    (labdata / SESSION / "alf/probe00/pykilosort/spikes.amps.npy").symlink_to(labdata / "nowhere")
    source = FolderSource(labdata)
    assert "spikes.amps" not in {d.name for d in source.datasets(next(source.insertions()))}


def test_fetch_gives_the_files_where_they_lie(labdata: Path) -> None:
    source = FolderSource(labdata)
    insertion = next(source.insertions())
    datasets = source.datasets(insertion)
    paths = source.fetch_files(insertion, datasets)
    assert paths == {d.relative_path: d.path for d in datasets}
    for path in paths.values():
        path.unlink()
    with pytest.raises(DatasetMissing):
        source.fetch_files(insertion, datasets)


def test_what_is_not_listed_has_no_datasets(labdata: Path) -> None:
    with pytest.raises(InsertionNotFound, match="probe05"):
        FolderSource(labdata).datasets(InsertionRef("MOUSE_1", "2024-01-02", 1, "probe05"))


def test_an_insertion_that_appears_later_is_found(labdata: Path) -> None:
    source = FolderSource(labdata)
    assert len(list(source.insertions())) == 2
    touch(labdata, f"{SESSION}/alf/probe02/ks/spikes.times.npy")
    assert source.find("MOUSE_1/2024-01-02/001/probe02") is not None


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InsertionNotFound, match="No such folder"):
        FolderSource(tmp_path / "nothing")
    with pytest.raises(BadRequest, match="Not a folder"):
        FolderSource(touch(tmp_path, "file") / "file")


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_left_out(labdata: Path) -> None:
    locked = touch(labdata, "labx/Subjects/LOCKED/2024-01-02/001/alf/probe00/ks/spikes.times.npy")
    (locked / "labx/Subjects/LOCKED").chmod(0)
    assert keys(labdata) == BOTH


def test_nothing_is_written(labdata: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in labdata.rglob("*")}
    source = FolderSource(labdata)
    source.datasets(next(source.insertions()))
    assert {path: path.stat().st_mtime_ns for path in labdata.rglob("*")} == before


def test_listing_is_lazy(labdata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(labdata, "labx/Subjects/ZZZ/2024-01-02/001/alf/probe00/ks/spikes.times.npy")
    entered: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: entered.append(str(path)) or scan(path))
    next(FolderSource(labdata).insertions())
    assert not any("ZZZ" in path for path in entered)
