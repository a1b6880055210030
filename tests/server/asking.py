"""Asking a server, with and without a login; in a thread, as a browser test before may have left a loop running."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import zlib
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from dashboard.server.auth.gate import COOKIE

PASSWORD = "correct horse battery"


@dataclass
class Site:
    url: str
    server: Any

    def login(self, name: str = "ann", password: str = PASSWORD, **extra: Any) -> requests.Response:
        form = {"name": name, "password": password, **extra.pop("form", {})}
        return requests.post(f"{self.url}/login", data=form, allow_redirects=False, timeout=30, **extra)

    def get(self, path: str, cookie: str | None = None, **extra: Any) -> requests.Response:
        cookies = {COOKIE: cookie} if cookie is not None else None
        return requests.get(f"{self.url}{path}", cookies=cookies, allow_redirects=False, timeout=30, **extra)


def answer(attempt: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine to its end and return its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(attempt())).result(60)


def token_in(page: str) -> str:
    """Return the token that a page carries, by which its websocket is opened."""
    found = re.search(r'"token":\s*"([^"]+)"', page)
    assert found is not None, page[:300]
    return found[1]


def told_by(token: str) -> dict[str, Any]:
    """Return what a token tells: the session's id, and of its browser."""

    def read(text: str) -> bytes:
        return base64.urlsafe_b64decode(f"{text}===")

    content = json.loads(read(token.split(".")[0]))
    packed = content.pop("__bk__zlib_", None)
    return {**content, **(json.loads(zlib.decompress(read(packed))) if packed else {})}


def connect(url: str, cookie: str | None, origin: str, token: str = "x") -> int:
    """Return the status that a websocket at a page's address is answered with; 101 where it opens."""
    headers = {"Origin": origin} | ({"Cookie": f"{COOKIE}={cookie}"} if cookie else {})
    address = f"ws{url.removeprefix('http')}/ws"

    async def attempt() -> int:
        try:
            socket = await websocket_connect(HTTPRequest(address, headers=headers), subprotocols=["bokeh", token])
        except HTTPClientError as error:
            return int(error.code)
        socket.close()
        while await socket.read_message() is not None:
            pass
        return 101

    return answer(attempt)


READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {"type": "event", "name": "document_ready", "values": {"type": "map", "entries": []}},
}


def stay_until(condition: Callable[[], bool], url: str, query: str) -> None:
    """Open a page and its websocket, as a browser tab does, and leave as soon as something holds."""
    token = token_in(requests.get(f"{url}/?{query}", timeout=60).text)

    async def stay() -> int:
        request = HTTPRequest(f"ws{url.removeprefix('http')}/ws", headers={"Origin": url})
        socket = await websocket_connect(request, subprotocols=["bokeh", token])
        await socket.read_message()  # that it is there
        for part in ({"msgid": "1", "msgtype": "PATCH-DOC"}, {}, {"events": [READY]}):
            await socket.write_message(json.dumps(part))
        for _ in range(5000):
            if condition():
                break
            await asyncio.sleep(0.01)
        socket.close()
        while await socket.read_message() is not None:
            pass
        return int(condition())

    assert answer(stay), "it did not happen"
