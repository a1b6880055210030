"""A served dashboard and a Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from dashboard.sources.base import Source
from tests.serving import serving, visits

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
def served(sources: Sequence[Source], cache: Path, **settings: Any) -> Iterator[str]:
    """Serve on a free port of the loopback; yields the URL."""
    with serving(sources, cache, **settings) as server:
        yield f"http://127.0.0.1:{server.port}{server.prefix}"


@dataclass(eq=False)
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
        visits.add(self)
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

    def follow(self, query: str) -> None:
        """Go to a view of what is open, as the browser's own back and forth do: without building the page again."""
        self.page.evaluate(
            """query => {
                history.pushState({ step: (history.state?.step ?? 0) + 1 }, "", `?${query}`)
                dispatchEvent(new PopStateEvent("popstate"))
            }""",
            query,
        )

    def wait_for_spikes(self, timeout: float = 120_000) -> str:
        """Wait for a drawn raster and return the status line."""
        line = self.page.locator(".status-line", has_text="spikes")
        line.wait_for(timeout=timeout)
        return line.inner_text()


def open_panel(page: Page, name: str) -> None:
    """Have a panel of the rail on the page: ``Open``, ``Filters``, ``Colour`` or ``View``."""
    icon = page.get_by_role("navigation", name="Panels").get_by_role("button", name=name, exact=True)
    if icon.get_attribute("aria-expanded") != "true":
        icon.click()
    expect(icon).to_have_attribute("aria-expanded", "true")


def close_panel(page: Page) -> None:
    """Put the panel away that lies over the page."""
    for icon in page.get_by_role("navigation", name="Panels").get_by_role("button", expanded=True).all():
        icon.click()


def new_visit(browser: Browser, width: int = 1600, height: int = 1000, *, dark: bool = False, **options: Any) -> Visit:
    """Open a fresh browser context."""
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
    return Visit(context.new_page())
