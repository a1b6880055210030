"""Changes of a page run one after the other, in the order in which they were asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.models import Div
from bokeh.plotting import figure
from tornado.ioloop import IOLoop

from dashboard.page.core import slices
from dashboard.page.core.document_queue import REST_S, DocumentQueue, Rest, Timer


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], Any]]:
    """Next-tick callbacks of the document, in their order, to be called by hand."""
    found: list[Callable[[], Any]] = []
    monkeypatch.setattr(Document, "add_next_tick_callback", lambda self, callback: found.append(callback))
    return found


def run(ticks: list[Callable[[], Any]]) -> None:
    while ticks:
        if (turn := ticks.pop(0)()) is not None:
            with pytest.raises(StopIteration):
                while True:  # it waits for nothing, and may give way
                    turn.send(None)


def test_what_came_as_the_page_stood_overtakes_nothing(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Opening …" must not come after what was opened."""
    starts: list[Any] = []
    monkeypatch.setattr(pn.state, "onload", starts.append)
    queue = DocumentQueue(Document())
    done: list[str] = []
    queue.later(lambda: done.append("opening"))
    run(ticks)
    assert done == [], "the page does not stand yet"
    queue.later(lambda: done.append("opened"))  # its tick is under way when the page stands
    starts[0]()
    run(ticks)
    assert done == ["opening", "opened"]


def test_a_change_that_fails_takes_no_other_with_it(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    queue = DocumentQueue(Document())
    done: list[str] = []

    def fail() -> None:
        raise ValueError

    queue.later(fail)
    queue.later(lambda: done.append("next"))
    with pytest.raises(ValueError):
        run(ticks)
    run(ticks)
    assert done == ["next"]


def test_while_a_long_change_is_made_others_are_served(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    monkeypatch.setattr(slices, "SLICE_S", 0.0)
    queue, done = DocumentQueue(Document()), list[str]()

    def long() -> None:
        for k in range(3):
            done.append(f"{k} in its document: {pn.state.curdoc is queue._document}")
            slices.give_way()

    async def visit() -> None:
        turn = asyncio.ensure_future(ticks.pop(0)())
        while not turn.done():
            await asyncio.sleep(0)
            done.append("other")

    queue.later(long)
    with ThreadPoolExecutor(1) as thread:  # a browser that the worker drives may have left a loop in this one
        thread.submit(asyncio.run, visit()).result(60)
    own = [line for line in done if line != "other"]
    assert own == [f"{k} in its document: True" for k in range(3)]
    assert done.index("other") < done.index(own[2]), "nobody else came before it was done"


def test_a_page_that_has_gone_is_changed_no_more(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer that was set before may still ask for it: the document would raise."""
    starts: list[Any] = []
    monkeypatch.setattr(pn.state, "onload", starts.append)
    queue = DocumentQueue(Document())
    starts[0]()
    done: list[str] = []
    queue.later(lambda: done.append("before"))
    queue.close()
    queue.later(lambda: done.append("after"))
    assert len(ticks) == 1, "the document was asked for a turn"
    run(ticks)
    assert done == []


def test_a_turn_has_the_models_looked_through_once_and_only_where_their_tree_has_changed(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    document, plot = Document(), figure()
    document.add_root(plot)
    looked: list[int] = []
    look = DocumentModelManager.recompute
    monkeypatch.setattr(DocumentModelManager, "recompute", lambda self: (looked.append(1), look(self)))
    queue = DocumentQueue(document)

    def build() -> None:
        for _ in range(3):
            plot.add_layout(Div())
            plot.line([0, 1], [0, 1])

    queue.later(build)
    queue.later(lambda: plot.update(width=300))
    run(ticks)
    assert looked == [1]
    assert all(part.document is document for part in plot.references())
    plot.add_layout(Div())
    assert len(looked) > 1, "outside of a turn Bokeh looks as ever"


@pytest.mark.parametrize("leads", [True, False])
def test_a_series_of_changes_is_followed_at_its_end(
    leads: bool, ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    queue, now_s, due = DocumentQueue(Document()), [0.0], []
    monkeypatch.setattr("dashboard.page.core.document_queue.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr(Timer, "start", lambda self: due.append(self))
    queue.is_building = False
    done: list[float] = []
    rest = Rest(queue, lambda: done.append(now_s[0]), 1.0, leads=leads)

    def wait(seconds: float) -> None:
        """Let time go by: the timer of the last change is due where it rests so long."""
        now_s[0] += seconds
        if seconds >= due[-1]._seconds and not due[-1]._is_off:
            due[-1]._call()
            run(ticks)

    for _ in range(5):
        now_s[0] += 0.06
        rest.ask()
    assert done == [0.06] * leads
    wait(REST_S)
    assert done == [0.06] * leads + [now_s[0]]
    now_s[0] += 10.0
    first = now_s[0]
    for _ in range(30):  # a long one is followed in between, too
        rest.ask()
        wait(0.06)
    assert any(first < at < now_s[0] - REST_S for at in done)


def test_what_is_prepared_is_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    done: list[Any] = []

    async def run() -> None:
        document = Document()
        loop = IOLoop.current()
        monkeypatch.setattr(document, "add_next_tick_callback", loop.add_callback)
        queue = DocumentQueue(document)
        queue.prepare(lambda: done.append(pn.state.curdoc is document), lambda: done.append("then"))
        while "then" not in done:
            await asyncio.sleep(0.001)

    # The browser's tests leave a running loop in their thread.
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(30)
    assert done == [True, "then"]


def test_what_follows_the_view_comes_in_one_turn_and_the_newest_of_a_name_alone(
    ticks: list[Callable[[], Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pn.state, "onload", lambda start: start())
    due: list[Callable[[], None]] = []
    monkeypatch.setattr(Timer, "start", lambda self: due.append(self._call))
    queue = DocumentQueue(Document())
    done: list[str] = []
    queue.follow("address", lambda: done.append("built"))
    assert done == ["built"], "a page that is being put together is sent as a whole"
    queue.is_building = False

    def fail() -> None:
        raise ValueError

    queue.follow("address", lambda: done.append("an old address"))
    queue.follow("fields", fail)
    queue.follow("words", lambda: done.append("words"))
    queue.follow("address", lambda: done.append("address"))
    assert len(due) == 1
    assert not ticks
    due.pop()()
    assert len(ticks) == 1
    with pytest.raises(ValueError):
        run(ticks)
    assert done == ["built", "address", "words"], "one that fails keeps none from its turn"
    queue.follow("address", lambda: done.append("the next"))
    due.pop()()
    run(ticks)
    assert done[-1] == "the next"
    queue.follow("address", lambda: done.append("never"))
    queue.close()
    due.pop()()
    run(ticks)
    assert done[-1] == "the next"
