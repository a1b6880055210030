"""Messages arrive in the order in which they were made, and frames wait for no receipt."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.document.events import ColumnDataChangedEvent
from bokeh.models import ColumnDataSource, Div
from bokeh.protocol import Protocol
from bokeh.server.connection import ServerConnection
from bokeh.server.session import ServerSession
from bokeh.server.views.ws import WSHandler
from panel.io import document as panel_document
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.locks import Lock
from tornado.websocket import WebSocketClosedError, WebSocketProtocol13, _WebSocketParams

from dashboard.page.core.line import Line, deflate, packed
from dashboard.server.upstream import messages
from dashboard.server.upstream.messages import LARGE, frames, part, send, send_in_order, write
from dashboard.server.upstream.shares import SocketHandler


class Wire:
    """What stands behind a websocket: keeps the frames, and is done with each a while later."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.is_closed = False

    def is_closing(self) -> bool:
        return self.is_closed

    def write_message(self, frame: str | bytes, binary: bool = False) -> asyncio.Future[None]:
        if self.is_closed:
            raise WebSocketClosedError
        self.frames.append(frame)
        return asyncio.ensure_future(asyncio.sleep(0.001))

    @property
    def words(self) -> list[str]:
        """The texts that the messages set, in the order of arrival."""
        contents = [json.loads(frame) for frame in self.frames]
        return [event["new"] for content in contents for event in content.get("events", [])]


class Page:
    """A document with the session and the connection that Bokeh would give it."""

    def __init__(self, n_browsers: int = 1) -> None:
        self.div = Div(text="start")
        self.document = Document()
        self.document.add_root(self.div)
        self.session = ServerSession("one", self.document, IOLoop.current())  # type: ignore[arg-type]
        self.wires = []
        for _ in range(n_browsers):
            handler = WSHandler.__new__(WSHandler)
            handler.ws_connection = wire = Wire()  # type: ignore[assignment]
            handler.write_lock = Lock()
            self.wires.append(wire)
            self.session.subscribe(ServerConnection(Protocol(), handler, None, self.session))  # type: ignore[arg-type]
        self.document.models.flush_synced(lambda model: False)

    def change(self, text: str) -> Any:
        """Change the text as Bokeh does: the message is made now, and written when the change is over."""
        self.session._pending_writes = []
        self.div.text = text
        writes, self.session._pending_writes = self.session._pending_writes, None
        return asyncio.gather(*writes)

    def change_by_panel(self, text: str, write: Callable[..., None]) -> None:
        """Change the text as Panel does."""
        self.document.hold()
        self.div.text = text
        events, self.document.callbacks._held_events = self.document.callbacks._held_events, []
        self.document.unhold()
        write(self.document, self.session._subscribed_connections, events)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries as they come, whoever mended them before."""
    for owner, name, mended in ((WSHandler, "send_message", send), (panel_document, "write_events", write)):
        monkeypatch.setattr(owner, name, mended.__wrapped__)  # type: ignore[attr-defined]


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries as every server has them; as they were before, afterwards."""
    monkeypatch.setattr(WSHandler, "send_message", WSHandler.send_message)
    for name in ("write_events", "schedule_write_events"):
        monkeypatch.setattr(panel_document, name, getattr(panel_document, name))
    send_in_order()


def in_a_loop(run: Callable[[], Any]) -> None:
    """Run in a thread of its own: Playwright leaves a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def words_of_two(first_by: str, second_by: str) -> list[str]:
    """Have a message follow another at once; return what arrives."""
    words: list[str] = []

    async def run() -> None:
        page = Page()
        writes = []
        for text, way in (("first", first_by), ("second", second_by)):
            if way == "bokeh":
                writes.append(page.change(text))
            else:
                page.change_by_panel(text, getattr(panel_document, way))
        await asyncio.gather(*writes)
        await asyncio.sleep(0.05)
        panel_document._write_tasks.pop(page.document, None)
        words.extend(page.wires[0].words)

    in_a_loop(run)
    return words


@pytest.mark.usefixtures("plain")
def test_panels_messages_overtake_bokehs() -> None:
    """What is mended; where this fails, `send_in_order` can go."""
    assert words_of_two("bokeh", "write_events") == ["second", "first"]


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("second", ["bokeh", "write_events", "schedule_write_events"])
@pytest.mark.parametrize("first", ["bokeh", "write_events", "schedule_write_events"])
def test_messages_arrive_as_they_were_made(first: str, second: str) -> None:
    assert words_of_two(first, second) == ["first", "second"]


@pytest.mark.usefixtures("mended")
def test_every_browser_is_told_of_a_new_model() -> None:
    """A model that two browsers are sent is told to both of them, and once to each."""

    async def run() -> None:
        page = Page(n_browsers=2)
        page.document.hold()
        page.document.add_root(ColumnDataSource({"image": [np.zeros((2, 2))]}, name="new"))
        events, page.document.callbacks._held_events = page.document.callbacks._held_events, []
        page.document.unhold()
        panel_document.write_events(page.document, page.session._subscribed_connections, events)  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        for wire in page.wires:
            assert ["new" in str(frame) for frame in wire.frames] == [False, False, True, False, False]
            assert isinstance(wire.frames[4], bytes), "the image comes after the words that name it"
            assert len(wire.frames[4]) == 32


@pytest.mark.usefixtures("mended")
def test_a_page_that_was_closed_is_no_error() -> None:
    async def run() -> None:
        page = Page()
        page.wires[0].is_closed = True
        await page.change("nobody reads this")
        assert page.wires[0].frames == []

    in_a_loop(run)


@pytest.mark.usefixtures("mended")
def test_a_message_that_is_never_written_leaves_no_task_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends while it sends would be told of each by asyncio."""

    async def run() -> None:
        monkeypatch.setattr(Wire, "write_message", lambda *frame, **kind: asyncio.get_running_loop().create_future())
        page = Page()
        page.change_by_panel("never written", panel_document.write_events)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_a_loop(run)


@pytest.mark.usefixtures("mended")
def test_a_message_that_cannot_be_written_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        page = Page()
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(OSError("no room"))
        page.wires[0].write_message = lambda *frame, **kind: failed  # type: ignore[method-assign]
        await page.change("lost")

    in_a_loop(run)
    assert "a message was not sent: no room" in caplog.text


def test_a_websocket_waits_for_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(SocketHandler.__mro__[1], "open", lambda self: said.append("open"))
    handler = SocketHandler.__new__(SocketHandler)
    handler.ws_connection = SimpleNamespace(set_nodelay=said.append)  # type: ignore[assignment]
    handler.request = SimpleNamespace(query_arguments={})  # type: ignore[assignment]
    handler.open()
    assert said == [True, "open"]


def frames_of(image: np.ndarray, line: Line | None) -> list[str | bytes]:
    """Return the frames of a message that sets an image, as they leave for the end of a line."""
    document, source = Document(), ColumnDataSource({"image": [np.zeros((1, 1), np.uint8)]})
    document.add_root(source)
    document.models.flush_synced(lambda model: False)
    events: list[Any] = []
    document.on_change(events.append)
    source.data = {"image": [image]}
    return list(frames(Protocol().create("PATCH-DOC", events), line))


def fast_line() -> Line:
    line = Line()
    line.receive(line.send(0, 1.0), 1.0001)
    return line


def test_a_picture_leaves_in_its_compressed_form_where_a_browser_reads_that() -> None:
    image = np.zeros((200, 300), np.uint8)
    form = deflate(image, is_picture=True)
    for line in (Line(), fast_line()):
        sent = frames_of(packed(image, form), line)
        assert sent[sent.index(form) - 1] == "deflated bytes"
    assert image.tobytes() in frames_of(packed(image, form), None)


def test_what_was_not_compressed_before_is_compressed_for_a_slow_line_only() -> None:
    image = np.zeros((200, 300), np.uint8)
    assert image.tobytes() in frames_of(image, fast_line())
    assert deflate(image, is_picture=True) in frames_of(image, Line())


def test_a_long_text_is_compressed_for_a_slow_line_only() -> None:
    text = '{"words": "' + "long " * 1_000 + '"}'
    assert list(part(text, is_slow=False)) == [text]
    mark, form = part(text, is_slow=True)
    assert mark == "deflated text"
    assert isinstance(form, bytes)
    assert zlib.decompress(form, -zlib.MAX_WBITS).decode() == text
    assert list(part("{}", is_slow=True)) == ["{}"]


class Stream:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def closed(self) -> bool:
        return self.is_closed

    def write(self, data: bytes) -> asyncio.Future[None]:
        if self.is_closed:
            raise StreamClosedError
        self.written.append(data)
        return asyncio.ensure_future(asyncio.sleep(0))


def over_a_socket(stream: Stream, message: Any) -> bytes:
    """Send a message by Tornado's own protocol, and return what has gone to the network."""

    async def run() -> None:
        handler = WSHandler.__new__(WSHandler)
        params = _WebSocketParams(None, None, None, None)
        protocol = WebSocketProtocol13(handler, mask_outgoing=False, params=params)
        protocol.stream = stream  # type: ignore[assignment]
        handler.ws_connection = protocol
        await send(handler, message)
        assert protocol.stream is stream

    asyncio.run(run())
    return b"".join(stream.written)


def a_picture() -> Any:
    document, source = Document(), ColumnDataSource(data={"image": []})
    document.add_root(source)
    event = ColumnDataChangedEvent(document, source, "data", {"image": [np.zeros((400, 400), np.uint8)]})
    return Protocol().create("PATCH-DOC", [event])


def test_a_message_leaves_in_few_pieces_that_are_its_frames_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    message, stream, one_by_one = a_picture(), Stream(), Stream()
    together = over_a_socket(stream, message)
    assert len(stream.written) == 2, "the words, and the pixels"
    assert len(stream.written[1]) > LARGE
    monkeypatch.setattr(messages, "together", lambda connection: nullcontext([]))
    assert over_a_socket(one_by_one, message) == together
    assert len(one_by_one.written) == 5, "a header, metadata, content, and for the pixels two"


def test_a_message_whose_stream_has_closed_is_no_error() -> None:
    stream = Stream()
    stream.is_closed = True
    assert over_a_socket(stream, a_picture()) == b""
