"""One render in flight per view; the newest request wins; Bokeh changes only on its own thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Generic, TypeVar

from dashboard.model.errors import Cancelled, DashboardError
from dashboard.page.core.document_queue import DocumentQueue
from dashboard.page.core.slices import wait_for

logger = logging.getLogger(__name__)

COALESCE_S = 0.008
"""Start and end of the two axes may arrive as separate patches; they are gathered for this long at most.

Without it, 8 of 16 images measured in a drag had a wrong depth range.
"""

GATHER_S = 0.002
"""Patches of one gesture follow each other by less than this, so what is asked for starts once none has come for it."""

FIRST_S = 2.0
"""So long a page that is being put together waits for each of its pictures; a later one comes when it is there."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class RenderLoop(Generic[Request, Result]):
    """Renders requests of one view in a pool of threads.

    Parameters
    ----------
    queue : DocumentQueue
    pool : Executor
    render : callable (request, cancel event) -> result
        Runs on a worker thread; touches no Bokeh model.
    apply : callable (request, result) -> None
        Runs with the document's lock.
    fail : callable (error) -> None
        Runs with the document's lock.
    pause_s : float
        So long requests are gathered, and so long is waited between two renders where it is more than is needed for
        gathering: what stands beside the pictures must not keep the processor from them. 0: a request starts at once,
        while whoever asked for it still works on the page.
    has_room : callable () -> bool
        Whether a picture that was sent now would be on its way at once; none is begun until it would.
    title : str
        Of what is drawn, with a capital, in the line that says that it could not be.
    """

    def __init__(
        self,
        queue: DocumentQueue,
        pool: Executor,
        render: Callable[[Request, threading.Event], Result],
        apply: Callable[[Request, Result], None],
        fail: Callable[[DashboardError], None],
        pause_s: float = COALESCE_S,
        title: str = "This view",
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._queue = queue
        self._pause_s, self._title = pause_s, title
        self._has_room = has_room
        self._pool = pool
        self._render = render
        self._apply = apply
        self._fail = fail
        self._wanted: Request | None = None
        self._cancel = threading.Event()
        self._is_waiting = False
        self._began = self._asked = 0.0
        self._future: Future[Result] | None = None
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is rendered, shown or asked for."""
        return self._future is None and self._wanted is None and not self._is_waiting

    def request(self, request: Request) -> None:
        """Ask for a render; a request that waits is replaced."""
        self._wanted = request
        self._wait()

    def _wait(self) -> None:
        self._asked = time.monotonic()
        if self._pause_s == 0:
            self._start()
        elif not self._is_waiting and not self._is_closed:
            self._is_waiting, self._began = True, self._asked
            if self._pause_s > COALESCE_S:
                self._queue.after(self._pause_s, self._start)
            else:
                self._queue.after(GATHER_S, self._gather)

    def _gather(self) -> None:
        """Start, unless a part of the same gesture has only just come."""
        quiet = time.monotonic() - self._asked
        if quiet < GATHER_S and self._asked < self._began + self._pause_s - GATHER_S:
            self._queue.after(GATHER_S - quiet, self._gather)
        else:
            self._start()

    def close(self) -> None:
        """Take no more requests and let the one in flight stop early."""
        self._is_closed = True
        self._wanted = None
        self._cancel.set()

    def draw_now(self, seconds: float = FIRST_S) -> None:
        """Render what waits, and wait for it so long: the first picture of a page that is being put together."""
        request = self._wanted
        self._start()
        if request is not None and self._future is not None and wait_for(self._future, seconds):
            self._show(request, self._future)

    def cancel(self) -> None:
        """Drop what waits and let the one in flight stop early: its picture is of no use."""
        self._wanted = None
        self._cancel.set()

    def _start(self) -> None:
        self._is_waiting = False
        if self._future is not None or self._is_closed or self._wanted is None:
            return
        if not self._has_room():
            self._is_waiting = True
            self._queue.after(COALESCE_S, self._start)
            return
        request, self._wanted = self._wanted, None
        self._cancel = threading.Event()
        self._future = future = self._pool.submit(self._render, request, self._cancel)
        future.add_done_callback(partial(self._finished, request))

    def _finished(self, request: Request, future: Future[Result]) -> None:
        if not self._is_closed:
            self._queue.later(partial(self._show, request, future))

    def _show(self, request: Request, future: Future[Result]) -> None:
        if self._future is not future:
            return  # it was shown
        self._future = None
        if self._is_closed:
            return
        try:
            self._apply(request, future.result())
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it was, the view says so
            self.report(request, error)
        finally:
            if self._pause_s > COALESCE_S and self._wanted is not None:
                self._wait()
            else:
                self._start()

    def report(self, request: object, error: Exception) -> None:
        """Say that what was asked for could not be drawn; the log has the trace of what nobody foresaw."""
        if not isinstance(error, DashboardError):
            logger.error("a render failed: %s", request, exc_info=error)
            error = DashboardError(f"{self._title} could not be drawn", type(error).__name__, "The log has the details")
        self._fail(error)
