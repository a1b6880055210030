"""Decisions on the page: kept before they are shown, undone after a reload, seen by others."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from bokeh.events import SelectionGeometry

import dashboard.library.database as database
import dashboard.page.services.curation as service
import dashboard.page.services.decision_keeper as decision_keeper
from dashboard.analysis.curation.subject import Subject
from dashboard.export.code import dashboard_snippet
from dashboard.export.origin import provenance
from dashboard.library.curation.formats import format_of
from dashboard.library.open import open_insertion
from dashboard.library.userdata import UserData
from dashboard.model.curation import CurationRules
from dashboard.model.progress import ignore_progress
from dashboard.page.services.export_view import ExportView, make_subject
from dashboard.page.tabs.curation.exports import note_curation, write_curation, write_decisions
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.demo.units import Size
from tests.page.driving import DrivenPage, driven_page, send_file

N_SPIKES = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decided")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[DrivenPage]:
    """A page that the tests share: each has an author of its own."""
    with opened_page(folder) as page:
        yield page


def opened_page(folder: Path, query: str = "insertion=demo") -> Any:
    return driven_page(DemoSource(folder, n_spikes=N_SPIKES), folder, query)


def begin(page: DrivenPage, author: str) -> None:
    page.wait(lambda: page.session.raster.picture, "the raster")
    page.wait(lambda: table_of(page).ids(), "the table")
    page.do(lambda: page.session.services.user_session.say(author))
    page.do(lambda: page.session.states.update(filters={}, unjudged=False, selected=[]))


def table_of(page: DrivenPage) -> Any:
    return page.session.dock.slots["clusters"].made


def press(page: DrivenPage, key: str, *units: int) -> None:
    if units:
        page.do(lambda: page.session.state.param.update(selected=list(units)))
    page.do(lambda: page.session.keys.press(key))


def labels(page: DrivenPage, column: str = "my_label") -> dict[int, str]:
    """Return the units that have something in a column, as the page shows it."""
    scene = page.session._scene
    if scene is None or column not in scene.sorting.clusters:
        return {}
    return {unit: text for unit, text in scene.sorting.clusters[column].items() if text}


def test_a_label_is_kept_then_shown_and_can_be_undone_after_a_reload(page: DrivenPage, folder: Path) -> None:
    begin(page, "Ada")
    press(page, "Alt+g", 3)
    press(page, "Alt+m", 5, 8)
    page.wait(lambda: labels(page) == {3: "good", 5: "mua", 8: "mua"}, "labels")
    assert len(UserData.in_folder(folder).decisions.read()) == 3
    # the link of a filter on labels opens as it was
    with opened_page(folder, "insertion=demo&where=curated%20%3D%3D%20'good'") as later:
        begin(later, "Ada")
        assert later.do(lambda: labels(later)) == {3: "good", 5: "mua", 8: "mua"}
        press(later, "Ctrl+z")
        later.wait(lambda: labels(later) == {3: "good"}, "one step undone")
        press(later, "Ctrl+Shift+z")
        later.wait(lambda: labels(later) == {3: "good", 5: "mua", 8: "mua"}, "one step redone")


def test_a_link_with_a_filter_on_labels_opens_with_it(page: DrivenPage, folder: Path) -> None:
    begin(page, "Lin")
    press(page, "Alt+n", 30)
    page.wait(lambda: labels(page), "a label")
    page.do(lambda: page.session.state.param.update(filters={"where": "my_label == 'noise'"}))
    page.wait(lambda: table_of(page).ids() == [30], "the table")
    titles = page.do(lambda: [table_of(page).widget.titles[name] for name in ("my_label", "curated", "all_labels")])
    assert titles == ["my label", "curated", "labels"]


def test_what_another_decides_appears(page: DrivenPage) -> None:
    begin(page, "Mia")
    press(page, "Alt+g", 13)
    page.wait(lambda: labels(page), "a label")
    user_data = page.session.services.user_session.user_data
    said = user_data.decisions.read()[-1]
    user_data.decisions.add([replace(said, author="Bob", value="noise", unit="15", uuid="")])
    user_data.tell_decided(said.insertion)
    page.wait(lambda: labels(page, "curated").get(15) == "noise", "what Bob says")
    assert page.do(lambda: labels(page)) == {13: "good"}


def test_a_locked_database_is_said_and_tried_again(
    page: DrivenPage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_keeper, "RETRY_S", 0.05)
    begin(page, "Noa")
    press(page, "Alt+g", 3)
    page.wait(lambda: labels(page), "a label")
    user_data = page.session.services.user_session.user_data
    other = sqlite3.connect(folder / "kept.sqlite", isolation_level=None)
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    quick = database.Database(f"sqlite:///{folder}/kept.sqlite")
    monkeypatch.setattr(user_data.decisions, "_database", quick)
    other.execute("BEGIN EXCLUSIVE")
    press(page, "Alt+m", 5)
    page.wait(lambda: "locked" in page.session.curation.message, "what is wrong")
    assert page.do(lambda: labels(page)) == {3: "good"}
    other.execute("ROLLBACK")
    other.close()
    page.wait(lambda: labels(page) == {3: "good", 5: "mua"}, "the label, kept at last")
    quick.close()


def test_a_full_disk_is_said_and_tried_again(page: DrivenPage, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_keeper, "RETRY_S", 0.05)
    begin(page, "Nur")
    press(page, "Alt+g", 3)
    page.wait(lambda: labels(page), "a label")
    user_data = page.session.services.user_session.user_data
    own, full = user_data.decisions._database, database.Database(f"sqlite:///{folder}/kept.sqlite")
    sa.event.listen(full._engine, "connect", lambda dbapi, record: dbapi.execute("PRAGMA max_page_count = 1"))
    monkeypatch.setattr(user_data.decisions, "_database", full)
    page.do(lambda: page.session.state.param.update(selected=[5, 8]))
    page.do(lambda: page.session.curation.note("x" * 3_900))  # more than a page of the file
    page.wait(lambda: "full" in page.session.curation.message, "what is wrong")
    monkeypatch.setattr(user_data.decisions, "_database", own)
    page.wait(lambda: set(labels(page, "note")) >= {5, 8}, "the notes, kept at last")
    full.close()
    assert sum(one.author == "Nur" for one in user_data.decisions.read()) == 3


PROGRAM = """
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from dashboard.library.userdata import UserData

decisions = UserData.in_folder(Path(sys.argv[1])).decisions
one = replace(decisions.read()[-1], author=sys.argv[2], unit="21", uuid="")
for n in range(40):
    decisions.add([replace(one, value=f"{sys.argv[2]} {n}")])
"""


def test_two_processes_and_a_page_decide_about_one_unit(page: DrivenPage, folder: Path) -> None:
    begin(page, "Olu")
    press(page, "Alt+g", 21)
    page.wait(lambda: labels(page), "a label")
    words = [sys.executable, "-c", PROGRAM, str(folder)]
    running = [subprocess.Popen([*words, author]) for author in ("Pat", "Per")]
    while any(one.poll() is None for one in running):
        press(page, "Alt+m", 21)
        page.wait(lambda: not page.session.curation.n_waiting, "the label is kept")
    assert [one.returncode for one in running] == [0, 0]
    press(page, "Alt+n", 21)  # what other processes kept comes with the next step
    last = ("Pat 39 (Pat)", "Per 39 (Per)")
    page.wait(lambda: all(word in labels(page, "all_labels").get(21, "") for word in last), "everybody's labels")
    page.wait(lambda: not page.session.curation.n_waiting, "the label is kept")
    kept = page.session.services.user_session.user_data.decisions.read()
    for author in ("Pat", "Per"):
        assert [one.value for one in kept if one.author == author] == [f"{author} {n}" for n in range(40)]


def test_many_are_asked_for_once(page: DrivenPage) -> None:
    begin(page, "Oda")
    many = range(service.MAX_UNASKED + 1)
    press(page, "Alt+g", *many)
    assert "21 units would get: label good" in page.do(lambda: page.session.curation.message)
    assert page.do(lambda: page.session.curation.n_waiting) == 0
    press(page, "Alt+g")
    page.wait(lambda: len(labels(page)) == 21, "labels")


def test_who_may_not_decide_and_who_has_no_name_is_told(page: DrivenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(page, "")
    press(page, "Alt+g", 3)
    assert "needs its author" in page.do(lambda: page.session.curation.message)
    user_data = page.session.services.user_session.user_data
    monkeypatch.setattr(user_data, "rules", CurationRules(curators=("Bob",)))
    begin(page, "Pia")
    press(page, "Alt+g", 3)
    assert "Not among those who may decide" in page.do(lambda: page.session.curation.message)
    assert {one.author for one in user_data.decisions.read()}.isdisjoint({"", "Pia"})


def test_the_queue_walks_units_that_are_not_judged(page: DrivenPage) -> None:
    begin(page, "Quin")
    page.do(lambda: page.session.states.update(unjudged=True))
    order = page.do(lambda: table_of(page).ids())
    press(page, "j")
    for label in ("Alt+g", "Alt+m", "Alt+n"):
        press(page, label)
    assert page.do(lambda: page.session.state.selected) == [order[3]]  # before anything is kept
    page.wait(lambda: labels(page) == dict(zip(order, ("good", "mua", "noise"), strict=False)), "labels")
    press(page, "k")
    assert page.do(lambda: page.session.state.selected) == [order[-1]]
    page.do(lambda: page.session.state.param.update(filters={"ids": "33,34,35"}))
    few = page.wait(lambda: len(table_of(page).ids()) == 3 and table_of(page).ids(), "the filter")
    press(page, "Alt+g", few[1])
    for _ in range(2):  # from the last row on to the first
        press(page, "Alt+g")
    assert page.do(lambda: page.session.state.selected) == [], "a key more would change what was decided last"
    page.wait(lambda: len(labels(page)) == 6, "all labels")
    page.do(lambda: page.session.state.param.update(filters={}))
    page.wait(lambda: len(table_of(page).ids()) == len(order), "all rows")


def test_a_key_that_comes_while_one_is_written_does_not_go_back_to_it(
    page: DrivenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(page, "Qi")
    page.do(lambda: page.session.states.update(unjudged=True))
    order = page.do(lambda: table_of(page).ids())
    press(page, "Alt+g", order[0])
    page.wait(lambda: labels(page), "a label")
    decisions, is_written, may_read = page.session.curation._user_session.user_data.decisions, Event(), Event()
    read = decisions.read

    def read_late(*arguments: Any) -> Any:
        found = read(*arguments)
        if found and found[-1].unit == str(order[1]):
            is_written.set()
            may_read.wait(60)
        return found

    monkeypatch.setattr(decisions, "read", read_late)
    press(page, "Alt+g", order[1])
    assert is_written.wait(60)
    page.do(lambda: page.session.curation._take(page.session.curation._kept, ""))  # of the step before
    page.do(lambda: page.session.state.param.update(selected=[order[2]]))
    press(page, "k")
    assert page.do(lambda: page.session.state.selected) == [order[-1]]
    may_read.set()
    page.wait(lambda: len(labels(page)) == 2, "both labels")


def test_a_label_changes_cells_of_the_table_and_no_picture(page: DrivenPage) -> None:
    begin(page, "Rae")
    press(page, "Alt+g", 3)
    page.wait(lambda: labels(page), "the columns")
    page.wait(lambda: table_of(page).widget.value.get("my_label", {}).get(3) == "good", "the cell")
    session = page.session
    seen = lambda: (session.raster.picture.image, session._scene, table_of(page).widget)  # noqa: E731
    before = page.do(seen)
    widget = before[2]
    values: list[Any] = []
    widget.param.watch(values.append, "value")
    press(page, "Alt+m", 5)
    page.wait(lambda: widget.value["my_label"].get(5) == "mua", "the cell")
    assert all(now is then for now, then in zip(page.do(seen), before, strict=True))
    assert values == [], "the rows did not leave again"
    place = page.do(lambda: list(widget.current_view.index).index(5))
    assert page.do(lambda: widget._data["my_label"][place]) == "mua"
    page.do(lambda: session.states.update(color="curated"))
    page.wait(lambda: session.raster.picture.rgba is not None, "the colours of labels")
    coloured = page.do(lambda: session.raster.picture.rgba)
    press(page, "Alt+n", 5)
    page.wait(lambda: session.raster.picture.rgba is not coloured, "the picture in other colours")
    page.do(lambda: widget.param.update(sorters=[{"field": "my_label", "dir": "desc"}]))
    press(page, "Alt+n", 8)
    page.wait(lambda: table_of(page).ids()[:2] == [5, 8] or table_of(page).ids()[:2] == [8, 5], "rows in their order")
    page.do(lambda: session.states.update(color="count"))
    page.do(lambda: table_of(page)._own.param.update(table_sort=""))


def test_the_raster_can_be_coloured_by_labels_and_the_page_exports_them(page: DrivenPage, tmp_path: Path) -> None:
    begin(page, "Rita")
    press(page, "Alt+n", 3)
    page.wait(lambda: labels(page), "a label")
    page.do(lambda: page.session.states.update(color="curated", tab="Curation"))
    tab = page.wait(lambda: page.session.dock.slots["curation"].made, "the tab")
    legend = dict(page.do(lambda: page.session._scene.legend("curated")))
    assert list(legend)[:3] == ["good", "mua", "noise"]
    of_cluster = page.do(lambda: page.session._scene.categories("curated").of_cluster)
    assert of_cluster[3] == list(legend).index("noise")
    page.do(lambda: page.session.state.param.update(filters={"where": "my_label == 'noise'"}))
    subject = page.do(lambda: make_subject(page.session._scene, page.session.states.values()))
    assert subject.filter_text.endswith("my_label == 'noise' (labels of people: those of Rita first, else the latest)")
    assert provenance(subject)["curation"] == subject.curation
    view = ExportView(page.session._scene, {}, "", {"curation": page.wait(lambda: tab.for_export, "what was decided")})
    assert note_curation(view)[1] == ("json", "csv")
    for kind in ("json", "csv"):
        n_units, _ = write_curation(view, tmp_path / f"c.{kind}", kind, ignore_progress, threading.Event())
        assert format_of(tmp_path / f"c.{kind}").read(tmp_path / f"c.{kind}").labels["3"] == {"quality": ("noise",)}
    n_rows, _ = write_decisions(view, tmp_path / "d.csv", "csv", ignore_progress, threading.Event())
    assert n_rows == len((tmp_path / "d.csv").read_text().splitlines()) - 1 > n_units


def test_units_that_are_one_are_proposed_once(page: DrivenPage) -> None:
    begin(page, "Sara")
    press(page, "Alt+s", 3)
    assert "One unit is selected" in page.do(lambda: page.session.curation.message)
    press(page, "Alt+s", 3, 5)
    page.wait(lambda: labels(page, "merge") == dict.fromkeys((3, 5), "3 + 5 (Sara)"), "the proposal")
    press(page, "Alt+s", 5, 8)
    assert "unit 5 is one with 3" in page.do(lambda: page.session.curation.message)
    press(page, "Ctrl+z")
    page.wait(lambda: labels(page, "merge") == {}, "nothing proposed")
    page.do(lambda: page.session.state.param.update(tab="Curation"))
    press(page, "g", 5, 8)  # phy's key
    page.wait(lambda: labels(page, "merge") == dict.fromkeys((5, 8), "5 + 8 (Sara)"), "the proposal")
    press(page, "Ctrl+z")
    page.wait(lambda: labels(page, "merge") == {}, "nothing proposed")
    assert page.do(lambda: page.session.state.quality) == "all"
    page.do(lambda: page.session.state.param.update(tab="Clusters"))
    for quality in ("good", "all"):
        press(page, "g", 5, 8)
        page.wait(lambda: page.session.state.quality == quality, "good units")  # noqa: B023


def test_all_units_that_pass_a_filter_get_a_label(page: DrivenPage) -> None:
    begin(page, "Sol")
    tab = page.select("Curation")
    page.do(lambda: page.session.state.param.update(filters={"where": "firing_rate > 3"}))
    passing = page.wait(lambda: 0 < len(table_of(page).ids()) < 40 and table_of(page).ids(), "the filter")
    page.do(lambda: tab.target.param.update(value="passing"))
    for _ in range(1 + (len(passing) > service.MAX_UNASKED)):
        page.do(lambda: tab._label(page.session.curation.rules.categories[0], "good", None))
    page.wait(lambda: labels(page) == dict.fromkeys(sorted(passing), "good"), "the labels")
    unit = page.select("Unit", passing[0])
    page.wait(lambda: unit.picture and "good (Sol)" in unit.head.object, "the chip")
    press(page, "Alt+n")
    page.wait(lambda: "noise (Sol)" in unit.head.object, "the chip of another label, of the same unit")
    page.do(lambda: tab.target.param.update(value="selected"))
    for _ in range(2):
        press(page, "Ctrl+z")
    page.wait(lambda: labels(page) == {}, "nothing decided")


def test_the_tab_lists_similar_units_and_selects_a_pair(page: DrivenPage) -> None:
    begin(page, "Tom")
    tab = page.select("Curation", 12)
    chips = page.wait(lambda: tab.pairs.chips, "similar units")
    assert page.do(lambda: tab.similar.object).count("<tr>") == len(chips) + 1
    page.do(lambda: tab.pairs._handle_msg({"clear": chips[0][0]}))
    page.wait(lambda: page.session.state.selected == [12, int(chips[0][0])], "both selected")
    assert page.do(lambda: tab.pairs.chips) == chips


def test_an_outline_splits_a_unit_which_is_two_once_it_is_applied(page: DrivenPage) -> None:
    begin(page, "Ugo")
    tab = page.select("Unit", 17)
    page.wait(lambda: tab.picture and tab.picture.names == (17,), "the unit")
    spikes = tab.picture.whole[0]
    middle = float(np.median(spikes.amps_uv)) + 1e-3
    n = int((spikes.amps_uv > middle).sum())
    corners = {"type": "poly", "x": [-1.0, -1.0, 1e4, 1e4], "y": [middle, 1e6, 1e6, middle]}
    event = SelectionGeometry(tab.views["unit-amplitude"].figure, geometry=corners, final=True)
    page.do(lambda: tab.outline._lassoed("amplitude", event))
    page.wait(lambda: f"{n:,} of {len(spikes):,} spikes of unit 17 are inside" in tab.outline.line.object, "a count")
    assert page.do(lambda: tab.outline.button.visible)
    page.do(tab.outline._split)
    said = f"17 is 2 units of {len(spikes) - n:,} + {n:,} spikes (Ugo)"
    page.wait(lambda: labels(page, "split") == {17: said}, "the proposal")
    press(page, "Alt+s", 17, 18)
    assert "unit 17 is 2 units" in page.do(lambda: page.session.curation.message)
    curation_tab = page.select("Curation", 17)
    chips = page.wait(lambda: curation_tab.proposals.chips, "the chip")
    assert (said, "Withdraw it") in [chip[1:] for chip in chips]
    before = page.do(lambda: units_shown(page))
    page.do(lambda: page.session.states.update(applied=True))
    page.wait(lambda: 17 not in units_shown(page), "the parts")
    parts = page.do(lambda: page.session.state.selected)
    counts = page.do(lambda: page.session._scene.spikes_per_cluster[[units_shown(page).index(one) for one in parts]])
    assert counts.tolist() == [len(spikes) - n, n]
    page.wait(lambda: "1 unit split into 2" in page.session.centre.status.object, "the status line")
    page.do(lambda: page.session.curation.split(parts[0], "amplitude", [0, 1, 1], [0, 0, 1]))
    assert "Only a unit of the sorting can be split" in page.do(lambda: page.session.curation.message)
    page.do(lambda: page.session.states.update(applied=False))
    page.wait(lambda: units_shown(page) == before, "the units as sorted")
    press(page, "Ctrl+z")
    page.wait(lambda: labels(page, "split") == {}, "nothing split")
    page.do(lambda: page.session.curation.split(17, "amplitude", [0, 1, 1], [1e8, 1e8, 1e9]))
    page.wait(lambda: "each part has spikes" in page.session.curation.message, "why an empty outline is refused")


def test_nine_hundred_units_are_judged_by_as_many_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.sources.demo.source.size_for", lambda n: Size(n, 914, 300.0))
    with opened_page(tmp_path) as page:
        begin(page, "Ada")
        page.do(lambda: page.session.states.update(unjudged=True))
        order = page.do(lambda: table_of(page).ids())
        assert len(order) > 900
        press(page, "j")

        def press_some(first: int) -> None:
            """Press 60 keys before anything of the first of them is kept: the row is there before the next one."""
            for k in range(first, first + 60):
                assert page.session.state.selected == [order[k]]
                page.session.keys.press(f"Alt+{'gmn'[k % 3]}")

        for first in range(0, 900, 60):
            page.do(partial(press_some, first))
        page.wait(lambda: page.session.curation.n_judged == 900, "everything kept")
        assert page.do(lambda: page.session.curation.n_waiting) == 0
        expected = {unit: ("good", "mua", "noise")[k % 3] for k, unit in enumerate(order[:900])}
        page.wait(lambda: labels(page) == expected, "the table")
        page.do(lambda: page.session.state.param.update(filters={"where": "my_label == 'good'"}))
        page.wait(lambda: len(table_of(page).ids()) == 300, "the filter")
        rows = UserData.in_folder(tmp_path).decisions.read()
        assert {int(one.unit): one.value for one in rows} == expected
        assert len(rows) == len({one.step for one in rows}) == 900


def units_shown(page: DrivenPage) -> list[int]:
    return page.session._scene.sorting.unit_ids.tolist()


def test_merged_units_are_shown_as_one_where_that_is_asked(page: DrivenPage, folder: Path) -> None:
    begin(page, "Uma")
    before, n_spikes = units_shown(page), page.do(lambda: page.session._scene.columns.n_spikes)
    press(page, "Alt+g", 3, 5)
    press(page, "Alt+s", 3, 5)
    page.wait(lambda: labels(page, "merge"), "the proposal")
    counts = page.do(lambda: page.session._scene.spikes_per_cluster.tolist())
    assert units_shown(page) == before
    page.do(lambda: page.session.states.update(applied=True))
    new = len(before)
    page.wait(lambda: units_shown(page) == [*(unit for unit in before if unit not in (3, 5)), new], "the merged unit")
    assert page.do(lambda: page.session.state.selected) == [new]
    assert page.do(lambda: page.session._scene.spikes_per_cluster[-1]) == counts[3] + counts[5]
    assert page.do(lambda: page.session._scene.columns.n_spikes) == n_spikes
    assert labels(page)[new] == "good"
    page.wait(lambda: "2 units are merged into 1" in page.session.centre.status.object, "the status line")
    subject = page.do(lambda: make_subject(page.session._scene, page.session.states.values()))
    assert "curation of Uma applied" in provenance(subject)["applied"]
    assert "curation='Uma'" in dashboard_snippet(subject)
    press(page, "Alt+n")  # of a merged unit: of its units
    page.wait(lambda: labels(page).get(new) == "noise", "the label")
    with opened_page(folder, f"insertion=demo&applied=on&selected={new}") as later:
        later.wait(lambda: later.session.raster.picture, "the raster")
        later.do(lambda: later.session.services.user_session.say("Uma"))
        later.wait(lambda: new in units_shown(later), "the merged unit")
    page.do(lambda: page.session.states.update(applied=False))
    page.wait(lambda: units_shown(page) == before, "the units as sorted")
    assert page.do(lambda: page.session.state.selected) == [3, 5]
    assert {unit: text for unit, text in labels(page).items() if unit in (3, 5)} == {3: "noise", 5: "noise"}


def test_spikes_in_a_bad_span_are_left_out_and_said(page: DrivenPage) -> None:
    begin(page, "Vera")
    n_spikes = page.do(lambda: page.session._scene.columns.n_spikes)
    tab = page.select("Curation", 12)
    page.do(lambda: page.session.axes.show((10.0, 20.0), None))
    page.wait(lambda: page.session.state.time_range == (10.0, 20.0), "the window")
    page.do(lambda: tab.reason.param.update(value="artefact"))
    page.do(lambda: tab._mark_bad(False, None))
    chips = page.wait(lambda: tab.spans.chips, "the span")
    assert chips[0][1] == "10–20 s, all units, artefact (Vera)"
    page.do(lambda: page.session.states.update(applied=True))
    page.wait(lambda: page.session._scene.columns.n_spikes < n_spikes, "fewer spikes")
    times = page.do(lambda: page.session._scene.columns.times_s)
    assert not ((times >= 10) & (times < 20)).any()
    page.wait(lambda: f"{n_spikes - len(times):,} spikes not shown" in page.session.centre.status.object, "it is said")
    page.do(lambda: tab.spans._handle_msg({"clear": chips[0][0]}))
    page.wait(lambda: page.session._scene.columns.n_spikes == n_spikes, "all spikes")
    page.do(lambda: page.session.states.update(applied=False))


def test_a_file_is_brought_in_by_one_person_as_the_decisions_of_another(page: DrivenPage) -> None:
    begin(page, "Wim")
    tab = page.select("Curation", 12)
    page.do(lambda: tab.whose.param.update(value="Xia"))
    page.do(lambda: send_file(tab.file, "c.csv", b"unit,quality\n31,good\n99999,mua\n"))
    page.wait(lambda: "good (Xia)" in labels(page, "all_labels").get(31, ""), "what the file says")
    page.wait(lambda: "1 of 2 units are not in this sorting" in tab.message.object, "the report")
    said = page.session.services.user_session.user_data.decisions.read()[-1]
    assert (said.author, said.imported_by, said.reason) == ("Xia", "Wim", "from c.csv")
    press(page, "Ctrl+z")
    page.wait(lambda: "nothing to undo" in page.session.curation.message, "a refusal")
    page.do(lambda: send_file(tab.file, "bad.json", b"{"))
    page.wait(lambda: "bad.json" in page.session.curation.message, "why it cannot be read")


def test_units_are_looked_at_as_one_before_that_is_decided(page: DrivenPage) -> None:
    begin(page, "Yan")
    before = page.do(lambda: units_shown(page))
    page.do(lambda: page.session.state.param.update(selected=[10, 11]))
    page.do(page.session.curation.look_together)
    page.wait(lambda: page.session.state.selected == [len(before)], "the union")
    unit_tab = page.select("Unit", len(before))
    page.wait(
        lambda: unit_tab.picture and unit_tab.picture.names == (len(before), 10, 11), "the union beside its units"
    )
    titles = page.do(lambda: [over.object for over in unit_tab._pair_captions[: unit_tab.picture.n_pairs]])
    assert [any(name in title for title in titles) for name in ("10 alone", "11 alone", "11 from 10")] == [True] * 3
    assert len(unit_tab.picture.whole[0]) == sum(map(len, unit_tab.picture.whole[1:]))
    said = "units 10 + 11 are shown as one, which is not decided"
    page.wait(lambda: said in page.session.centre.status.object, "it is said")
    assert "Yan" not in {one.author for one in page.session.services.user_session.user_data.decisions.read()}
    page.do(page.session.curation.look_together)
    page.wait(lambda: units_shown(page) == before, "the units one by one")
    assert page.do(lambda: page.session.state.selected) == [10, 11]
    page.do(page.session.curation.look_together)
    page.wait(lambda: page.session.state.selected == [len(before)], "the union again")
    press(page, "Alt+s")
    page.wait(lambda: labels(page, "merge").get(10) == "10 + 11 (Yan)", "the proposal")
    page.do(lambda: page.session.states.update(applied=True, selected=[11, 12]))
    page.wait(lambda: len(before) in units_shown(page), "the merged unit")
    page.do(lambda: page.session.state.param.update(selected=[len(before), 12]))
    page.do(page.session.curation.look_together)
    assert "is one with" in page.do(lambda: page.session.curation.message)
    page.do(lambda: page.session.states.update(applied=False))
    page.wait(lambda: units_shown(page) == before, "the units one by one")


def test_decisions_about_another_sorting_follow_their_spikes_once_they_are_confirmed(
    page: DrivenPage, folder: Path
) -> None:
    begin(page, "Zoe")
    source = DemoSource(folder, n_spikes=N_SPIKES)
    other = open_insertion("demo", source=source, cache=folder, sorter="pykilosort", revision="2024-05-06")
    subject, user_data = Subject.of(other), page.session.services.user_session.user_data
    user_data.decisions.add([subject.decide("Ann", "note", "of another sorter", unit) for unit in (1, 2, 3)])
    user_data.decisions.add([replace(subject.decide("Ann", "note", "of no unit", 1), unit="9999", uuid="")])
    user_data.tell_decided(subject.insertion)
    tab = page.select("Curation", 12)
    page.wait(lambda: "4 decisions about units of another" in tab.following.about.object, "what is left behind")
    page.do(tab.following._start)
    chips = page.wait(lambda: tab.following.chips.chips, "what matches")
    assert "No unit here matches: of no unit, unit 9999 of pykilosort (Ann)" in tab.following.about.object
    assert all("agreement" in label for _, label, _ in chips)
    assert labels(page, "note") == {} or "another sorter" not in "".join(labels(page, "note").values())
    page.do(lambda: tab.following._picked(chips[0][0]))
    page.wait(lambda: len(tab.following.chips.chips) == len(chips) - 1, "one less to confirm")
    unit = int(chips[0][1].partition(":")[0])
    page.wait(lambda: "Ann: of another sorter" in labels(page, "note").get(unit, ""), "the note")
    kept = user_data.decisions.read()[-1]
    assert (kept.author, kept.imported_by) == ("Ann", "Zoe")
    assert f"follows decision {chips[0][0]}: unit" in kept.reason
