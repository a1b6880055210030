"""When the session may change the page: in its own turn, and not before the browser has built it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import panel as pn
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from panel.io import hold
from panel.io.state import set_curdoc
from tornado.ioloop import IOLoop

from dashboard.page.core.line import Line, line_of
from dashboard.page.core.slices import busy_of, in_slices

REST_S = 0.15
"""A series of changes, such as keys that are held down, is over when none has come for so long."""

PREPARE_REST = 6.0
"""While pictures of others are drawn the loop rests so many times as long as a slice of what is prepared took: that is
half a second of work, and on no picture's way."""

FOLLOW_S = 0.12
"""Words, fields and the address follow the pictures at this distance: each message of them makes the browser lay out
the page, and would hold the pictures up."""


@contextmanager
def looked_through_once(models: DocumentModelManager) -> Iterator[None]:
    """Have Bokeh look through all models of a page once, at the end, and only where their tree has changed.

    It does after each change of a figure's parts: 15 ms for a page of 1,000 models, a hundred times for a tab. A
    message that is written afterwards knows what the page has.
    """
    wanted: list[bool] = []
    vars(models)["recompute"] = lambda: wanted.append(True)
    try:
        yield
    finally:
        del vars(models)["recompute"]
        if wanted:
            models.recompute()


class Timer:
    """A call that is due in a while.

    Parameters
    ----------
    seconds : float
    call : callable () -> None
    """

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._seconds, self._call = seconds, call
        self._handle: object = None
        self._is_off = False

    def start(self) -> None:
        """Let the time run from now."""
        if not self._is_off:
            self._handle = IOLoop.current().call_later(self._seconds, self._call)

    def cancel(self) -> None:
        """Do not call."""
        self._is_off = True
        if self._handle is not None:
            IOLoop.current().remove_timeout(self._handle)


class DocumentQueue:
    """Runs changes of one browser tab's page, one after the other; a long one in slices, while the loop serves others.

    What changes between the browser's first reading of the page and the moment it stands is dropped by Panel, so
    changes wait for that moment. Changes of Panel's objects and of Bokeh's take different ways to the browser and
    would overtake each other, so those of one turn leave as one message.

    Parameters
    ----------
    document : Document
        Of the tab; the constructor runs in it.

    Attributes
    ----------
    is_building : bool
        Whether the page is still being put together, and has not been sent: changes then need no turn, and timers
        wait. Whoever builds it clears this at the end.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._is_building = True
        self._timers: list[Timer] = []
        self._changes: deque[Callable[[], None]] = deque()
        self._following: dict[str, Callable[[], None]] = {}
        self._stands = False
        self._n_held = 0
        self._is_closed = False
        self._loop = IOLoop.current()
        self._thread = threading.get_ident()
        pn.state.onload(self._start)

    @property
    def is_building(self) -> bool:
        """Whether the page is still being put together."""
        return self._is_building

    @is_building.setter
    def is_building(self, value: bool) -> None:
        self._is_building = value
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.start()

    @property
    def line(self) -> Line:
        """The line to the browser."""
        return line_of(self._document)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call something in a while; where the page is being put together, in a while from when it is."""
        timer = Timer(seconds, call)
        if self._is_building:
            self._timers.append(timer)
        else:
            timer.start()
        return timer

    def later(self, change: Callable[[], None]) -> None:
        """Run `change` in a turn of its own, after those that were asked for before; may be called from any thread."""
        if self._is_closed:
            return
        self._changes.append(change)
        if threading.get_ident() == self._thread:
            self._tick()
        else:
            # Bokeh collects what is asked for while a turn runs in a list that no lock guards: not from other threads.
            self._loop.add_callback(self._tick)

    def follow(self, name: str, change: Callable[[], None]) -> None:
        """Run `change` in a turn soon, with all else that follows the view; one of this name that waits is replaced.

        While the page is being put together it is run at once.
        """
        if self._is_building:
            change()
            return
        if not self._following:
            self.after(FOLLOW_S, partial(self.later, self._follow))
        self._following[name] = change

    def prepare(self, make: Callable[[], object], then: Callable[[], None]) -> None:
        """Run `make`, which changes nothing that is on the page, in slices between which the loop serves others.

        The page waits for it, and `then` is its next turn.
        """

        def work() -> None:
            with set_curdoc(self._document):
                make()

        async def run() -> None:
            await in_slices(work, busy_of(self._document), PREPARE_REST)
            self._changes.appendleft(then)
            self._tick()

        self._document.add_next_tick_callback(run)

    def close(self) -> None:
        """Change nothing any more: the tab has gone, and what still waits for it is not for anybody."""
        self._is_closed = True
        self._changes.clear()
        self._following.clear()

    def _tick(self) -> None:
        context = self._document.session_context
        if self._is_closed or (context is not None and context.destroyed):
            return  # the document takes nothing any more
        self._document.add_next_tick_callback(partial(self._run))

    async def _run(self) -> None:
        # A turn takes the oldest change, whoever it was asked for: turns that had to wait for the page would
        # otherwise be overtaken by those that came just as it stood.
        if not self._stands:
            self._n_held += 1
        elif self._changes:
            await in_slices(partial(self._change, self._changes.popleft()), busy_of(self._document))

    def _change(self, change: Callable[[], None]) -> None:
        with set_curdoc(self._document), hold(self._document), looked_through_once(self._document.models):
            change()

    def _follow(self) -> None:
        following, self._following = self._following, {}
        with ExitStack() as all_of_them:  # one that raises keeps none of the others from their turn
            for change in reversed(following.values()):
                all_of_them.callback(change)

    def _start(self) -> None:
        self._stands = True
        held, self._n_held = self._n_held, 0
        for _ in range(held):
            self._document.add_next_tick_callback(partial(self._run))


class Rest:
    """A call for a whole series of changes: made once, at its end.

    Parameters
    ----------
    queue : DocumentQueue
    call : callable () -> None
        Made in a turn of its own.
    most_s : float
        A series that is longer has it made in between.
    leads : bool
        Whether it is made at once, too, for the first change of a series.
    """

    def __init__(
        self, queue: DocumentQueue, call: Callable[[], None], most_s: float = math.inf, *, leads: bool = True
    ) -> None:
        self._queue, self._call, self._most_s, self._leads = queue, call, most_s, leads
        self._timer: Timer | None = None
        self._since_s = 0.0
        self._asked_s = -math.inf

    def ask(self, *events: object) -> None:
        """Have it called after this change."""
        now_s = time.monotonic()
        is_first, self._asked_s = now_s - self._asked_s >= REST_S, now_s
        if self._leads and is_first and self._timer is None:
            self._call()
            return
        self._since_s = self._since_s or now_s
        wait_s = REST_S if now_s - self._since_s < self._most_s else 0.0
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._queue.after(wait_s, partial(self._queue.later, self._due))

    def cancel(self) -> None:
        """Do not call."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._since_s = None, 0.0

    def _due(self) -> None:
        self.cancel()
        self._call()
