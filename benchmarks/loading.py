"""Where the time of a page load goes: what the browser does and when, on our page and on the plain one, in turns.

Run ``python -m benchmarks.loading [--cache FOLDER] [--spikes N] [--runs 7] [--query TEXT] [--trace FILE]``. A browser
that is traced is slower by some per cent, on both sides.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from benchmarks.browser import RASTER_ONLY
from benchmarks.chromium import Tab, chromium
from benchmarks.serving import ours, plain
from benchmarks.table import Row, text_table
from dashboard.sources.demo.source import DEMO_SPIKES

CATEGORIES = ["blink.user_timing", "devtools.timeline", "v8.execute", "v8", "disabled-by-default-v8.gc"]
MARKS = """() => {
  const [page] = performance.getEntriesByType("navigation")
  const files = performance.getEntriesByType("resource").filter((one) => /\\.js/.test(one.name))
  return {
    "first byte": page.responseStart,
    "last script here": Math.max(0, ...files.map((one) => one.responseEnd)),
    "last byte of the page": page.responseEnd,
    "document read": page.domContentLoadedEventStart,
    ...window.marks,
  }
}"""
WATCH = """
window.marks = {}
{
  const Kind = window.WebSocket
  window.WebSocket = class extends Kind {
    constructor(...given) {
      super(...given)
      window.marks["websocket asked for"] ??= performance.now()
      this.addEventListener("open", () => { window.marks["websocket open"] ??= performance.now() })
      this.addEventListener("message", ({ data }) => {
        const size = data.length ?? data.byteLength ?? data.size ?? 0
        if (size > 20000) window.marks["document here"] ??= performance.now()
      })
    }
  }
}
"""
WORK = {
    "EvaluateScript": "scripts run at their start", "v8.run": "scripts run at their start",
    "v8.compile": "scripts read",
    "FunctionCall": "functions", "RunMicrotasks": "functions", "FireAnimationFrame": "functions",
    "TimerFire": "functions", "EventDispatch": "functions", "ParseHTML": "document read",
    "ParseAuthorStyleSheet": "styles", "UpdateLayoutTree": "styles", "Layout": "layout", "PrePaint": "paint",
    "Paint": "paint", "Layerize": "paint", "Commit": "paint", "MinorGC": "garbage", "MajorGC": "garbage",
}  # fmt: skip


def spent(events: Sequence[dict[str, Any]], until_ms: float) -> dict[str, float]:
    """Return how long the page's thread did what until the picture, in ms; what holds other work is not counted twice.

    Parameters
    ----------
    events : sequence of dict
        Of Chromium's trace.
    until_ms : float
        From the start of the navigation.
    """
    opened = (event for event in events if event.get("name") == "navigationStart")
    page = next(event for event in opened if event["args"]["data"]["documentLoaderURL"].startswith("http"))
    start, thread = page["ts"], (page["pid"], page["tid"])
    until = start + until_ms * 1e3
    whole = (event for event in events if event.get("ph") == "X" and start <= event["ts"] <= until)
    own = [event for event in whole if (event["pid"], event["tid"]) == thread]
    own.sort(key=lambda event: (event["ts"], -event.get("dur", 0)))
    total: Counter[str] = Counter()
    stack: list[tuple[float, str]] = []
    for event in own:
        while stack and stack[-1][0] <= event["ts"]:
            stack.pop()
        kind, took = WORK.get(event["name"], ""), event.get("dur", 0)
        if stack and stack[-1][1]:
            total[stack[-1][1]] -= took
        kind = kind or (stack[-1][1] if stack else "other")
        total[kind] += took
        stack.append((event["ts"] + took, kind))
    return {kind: value / 1e3 for kind, value in total.items()}


def load(browser: Browser, url: str, trace: Path | None = None) -> tuple[dict[str, float], dict[str, float]]:
    """Open a page, and return when what was there and how long was spent on what until its picture, in ms."""
    browser.start_tracing(categories=CATEGORIES)
    tab = Tab(browser, "about:blank")
    tab.page.add_init_script(WATCH)
    tab.page.goto(url, wait_until="commit")
    shown = tab.first_picture_ms()
    marks = {**tab.page.evaluate(MARKS), "picture": shown}
    events = json.loads(browser.stop_tracing())["traceEvents"]
    tab.close()
    if trace is not None:
        trace.write_text(json.dumps({"traceEvents": events}))
    return marks, spent(events, shown)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="folder that keeps the demo for the next run")
    parser.add_argument("--spikes", type=int, default=DEMO_SPIKES)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--query", default=RASTER_ONLY)
    parser.add_argument("--trace", type=Path, help="write the last trace of our page, for chrome://tracing")
    options = parser.parse_args(arguments)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="spike-dashboard-loading-") as folder:
        cache = (options.cache or Path(folder)).absolute()
        with chromium() as browser, ours(cache, options.spikes) as one, plain(cache, options.spikes) as other:
            for run in range(options.runs + 1):
                for side, url in (("ours", one.url + options.query), ("plain", other.url)):
                    marks, work = load(browser, url, options.trace if side == "ours" else None)
                    for name, value in [*marks.items(), *((f"spent: {name}", value) for name, value in work.items())]:
                        if run:
                            found[name][side].append(value)
    rows = []
    for name, sides in found.items():
        medians = {side: statistics.median(sides[side]) if sides[side] else 0.0 for side in ("ours", "plain")}
        rows.append(Row("loading", name, "ms", medians["ours"], medians["plain"], "plain page"))
    rows.sort(key=lambda row: (row.what.startswith("spent"), row.ours))
    print(text_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
