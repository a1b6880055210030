"""Garbage is looked for when pages rest, and not in mid-zoom."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from panel.io import document

from dashboard.server import garbage
from dashboard.server.garbage import EVERY_S, MAX_ENDED, SHARE, GarbageCollection


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is done with Python's own collector, which stays as it is."""
    found: list[str] = []
    threshold = gc.get_threshold()
    monkeypatch.setattr(document, "_garbage_collect", document._garbage_collect)
    monkeypatch.setattr(garbage.gc, "collect", lambda: found.append("collect"))
    monkeypatch.setattr(garbage.gc, "freeze", lambda: found.append("freeze"))
    yield found
    gc.set_threshold(*threshold)


def test_garbage_is_looked_for_when_pages_have_ended_and_nobody_draws(calls: list[str]) -> None:
    now = [0.0]
    collection = GarbageCollection(lambda: now[0])
    assert calls == ["collect", "freeze"], "what is there before any page is left out"
    assert gc.get_threshold()[2] == garbage.NEVER
    calls.clear()
    document._garbage_collect()  # as Panel does when a page has ended
    collection.look(1, is_idle=False)
    assert calls == []
    collection.look(1, is_idle=True)
    collection.look(1, is_idle=True)
    assert calls == ["collect"]


def test_beside_others_who_draw_it_waits_for_some_pages_or_a_minute(calls: list[str]) -> None:
    now = [0.0]
    collection = GarbageCollection(lambda: now[0])
    calls.clear()
    for _ in range(MAX_ENDED):
        assert calls == []
        collection.page_ended()
        collection.look(3, is_idle=False)
    assert calls == ["collect"]
    now[0] += EVERY_S
    collection.look(3, is_idle=False)
    assert calls == ["collect"] * 2
    collection.look(3, is_idle=True)
    now[0] += 10 * EVERY_S
    collection.look(3, is_idle=True)
    assert calls == ["collect"] * 2, "a server at rest has nothing to look for"


def test_a_look_that_takes_long_is_rare_beside_others(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now, took_s = [0.0], 0.75

    def collect() -> None:
        calls.append("collect")
        now[0] += took_s

    collection = GarbageCollection(lambda: now[0])
    monkeypatch.setattr(garbage.gc, "collect", collect)
    now[0] += EVERY_S
    collection.look(15, is_idle=False)
    calls.clear()
    for _ in range(int(took_s / SHARE) - 1):
        now[0] += 1.0
        collection.look(15, is_idle=False)
    assert calls == []
    now[0] += 1.0
    collection.look(15, is_idle=False)
    assert calls == ["collect"]


def test_what_the_first_work_has_loaded_is_left_out_once_nobody_has_a_page(calls: list[str]) -> None:
    collection = GarbageCollection()
    collection.look(0, is_idle=False)
    collection.look(1, is_idle=True)
    calls.clear()
    collection.look(0, is_idle=True)
    collection.look(0, is_idle=True)
    assert calls == ["collect", "freeze"]
