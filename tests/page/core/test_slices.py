"""Long work on the event loop's thread: others come between its slices, and see nothing of it."""

from __future__ import annotations

import asyncio
import builtins
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document
from bokeh.io import curdoc
from bokeh.io.doc import patch_curdoc

from dashboard.page.core import slices
from dashboard.page.core.slices import give_way, in_slices, wait_for

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time that somebody else may come, they do."""
    monkeypatch.setattr(slices, "SLICE_S", 0.0)


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a thread of its own: a browser that the worker drives may have left a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result(60)


def beside(work: Callable[[], Any], look: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """Return what work returns, and what others see that look between its slices."""
    seen: list[Any] = []

    async def visit() -> Any:
        async def others() -> None:
            while True:
                seen.append(look())
                await asyncio.sleep(0)

        looking = asyncio.create_task(others())
        try:
            return await in_slices(work)
        finally:
            looking.cancel()

    return run_apart(visit()), seen


def test_others_come_between_slices_and_the_work_returns_what_it_returns() -> None:
    def work() -> int:
        for _ in range(10):
            give_way()
        return 7

    result, seen = beside(work, lambda: None)
    assert result == 7
    assert len(seen) >= 10


def test_while_pictures_of_others_are_drawn_the_loop_rests_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, asked, sleep = list[float](), iter([True, False, True]), asyncio.sleep

    async def slept(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", slept)

    def work() -> None:
        for _ in range(3):
            give_way()

    run_apart(in_slices(work, lambda: next(asked)))
    assert sum(seconds > 0 for seconds in waited) == 2


def test_others_see_neither_the_document_nor_the_context_of_the_work() -> None:
    mine, theirs, inside = Document(), Document(), list[Any]()

    def work() -> None:
        NAME.set("worker")
        with patch_curdoc(mine):
            for _ in range(5):
                give_way()
                inside.append((curdoc(), NAME.get()))

    def look() -> Any:
        with patch_curdoc(theirs):
            return curdoc() is mine, NAME.get()

    _, seen = beside(work, look)
    assert inside == [(mine, "worker")] * 5
    assert set(seen) == {(False, "nobody")}


def test_an_error_of_the_work_is_raised_and_work_that_nobody_waits_for_ends() -> None:
    ended: list[str] = []

    def fail() -> None:
        give_way()
        raise KeyError("a")

    def last() -> None:
        try:
            while True:
                give_way()
        finally:
            ended.append("yes")

    async def visit() -> None:
        with pytest.raises(KeyError):
            await in_slices(fail)
        task = asyncio.create_task(in_slices(last))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_apart(visit())
    assert ended == ["yes"]


def test_a_wait_for_another_thread_is_not_the_loops() -> None:
    future: Future[int] = Future()
    seen: list[bool] = []

    def look() -> None:
        seen.append(True)
        if len(seen) == 20:
            future.set_result(1)

    result, _ = beside(lambda: (wait_for(future, 60), wait_for(Future(), 0.001)), look)
    assert result == (True, False)
    assert wait_for(future, 60), "outside of slices it waits as usual"


def test_outside_of_slices_and_in_an_import_nothing_is_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others on this thread would be handed half of the module."""
    give_way()
    (tmp_path / "half_a_module.py").write_text("give_way()\nwhole = True\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtins, "give_way", give_way, raising=False)
    monkeypatch.delitem(sys.modules, "half_a_module", raising=False)

    def work() -> bool:
        give_way()
        return bool(__import__("half_a_module").whole)

    def look() -> bool:
        found = sys.modules.get("half_a_module")
        return found is None or hasattr(found, "whole")

    result, seen = beside(work, look)
    assert result and all(seen)
    monkeypatch.delitem(sys.modules, "half_a_module", raising=False)
