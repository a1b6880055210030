"""A served dashboard and a Chromium that looks at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

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
        self.page.goto(url, wait_until="domcontentloaded", timeout=60_000)
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

    def show(self, site: str, query: str) -> None:
        """Go to a view on the page that is there; open one where this is none of the site."""
        if self.page.url.startswith(site):
            self.follow(query)
        else:
            self.open(f"{site}/?{query}")

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


def in_view(visit: Visit) -> int:
    found = re.search(r"([\d,]+) in view", visit.page.locator(".status-line").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def wait_until(visit: Visit, holds: Callable[[], bool], timeout_ms: int = 30_000) -> None:
    """Poll a condition; the assertion at the end says what did not come true."""
    for _ in range(timeout_ms // 50):
        if holds():
            return
        visit.page.wait_for_timeout(50)
    assert holds()


def frame_of(visit: Visit, name: str) -> tuple[float, float, float, float]:
    """Return x, y, width, height of a figure's frame on the page, once it stands still."""
    before, box = None, _frame(visit, name)
    while box != before:
        visit.page.wait_for_timeout(150)
        before, box = box, _frame(visit, name)
    assert box, f"no figure {name}"
    x, y, width, height = box
    return x, y, width, height


def _frame(visit: Visit, name: str) -> list[float] | None:
    found: list[float] | None = visit.page.evaluate(
        """name => {
            for (const view of Bokeh.index) for (const plot of view.owner?.query ? view.owner.query(
                (v) => v.model?.name === name) : []) {
                const outer = plot.el.getBoundingClientRect(), inner = plot.frame.bbox
                return [outer.x + inner.x, outer.y + inner.y, inner.width, inner.height]
            }
        }""",
        name,
    )
    return found


def time_window(visit: Visit) -> tuple[float, float]:
    """Return the window that the address names, once it has come to rest: it follows the view at its own pace."""
    visit.page.wait_for_url("**t=**")
    before, url = "", visit.page.url
    while url != before:
        visit.page.wait_for_timeout(200)
        before, url = url, visit.page.url
    start, end = parse_qs(urlparse(url).query)["t"][0].split(",")
    return float(start), float(end)
