"""The search and its triage without a browser: what is loaded ahead, what is said, whose word it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bokeh.document import Document

from dashboard.catalogue import Catalogue
from dashboard.keeping import Desk, Keeper
from dashboard.views.search import Search
from dashboard.views.state import ViewState
from dashboard.views.turns import Turns

KEYS = [f"M_{n}/2024-01-{9 - n:02d}/001/probe00" for n in range(4)]


class Place:
    """A search over a list of four, whose turns come at once."""

    def __init__(self, folder: Path, login: str | None) -> None:
        rows = "".join(f"M_{n},2024-01-{9 - n:02d},probe00\n" for n in range(4))
        (folder / "list.csv").write_text(f"subject,date,probe_name\n{rows}")
        self.keeper = Keeper.in_folder(folder)
        self.state = ViewState()
        self.opened: list[str] = []
        self.ahead: list[tuple[str, threading.Event]] = []
        turns = Turns(Document())
        turns.later = lambda change: change()  # type: ignore[method-assign]
        self.search = Search(
            self.state, Catalogue((), folder / "list.csv"), Desk(self.keeper, login), turns, self.opened.append,
            lambda key, cancel: self.ahead.append((key, cancel)),
        )  # fmt: skip

    def act(self, kind: str, **more: object) -> None:
        """Do what a browser asks for, and wait for the threads."""
        self.search.panel._handle_msg({"kind": kind, **more})
        for _ in range(4):  # what ends may ask for more
            for threads in (self.search._threads, self.search._ahead):
                threads.submit(int).result(30)


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(tmp_path, getattr(request, "param", None))
    yield made
    made.search.close()
    made.keeper.close()


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
    assert place.search.panel.triage["aside"] == "not on the screen"
    place.state.insertion = KEYS[0]
    assert place.search.panel.triage["aside"] == ""


def test_everyone_keeps_their_word(place: Place) -> None:
    place.act("triage")
    for author, verdict in (("Ada", "pass"), ("Bob", "fail"), ("Ada", "comment")):
        place.act("judge", author=author, verdict=verdict, comment="noisy" if verdict == "comment" else "")
    said = [(word["author"], word["verdict"]) for word in place.search.panel.triage["said"]]
    assert said == [("Ada", "pass"), ("Bob", "fail"), ("Ada", "comment")]
    place.act("judge", author="", verdict="pass")
    assert "needs its author" in place.search.panel.message
    assert len(place.keeper.verdicts()) == 3


@pytest.mark.parametrize("place", ["ann"], indirect=True)
def test_a_login_judges_stars_and_remembers_whatever_name_is_sent(place: Place) -> None:
    place.act("author", author="Eve")
    place.act("triage")
    place.act("judge", author="Eve", verdict="pass")
    place.act("star", key=KEYS[0], on=True)
    place.state.insertion = KEYS[0]
    place.act("author", author="Eve")
    assert [word.author for word in place.keeper.verdicts()] == ["ann"]
    assert (place.keeper.favourites("ann"), place.keeper.favourites("Eve")) == ({KEYS[0]}, set())
    assert (place.keeper.recent("ann"), place.keeper.recent("Eve")) == ([KEYS[0]], [])


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
    assert len(place.keeper.verdicts()) == 3, "what was said before is kept"


def test_stars_of_who_gives_a_name_later_are_theirs(place: Place) -> None:
    place.act("star", key=KEYS[1], on=True)
    place.act("star", key=KEYS[2], on=True)
    place.act("star", key=KEYS[2], on=False)
    place.act("triage")
    place.act("judge", author="Ada", verdict="pass")
    assert place.keeper.favourites("Ada") == {KEYS[1]}
    assert [row["star"] for row in place.search.panel.view["rows"]] == [False, True, False, False]


def test_what_the_list_does_not_have_is_off_and_says_so(place: Place) -> None:
    for facet in ("project", "task", "tag", "region"):
        assert facet in place.search.panel.cannot
    assert "subject" not in place.search.panel.cannot
