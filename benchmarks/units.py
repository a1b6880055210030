"""How long units, events, responses and matching take on the demo: the figures of "one unit, and what it responds to".

Run ``python -m benchmarks.run --only units``, or ``python -m benchmarks.units [--cache FOLDER] [--spikes N]
[--json FILE]``. The demo is written to the cache on the first run. Times are medians of some runs after a first one
that compiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.table import Row, write_whole
from dashboard.analysis.change.spans import compare_spans
from dashboard.analysis.compare.units import compare_units
from dashboard.analysis.events.align import (
    RASTER_BIN_S,
    WINDOW_S,
    bin_edges,
    count_around,
    psth_of_counts,
    usable_events,
)
from dashboard.analysis.events.maps import BASELINE_S, depth_rows, event_map, span_of
from dashboard.analysis.events.responses import response_test
from dashboard.analysis.events.trials import event_times, split_trials
from dashboard.analysis.filters.clusters import ClusterFilter, filter_clusters
from dashboard.analysis.inputs import matchable, select_spikes, unit_spikes
from dashboard.analysis.units.amplitudes import amplitude_histogram
from dashboard.analysis.units.correlograms import CLOSE_BIN_S, CLOSE_WINDOW_S, autocorrelogram, crosscorrelogram
from dashboard.analysis.units.isi import isi_histogram, refractory_test
from dashboard.analysis.warmup import compile_unit_kernels
from dashboard.engine.build import build_columns
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.library.open import open_insertion
from dashboard.library.store import OpenInsertion, StoreKey
from dashboard.page.core.scene import Scene
from dashboard.page.core.state import ViewState
from dashboard.page.plot.raster import RasterRequest
from dashboard.page.plot.raster import render as render_raster
from dashboard.page.plot.unit_rows import RowsRequest, render_rows
from dashboard.page.rail.filtered_scene import passing
from dashboard.page.services.alignment import REGION, EventRequest, render_events
from dashboard.page.tabs.unit.picture import UnitRequest, draw_units
from dashboard.sources.demo.source import DEMO_SPIKES, DemoSource

#: Largest unit that a large recording holds: its correlograms have to be quick, too.
LARGE_UNIT = 500_000

#: Of a raster on a large screen.
PIXELS = (1600, 800)


def compute_unit(columns: SpikeColumns, cluster_id: int) -> object:
    """What the Unit tab computes of one unit."""
    unit = unit_spikes(columns, cluster_id)
    return (
        autocorrelogram(unit.times_s),
        autocorrelogram(unit.times_s, CLOSE_BIN_S, CLOSE_WINDOW_S),
        isi_histogram(unit.times_s),
        refractory_test(unit.times_s),
        None if unit.amps_uv is None else amplitude_histogram(unit.amps_uv),
    )


def timed(work: Callable[[], object], runs: int) -> float:
    """Return the median time of `work`, in s, after one run that is not counted."""
    work()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure_linked(
    opened: OpenInsertion, unit: int, record: Callable[[str, float | None, Callable[[], object]], None]
) -> None:
    """Time what a selection and a filter cost until their picture of the whole session is ready to be sent."""
    columns = opened.columns
    scene = Scene(opened)
    whole = RasterRequest(scene, columns.time_range_s, columns.depth_range_um, *PIXELS, "count", "linear", None, ())
    kept = replace(whole, selected=(unit,), before=render_raster(whole, threading.Event()))
    words = f"select the largest unit ({len(unit_spikes(columns, unit)):,} spikes): its overlay, whole session"
    record(words, 0.15, lambda: render_raster(kept, threading.Event()))
    for what, state in (
        ("filter to good units", ViewState(quality="good")),
        ("limit single spikes to 60-200 uV", ViewState(filters={"spike_amp": "60,200"})),
    ):

        def repaint(state: ViewState = state) -> None:
            filtered = passing(state, opened).scene(opened, "allen", scene)
            render_raster(replace(whole, scene=filtered), threading.Event())

        record(f"{what}: which pass, how many, the picture, whole session", None, repaint)
    rows = RowsRequest(
        scene, columns.time_range_s, (0, len(scene.depth_order)), *PIXELS, "count", "linear", None, (unit,)
    )
    record("raster with a row for each unit, whole session", 0.15, lambda: render_rows(rows, threading.Event()))


def measure(cache: Path, n_spikes: int) -> list[dict[str, object]]:
    source = DemoSource(cache, n_spikes=n_spikes)
    sorting = open_insertion("demo", source=source, cache=cache)
    other = open_insertion("demo", sorter="pykilosort", source=source, cache=cache)
    columns, other_columns = build_columns(sorting, cache), build_columns(other, cache)
    compile_unit_kernels()
    if sorting.trials is None:
        raise SystemExit("the demo has no trials")
    trials = sorting.trials.table
    events = usable_events(event_times(trials, "stimOn"), span_of(WINDOW_S, BASELINE_S), columns.time_range_s)
    rows: list[dict[str, object]] = []

    def record(what: str, must_s: float | None, work: Callable[[], object], runs: int = 5) -> None:
        took = timed(work, runs)
        rows.append({"what": what, "seconds": took, "must_s": must_s})
        limit = "" if must_s is None else f"{1e3 * must_s:10.0f}"
        print(f"{what:<72}{1e3 * took:10.1f}{limit:>12}", flush=True)

    print(f"{columns.n_spikes:,} and {other_columns.n_spikes:,} spikes, {len(events)} events\n")
    print(f"{'':<72}{'ms':>10}{'must':>12}")
    largest = int(np.bincount(columns.clusters, minlength=columns.n_clusters).argmax())
    n_largest = len(unit_spikes(columns, largest))
    record(
        f"unit: spikes, correlograms, intervals, refractory test ({n_largest:,} spikes)",
        0.3,
        lambda: compute_unit(columns, largest),
    )
    train = np.sort(np.random.default_rng(0).uniform(0, 4500, LARGE_UNIT))
    record(f"autocorrelogram of {LARGE_UNIT:,} spikes", None, lambda: autocorrelogram(train))
    record("cross-correlogram of two such", None, lambda: crosscorrelogram(train, train + 1e-3))
    good = filter_clusters(ClusterFilter(labels=(1.0,)), sorting.clusters).by_index(columns.n_clusters)
    record("filter with an expression, 914 clusters", None, lambda: filter_clusters(
        ClusterFilter(labels=(1.0,), where="firing_rate > 2 and within('VISp')"), sorting.clusters
    ))  # fmt: skip
    region = sorting.clusters["acronym"].mode()[0]
    inside = filter_clusters(ClusterFilter(regions=(str(region),)), sorting.clusters).by_index(columns.n_clusters)

    def region_view() -> None:
        edges, fine = bin_edges(0.05, WINDOW_S), bin_edges(RASTER_BIN_S, WINDOW_S)
        selection = select_spikes(columns, inside)
        count_around(selection, events, fine)
        counts = count_around(selection, events, edges)
        for group in split_trials(trials, "contrast"):
            psth_of_counts(counts[np.isin(events.trials, np.flatnonzero(group.mask))], edges)

    record(f"event view of region {region}: trial raster, PSTH by contrast", 1.0, region_view)
    scene = Scene(OpenInsertion(StoreKey("demo", "demo", None, None), sorting, columns, source, 0.0))
    median = int(np.argsort(np.bincount(columns.clusters, minlength=columns.n_clusters))[columns.n_clusters // 2])
    for words, unit in (("largest", largest), ("median", median)):
        record(
            f"unit tab: everything it draws, {words} unit",
            0.3,
            partial(draw_units, UnitRequest(scene, (unit,), unit), threading.Event()),
        )
    measure_linked(scene.opened, largest, record)
    asked = EventRequest(scene, REGION, (), columns.depth_range_um, str(region), "stimOn", "contrast", True)
    record(
        f"events tab: region {region} by contrast, and the population's map",
        1.0,
        lambda: render_events(asked, threading.Event()),
    )
    depth_edges = depth_rows(columns.depth_range_um)
    record(
        "population event map, good units", 1.0, lambda: event_map(select_spikes(columns, good), events, depth_edges)
    )
    record(
        f"test response, {columns.n_clusters} units x {len(events)} trials",
        10.0,
        lambda: response_test(columns.times_s, columns.clusters, columns.n_clusters, events),
        runs=2,
    )
    spans = (0.0, 1500.0), (3000.0, 4500.0)
    record(
        "before and after, two spans of 1,500 s, every unit",
        None,
        lambda: compare_spans(
            columns.times_s,
            columns.clusters,
            columns.n_clusters,
            *spans,
            depths_um=columns.depths_um,
            amps_uv=columns.amps_uv,
        ),
    )
    a, b = matchable(columns), matchable(other_columns)
    record("match the units of the two sortings", 20.0, lambda: compare_units(a, b), runs=1)
    print(f"\n{compare_units(a, b).counts().to_string()}")
    return rows


def table(rows: Sequence[dict[str, object]]) -> list[Row]:
    """Return the rows of the table that `benchmarks.run` prints."""
    return [
        Row("units", str(row["what"]), "ms", 1e3 * float(str(row["seconds"])), most=_milliseconds(row["must_s"]))
        for row in rows
    ]


def _milliseconds(seconds: object) -> float | None:
    return None if seconds is None else 1e3 * float(str(seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="folder for the demo; a temporary one by default")
    parser.add_argument("--spikes", type=int, default=DEMO_SPIKES)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.cache or Path(folder), arguments.spikes)
    if arguments.json:
        write_whole(arguments.json, json.dumps(rows, indent=1))
    late = [row for row in rows if row["must_s"] is not None and float(str(row["seconds"])) > float(str(row["must_s"]))]
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
