"""The head of a page is with the browser before the page is built, and the page is whole all the same."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import panel as pn
import pytest
import requests
from panel.io.server import get_server
from panel_material_ui import Button

from dashboard.page.core.assets import asset
from dashboard.server.server import Process
from dashboard.server.upstream.early_head import LOADER, PageHandler
from dashboard.sources.demo.source import DemoSource
from tests.serving import running, serving

PATIENCE_S = 60


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    cache = tmp_path_factory.mktemp("cache")
    with serving([DemoSource(cache, n_spikes=20_000)], cache) as server:
        yield server.port


def ask(port: int, query: str = "") -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    wire.sendall(f"GET /{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    return wire


def read_until(wire: socket.socket, mark: bytes) -> bytes:
    """Read until a mark has come, or everything."""
    got = b""
    while mark not in got and (piece := wire.recv(1 << 16)):
        got += piece
    return got


def unique(page: str) -> str:
    """Return a page without what differs from session to session."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|p\d+|eyJ[\w.-]+|nonce=\"[\w-]+\"|\"token\":\"[^\"]+\"", "", page)


def test_the_head_comes_first_and_the_page_is_that_of_a_page_sent_whole(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_pages = [requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) for _ in range(2)]
    assert all("Transfer-Encoding" not in page.headers for page in first_pages), "sent whole"
    whole = first_pages[1].text
    has_head = threading.Event()
    build = Process.new_session

    def new_session(self: Process) -> Any:
        assert has_head.wait(PATIENCE_S), "the browser had to wait for the session"
        return build(self)

    monkeypatch.setattr(Process, "new_session", new_session)
    with ask(port) as wire:
        first = read_until(wire, b"importShim(")
        assert b"200 OK" in first and b"panel.min.js" in first and b"<body" not in first
        has_head.set()
        assert read_until(wire, b"</html>").count(b"<head>") == 0
    has_head.set()
    pieces = requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S)
    assert pieces.headers["Transfer-Encoding"] == "chunked"
    assert unique(pieces.text) == unique(whole)
    assert pieces.headers["Content-Type"].lower() == "text/html; charset=utf-8"
    assert pieces.headers["Cache-Control"] == "no-store"
    soon, used = (
        re.search(found, whole)
        for found in (r'<head>\s*<link rel="modulepreload" href="([^"]+)"', r'importShim\("([^"]+)"')
    )
    assert soon is not None and used is not None
    assert soon[1] == used[1]
    assert asset("server/modules.js") in whole
    assert not LOADER.search(whole)


def test_panel_has_components_loaded_by_a_stand_in() -> None:
    """Not needed any longer where it is not found."""
    page = io.StringIO()
    pn.Column(Button(label="a")).save(page)
    assert LOADER.search(page.getvalue())


def test_a_server_has_a_head_of_its_own(port: int) -> None:
    def page() -> Any:
        return pn.pane.Str("words")

    def other() -> Any:
        return get_server({"/": page}, port=0, start=False, title="Another")

    requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S)
    with running(other) as server:
        pages = [requests.get(f"http://127.0.0.1:{server.port}/", timeout=PATIENCE_S).text for _ in range(3)]
    assert unique(pages[0]) == unique(pages[2])
    assert pages[2].count("<title>") == 1 and "<title>Another</title>" in pages[2]


def test_a_page_that_cannot_be_built_says_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S)

    async def broken(self: PageHandler) -> None:
        raise OSError("no more files")

    monkeypatch.setattr(PageHandler.__mro__[1], "get_session", broken)
    text = requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S).text
    assert text.count("<head>") == 1
    assert "could not be built" in text and "no more files" not in text


def test_a_browser_whose_last_page_was_dark_is_given_a_dark_one_with_the_head_of_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pages, drawn_dark = [], []
    with serving([DemoSource(tmp_path, n_spikes=20_000)], tmp_path) as server:
        for is_dark in ("0", "0", "1", "x"):
            cookies = {"spike-dashboard-dark": is_dark}
            pages.append(requests.get(f"http://127.0.0.1:{server.port}/", cookies=cookies, timeout=PATIENCE_S))
            drawn_dark.append(list(server.process.sessions)[-1].state.dark)
    assert drawn_dark == [False, False, True, False]
    heads = {unique(page.text.partition("</head>")[0]) for page in pages}
    assert len(heads) == 1
    assert "data-awaited" in heads.pop(), "what decides it is there before the first paint"
    assert "the head of the page has changed" not in caplog.text
