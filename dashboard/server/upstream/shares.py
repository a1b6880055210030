"""Shares of one server, where Bokeh gives whoever asks most the most.

- A page is built as soon as it is asked for, and a websocket may have one built whose page has ended.
- A page without a websocket stays for a quarter of a minute, however many there are of one person; a slow line needs
  longer, and a loop of requests fills the memory.
- One token opens any number of websockets, and a websocket that sends without pause is read without pause.
- What a browser asks for and does not read stays in memory, however much it is.
- Whoever asks for files without pause has the loop to themselves: each request is answered as it comes.
"""

from __future__ import annotations

import asyncio
import logging
import time
import types
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator
from functools import partial, wraps
from typing import Any, TypeVar

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from bokeh.server.tornado import BokehTornado
from bokeh.util.token import get_session_id
from panel.io.server import WSHandler
from tornado.web import HTTPError, RequestHandler

from dashboard.page.core.line import Line, set_line
from dashboard.page.core.slices import BUSY_REST, set_busy
from dashboard.server.limits import KEPT, KEPT_S, LEFT_S, REQUEST_S, UNCLAIMED_S, Limits, TooMany
from dashboard.server.upstream import mend, serve_by
from dashboard.server.upstream.messages import RECEIPT
from dashboard.server.upstream.slices import awaited_in_slices, build_in_slices

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_MESSAGE_BYTES = 1 << 20
"""Of what a page sends: the largest, a list of selected units, has some kB."""

PARTS_PER_S = 600.0
"""Parts of messages that a websocket may send for long: a drag makes some 60 messages of 3 parts in a second."""

MAX_UNSENT_BYTES = 16 << 20
"""What waits for a browser that does not read: nothing more is read of it. A page has one to four MB."""

UNSENT_S = 0.1
REFUSAL_S = 0.5
MAX_PARTS = 1_200
"""At once."""

LATER_REST = 9.0
"""In place of `BUSY_REST`, for a page of somebody who has had one built within the minute."""


class SocketHandler(WSHandler):
    """Panel's handler of a websocket, counted and paced."""

    _left, _counted, _closed_early = float(MAX_PARTS), 0.0, False
    _joined: asyncio.Event | None = None
    line: Line | None = None
    """None where the browser reads nothing compressed."""

    def open(self) -> None:
        """Ask for the first receipt, before anything else is sent; have small frames sent at once.

        A picture is several frames, and TCP would wait 40 ms for each receipt of its own.
        """
        self.set_nodelay(True)
        if "inflates" in self.request.query_arguments:
            self.line = Line()
            self.ping(RECEIPT + str(self.line.send(0)).encode())
        super().open()

    def on_pong(self, data: bytes) -> None:
        """Take the receipt of what was sent, or the answer to a ping of Bokeh's."""
        number = data.removeprefix(RECEIPT)
        if self.line is not None and number != data and number.isdigit():
            self.line.receive(int(number))
        else:
            super().on_pong(data)

    async def _async_open(self, token: str) -> None:
        """Join the websocket to its page; one that closed meanwhile is counted out, which Bokeh leaves undone."""
        try:
            await super()._async_open(token)
            if self.line is not None and self.connection is not None:
                set_line(self.connection.session.document, self.line)
        finally:
            self._let_in()
        if self._closed_early:
            super().on_close()

    def on_close(self) -> None:
        """Count the websocket out, unless a ping found it closed and did so before."""
        self._closed_early = self.connection is None
        self._let_in()
        if self._closed_early or self.connection._session is not None:
            super().on_close()

    def _let_in(self) -> None:
        if self._joined is not None:
            self._joined.set()

    async def get(self, *args: Any, **named: Any) -> None:
        """Open the websocket, and serve it until it ends."""
        limits: Limits | None = getattr(self.application, "limits", None)
        if limits is None:
            await super().get(*args, **named)
            return
        self._joined = asyncio.Event()
        token = self.request.headers.get("Sec-WebSocket-Protocol", "").partition(",")[2].strip()
        try:
            with limits.socket(limits.owner_of(self.request), get_session_id(token)):
                await super().get(*args, **named)
        except TooMany as error:
            await asyncio.sleep(REFUSAL_S)  # or a loop of requests would keep the server busy
            self.set_status(429)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"You have {error} as one person may\n")

    async def on_message(self, fragment: str | bytes) -> None:
        """Read a part of a message, not faster than a page sends them."""
        now = time.monotonic()
        self._left = min(MAX_PARTS, self._left + (now - self._counted) * PARTS_PER_S) - 1.0
        self._counted = now
        if self._left < 0:
            await asyncio.sleep(-self._left / PARTS_PER_S)
        if self._joined is not None and self.connection is None:
            await self._joined.wait()  # until its page is built; Bokeh fails on what comes before
            if self.connection is None:
                return
        while self._unsent_bytes > MAX_UNSENT_BYTES:
            await asyncio.sleep(UNSENT_S)
        await super().on_message(fragment)

    @property
    def _unsent_bytes(self) -> int:
        """How much waits for a browser that does not read; 0 where it has gone."""
        stream = getattr(getattr(self, "ws_connection", None), "stream", None)
        return len(stream._write_buffer) if stream is not None and not stream.closed() else 0


def count_sockets() -> None:
    """Have Bokeh's servers serve websockets by `SocketHandler`; done once, it stays. Call it before one is made."""
    serve_by(WSHandler, SocketHandler)


@types.coroutine
def paced(
    made: Coroutine[Any, Any, Result], spend: Callable[[float], None], pause_s: Callable[[], float] = lambda: 0.0
) -> Generator[Any, Any, Result]:
    """Run a coroutine whose steps are counted as time of the loop that somebody uses, and which may rest for it."""
    step: Callable[[Any], Any] = made.send
    given: Any = None
    while True:
        began = time.thread_time()
        try:
            waits = step(given)
        except StopIteration as end:
            return end.value
        finally:
            spend(time.thread_time() - began)
        try:
            if pause := pause_s():
                yield from asyncio.sleep(pause).__await__()
            step, given = made.send, (yield waits)
        except BaseException as error:  # handed to whom it is for  # noqa: BLE001
            step, given = made.throw, error


def pace_requests() -> None:
    """Have requests, and what pages do with their documents, counted and paced by person; done once, it stays."""
    original = RequestHandler._execute
    if getattr(original, "_is_paced", False):
        return

    @wraps(original)
    async def execute(self: RequestHandler, transforms: Any, *args: Any, **named: Any) -> None:
        limits: Limits | None = vars(self.application).get("limits")
        if limits is None:
            await original(self, transforms, *args, **named)
            return
        owner = limits.owner_of(self.request)
        try:
            await limits.admit(owner)
        except TooMany as error:
            await asyncio.sleep(REFUSAL_S)
            self._transforms = transforms
            self.set_status(429)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"You have {error} as one person may\n")
            return
        limits.spend_loop(owner, REQUEST_S)
        made = original(self, transforms, *args, **named)
        await paced(made, partial(limits.spend_loop, owner), partial(limits.pause_s, owner))

    vars(execute)["_is_paced"] = True
    mend(RequestHandler, "_execute", execute)
    locked = ServerSession.with_document_locked

    @wraps(locked)
    async def with_document_locked(self: ServerSession, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        spend: Callable[[float], None] | None = vars(self).get("spend_loop")
        if spend is None:
            return await locked(self, work, *args, **named)

        def counted(*args: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                made = work(*args, **named)
            finally:
                spend(time.thread_time() - began)
            return paced(made, spend) if asyncio.iscoroutine(made) else made

        return await locked(self, counted, *args, **named)

    mend(ServerSession, "with_document_locked", with_document_locked)


def share_out(application: BokehTornado, limits: Limits) -> None:
    """Have pages built in turns, and websockets counted."""
    build_in_slices()
    pace_requests()
    vars(application)["limits"] = limits
    for context in application._applications.values():
        _build_in_turns(context, limits)


def _build_in_turns(context: ApplicationContext, limits: Limits) -> None:
    original = context.create_session_if_needed

    @wraps(original)
    async def create(session_id: Any, request: Any = None, token: Any = None) -> ServerSession:
        if session_id in context._sessions or request is None:
            return await original(session_id, request, token)
        owner = limits.owner_of(request)
        try:
            async with limits.queue.turn(owner):
                if limits.is_full(owner):
                    raise TooMany("as many pages open")
                if _has_gone(request):
                    raise HTTPError(499, reason="The browser has gone")
                is_busy = partial(limits.draws_for_others, owner)
                busy_rest = LATER_REST if limits.queue.n_built(owner) else BUSY_REST
                session = await awaited_in_slices(original(session_id, request, token), is_busy, busy_rest)
                vars(session)["spend_loop"] = partial(limits.spend_loop, owner)
                set_busy(session.document, is_busy)
                return session
        except TooMany as error:
            logger.debug("a page is not built: %s has %s as one person may", owner, error)
            if request.headers.get("Upgrade", "").lower() == "websocket":
                raise ProtocolError(f"You have {error} as one person may") from None
            raise HTTPError(429, reason="Too many pages") from None

    context.create_session_if_needed = create


def _has_gone(request: Any) -> bool:
    """Whether a browser has closed the connection on which it asked for a page; not known of websockets."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return False
    stream = getattr(request.connection, "stream", None)
    return stream is None or stream.closed()


async def end_unclaimed(context: ApplicationContext, limits: Limits, claimed: set[Any]) -> None:
    """End the pages whose websocket does not come, or has gone; asked for every second.

    Parameters
    ----------
    context : ApplicationContext
    limits : Limits
    claimed : set
        Ids of sessions that had a websocket; kept up here.
    """
    unclaimed: defaultdict[str, list[ServerSession]] = defaultdict(list)
    claimed &= set(context._sessions)
    ending = []
    for session in tuple(context._sessions.values()):
        if session.connection_count:
            claimed.add(session.id)
        elif session.id in claimed:
            ending += [session] if _alone_s(session) > LEFT_S else []
        elif (session_context := session.document.session_context) is not None:
            unclaimed[limits.owner_of(session_context.request)].append(session)
    for sessions in unclaimed.values():
        sessions.sort(key=_alone_s)
        ending += [s for k, s in enumerate(sessions) if _alone_s(s) > (KEPT_S if k < KEPT else UNCLAIMED_S)]
    for session in ending:
        if session.connection_count == 0 and session.id in context._sessions and not session.expiration_blocked:
            await context._discard_session(session, lambda session: session.connection_count == 0)


def _alone_s(session: ServerSession) -> float:
    return float(session.milliseconds_since_last_unsubscribe) / 1e3
