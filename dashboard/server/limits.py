"""What one person may take of a server that many share: by login, and by address where nobody has to log in.

Pages are built on the event loop, in slices between which it serves others: they are built one at a time, in turns of
the people who wait for one. Beside others, whoever opens page after page gets a twentieth of the loop for it.
"""

from __future__ import annotations

import asyncio
import math
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

LOOP_SHARE = 0.2
"""Of the event loop, for requests and messages of one person beside others, once `FREE_LOOP_S` of it are used up."""

FREE_LOOP_S = 0.8
"""A page with its files takes half of that; more would be a tenth of the time of a short flood."""

REQUEST_S = 0.0005
"""Of the loop, for each request, beside what it counts itself: it is read, and its answer written to the network."""

BYTES_PER_S = 64 << 20
"""Of files, to one person beside others, once `FREE_BYTES` have gone."""

FREE_BYTES = 256 << 20
MAX_PAUSE_S = 2.0
"""Of what is under way: nothing is read of somebody for longer, nor sent to them, without a look at it again."""

FREE_EXPORT_S, EXPORT_SHARE, MAX_EXPORT_WAIT_S = 6.0, 0.1, 30.0
"""Time of the processor for one person's exports beside others: half a dozen figures at once, then a tenth of it."""

MAX_LINE = 64
"""Requests of one person that wait because others are there; more are refused."""

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

    Attributes
    ----------
    builds_for : str or None
        Whose page is being built.
    """

    def __init__(self, has_others: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._has_others, self._clock = has_others, clock
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._built: dict[str, deque[float]] = {}
        self._not_before: dict[str, float] = {}
        self._is_busy = False
        self.builds_for: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def n_waiting(self, owner: str) -> int:
        """Return how many pages of somebody are in line."""
        return len(self._waiting.get(owner, ()))

    def n_built(self, owner: str) -> int:
        """Return how many pages of somebody were built within `FREE_S`: `FREE_PAGES` at most."""
        return sum(self._clock() - at < FREE_S for at in self._built.get(owner, ()))

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
        started, self.builds_for = self._clock(), owner
        try:
            yield
        finally:
            self.builds_for = None
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


class Budget:
    """What each person may use of something beside others: so much at once, then so much a second.

    Parameters
    ----------
    free : float
    per_s : float
    has_others : callable (owner) -> bool
    clock : callable
        Seconds.
    max_wait_s : float
        Nobody waits for longer, whatever was used.
    """

    def __init__(
        self,
        free: float,
        per_s: float,
        has_others: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
        max_wait_s: float = math.inf,
    ) -> None:
        self._free, self._per_s, self._has_others, self._clock = free, per_s, has_others, clock
        self._most = free + max_wait_s * per_s
        self._used: dict[str, tuple[float, float]] = {}

    def spend(self, owner: str, amount: float) -> None:
        """Count what somebody has used."""
        now = self._clock()
        if len(self._used) > MAX_REMEMBERED:
            self._used.clear()
        self._used[owner] = min(self._now_used(owner, now) + amount, self._most), now

    def wait_s(self, owner: str) -> float:
        """Return how long somebody has to wait before using more, in s; 0 where nobody else is there."""
        over = self._now_used(owner, self._clock()) - self._free
        return over / self._per_s if over > 0 and self._has_others(owner) else 0.0

    def _now_used(self, owner: str, now: float) -> float:
        used, at = self._used.get(owner, (0.0, now))
        return max(0.0, used - (now - at) * self._per_s)


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
    draws_for_others : callable (owner) -> bool
        Whether a picture of anybody else is being drawn.
    """

    def __init__(
        self,
        owner_of: Callable[[Any], str],
        owners: Callable[[], Iterator[str]],
        max_sessions: int,
        draws_for_others: Callable[[str], bool] = lambda owner: False,
    ) -> None:
        self.owner_of, self._owners, self.max_sessions = owner_of, owners, max_sessions
        self.draws_for_others = draws_for_others
        self.queue = BuildQueue(self.has_others)
        self.loop = Budget(FREE_LOOP_S, LOOP_SHARE, self.has_others)
        self.bytes = Budget(FREE_BYTES, BYTES_PER_S, self.has_others)
        self.exports = Budget(FREE_EXPORT_S, EXPORT_SHARE, self.has_others, max_wait_s=MAX_EXPORT_WAIT_S)
        self._in_line: Counter[str] = Counter()
        self._sockets: Counter[str] = Counter()
        self._of_pages: Counter[str] = Counter()

    def has_others(self, owner: str) -> bool:
        """Whether anybody else has a page open, who would be held up."""
        return any(other != owner for other in self._owners())

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

    def spend_loop(self, owner: str, seconds: float) -> None:
        """Count time of the event loop; pages being built have a share of their own."""
        if self.queue.builds_for != owner:
            self.loop.spend(owner, seconds)

    def pause_s(self, owner: str) -> float:
        """Return how long what is under way for somebody rests, in s; the page that is being built does not."""
        wait = max(self.loop.wait_s(owner), self.bytes.wait_s(owner))
        return min(wait, MAX_PAUSE_S) if self.queue.builds_for != owner else 0.0

    async def admit(self, owner: str) -> None:
        """Wait until there is room for another request of somebody.

        Raises
        ------
        TooMany
        """
        if not self.loop.wait_s(owner):
            return
        if self._in_line[owner] >= MAX_LINE:
            raise TooMany("as many requests waiting")
        self._in_line[owner] += 1
        try:
            while wait := self.loop.wait_s(owner):
                await asyncio.sleep(min(wait, MAX_PAUSE_S))
        finally:
            self._in_line[owner] -= 1
            if not self._in_line[owner]:
                del self._in_line[owner]

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
