"""From a click to what it brings, in Chromium: a unit, its overlay, a filter, an event view of a region.

Run ``python -m benchmarks.run --only gestures``. A time runs from the browser's own stamp of the gesture to the frame
after the one in which every figure that is named was painted with the new data. Medians; the first of each kind is not
counted, except for the event view, for which every time is that of a fresh page.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

from benchmarks.chromium import WAIT_MS, chromium
from benchmarks.serving import ours
from benchmarks.table import Row

SCRIPT = (Path(__file__).parent / "gestures.js").read_text(encoding="utf-8")
WINDOW_PX = {"width": 1600, "height": 1000}
#: Between two gestures, as a hand leaves it, and until a page that was opened has come to rest.
PAUSE_MS, REST_MS = 1_000, 4_000
REGION = "VISp5"

#: Between two keys of somebody who judges units, and how many: those of a page of the table.
KEY_MS, N_KEYS = 60, 90

#: What is measured, and how long it may take (ms).
LIMITS = {
    "row of the table to overlay": 150.0,
    "next unit (J) to Unit tab": 300.0,
    "quality filter to raster": None,
    "filter on curated labels to raster": None,
    "a key of 90, every 60 ms, to the next row to judge": 60.0,
    "colour by mean amplitude to raster": None,
    "Events tab of a region opened": 1_000.0,
    "next spike (.) to 70 ms of voltage, its chunk held": 150.0,
}


def measure(cache: Path, n_spikes: int, runs: int) -> tuple[list[Row], dict[str, list[float]]]:
    """Return the rows of the table and every single time behind them, in ms."""
    times: dict[str, list[float]] = {}
    with chromium() as browser, ours(cache, n_spikes) as server:
        page = open_page(browser, f"{server.url}?insertion=demo")
        rows = page.locator(".tabulator-row")
        times["row of the table to overlay"] = [
            timed(page, rows.nth(k + 2).click, "raster-overlay", "raster") for k in range(runs + 1)
        ][1:]
        page.keyboard.press("Escape")
        panel(page, "Filters")
        quality = [page.get_by_role("button", name=name, exact=True) for name in ("Good units", "All units")]
        times["quality filter to raster"] = [
            timed(page, quality[k % 2].click, "raster-image", "raster") for k in range(runs + 1)
        ][1:]
        panel(page, "Colour")
        times["colour by mean amplitude to raster"] = [
            timed(page, colour_option(page, name).click, "raster-image", "raster")
            for name in ["Mean amplitude", "Spike count"] * (runs + 1)
        ][2::2]
        page.context.close()
        page = open_page(browser, f"{server.url}?insertion=demo&tab=Unit&selected=40")
        page.mouse.click(WINDOW_PX["width"] / 2, 3)
        times["next unit (J) to Unit tab"] = [
            timed(page, lambda: page.keyboard.press("j"), "unit-acg-data", "unit-acg", "unit-template")
            for _ in range(runs + 1)
        ][1:]
        page.context.close()
        times["a key of 90, every 60 ms, to the next row to judge"], page = judge(browser, server.url)
        label = page.get_by_label("Expression")
        expressions = ("my_label == 'good'", "")
        panel(page, "Filters")
        times["filter on curated labels to raster"] = [
            timed(page, partial(say, label, expressions[k % 2]), "raster-image", "raster") for k in range(runs + 1)
        ][1:]
        page.context.close()
        times["Events tab of a region opened"] = [open_events(browser, server.url) for _ in range(runs)]
        page = open_page(browser, f"{server.url}?insertion=demo&tab=Raw&selected=40&t=10,40&rawstep=raw")
        page.mouse.click(WINDOW_PX["width"] / 2, 3)
        times["next spike (.) to 70 ms of voltage, its chunk held"] = [  # to and fro between two spikes
            timed(page, partial(page.keyboard.press, ".,"[k % 2]), "raw-snippet-data", "raw-snippet")
            for k in range(runs + 2)
        ][2:]
        page.context.close()
    found = [
        Row("gestures", what, "ms", statistics.median(times[what]), most=most) for what, most in LIMITS.items()
    ]  # fmt: skip
    return found, times


def open_page(browser: Browser, url: str) -> Page:
    """Open a page and let it come to rest."""
    page = browser.new_context(viewport=WINDOW_PX).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(WAIT_MS)
    page.add_init_script(SCRIPT)
    page.goto(url, wait_until="domcontentloaded")
    page.locator(".status-line", has_text="spikes").wait_for()
    page.wait_for_timeout(REST_MS)
    return page


def panel(page: Page, name: str) -> None:
    """Open a panel of the rail."""
    page.get_by_role("navigation", name="Panels").get_by_role("button", name=name).click()
    page.wait_for_timeout(REST_MS)


def timed(page: Page, gesture: Callable[[], None], source: str, *figures: str) -> float:
    """Return the time from a gesture to the figures that are painted with what it changed, in ms."""
    page.evaluate("([source, figures]) => await_gesture(source, figures)", [source, list(figures)])
    gesture()
    page.wait_for_function("gestured.painted > 0")
    took = page.evaluate("gestured.painted - gestured.gesture")
    page.wait_for_timeout(PAUSE_MS)
    return float(took)


def judge(browser: Browser, url: str) -> tuple[list[float], Page]:
    """Judge units by keys; return the time from each key to the next row in ms, and the page."""
    page = open_page(browser, f"{url}?insertion=demo&tab=Curation&unjudged=on")
    say(page.get_by_label("Your name, which the browser remembers"), "Ada")
    page.get_by_role("tab", name="Clusters").click()
    page.mouse.click(WINDOW_PX["width"] / 2, 3)
    for key in ("j", "Alt+g"):  # the columns of labels come with the first one
        page.keyboard.press(key)
        page.wait_for_timeout(REST_MS)
    page.evaluate("await_rows()")
    start = time.perf_counter()
    for k in range(N_KEYS):
        page.wait_for_timeout(max(0.0, 1e3 * (start - time.perf_counter()) + KEY_MS * k))
        page.keyboard.press(("Alt+g", "Alt+m", "Alt+n")[k % 3])
    page.wait_for_function(f"judged.rows.length == {N_KEYS} && judged.rows.every(Boolean)")
    page.wait_for_timeout(REST_MS)
    found = page.evaluate("judged")
    return [row - key for key, row in zip(found["keys"], found["rows"], strict=True)], page


def say(field: Locator, text: str) -> None:
    """Write into a field."""
    field.fill(text)
    field.press("Enter")


def colour_option(page: Page, name: str) -> Locator:
    """Return an option of the list of colours, which is open then."""
    page.locator(".panel-colour").get_by_role("combobox").first.click()
    option = page.get_by_role("option", name=name, exact=True)
    option.wait_for()
    page.wait_for_timeout(PAUSE_MS)
    return option


def open_events(browser: Browser, url: str) -> float:
    """Return the time from the click on the tab to the responses of a region, on a fresh page."""
    page = open_page(browser, f"{url}?insertion=demo&of=region:{REGION}")
    tab = page.get_by_role("tab", name="Events")
    took = timed(page, tab.click, "event-psth-data", "event-psth", "event-map")
    page.context.close()
    return took
