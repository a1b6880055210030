"""Long work on the event loop's thread, done in slices: pictures of others, and ``/health``, come between them.

Bokeh and Panel build a page, and write one for the browser, in half a second of one call each, and on the loop's thread
only. Such a call is made in a greenlet, which gives the loop back from wherever in the call it asks for that: it needs
no other thread, so that nothing of Bokeh's or Panel's is touched by two.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from bokeh.document import Document
from bokeh.io.doc import _PATCHED_CURDOCS
from greenlet import getcurrent, greenlet

SLICE_S = 0.003
"""So long others wait at most for a slice; a picture's way takes ten turns of the loop, each of which may meet one."""

BUSY_REST = 3.0
"""While pictures of others are drawn the loop rests so many times as long as a slice took."""

IDLE_PASS_S = 0.0003
IDLE_PASSES = 3
"""The loop has nothing else to do once so many passes on end were shorter than that."""

Result = TypeVar("Result")


class _Sliced(greenlet):
    """Work that is under way; `ends` is when its slice is over, and `waits` what it needs to go on."""

    ends = 0.0
    waits: Future[Any] | None = None
    wait_s: float | None = None


_BUSY: WeakKeyDictionary[Document, Callable[[], bool]] = WeakKeyDictionary()


def set_busy(document: Document, is_busy: Callable[[], bool]) -> None:
    """Say what tells whether pictures of others than the one who looks at a document are being drawn."""
    _BUSY[document] = is_busy


def busy_of(document: Document) -> Callable[[], bool]:
    """Return what tells whether pictures of others are being drawn."""
    return _BUSY.get(document, never)


def never() -> bool:
    """Return False: nobody else is there."""
    return False


async def in_slices(
    work: Callable[[], Result], is_busy: Callable[[], bool] = never, busy_rest: float = BUSY_REST
) -> Result:
    """Do it in slices, and return what it returns.

    Parameters
    ----------
    work : callable () -> object
        Calls `give_way` often, or makes Bokeh's models, where the server has these call it.
    is_busy : callable () -> bool
        Whether pictures of others are being drawn: threads that draw need Python's lock, and the loop soon after.
    busy_rest : float
        How many times as long as a slice took the loop rests then.

    Raises
    ------
    Exception
        What `work` raises.
    """
    task = _Sliced(work)
    task.gr_context = copy_context()
    documents: list[Any] = []
    try:
        while True:
            began = time.perf_counter()
            task.ends = began + SLICE_S
            # Bokeh keeps the current document in a list of the process; that of others is not this one's.
            _PATCHED_CURDOCS.extend(documents)
            n_before = len(_PATCHED_CURDOCS) - len(documents)
            try:
                result = task.switch()
            finally:
                documents = _PATCHED_CURDOCS[n_before:]
                del _PATCHED_CURDOCS[n_before:]
            if task.dead:
                return result
            if task.waits is not None:
                await _wait(task.waits, task.wait_s)
            elif is_busy():
                await asyncio.sleep(busy_rest * (time.perf_counter() - began))
            else:
                await _rest(time.perf_counter() - began)
    finally:
        if not task.dead:
            task.throw()


async def _wait(future: Future[Any], seconds: float | None) -> None:
    done = asyncio.wrap_future(future)
    done.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever waits asks the other
    await asyncio.wait([done], timeout=seconds)


async def _rest(seconds: float) -> None:
    """Leave the loop to others: for so long, and less where nobody wants it."""
    until, n_idle = time.perf_counter() + seconds, 0
    while n_idle < IDLE_PASSES:
        before = time.perf_counter()
        await asyncio.sleep(0)
        after = time.perf_counter()
        if after >= until:
            return
        n_idle = n_idle + 1 if after - before < IDLE_PASS_S else 0


def give_way() -> None:
    """Let others come, where the slice is over; does nothing outside of `in_slices`, and while a module is imported."""
    task = getcurrent()
    if isinstance(task, _Sliced) and time.perf_counter() >= task.ends and not _is_importing():
        task.parent.switch()


def wait_for(future: Future[Any], seconds: float | None) -> bool:
    """Wait so long for work of another thread, and return whether it is done; in a slice, others come meanwhile."""
    task = getcurrent()
    if not isinstance(task, _Sliced):
        return bool(wait([future], seconds).done)
    if not future.done():
        task.waits, task.wait_s = future, seconds
        task.parent.switch()
        task.waits = None
    return future.done()


def _is_importing() -> bool:
    """Whether a module is being imported: others on this thread would be handed half of it."""
    frame = sys._getframe()
    while (behind := frame.f_back) is not None:
        if behind.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = behind
    return False
