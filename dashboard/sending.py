"""Messages on their way to the browser: sent at once, and none left behind.

Two things stand between a change of the page and the browser that both cost users pictures:

- Bokeh sends a picture in several frames, and TCP holds a small frame back until the one before it is acknowledged,
  which takes 40 ms.
- Panel puts messages that come while others are being written on a list, and starts a task that writes them. The task
  that is just done with writing takes the mark away which tells the next one that there is something to do: that one
  then does nothing, and the messages lie there until the page changes again. A view that came to rest at that moment
  would have kept a picture of where it was before.
"""

from __future__ import annotations

import socket
from functools import wraps

from bokeh.document import Document
from panel.io import document as panel_document
from panel.io.server import Server


def hold_nothing_back(server: Server) -> None:
    """Have the sockets of a server send small frames without waiting; those that it accepts inherit that."""
    for listening in server._http._sockets.values():
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def leave_nothing_behind() -> None:
    """Have Panel look once more for messages after it has written some; does nothing where that is done already."""
    original = panel_document._dispatch_msgs
    if hasattr(original, "__wrapped__"):
        return

    @wraps(original)
    async def dispatch(document: Document) -> None:
        await original(document)
        if document in panel_document._WRITE_MSGS and document not in panel_document._WRITE_BLOCK:
            panel_document._WRITE_BLOCK[document] = True
            panel_document._dispatch_write_task(document, dispatch, document)

    panel_document._dispatch_msgs = dispatch
