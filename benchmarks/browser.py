"""From the hand to the pixels, in Chromium: our page against the plain one, in turns."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.chromium import Refresh, Tab, chromium
from benchmarks.serving import ours, plain
from benchmarks.slow_line import slow_line
from benchmarks.table import Row

#: Windows, in s; None is the whole session.
WINDOWS: dict[str, float | None] = {"whole": None, "60 s": 60.0, "1 s": 1.0}
#: MB of one new picture at rest, at most.
MAX_RECEIVED = {"whole": 0.7, "60 s": 0.35, "1 s": 0.15}
DRAG_S = 3.0
#: Megabits per s and s of a round trip.
SLOW = (20.0, 0.03)
LOADED_MS = 3000
RASTER_ONLY = "?insertion=demo&show=raster"


def measure(cache: Path, n_spikes: int, runs: int) -> tuple[list[Row], dict[str, object]]:
    """Return the rows of the table and every single figure behind them."""
    rows: list[Row] = []
    detail: dict[str, object] = {}
    with chromium() as browser, ours(cache, n_spikes) as our_server, plain(cache, n_spikes) as plain_server:
        urls = {"ours": our_server.url + RASTER_ONLY, "plain": plain_server.url}
        loads = measure_loads(browser, urls, runs)
        detail["load_ms"] = loads
        rows.append(_compared("page load to first raster", "ms", loads))
        tabs = {name: Tab(browser, url) for name, url in urls.items()}
        for tab in tabs.values():
            tab.settle()
        for name, span in WINDOWS.items():
            if span is not None:
                for tab in tabs.values():
                    tab.zoom_to(span)
            found = turn_wheels(tabs, runs)
            detail[f"wheel, {name}"] = {
                side: [vars(refresh) for refresh in refreshes] for side, refreshes in found.items()
            }
            times = {side: [refresh.ms for refresh in refreshes] for side, refreshes in found.items()}
            rows.append(_compared(f"wheel to new pixels, {name}", "ms", times, part_of=10, most=120))
            drags: dict[str, list[float]] = {side: [] for side in tabs}
            for _ in range(max(2, runs // 4)):
                for side, tab in tabs.items():
                    drags[side].append(tab.drag(DRAG_S))
            detail[f"drag, {name}"] = drags
            rows.append(_compared(f"images during a drag, {name}", "per s", drags, least=10))
        for tab in tabs.values():
            tab.close()
    with chromium() as browser, ours(cache, n_spikes) as our_server, plain(cache, n_spikes) as plain_server:
        slow, detail["slow line"] = measure_slow(browser, our_server.url, plain_server.url, runs)
        rows += slow
    clicks = measure_clicks(cache, n_spikes, max(1, runs // 4))
    detail["click_ms"] = clicks
    for what, most in (("columns cached", 1000.0), ("first open", 2000.0)):
        rows.append(Row("browser", f"click to first raster, {what}", "ms", statistics.median(clicks[what]), most=most))
    return rows, detail


def _compared(what: str, unit: str, values: dict[str, list[float]], **must: float) -> Row:
    medians = {side: statistics.median(found) for side, found in values.items()}
    row = Row("browser", what, unit, medians["ours"], medians["plain"], "plain page", **must)
    print(row.what, row.cells()[2:], flush=True)
    return row


def turn_wheels(tabs: dict[str, Tab], runs: int) -> dict[str, list[Refresh]]:
    """Turn the wheel in and out, on both pages in turns; the first turn of each is not counted."""
    found: dict[str, list[Refresh]] = {name: [] for name in tabs}
    for run in range(runs + 1):
        for name, tab in tabs.items():
            refresh = tab.turn_wheel(1 if run % 2 else -1)
            if run:
                found[name].append(refresh)
    return found


def count_received(tabs: dict[str, Tab], runs: int) -> dict[str, list[float]]:
    """Turn the wheel some more, and return the MB that came for each new picture."""
    for tab in tabs.values():
        tab.count_bytes(True)
    found = turn_wheels(tabs, runs)
    for tab in tabs.values():
        tab.count_bytes(False)
    return {side: [refresh.received / 1e6 for refresh in refreshes] for side, refreshes in found.items()}


def measure_loads(browser: Browser, urls: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Open each page afresh, in turns; the first time of each is not counted."""
    loads: dict[str, list[float]] = {name: [] for name in urls}
    for run in range(max(2, runs // 2) + 1):
        for name, url in urls.items():
            tab = Tab(browser, url)
            took = tab.first_picture_ms()
            tab.close()
            if run:
                loads[name].append(took)
    return loads


def measure_slow(browser: Browser, our_url: str, plain_url: str, runs: int) -> tuple[list[Row], dict[str, object]]:
    """Return the rows of a slow line, which both pages are at the end of, in turns."""
    detail: dict[str, object] = {}
    with slow_line(our_url, *SLOW) as our_line, slow_line(plain_url, *SLOW) as plain_line:
        lines = {"ours": our_line, "plain": plain_line}
        urls = {"ours": our_line.url + RASTER_ONLY, "plain": plain_line.url}
        loads: dict[str, list[float]] = {side: [] for side in lines}
        weights: dict[str, list[float]] = {side: [] for side in lines}
        for _ in range(max(2, runs // 4)):
            for side, line in lines.items():
                before = line.down.n_bytes
                tab = Tab(browser, urls[side])
                loads[side].append(tab.first_picture_ms())
                tab.page.wait_for_timeout(LOADED_MS)
                weights[side].append((line.down.n_bytes - before) / 1e6)
                tab.close()
        where = f"{SLOW[0]:g} Mbit/s and {SLOW[1] * 1e3:g} ms"
        rows = [
            _compared(f"page load to first raster, {where}", "ms", loads, most=2500),
            _compared(f"page load, bytes, {where}", "MB", weights, most=2.5),
        ]
        tabs = {side: Tab(browser, url) for side, url in urls.items()}
        for tab in tabs.values():
            tab.settle()
        for name, span in WINDOWS.items():
            for tab in tabs.values():
                if span is not None:
                    tab.zoom_to(span)
            detail[f"received, {name}"] = received = count_received(tabs, max(2, runs // 4))
            what = f"received per refresh at rest, {name}, {where}"
            rows.append(_compared(what, "MB", received, most=MAX_RECEIVED[name]))
        for tab in tabs.values():
            tab.zoom_to(60.0)
        times = {side: [one.ms for one in found] for side, found in turn_wheels(tabs, max(2, runs // 2)).items()}
        drags = {side: [tab.drag(DRAG_S) for _ in range(max(2, runs // 4))] for side, tab in tabs.items()}
        rows += [
            _compared(f"wheel to new pixels, 60 s, {where}", "ms", times, most=110),
            _compared(f"images during a drag, 60 s, {where}", "per s", drags, least=20),
        ]
        for tab in tabs.values():
            tab.close()
        detail |= {"load_ms": loads, "load_MB": weights, "wheel_ms": times, "drag": drags}
    return rows, detail


@contextmanager
def without_columns(cache: Path) -> Iterator[Path]:
    """Lend a cache in which the demo's files are, and nothing that was made of them."""
    with tempfile.TemporaryDirectory(prefix="first-open-", dir=cache) as folder:
        (Path(folder) / "demo").symlink_to(cache / "demo")
        yield Path(folder)


def measure_clicks(cache: Path, n_spikes: int, runs: int) -> dict[str, list[float]]:
    """Click on the demo of a server that has opened nothing yet: with its columns on disk, and without."""
    clicks: dict[str, list[float]] = {"columns cached": [], "first open": []}
    with chromium() as browser:
        for _ in range(runs):
            with ours(cache, n_spikes) as server:
                clicks["columns cached"].append(click_demo(browser, server.url))
            with without_columns(cache) as lent, ours(lent, n_spikes) as server:
                clicks["first open"].append(click_demo(browser, server.url))
    print("clicks", clicks, flush=True)
    return clicks


def click_demo(browser: Browser, url: str) -> float:
    """Return the time from the click on the demo to its raster."""
    tab = Tab(browser, url)
    button = tab.page.get_by_role("button", name="Open the demo insertion")
    button.wait_for()
    tab.page.wait_for_timeout(3000)
    tab.page.evaluate(
        "document.addEventListener('click', (event) => { window.clicked ??= event.timeStamp }, { capture: true })"
    )
    button.click()
    shown = tab.first_picture_ms()
    took = shown - float(tab.page.evaluate("window.clicked"))
    tab.close()
    return took
