"""One tab of Chromium that looks at a raster, and tells when its pixels change and what it received."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-gpu"]
SCRIPT = (Path(__file__).parent / "watch.js").read_text(encoding="utf-8")
RASTER_PX = (1600, 800)
WAIT_MS = 60_000
#: Nothing more comes of a gesture so long after its picture.
QUIET_MS = 800
#: A tab that comes to the front is painted anew, as no hand waits for.
FRONT_MS = 300
#: Moves of a drag, as a hand's mouse sends them.
MOVES_PER_S = 60


@dataclass
class Refresh:
    """What one gesture brought.

    Attributes
    ----------
    ms : float
        From the gesture to changed pixels.
    data_ms : float
        From the gesture to the picture's arrival in the page.
    received : int
        Bytes over the websocket, where they are counted.
    """

    ms: float
    data_ms: float
    received: int


class Tab:
    """A tab on a page with one raster."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.context = browser.new_context(viewport={"width": 2590, "height": 1085})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.add_init_script(SCRIPT)
        self.received = 0
        self._session = self.context.new_cdp_session(self.page)
        self._session.on("Network.webSocketFrameReceived", self._count)
        self.page.goto(url, wait_until="commit")

    def _count(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        data = frame["payloadData"]
        self.received += len(data) if frame["opcode"] == 1 else len(data) * 3 // 4 - data[-2:].count("=")

    def count_bytes(self, is_counting: bool) -> None:
        """Count what comes over the websocket, or stop: the browser copies all of it, which no timing should hold."""
        self._session.send("Network.enable" if is_counting else "Network.disable")

    def first_picture_ms(self) -> float:
        """Return the time from the start of navigation to the first raster on the screen."""
        return float(self.page.evaluate("window.first_picture"))

    def settle(self) -> None:
        """Wait for the first picture, give the raster its size, and start to watch."""
        self.first_picture_ms()
        self.page.wait_for_timeout(1500)
        self.page.evaluate("window.watch()")
        for _ in range(3):
            width, height = self.page.evaluate("watched.size()")
            size = self.page.viewport_size
            assert size is not None
            if (width, height) == RASTER_PX:
                break
            self.page.set_viewport_size(
                {"width": size["width"] + RASTER_PX[0] - width, "height": size["height"] + RASTER_PX[1] - height}
            )
            self.page.wait_for_timeout(1500)
        self.page.evaluate("window.watch()")
        self.page.mouse.move(*self.page.evaluate("watched.middle()"))

    def zoom_to(self, span_s: float) -> None:
        """Turn the wheel until about so much is in view."""
        for _ in range(400):
            if self.page.evaluate("watched.span()") <= span_s * 1.05:
                break
            self.page.mouse.wheel(0, -60)
            self.page.wait_for_timeout(5)
        self.page.wait_for_timeout(4 * QUIET_MS)

    def turn_wheel(self, direction: int) -> Refresh:
        """Turn the wheel by a notch and wait for the new pixels."""
        self._to_front()
        self.page.evaluate("watched.reset()")
        before = self.received
        self.page.mouse.wheel(0, 60 * direction)
        self.page.wait_for_function("watched.seen.pixels > 0")
        self.page.wait_for_timeout(QUIET_MS)
        seen = self.page.evaluate("watched.seen")
        start = seen["gesture"]
        return Refresh(seen["pixels"] - start, seen["data"] - start, self.received - before)

    def _to_front(self) -> None:
        self.page.bring_to_front()
        self.page.wait_for_timeout(FRONT_MS)

    def drag(self, seconds: float) -> float:
        """Drag the picture back and forth without a pause; return the new images per second until the hand stops."""
        page = self.page
        self._to_front()
        x, y = page.evaluate("watched.middle()")
        page.mouse.move(x, y)
        page.mouse.down()
        page.evaluate("watched.reset()")
        page.mouse.move(x + 4, y)
        started = time.perf_counter()
        page.evaluate("([x, y, s, n]) => watched.sweep(x, y, s, n)", [x, y, seconds, MOVES_PER_S])
        images = page.evaluate("watched.seen.images")
        took = time.perf_counter() - started
        page.mouse.up()
        page.wait_for_timeout(2 * QUIET_MS)
        return float(images) / took

    def close(self) -> None:
        self.context.close()


def chromium_path() -> str:
    """Return where Chromium is."""
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("Chromium is not installed; the environment variable CHROMIUM can say where it is")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run one browser for all tabs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
