"""Messages on their way to the browser: sent at once, in one piece, none left behind, in order.

Where the line is slow they are compressed, as far as the browser's script has said that it reads that
(`assets/server/inflate.js`): what the line carries is known from when the answer to a ping behind each message comes.

Two things stand between a change of the page and the browser that both cost users pictures:

- Panel puts messages that come while others are being written on a list, and starts a task that writes them. The task
  that is just done with writing takes the mark away which tells the next one that there is something to do: that one
  then does nothing, and the messages lie there until the page changes again. A view that came to rest at that moment
  would have kept a picture of where it was before.
- Bokeh makes a message when the page changes, and writes it when the change is over; Panel writes at once, or from its
  list. On a busy server they overtake each other: the browser takes an old state for the last one, or is told of an
  object that it has not been sent yet.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.protocol.message import Message
from bokeh.server.connection import ServerConnection
from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from dashboard.page.core.line import MIN_MEASURED, Line, PackedImage, deflate
from dashboard.server.upstream import mend

logger = logging.getLogger(__name__)

MIN_DEFLATED = 2_048
"""Bytes of a part of a message that is worth compressing: a shorter one fits into two packets."""

LARGE = 1 << 16
"""Bytes of a frame that is not worth copying to the others."""

RECEIPT = b"line "
"""Start of a ping whose answer tells that what was sent before it has arrived."""


def send_in_order() -> None:
    """Have Bokeh and Panel give each message to the socket when it is made; done once, it stays."""
    mend(WSHandler, "send_message", send)
    mend(panel_document, "write_events", write)
    mend(panel_document, "schedule_write_events", write)


@wraps(WSHandler.send_message, assigned=())
def send(self: WSHandler, message: Message[Any]) -> asyncio.Future[list[BaseException | None]]:
    """Give all frames of a message to a socket, and return what is done once the system has taken them."""
    writes: list[asyncio.Future[None]] = []
    line: Line | None = getattr(self, "line", None)
    try:
        with together(self.ws_connection) as pieces:
            n_bytes = 0
            for frame in frames(message, line):
                n_bytes += len(frame)
                # Bokeh's own method waits for a lock, which messages that are given whole have no need of.
                writes.append(WebSocketHandler.write_message(self, frame, isinstance(frame, bytes)))
            if line is not None and n_bytes >= MIN_MEASURED:
                self.ping(RECEIPT + str(line.send(n_bytes)).encode())
        writes += pieces
    except (WebSocketClosedError, StreamClosedError):
        logger.debug("a message found its page closed")
    written = asyncio.gather(*writes, return_exceptions=True)  # no task: one would be left over where the server ends
    written.add_done_callback(_report)
    return written


@contextmanager
def together(connection: Any) -> Iterator[list[asyncio.Future[None]]]:
    """Have frames leave in few pieces, at the end of the block: each would be a call of the system, and a packet.

    Parameters
    ----------
    connection : WebSocketProtocol
        Of a websocket; whatever has no stream is left as it is.

    Yields
    ------
    list of Future
        Filled at the end: what is done once the system has taken a piece.
    """
    written: list[asyncio.Future[None]] = []
    stream = getattr(connection, "stream", None)
    if stream is None:
        yield written
        return
    connection.stream = gathered = _Gathered(stream.closed)
    try:
        yield written
    finally:
        connection.stream = stream
    written += [stream.write(bytes(piece)) for piece in gathered.pieces]


class _Gathered:
    """Takes frames in place of a stream; those that follow each other are one piece, but for large ones."""

    def __init__(self, closed: Callable[[], bool]) -> None:
        self.pieces: list[bytearray | bytes] = []
        self.closed = closed

    def write(self, frame: bytes) -> asyncio.Future[None]:
        if len(frame) >= LARGE:
            self.pieces.append(frame)
        elif self.pieces and isinstance(self.pieces[-1], bytearray):
            self.pieces[-1] += frame
        else:
            self.pieces.append(bytearray(frame))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@wraps(panel_document.write_events, assigned=())
def write(document: Document, connections: Iterable[ServerConnection], events: list[DocumentPatchedEvent]) -> None:
    """Send changes to every browser that shows a document, as one message."""
    message = None
    for connection in connections:
        # Made once: what a message tells about a model, no later one will.
        message = message or connection.protocol.create("PATCH-DOC", events)
        connection._socket.send_message(message)


def frames(message: Message[Any], line: Line | None) -> Iterator[str | bytes]:
    """Write a message for a line; None: of a browser that reads nothing compressed."""
    is_slow = line is not None and not line.is_fast
    for text in (message.header_json, message.metadata_json, message.content_json):
        yield from part(text, is_slow=is_slow)
    for buffer in message._buffers:
        yield json.dumps(buffer.ref)
        image = getattr(buffer.data, "obj", None)
        deflated = image.deflated if line is not None and isinstance(image, PackedImage) else None
        if deflated is None and is_slow and memoryview(buffer.data).nbytes >= MIN_DEFLATED:
            deflated = deflate(buffer.data, is_picture=True)
        if deflated is None:
            yield buffer.to_bytes()
        else:
            yield "deflated bytes"
            yield deflated


def part(text: str, *, is_slow: bool) -> Iterator[str | bytes]:
    """Write a part of a message that is text."""
    if is_slow and len(text) >= MIN_DEFLATED:
        yield "deflated text"
        yield deflate(text.encode())
    else:
        yield text


def _report(written: asyncio.Future[list[BaseException | None]]) -> None:
    for result in () if written.cancelled() else written.result():
        if isinstance(result, Exception) and not isinstance(result, WebSocketClosedError):
            logger.warning("a message was not sent: %s", result)
