"""Messages that come while others are being written, and frames that wait for no receipt."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document
from panel.io import document as panel_document

from dashboard.sending import leave_nothing_behind
from dashboard.server import make_server
from dashboard.sources.demo import DemoSource


class Socket:
    """A websocket that writes as slowly as it is told to."""


class Protocol:
    """Makes messages as Bokeh does."""

    def create(self, kind: str, events: list[Any]) -> list[Any]:
        return events


class Connection:
    def __init__(self) -> None:
        self._socket = Socket()
        self.protocol = Protocol()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Any], list[asyncio.Future[None]]]]:
    """Register the slow socket with Panel; yields what was written, and the writes that wait to be done."""
    messages: list[Any] = []
    writes: list[asyncio.Future[None]] = []

    def write(connection: Connection, events: Any = None, msg: Any = None) -> list[asyncio.Future[None]]:
        messages.append(msg)
        writes.append(asyncio.get_running_loop().create_future())
        return [writes[-1]]

    monkeypatch.setitem(panel_document.extra_socket_handlers, Socket, write)
    yield messages, writes


def write_two(written: tuple[list[Any], list[asyncio.Future[None]]]) -> list[Any]:
    """Have a second message come while the first one is written; return what was written in the end."""
    messages, writes = written
    document, connection = Document(), Connection()

    async def run() -> None:
        panel_document.schedule_write_events(document, [connection], ["first"])
        while not writes:
            await asyncio.sleep(0)
        writes[0].set_result(None)
        panel_document.schedule_write_events(document, [connection], ["second"])
        for _ in range(50):
            await asyncio.sleep(0)
            for write in writes[1:]:
                if not write.done():
                    write.set_result(None)

    # A thread of its own: Playwright leaves a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()
    panel_document._write_tasks.pop(document, None)
    return messages


def test_no_message_is_left_behind(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two messages arrives though it came while the first one was being written."""
    monkeypatch.setattr(panel_document, "_dispatch_msgs", plain_dispatch())
    assert write_two(written) == [["first"]], "Panel does this by itself now: leave_nothing_behind can go"
    written[0].clear()
    written[1].clear()
    leave_nothing_behind()
    assert write_two(written) == [["first"], ["second"]]


def test_it_is_mended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server of a process asks for it."""
    monkeypatch.setattr(panel_document, "_dispatch_msgs", plain_dispatch())
    leave_nothing_behind()
    once = panel_document._dispatch_msgs
    leave_nothing_behind()
    assert panel_document._dispatch_msgs is once


def plain_dispatch() -> Any:
    """Return Panel's own function, whoever mended it before."""
    return getattr(panel_document._dispatch_msgs, "__wrapped__", panel_document._dispatch_msgs)


def test_accepted_sockets_wait_for_no_receipt(tmp_path: Path) -> None:
    server = make_server([DemoSource(tmp_path, n_spikes=1_000)], cache=tmp_path)
    try:
        listening = next(iter(server._http._sockets.values()))
        with socket.create_connection(listening.getsockname()[:2]):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        server.process.close()
        server.stop()
