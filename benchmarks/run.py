"""Everything of docs/performance.md in one run: ``python -m benchmarks.run`` (``make bench``).

It prints one table with medians and ratios against the targets, and writes it to benchmarks/results.json and, with
``--docs``, into docs/performance.md. ``--quick`` shows in seconds that everything works; its figures mean nothing.
The demo of 17.6 M spikes is written to ``--cache`` on the first run, and half as much again for a time at 100 M.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, markdown_table, read_results, text_table, write_results, write_whole

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "performance.md"
START, END = "<!-- table: start -->", "<!-- table: end -->"
QUICK_SPIKES = 200_000
PARTS = ("engine", "units", "formats", "raw", "browser", "gestures", "sessions")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does.

    Attributes
    ----------
    cache : Path
        The demo lies there, and what is made for the run.
    is_quick : bool
    """

    cache: Path
    is_quick: bool

    @property
    def n_spikes(self) -> int:
        """Spikes of the demo."""
        from dashboard.sources.demo.source import DEMO_SPIKES

        return QUICK_SPIKES if self.is_quick else DEMO_SPIKES


def engine(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import engine

    if plan.is_quick:
        figures = engine.run([engine.QUICK_SPIKES], 1, plan.cache)
    else:
        figures = engine.run(engine.SIZES, 7, plan.cache)
    return engine.table(figures), [figure.record() for figure in figures]


def units(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import units

    records = units.measure(plan.cache, plan.n_spikes)
    return units.table(records), records


def formats(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import formats

    return formats.measure(plan.cache, plan.is_quick), None


def raw(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import raw

    return raw.measure(plan.cache, plan.n_spikes, 2 if plan.is_quick else 7), None


def browser(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import browser

    return browser.measure(plan.cache, plan.n_spikes, 2 if plan.is_quick else 12)


def gestures(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import gestures

    return gestures.measure(plan.cache, plan.n_spikes, 2 if plan.is_quick else 7)


def sessions(plan: Plan) -> tuple[list[Row], object]:
    from benchmarks import sessions

    if plan.is_quick:
        return sessions.measure(plan.cache, plan.n_spikes, 2, (1, 2))
    return sessions.measure(plan.cache, plan.n_spikes, 8)


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    from importlib.metadata import version

    names = ("numpy", "numba", "datashader", "holoviews", "bokeh", "panel")
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": list(os.getloadavg()),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        **{name: version(name) for name in names},
    }


def put_into_page(rows: Sequence[Row]) -> None:
    """Replace the table of docs/performance.md."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    write_whole(PAGE, f"{before}{START}\n{markdown_table(rows)}\n{END}{after}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be given several times")
    parser.add_argument("--quick", action="store_true", help="few spikes, few repetitions: shows that it works")
    parser.add_argument("--cache", type=Path, help="folder that keeps the demo for the next run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file for all figures, as JSON")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args(arguments)
    parts = options.only or PARTS
    conditions, rows, detail = read_results(options.results)  # parts that do not run now stay as they were
    with tempfile.TemporaryDirectory(prefix="spike-dashboard-bench-") as folder:
        cache = Path(options.cache or folder).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        for part in parts:
            conditions[part] = machine()
            found, detail[part] = globals()[part](Plan(cache, options.quick))
            rows = [row for row in rows if row.part != part] + found
            rows.sort(key=lambda row: PARTS.index(row.part))
            write_results(options.results, conditions, rows, detail)
    print(f"\n{text_table(rows)}\n\nwritten to {options.results}")
    if options.docs:
        put_into_page(rows)
    rows = [row for row in rows if row.part in parts]
    missed = [row for row in rows if row.is_met is False]
    if options.quick:
        print("a quick run: its ratios mean nothing")
        return 0
    print(f"{len(missed)} of {sum(row.is_met is not None for row in rows)} targets not met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
