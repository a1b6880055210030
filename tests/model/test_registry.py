"""Entries of this package and of others: in their order, loaded late, left out where they fail."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from dashboard.model import registry as module
from dashboard.model.errors import BadRequest
from dashboard.model.registry import Registry, load


@dataclass(frozen=True)
class Thing:
    name: str


OTHER, TAKEN = Thing("other"), Thing("first")


def make_other() -> Thing:
    return Thing("made")


def things() -> Registry[Thing]:
    return Registry("thing", "spike_dashboard.things", [Thing("first"), Thing("second")])


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> None:
    group, here = "spike_dashboard.things", __name__
    found = [
        EntryPoint("other", f"{here}:OTHER", group),
        EntryPoint("made", f"{here}:make_other", group),
        EntryPoint("taken", f"{here}:TAKEN", group),
        EntryPoint("broken", "no.such.module:thing", group),
    ]
    monkeypatch.setattr(module, "entry_points", lambda *, group: [point for point in found if point.group == group])


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(BadRequest, match=r"No such thing.*'third'.*first, second"):
        things()["third"]


@pytest.mark.usefixtures("points")
def test_a_plugin_acts_only_where_it_is_named() -> None:
    found = things()
    assert found.add_plugins([]) == []
    assert found.names == ("first", "second")
    assert found.add_plugins(["other", "made"]) == ["other", "made"]
    assert found.names == ("first", "second", "other", "made")
    assert found["other"] is OTHER
    for name in ("other", "made", "first"):
        found.remove(name)
    assert found.names == ("first", "second"), "an entry of the package was taken away, or one of a plug-in stayed"


@pytest.mark.usefixtures("points")
def test_a_plugin_is_added_once() -> None:
    found = things()
    found.add_plugins(["other"])
    assert found.add_plugins(["other"]) == ["other"]
    assert len(found) == 3


@pytest.mark.usefixtures("points")
@pytest.mark.parametrize("name", ["broken", "taken"])
def test_a_plugin_that_fails_is_named_in_one_line_and_left_out(name: str, caplog: pytest.LogCaptureFixture) -> None:
    found = things()
    with caplog.at_level(logging.ERROR):
        assert set(found.add_plugins([name, "other"])) == {name, "other"}
        assert found.names == ("first", "second", "other")
    (line,) = caplog.messages
    assert line.startswith(f"plug-in {name} (spike_dashboard.things) is left out: ")
    assert "\n" not in line


def test_code_is_loaded_by_its_text() -> None:
    assert load("dashboard.model.registry:Registry") is Registry
