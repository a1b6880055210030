"""The search and its triage without a browser: what is loaded ahead, what is said, whose word it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document

from dashboard.library.catalogue import Catalogue
from dashboard.library.userdata import UserData, UserSession
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.panes import picture_address
from dashboard.page.core.state import ViewState
from dashboard.page.search.search import Search
from dashboard.sources.demo.source import DEMO_KEY

KEYS = [f"M_{n}/2024-01-{9 - n:02d}/001/probe00" for n in range(4)]


class Place:
    """A search over a list of four, whose turns come at once."""

    def __init__(self, folder: Path, login: str | None, user_data: UserData | None = None) -> None:
        rows = "".join(f"M_{n},2024-01-{9 - n:02d},probe00\n" for n in range(4))
        (folder / "list.csv").write_text(f"subject,date,probe_name\n{rows}")
        self.user_data = user_data or UserData.in_folder(folder)
        self.state = ViewState()
        self.opened: list[str] = []
        self.ahead: list[tuple[str, threading.Event]] = []
        queue = DocumentQueue(Document())
        queue.later = lambda change: change()  # type: ignore[method-assign]
        self.catalogue = Catalogue((), folder / "list.csv")
        self.search = Search(
            self.state, self.catalogue, UserSession(self.user_data, login), queue, self.opened.append,
            lambda key, cancel: self.ahead.append((key, cancel)), {DEMO_KEY: b"demo", KEYS[2]: b"second"}.get,
        )  # fmt: skip

    def act(self, kind: str, **more: object) -> None:
        """Do what a browser asks for, and wait for the threads."""
        self.search.panel._handle_msg({"kind": kind, **more})
        self.settle()

    def settle(self) -> None:
        for _ in range(4):  # what ends may ask for more
            for threads in (self.search._threads, self.search.triage._ahead):
                threads.submit(int).result(30)

    @property
    def strip(self) -> tuple[str, str]:
        """What the triage bar says of the place, and of the page."""
        return self.search.panel.triage.get("text", ""), self.search.panel.triage.get("aside", "")


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(tmp_path, getattr(request, "param", None))
    yield made
    made.search.close()
    made.user_data.close()


def test_the_start_page_shows_what_was_opened_lately_as_pictures(tmp_path: Path) -> None:
    """The demo, too; what was never opened with this cache has its name alone."""
    user_data = UserData.in_folder(tmp_path)
    for key in KEYS[1:3]:
        user_data.remember("ann", key)
    place = Place(tmp_path, "ann", user_data)
    place.settle()
    shown = [(name, picture) for name, _, _, _, picture in place.search._recent.chips]
    assert shown == [(KEYS[2], picture_address(b"second")), (KEYS[1], "")]
    assert place.search.example.chips[0][4] == picture_address(b"demo")
    place.search._recent._handle_msg({"clear": KEYS[2]})
    place.search.example._handle_msg({"clear": "demo"})
    assert place.opened == [KEYS[2], "demo"]
    place.search.close()
    user_data.close()


def test_the_next_in_the_list_is_loaded_ahead_and_given_up_when_one_goes_on(place: Place) -> None:
    place.act("triage", at=1)
    assert place.opened == [KEYS[1]]
    assert [key for key, _ in place.ahead] == [KEYS[2]]
    place.act("step", by=1)
    assert place.opened == KEYS[1:3]
    assert [key for key, _ in place.ahead] == KEYS[2:4]
    assert [cancel.is_set() for _, cancel in place.ahead] == [True, False]
    place.act("step", by=1)
    place.act("step", by=1)
    assert place.opened == KEYS[1:], "it goes on beyond the end"
    assert len(place.ahead) == 2


def test_the_strip_says_when_the_page_shows_another_insertion(place: Place) -> None:
    place.act("triage")
    assert place.search.panel.triage["aside"] == "not on the screen: a verdict now is marked as unseen"
    place.state.insertion = KEYS[0]
    assert place.search.panel.triage["aside"] == ""


def test_everyone_keeps_their_word(place: Place) -> None:
    place.act("triage")
    for author, verdict in (("Ada", "pass"), ("Bob", "fail"), ("Ada", "comment")):
        place.act("judge", author=author, verdict=verdict, comment="noisy" if verdict == "comment" else "")
    said = [(word["author"], word["verdict"]) for word in place.search.panel.triage["said"]]
    assert said == [("Ada", "pass"), ("Bob", "fail"), ("Ada", "comment")]


def test_a_verdict_without_a_name_waits_for_it(place: Place) -> None:
    """And is of the insertion that it was given for, wherever the triage has gone since."""
    place.act("triage")
    place.act("judge", author="", verdict="pass", goes_on=True)
    place.act("judge", author="", verdict="fail", goes_on=True)
    assert place.search.panel.message == "2 verdicts kept until you write your name"
    assert place.user_data.verdicts() == []
    assert place.strip[0] == f"3 of 4: {KEYS[2]}"
    place.act("author", author="Ada")
    kept = [(said.insertion, said.author, said.verdict) for said in place.user_data.verdicts()]
    assert kept == [(KEYS[0], "Ada", "pass"), (KEYS[1], "Ada", "fail")]
    place.act("author", author="Bob")
    assert len(place.user_data.verdicts()) == 2


def test_a_verdict_names_the_sorting_on_the_screen_or_is_marked_unseen(place: Place) -> None:
    place.act("triage")
    place.state.insertion = KEYS[0]
    place.search.show_sorting(KEYS[0], "pykilosort", "2024-05-06")
    place.act("judge", author="Ada", verdict="pass", goes_on=True)
    place.act("judge", author="Ada", verdict="fail", goes_on=True)  # the page still shows the one before
    kept = [(said.sorter, said.revision, said.unseen) for said in place.user_data.verdicts()]
    assert kept == [("pykilosort", "2024-05-06", False), ("", "", True)]
    header, first, second = place.user_data.csv().splitlines()
    assert header.endswith("sorter,revision,unseen")
    assert first.endswith("pykilosort,2024-05-06,False")
    assert second.endswith(",,True")


def test_pass_and_fail_go_on_to_the_next_and_end_at_the_last(place: Place) -> None:
    place.act("triage", at=2)
    place.act("judge", author="Ada", verdict="pass", goes_on=True)
    assert place.opened == KEYS[2:4]
    assert place.search.panel.message == f"Kept: pass, unseen, of {KEYS[2]}"
    place.act("judge", author="Ada", verdict="fail", goes_on=True)
    assert place.opened == KEYS[2:4]
    assert place.strip[0] == f"4 of 4: {KEYS[3]}"


@pytest.mark.parametrize("place", ["ann"], indirect=True)
def test_a_login_judges_stars_and_remembers_whatever_name_is_sent(place: Place) -> None:
    place.act("author", author="Eve")
    place.act("triage")
    place.act("judge", author="Eve", verdict="pass")
    place.act("star", key=KEYS[0], on=True)
    place.state.insertion = KEYS[0]
    place.act("author", author="Eve")
    assert [word.author for word in place.user_data.verdicts()] == ["ann"]
    assert (place.user_data.favourites("ann"), place.user_data.favourites("Eve")) == ({KEYS[0]}, set())
    assert (place.user_data.recent("ann"), place.user_data.recent("Eve")) == ([KEYS[0]], [])


def test_what_is_pasted_opens_or_is_searched_for(place: Place) -> None:
    place.act("paste", text="  lab/Subjects/M_2/2024-01-07/1/alf/probe00 ")
    place.act("paste", text="hello")
    assert place.opened == [KEYS[2]]


def test_of_each_person_the_list_shows_the_last_word(place: Place) -> None:
    place.act("triage")
    for author, verdict in (("Ada", "fail"), ("Bob", "pass"), ("Ada", "pass")):
        place.act("judge", author=author, verdict=verdict)
    assert [(word["author"], word["verdict"]) for word in place.search.panel.triage["said"]] == [
        ("Bob", "pass"), ("Ada", "pass"),
    ]  # fmt: skip
    view = place.search.panel.view
    assert "Bob: pass, Ada: pass" in view["rows"][0]["cells"]
    assert len(place.user_data.verdicts()) == 3, "what was said before is kept"


def test_stars_of_who_gives_a_name_later_are_theirs(place: Place) -> None:
    place.act("star", key=KEYS[1], on=True)
    place.act("star", key=KEYS[2], on=True)
    place.act("star", key=KEYS[2], on=False)
    place.act("triage")
    place.act("judge", author="Ada", verdict="pass")
    assert place.user_data.favourites("Ada") == {KEYS[1]}
    assert [row["star"] for row in place.search.panel.view["rows"]] == [False, True, False, False]


def test_a_region_that_there_is_not_is_said_under_its_field(place: Place) -> None:
    place.act("narrow", facets={"region": "CA11"})
    assert place.search.panel.wrong.startswith("No such region: CA11. Similar: ")
    assert "No such region" not in place.search.panel.note
    place.act("narrow", facets={"region": "CA1"})
    assert place.search.panel.wrong == ""


def test_what_the_list_does_not_have_is_off_and_says_so(place: Place) -> None:
    for facet in ("project", "task", "tag", "region"):
        assert facet in place.search.panel.cannot
    assert "subject" not in place.search.panel.cannot


# -- a triage goes on ------------------------------------------------------------------------------


def test_a_link_goes_on_with_the_list_where_one_was(place: Place) -> None:
    place.act("narrow", facets={"subject": "M_", "text": "2024-01"})
    place.act("triage", at=1)
    query = place.state.triage
    assert query == "2024-01 subject=M_"
    place.act("end")
    assert (place.state.triage, place.strip) == ("", ("", ""))
    place.act("narrow", facets={"subject": "M_3"})
    place.ahead.clear()
    place.opened.clear()

    place.search.resume(query, KEYS[2])  # as a page that is loaded anew does, which opens the insertion by itself
    place.settle()
    assert place.strip == (f"3 of 4: {KEYS[2]}", "not on the screen: a verdict now is marked as unseen")
    assert [key for key, _ in place.ahead] == [KEYS[3]]
    assert place.opened == []
    assert place.search.panel.asked["facets"]["subject"] == "M_", "the fields do not say what is listed"
    assert place.search.panel.view["n"] == 4
    place.state.insertion = KEYS[2]
    assert place.strip == (f"3 of 4: {KEYS[2]}", "")
    place.act("step", by=1)
    assert place.opened == [KEYS[3]]


def test_a_link_without_an_insertion_begins_with_the_first(place: Place) -> None:
    place.search.resume("M_1 M_", "")
    assert place.opened == [KEYS[1]]
    assert place.state.tab == "Summary"
    assert place.strip[0] == f"1 of 1: {KEYS[1]}"


def test_a_list_that_still_comes_keeps_the_place(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.catalogue, "is_reading", lambda facets: True)
    place.search.resume("*", "M_9/2024-01-08/001/probe00")
    assert place.strip == ("4 insertions", "reading the list …")

    anywhere: Any = object()

    def come(name: str, day: int) -> None:
        key = f"{name}/2024-01-{day:02d}/001/probe00"
        place.catalogue._add(
            anywhere,
            [{"key": key, "subject": name, "date": key[4:14], "probe": "probe00", "pid": name}],
        )

    come("M_9", 8)
    assert place.strip[0] == "3 of 5: M_9/2024-01-08/001/probe00"
    come("M_8", 20)
    assert place.strip[0] == "4 of 6: M_9/2024-01-08/001/probe00"
    monkeypatch.setattr(place.catalogue, "is_reading", lambda facets: False)
    place.act("step", by=1)
    come("M_7", 21)
    assert place.strip[0] == f"5 of 6: {KEYS[2]}", "the list of a triage that goes on changes"


def test_the_place_follows_the_page_within_the_list(place: Place) -> None:
    place.act("triage")
    place.state.insertion = KEYS[3]
    assert place.strip == (f"4 of 4: {KEYS[3]}", "")
    place.search.resume(place.state.triage, KEYS[1])  # the browser's way back
    assert place.strip[0] == f"2 of 4: {KEYS[1]}"
    place.state.insertion = "elsewhere/2024-01-01/001/probe00"
    assert place.strip == (f"2 of 4: {KEYS[1]}", "not on the screen: a verdict now is marked as unseen")
    assert place.state.place == KEYS[1]
    place.state.insertion = KEYS[1]
    assert place.state.place == ""


def test_what_the_list_does_not_have_is_not_judged(place: Place) -> None:
    place.search.resume("M_1", KEYS[0])
    assert place.strip == ("1 insertion", "the open insertion is not in this list: J opens the first one of the list")
    place.act("judge", author="Ada", verdict="pass")
    assert place.user_data.verdicts() == []
    place.act("step", by=1)
    assert place.opened == [KEYS[1]]
    place.search.resume("region=CA77", "")
    assert "No such region" in place.search.panel.message
    assert place.strip == ("0 insertions", "no insertion fits the link")


def test_two_people_judge_one_insertion_and_see_it_of_each_other(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path, None, place.user_data)
    for mine, author, verdict in ((place, "Ada", "pass"), (other, "Bob", "fail")):
        mine.act("triage")
        mine.act("judge", author=author, verdict=verdict)
    place.settle()
    words = [("Ada", "pass"), ("Bob", "fail")]
    assert [(said.author, said.verdict) for said in place.user_data.verdicts(KEYS[0])] == words
    for mine in (place, other):
        assert [(said["author"], said["verdict"]) for said in mine.search.panel.triage["said"]] == words
    other.search.close()
    place.act("judge", author="Ada", verdict="fail")  # and nobody tells one who has gone
    assert [(said["author"], said["verdict"]) for said in other.search.panel.triage["said"]] == words


def test_what_nobody_has_judged_is_a_list_of_its_own(place: Place) -> None:
    place.act("triage")
    for verdict, author in (("pass", "Ada"), ("fail", "Bob")):
        place.act("judge", author=author, verdict=verdict)
    assert place.search.panel.options["verdict"] == {"none": 3, "mixed": 1}
    place.act("narrow", facets={"verdict": "mixed"})
    assert [row["key"] for row in place.search.panel.view["rows"]] == KEYS[:1]
    place.act("narrow", facets={"verdict": "none"})
    assert [row["key"] for row in place.search.panel.view["rows"]] == KEYS[1:]
    place.act("triage")
    place.act("judge", author="Ada", verdict="pass")
    assert place.strip[0] == f"1 of 3: {KEYS[1]}", "what is judged stays in the list that is gone through"
    query = place.state.triage
    assert query == "verdict=none"
    place.act("end")
    place.search.resume(query, KEYS[2])
    place.act("judge", author="Ada", verdict="pass")
    assert place.strip[0] == f"1 of 2: {KEYS[2]}"
    place.act("step", by=1)
    assert place.opened[-1] == KEYS[3]
