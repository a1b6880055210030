"""Entries of tabs: what they name is there, and words name parameters."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.model.registry import load
from dashboard.page import link as links
from dashboard.page.export.snapshot import data_files, sheets
from dashboard.page.tabs.registry import TABS, page_state


def targets() -> Iterator[str]:
    for entry in TABS:
        yield from (entry.tab, *entry.states, *filter(None, (entry.bins, entry.warm_up)))
    for word in links.words().values():
        yield from (target for target in (word.read, word.write, word.gone) if isinstance(target, str) and target)
    yield from (sheet.draw for sheet in sheets().values())
    for file in data_files().values():
        yield from (file.write, file.note)


def test_everything_that_an_entry_names_is_there() -> None:
    found = list(targets())
    assert len(found) > 30
    for target in found:
        assert callable(load(target)) or load(target), target


def test_every_word_but_that_of_two_numbers_names_a_parameter() -> None:
    known = page_state().values()
    assert {word.name for word in links.words().values()} - set(known) == {"heat"}


def test_states_are_of_one_page_only() -> None:
    one, other = page_state(event="feedback", marks="rate", before=(0.0, 1.0)), page_state()
    assert {name for name, value in one.values().items() if value != other.values()[name]} == {
        "event", "marks", "before"
    }  # fmt: skip
