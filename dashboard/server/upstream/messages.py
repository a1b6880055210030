"""Messages on their way to the browser: sent at once, none left behind, in the order in which they were made.

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
from collections.abc import Iterable, Iterator
from functools import wraps
from typing import Any

from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.protocol.message import Message
from bokeh.server.connection import ServerConnection
from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from dashboard.server.upstream import mend

logger = logging.getLogger(__name__)


def send_in_order() -> None:
    """Have Bokeh and Panel give each message to the socket when it is made; done once, it stays."""
    mend(WSHandler, "send_message", send)
    mend(panel_document, "write_events", write)
    mend(panel_document, "schedule_write_events", write)


@wraps(WSHandler.send_message, assigned=())
def send(self: WSHandler, message: Message[Any]) -> asyncio.Future[None]:
    """Give all frames of a message to a socket, and return what is done once the system has taken them."""
    writes: list[asyncio.Future[None]] = []
    try:
        for frame in _frames(message):
            # Bokeh's own method waits for a lock, which messages that are given whole have no need of.
            writes.append(WebSocketHandler.write_message(self, frame, isinstance(frame, bytes)))
    except WebSocketClosedError:
        logger.debug("a message found its page closed")
    return asyncio.ensure_future(_written(writes))


@wraps(panel_document.write_events, assigned=())
def write(document: Document, connections: Iterable[ServerConnection], events: list[DocumentPatchedEvent]) -> None:
    """Send changes to every browser that shows a document, as one message."""
    message = None
    for connection in connections:
        # Made once: what a message tells about a model, no later one will.
        message = message or connection.protocol.create("PATCH-DOC", events)
        connection._socket.send_message(message)


def _frames(message: Message[Any]) -> Iterator[str | bytes]:
    yield message.header_json
    yield message.metadata_json
    yield message.content_json
    for buffer in message._buffers:
        yield json.dumps(buffer.ref)
        yield buffer.to_bytes()


async def _written(writes: list[asyncio.Future[None]]) -> None:
    for result in await asyncio.gather(*writes, return_exceptions=True):
        if isinstance(result, Exception) and not isinstance(result, WebSocketClosedError):
            logger.warning("a message was not sent: %s", result)
