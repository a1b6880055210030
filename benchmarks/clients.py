"""Sessions without a browser: they open a page over its websocket, zoom, and time the picture that comes back.

Sixteen browsers on one machine would measure the browsers. These clients speak Bokeh's protocol, decode nothing
but what they look for, and so leave the processor to the server.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

#: Smaller buffers are tables and lines; every picture of these windows is larger.
PICTURE_BYTES = 100_000
OPEN_S = 300
ANSWER_S = 120
FRAME_PX = (1600, 800)
#: Windows that the clients zoom between, as shares of the session: each is a picture, not marks.
SPANS = (0.06, 0.3)
PAUSE_S = (0.2, 0.8)


class NoPicture(Exception):
    """The server did not answer with a picture."""


@dataclass
class Client:
    """One session, as a browser tab would hold it.

    Attributes
    ----------
    url : str
        Of the page, with its query.
    is_plain : bool
        Whether it is the plain page, which listens to another event.
    length_s : float
        Of the recording.
    headers : dict of str to str
        Of its requests: by them the server tells people apart.
    tells_line : bool
        Whether it reads what is packed and answers pings, as browsers do. By the answers the server measures the
        line, and chooses how a picture is packed.
    picture : bytes
        The largest buffer of the last message that held a picture.
    """

    url: str
    is_plain: bool
    length_s: float
    headers: dict[str, str] = field(default_factory=dict)
    tells_line: bool = True
    received: int = 0
    picture: bytes = b""
    _n: int = 0
    _socket: WebSocketClientConnection | None = None
    _figure: dict[str, Any] = field(default_factory=dict)
    document: Any = None

    async def open(self) -> float:
        """Open the page and wait for the first picture; return how long that took, in s."""
        started = time.perf_counter()
        response = await AsyncHTTPClient(force_instance=True).fetch(
            self.url, request_timeout=OPEN_S, headers=self.headers
        )
        found = re.search(r'"token":\s*"([^"]+)"', response.body.decode())
        if found is None:
            raise NoPicture(f"{self.url} has no session: {response.body[:200]!r}")
        base = self.url.partition("?")[0].replace("http", "ws", 1)
        asked = "?inflates=1" if self.tells_line else ""
        request = HTTPRequest(f"{base}ws{asked}", connect_timeout=OPEN_S, request_timeout=OPEN_S, headers=self.headers)
        self._socket = await websocket_connect(
            request, subprotocols=["bokeh", found.group(1)], max_message_size=1 << 30
        )
        # As browsers do; otherwise the parts of a message wait for each other's receipt.
        self._socket.protocol.stream.set_nodelay(True)
        if not self.tells_line:
            self._socket.protocol._send_pong = lambda data: None
        await self._receive()
        await self._send("PULL-DOC-REQ", {})
        content, largest = await self._receive()
        while "doc" not in content:
            content, largest = await self._receive()
        self.document = document = json.loads(content)["doc"]
        self._figure = next(f for f in figures(document) if self.is_plain or f["attributes"].get("name") == "raster")
        size = zip(("inner_width", "inner_height"), FRAME_PX, strict=True)
        events = [self._changed(self._figure["id"], name, value) for name, value in size]
        await self._send("PATCH-DOC", {"events": [event("document_ready"), *events]})
        if largest < PICTURE_BYTES:
            await self._picture(OPEN_S)
        return time.perf_counter() - started

    async def zoom(self) -> float:
        """Ask for another window and wait for its picture; return how long that took, in s."""
        span = self.length_s * random.uniform(*SPANS)
        start = random.uniform(0.0, self.length_s - span)
        axis = self._figure["attributes"]["x_range"]["id"]
        events = [self._changed(axis, "start", start), self._changed(axis, "end", start + span)]
        if self.is_plain:
            rows = {"y0": 0.0, "y1": 3840.0, "x0": start, "x1": start + span}
            events.append(event("rangesupdate", model={"id": self._figure["id"]}, **rows))
        started = time.perf_counter()
        await self._send("PATCH-DOC", {"events": events})
        await self._picture(ANSWER_S)
        return time.perf_counter() - started

    async def settled(self, quiet_s: float) -> bytes:
        """Ask for one fixed window, wait until nothing more comes for `quiet_s` seconds, and return its picture."""
        await self._rest(quiet_s)
        axis = self._figure["attributes"]["x_range"]["id"]
        await self._send(
            "PATCH-DOC",
            {
                "events": [
                    self._changed(axis, n, v) for n, v in (("start", 0.1 * self.length_s), ("end", 0.5 * self.length_s))
                ]
            },
        )
        await self._picture(ANSWER_S)
        await self._rest(quiet_s)
        return self.picture

    async def keep_zooming(self, times: int) -> list[float]:
        """Zoom again and again, with a look at each picture; return how long each took."""
        took = []
        for _ in range(times):
            await asyncio.sleep(random.uniform(*PAUSE_S))
            await self._rest()
            took.append(await self.zoom())
        return took

    async def tell(self, *events: dict[str, Any]) -> None:
        """Send messages of the browser."""
        await self._send("PATCH-DOC", {"events": list(events)})

    async def heard(self, seconds: float) -> str:
        """Return what the server says in the next message, and for so long after it; empty where nothing comes."""
        found = ""
        while True:
            try:
                found += (await asyncio.wait_for(self._receive(), seconds))[0]
            except TimeoutError:
                return found

    def close(self) -> None:
        if self._pending is not None:
            self._pending.add_done_callback(lambda pending: pending.cancelled() or pending.exception())
        if self._socket is not None:
            self._socket.close()

    async def _rest(self, quiet_s: float = 0.02) -> None:
        """Read what came after the last picture."""
        while True:
            try:
                await asyncio.wait_for(self._receive(), quiet_s)
            except TimeoutError:
                return

    async def _picture(self, seconds: float) -> None:
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            _, largest = await asyncio.wait_for(self._receive(), max(0.1, deadline - time.perf_counter()))
            if largest >= PICTURE_BYTES:
                return
        raise NoPicture(f"{self.url} sent none in {seconds:.0f} s")

    @staticmethod
    def _changed(model: str, attribute: str, value: float) -> dict[str, Any]:
        return {"kind": "ModelChanged", "model": {"id": model}, "attr": attribute, "new": value}

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        assert self._socket is not None
        self._n += 1
        for part in ({"msgid": str(self._n), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def _read(self) -> str | bytes:
        assert self._socket is not None
        part = await self._socket.read_message()
        if part is None:
            raise NoPicture(f"{self.url} closed the connection")
        self.received += len(part)
        if part in ("deflated text", "deflated bytes"):
            data = zlib.decompress(await self._read(), -zlib.MAX_WBITS)  # type: ignore[arg-type]
            return data.decode() if part == "deflated text" else data
        return part

    async def _receive(self) -> tuple[str, int]:
        """Return the content of the next message, and the size of its largest buffer."""
        # A message is read whole once it has begun, or what follows would be taken for its start.
        return await asyncio.shield(self._reading())

    def _reading(self) -> asyncio.Future[tuple[str, int]]:
        if self._pending is None or self._pending.done():
            self._pending = asyncio.ensure_future(self._read_message())
        return self._pending

    _pending: asyncio.Future[tuple[str, int]] | None = None

    async def _read_message(self) -> tuple[str, int]:
        header = json.loads(await self._read())
        await self._read()
        content = str(await self._read())
        largest = 0
        for _ in range(header.get("num_buffers", 0)):
            await self._read()
            buffer = await self._read()
            if len(buffer) > largest and len(buffer) >= PICTURE_BYTES:
                self.picture = bytes(buffer) if isinstance(buffer, bytes) else buffer.encode()
            largest = max(largest, len(buffer))
        if header["msgtype"] == "ERROR":
            raise NoPicture(f"{self.url} answered with an error: {content[:500]}")
        return content, largest


def event(name: str, **values: object) -> dict[str, Any]:
    """Return a message of the browser to the page's document."""
    data = {"type": "event", "name": name, "values": {"type": "map", "entries": list(values.items())}}
    return {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data}


def figures(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every figure of a document."""
    return (found for found in objects(node) if found.get("name") == "Figure")


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every model of a document."""
    if isinstance(node, dict):
        if "attributes" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from objects(child)
