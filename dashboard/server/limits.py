"""What one person may take of a server that many share: by login, and by address where nobody has to log in.

Pages are built on the event loop, in slices between which it serves others: they are built one at a time, in turns of
the people who wait for one. Beside others, whoever opens page after page gets a twentieth of the loop for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

FREE_PAGES = 2
"""Pages that somebody may open within `FREE_S` before they are spread out, to start work with."""

FREE_S = 60.0
SHARE = 0.05
"""Of the event loop, for the pages of one person beside others."""

MAX_APART_S = 10.0
MAX_WAITING, MAX_WAITING_ALONE = 2, 32
"""Pages of one person in line, beside others and where nobody else is there; who waits longer is told so at once."""

MIN_REST_S = 0.02
MAX_SOCKETS = 2
"""Websockets of one page: the one before may not have ended when a browser connects anew."""

UNCLAIMED_S = 8.0
"""A page whose websocket does not come ends after this; the `KEPT` newest of somebody after a minute."""

MESSAGE_SHARE = 0.2
"""Of the event loop, for the messages of one person beside others, once `FREE_MESSAGES_S` of it are used up."""

FREE_MESSAGES_S = 2.0
MAX_PAUSE_S = 2.0
MAX_REMEMBERED = 1_000

KEPT = 2
KEPT_S = 60.0
LEFT_S = 15.0
"""A page whose websocket has ended ends after this."""


class TooMany(Exception):
    """Somebody asks for more than a share; the message says of what."""


class BuildQueue:
    """Whose page is built next.

    Parameters
    ----------
    has_others : callable (owner) -> bool
        Whether anybody else has a page open, who would be held up.
    clock : callable
        Seconds.
    """

    def __init__(self, has_others: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._has_others, self._clock = has_others, clock
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._built: dict[str, deque[float]] = {}
        self._not_before: dict[str, float] = {}
        self._is_busy = False
        self._timer: asyncio.TimerHandle | None = None

    def n_waiting(self, owner: str) -> int:
        """Return how many pages of somebody are in line."""
        return len(self._waiting.get(owner, ()))

    def is_crowded(self, owner: str) -> bool:
        """Whether somebody has as many pages in line as one may."""
        return self.n_waiting(owner) >= (MAX_WAITING if self._has_others(owner) else MAX_WAITING_ALONE)

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait for the turn of a page of `owner`, which is built in the block.

        Raises
        ------
        TooMany
        """
        if self.is_crowded(owner):
            raise TooMany("as many pages being opened")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(place)
        self._next()
        try:
            await place
        except asyncio.CancelledError:
            self._leave(owner, place)
            raise
        started = self._clock()
        try:
            yield
        finally:
            self._done(owner, self._clock() - started)

    def _leave(self, owner: str, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self._free()  # it was just given the turn
            return
        queue = self._waiting.get(owner)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[owner]

    def _next(self) -> None:
        if self._is_busy or not self._waiting:
            return
        now = self._clock()
        for owner in self._waiting:
            if self._not_before.get(owner, 0.0) <= now or not self._has_others(owner):
                break
        else:
            if self._timer is None:
                wait = min(self._not_before.get(owner, 0.0) for owner in self._waiting) - now
                self._timer = asyncio.get_running_loop().call_later(max(wait, MIN_REST_S), self._ring)
            return
        queue = self._waiting.pop(owner)
        place = queue.popleft()
        if queue:
            self._waiting[owner] = queue  # to the end: the others come first
        self._is_busy = True
        if not place.done():
            place.set_result(None)
        else:
            self._free()

    def _ring(self) -> None:
        self._timer = None
        self._next()

    def _done(self, owner: str, took_s: float) -> None:
        now = self._clock()
        times = self._built.setdefault(owner, deque(maxlen=FREE_PAGES))
        times.append(now)
        if len(times) == FREE_PAGES and now - times[0] < FREE_S:
            self._not_before[owner] = now + min(took_s / SHARE, MAX_APART_S)
        for name in [name for name, built in self._built.items() if now - built[-1] > FREE_S]:
            self._built.pop(name)
            self._not_before.pop(name, None)
        asyncio.get_running_loop().call_later(MIN_REST_S, self._free)

    def _free(self) -> None:
        self._is_busy = False
        self._next()


class Limits:
    """Counts what each person has.

    Parameters
    ----------
    owner_of : callable (request) -> str
        Who asks: a text for each login, or for each address.
    owners : callable () -> iterable of str
        Whose the open pages are.
    max_sessions : int
        Pages that one may have open.
    """

    def __init__(self, owner_of: Callable[[Any], str], owners: Callable[[], Iterator[str]], max_sessions: int) -> None:
        self.owner_of, self._owners, self.max_sessions = owner_of, owners, max_sessions
        self.queue = BuildQueue(lambda owner: any(other != owner for other in self._owners()))
        self._sockets: Counter[str] = Counter()
        self._of_pages: Counter[str] = Counter()
        self._spent: dict[str, tuple[float, float]] = {}

    def is_full(self, owner: str) -> bool:
        """Whether somebody has as many pages open as one may."""
        return sum(other == owner for other in self._owners()) >= self.max_sessions

    def why_not(self, owner: str) -> str:
        """Return why somebody gets no other page now; empty where there is room."""
        if self.is_full(owner):
            return f"You have {self.max_sessions} pages open, as many as one person may."
        if self.queue.is_crowded(owner):
            return "You are opening as many pages as one person may at once."
        return ""

    def pause_s(self, owner: str, took_s: float) -> float:
        """Return how long nothing more is read of somebody whose message took so long, in s."""
        now = time.monotonic()
        used, at = self._spent.get(owner, (0.0, now))
        used = max(0.0, used - (now - at) * MESSAGE_SHARE) + took_s
        if len(self._spent) > MAX_REMEMBERED:
            self._spent.clear()
        self._spent[owner] = used, now
        is_greedy = used > FREE_MESSAGES_S and any(other != owner for other in self._owners())
        return min(took_s / MESSAGE_SHARE, MAX_PAUSE_S) if is_greedy else 0.0

    @contextmanager
    def socket(self, owner: str, page: str) -> Iterator[None]:
        """Count a websocket, for as long as the block runs.

        Raises
        ------
        TooMany
        """
        if self._of_pages[page] >= MAX_SOCKETS:
            raise TooMany("as many connections of one page")
        if self._sockets[owner] >= MAX_SOCKETS * self.max_sessions:
            raise TooMany("as many connections")
        self._sockets[owner] += 1
        self._of_pages[page] += 1
        try:
            yield
        finally:
            for counter, name in ((self._sockets, owner), (self._of_pages, page)):
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]
