"""Events of one's own, brought in on the page."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.export.origin import provenance, stamp
from dashboard.export.sheet import PRESETS, SheetStyle
from dashboard.model.sorting import Trials
from dashboard.page import link as links
from dashboard.page.services.alignment import AlignmentState
from dashboard.page.services.export_view import ExportView, make_subject
from dashboard.page.services.own_events import KeptEvents, read_name
from dashboard.page.services.response_test import ResponseTestState, response_columns
from dashboard.page.tabs.events.exports import draw_events
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.events import MAX_UPLOAD_BYTES
from dashboard.sources.phy.source import PhySource
from tests.page.driving import DrivenPage, driven_page, send_file
from tests.sources.samples import write_phy

KEY = "mouse/imec0"
TABLE = pd.DataFrame({"tone_times": np.arange(10.0, 110, 5), "side": ["left", "right"] * 10})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("own") / "data"
    write_phy(data / "mouse" / "imec0" / "kilosort25")
    write_phy(data / "other" / "imec0" / "kilosort25")
    return data


@pytest.fixture(scope="module")
def shared_page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenPage]:
    cache = tmp_path_factory.mktemp("cache")
    with driven_page(PhySource(data), cache, f"insertion={KEY}&tab=Events&selected=7") as page:
        page.wait(lambda: page.session.raster.picture, "the raster")
        yield page


@pytest.fixture
def page(shared_page: DrivenPage) -> Iterator[DrivenPage]:
    """A page without events."""
    yield shared_page
    tab, unset = events_tab(shared_page), AlignmentState()
    shared_page.do(lambda: tab.upload._leave(None))
    shared_page.wait(lambda: trials(shared_page) is None, "no events")
    shared_page.do(lambda: shared_page.session.states.update(event=unset.event, split=unset.split))


def written(ending: str) -> bytes:
    file = io.BytesIO()
    if ending == ".parquet":
        TABLE.to_parquet(file)
    elif ending == ".npy":
        np.save(file, TABLE[["tone_times"]].to_records(index=False))
    else:
        TABLE.to_csv(file, sep="," if ending == ".csv" else "\t", index=False)
    return file.getvalue()


def events_tab(page: DrivenPage) -> Any:
    tab = page.select("Events", 7)
    page.wait(lambda: tab.upload._scene, "the tab")
    return tab


def trials(page: DrivenPage) -> Any:
    return page.session._scene.sorting.trials if page.session._scene else None


def bring(page: DrivenPage, name: str, content: bytes) -> Any:
    tab = events_tab(page)
    before = page.do(lambda: trials(page))
    page.do(lambda: send_file(tab.upload.file, name, content))
    page.wait(lambda: trials(page) is not before or tab.upload._events.refused, "the file")
    return tab


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".npy", ".parquet"])
def test_events_are_aligned_to_and_the_folder_is_as_it_was(page: DrivenPage, data: Path, ending: str) -> None:
    files = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    tab = events_tab(page)
    assert "No events" in page.wait(lambda: tab.notice.object, "that there are none")
    bring(page, f"mine{ending}", written(ending))
    page.wait(lambda: tab.picture, "the picture")
    assert page.do(lambda: trials(page).table["tone_times"].tolist()) == TABLE["tone_times"].tolist()
    page.wait(lambda: page.session.states[AlignmentState].event == "tone_times", "the event, in the tab's turn")
    assert f"20 rows of mine{ending}" in page.do(lambda: tab.upload.words.object)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == files


def test_they_are_split_tested_and_said_and_left_again(page: DrivenPage) -> None:
    tab = bring(page, "mine.csv", written(".csv"))
    page.wait(lambda: tab.picture, "the picture")
    page.do(lambda: page.session.states.update(split="side"))
    groups = page.wait(lambda: len(tab.picture.groups) == 2 and tab.picture.groups, "two groups")
    assert [group.group.label for group in groups] == ["left", "right"]
    page.do(page.session.response_test._start)
    page.wait(lambda: response_columns(page.session._scene.sorting), "the columns of the test")
    said = provenance(page.do(lambda: make_subject(page.session._scene, page.session.states.values(), "")))
    assert said["events"] == "the 20 rows of mine.csv, taken to be on the clock of the spikes"
    assert "probe's own clock" in said["numbers"]
    assert any("mine.csv" in note for note in page.do(lambda: page.session._scene.sorting.notes))

    bring(page, "others.csv", b"time\n1\n2\n3\n")  # whose test would be another
    assert not page.do(lambda: response_columns(page.session._scene.sorting))
    assert page.do(lambda: page.session.states[ResponseTestState].test) == ""
    assert not any("mine.csv" in note for note in page.do(lambda: page.session._scene.sorting.notes))
    page.do(lambda: tab.upload._leave(None))
    page.wait(lambda: trials(page) is None, "no events")
    sorting = page.do(lambda: page.session._scene.sorting)
    assert "--events FILE" in sorting.missing_reason("trials")
    assert not any("Events are" in note for note in sorting.notes)


def test_they_are_of_one_insertion_and_of_one_page(page: DrivenPage, data: Path, tmp_path: Path) -> None:
    bring(page, "mine.csv", written(".csv"))
    page.do(lambda: page.session.open("other/imec0"))
    page.wait(lambda: page.session.state.insertion == "other/imec0", "the other insertion")
    page.wait(lambda: page.session._scene.sorting.ref.insertion.key == "other/imec0", "its scene")
    assert page.do(lambda: trials(page)) is None
    page.do(lambda: page.session.open(KEY))
    page.wait(lambda: page.session.state.insertion == KEY and trials(page) is not None, "its events again")
    with driven_page(PhySource(data), tmp_path / "cache", f"insertion={KEY}") as another:
        another.wait(lambda: another.session.raster.picture, "the raster")
        assert another.do(lambda: trials(another)) is None


def test_a_reload_shows_them_again_and_the_name_alone_opens_nothing_else(
    page: DrivenPage, data: Path, tmp_path: Path
) -> None:
    bring(page, "mine.csv", written(".csv"))
    query = page.do(lambda: links.write(page.session.states))
    name = query.partition("ownevents=")[2].partition("&")[0]
    assert read_name(name)
    with driven_page(PhySource(data), tmp_path / "cache", query) as again:
        again.wait(lambda: again.session.raster.picture, "the raster")
        assert again.do(lambda: trials(again).table["side"].tolist()) == TABLE["side"].tolist()
        again.wait(lambda: again.session.states[AlignmentState].event == "tone_times", "their event")
        assert f"ownevents={name}" in again.do(lambda: links.write(again.session.states))
        again.do(lambda: again.session.open("other/imec0"))
        again.wait(lambda: again.session._scene.sorting.ref.insertion.key == "other/imec0", "the other insertion")
        assert again.do(lambda: trials(again)) is None
        assert "ownevents" not in again.do(lambda: links.write(again.session.states))
    with driven_page(PhySource(data), tmp_path / "other", f"insertion=other/imec0&ownevents={name}") as other:
        other.wait(lambda: other.session.raster.picture, "the raster")
        assert other.do(lambda: trials(other)) is None
        assert "not kept any more" in str(other.do(lambda: other.session.card.alert.object))


def test_so_many_are_kept_as_there_is_room_for() -> None:
    of = [Trials(pd.DataFrame({"time": np.arange(1_000.0)}), origin=f"{k}") for k in range(3)]
    kept = KeptEvents(20_000)
    names = [kept.put("a", trials) for trials in of]
    assert len({*names}) == 3 and all(read_name(name) == name for name in names)
    assert [kept.get("a", name) for name in names] == [None, of[1], of[2]]
    assert kept.get("b", names[1]) is None
    with pytest.raises(ValueError, match="no name of events"):
        read_name("../x")


def test_trials_of_a_session_give_way_and_come_back(tmp_path: Path) -> None:
    source = DemoSource(tmp_path, n_spikes=20_000)
    with driven_page(source, tmp_path, "insertion=demo&tab=Events&selected=7") as page:
        page.wait(lambda: page.session.raster.picture, "the raster")
        theirs = page.do(lambda: trials(page))
        tab = bring(page, "mine.csv", written(".csv"))
        page.wait(lambda: tab.picture and tab.picture.event == "tone_times", "the picture")
        view = ExportView(page.do(lambda: page.session._scene), page.do(page.session.states.values))
        sheet = draw_events(view, SheetStyle(PRESETS["slide"]))
        assert "the 20 rows of mine.csv" in stamp(sheet.words)
        pickle.loads(pickle.dumps(view.subject.sorting.trials))  # figures are drawn in another process
        page.do(lambda: tab.upload._leave(None))
        page.wait(lambda: trials(page) is theirs, "the trials")
        page.wait(lambda: page.session.states[AlignmentState].event == "stimOn", "their event")


def test_metrics_that_come_later_leave_them(page: DrivenPage) -> None:
    bring(page, "mine.csv", written(".csv"))
    own = page.do(lambda: trials(page))
    loaded = page.do(lambda: page.session.curation.loaded)
    page.do(lambda: page.session._completed(loaded, loaded))
    assert page.do(lambda: trials(page)) is own


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.xlsx", b"PK", "Events are not read from '.xlsx' files"),
        ("none.csv", b"side,level\nleft,1\n", "No column of times: none.csv"),
        ("ms.csv", b"time\n1\n90000000\n", "cannot be in seconds"),
        ("cut.npy", written(".npy")[:90], "cut.npy"),
        ("cut.parquet", written(".parquet")[:200], "Not a readable parquet table: cut.parquet"),
        ("code.npy", b"\x93NUMPY\x01\x00" + pickle.dumps(print), "Not a NumPy array file"),
        ("big.csv", b"time\n" + b"1\n" * (MAX_UPLOAD_BYTES // 2), "The file is too large: big.csv. 10 MB at most"),
    ],
)
def test_a_bad_file_is_one_line_and_changes_nothing(page: DrivenPage, name: str, content: bytes, said: str) -> None:
    tab = bring(page, "mine.csv", written(".csv"))
    own = page.do(lambda: trials(page))
    page.do(lambda: send_file(tab.upload.file, name, content, 200_000))
    refused = page.wait(lambda: tab.upload._events.refused, "the refusal")
    assert said in str(refused)
    assert "\n" not in str(refused)
    assert "uploaded-" not in str(refused)
    assert 'role="alert"' in page.do(lambda: tab.upload.words.object)
    assert page.do(lambda: trials(page)) is own
