"""A served dashboard and a Chromium that looks at it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from dashboard.sources.protocol import Source

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
]


@contextmanager
def served(sources: Sequence[Source], cache: Path, **lists: Path) -> Iterator[str]:
    """Serve on a free port of the loopback, in a thread with a loop of its own; yields the URL."""
    import asyncio

    from dashboard.server import make_server
    from dashboard.settings import Settings

    ready = threading.Event()
    box: dict[str, object] = {}

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = make_server(sources, cache=cache, settings=replace(Settings(cache=cache), **lists))
        box["server"], box["port"] = server, server.port
        server.start()
        ready.set()
        server.io_loop.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    server = box["server"]
    try:
        yield f"http://127.0.0.1:{box['port']}"
    finally:
        loop = server.io_loop  # type: ignore[attr-defined]
        loop.add_callback(server.stop)  # type: ignore[attr-defined]
        loop.add_callback(loop.stop)
        thread.join(10)


@dataclass
class Visit:
    """A page, and everything in it that a user should never have caused.

    Attributes
    ----------
    complaints : list of str
        Errors and warnings of the console, uncaught exceptions.
    foreign : list of str
        Requests that left the host.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        url = request.url
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(url)

    def open(self, url: str) -> None:
        """Go to a URL and wait until the page stands."""
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.locator("html[data-ready]").wait_for(state="attached", timeout=60_000)

    def wait_for_spikes(self, timeout: float = 120_000) -> str:
        """Wait for a drawn raster and return the status line."""
        line = self.page.locator(".status-line", has_text="spikes")
        line.wait_for(timeout=timeout)
        return line.inner_text()


def new_visit(browser: Browser, width: int = 1600, height: int = 1000, *, dark: bool = False) -> Visit:
    """Open a fresh browser context."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    return Visit(context.new_page())
