#!/usr/bin/env python3
"""Firefox as Playwright starts it, which speaks WebDriver BiDi through this program.

Playwright sends one command that Debian's Firefox does not know, for the colour scheme: it is answered here. All other
messages pass as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

FIREFOX = shutil.which("firefox-esr") or "firefox-esr"
UNKNOWN = "emulation.setMediaFeaturesOverride"
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
MAX_BYTES = 1 << 28


class Proxy(WebSocketHandler):
    """One connection of Playwright's, and ours to the browser."""

    def initialize(self, address: str) -> None:
        self._address = address

    async def open(self, path: str) -> None:
        self._theirs = await websocket_connect(f"{self._address}/{path}", max_message_size=MAX_BYTES)
        self._passing = asyncio.create_task(self._pass_on())

    async def _pass_on(self) -> None:
        while (message := await self._theirs.read_message()) is not None:
            await self.write_message(message)
        self.close()

    async def on_message(self, message: str | bytes) -> None:
        asked = json.loads(message)
        if asked.get("method") == UNKNOWN:
            await self.write_message(json.dumps({"type": "success", "id": asked["id"], "result": {}}))
        else:
            await self._theirs.write_message(message)


async def main() -> int:
    browser = subprocess.Popen([FIREFOX, *sys.argv[1:]], stderr=subprocess.PIPE, text=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: browser.terminate())
    assert browser.stderr is not None
    for line in browser.stderr:
        if found := LISTENING.search(line):
            break
        sys.stderr.write(line)
    else:
        return browser.wait()
    rest = browser.stderr
    threading.Thread(target=lambda: [None for _ in rest], daemon=True).start()
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(
        Application([(r"/(.*)", Proxy, {"address": found[1].rstrip("/")})], websocket_max_message_size=MAX_BYTES)
    )
    server.add_sockets(sockets)
    sys.stderr.write(f"WebDriver BiDi listening on ws://127.0.0.1:{sockets[0].getsockname()[1]}\n")
    sys.stderr.flush()
    return await asyncio.to_thread(browser.wait)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(asyncio.run(main()))
