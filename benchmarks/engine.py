"""The raster engine against Datashader and numpy, in the same run, on the same spikes.

Run ``python -m benchmarks.run --only engine``, or ``python -m benchmarks.engine [--spikes N ...] [--runs R]
[--json FILE]`` for all the figures behind its table. The sorting is made here, written as files and opened as a
real one, so that the engine reads memory maps. What is compared takes turns; the figures are medians. Datashader
gets what it is best at (a frame with nothing but the two columns it needs) and what a session has (a frame with
all its columns).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import datashader
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.table import Row, write_whole
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.few_units import aggregate_units
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.queries import count_in
from dashboard.engine.count.raster import aggregate, overview
from dashboard.engine.count.rates import depth_profile, population_rate
from dashboard.engine.warmup import compile_kernels
from dashboard.model.references import Choice, DatasetRef, Histology, InsertionRef, SortingRef
from dashboard.model.sorting import Spikes, SpikeSorting
from dashboard.sources.alf.identity import identity_of

SIZES = (17_575_242, 100_000_000)
#: Spikes of a run that only shows that everything works; its ratios say nothing.
QUICK_SPIKES = 100_000
WIDTH, HEIGHT = 1600, 800
DURATION_S = 4500.0
N_CLUSTERS = 914
N_REGIONS = 15
DEPTHS_UM = (20.0, 3820.0)
WINDOWS: dict[str, tuple[float, float] | None] = {"whole": None, "60 s": (2000.0, 2060.0), "1 s": (2000.0, 2001.0)}
#: numpy.histogram2d takes seconds for what the others take milliseconds for.
NUMPY_RUNS = 2
#: Spikes above which numpy is not asked at all: it needs several copies of the columns.
NUMPY_MOST = 40_000_000

#: The pictures of scripts and exports; the targets are those of the live view's.
AS_ASKED = "count, edges as asked for"
#: Not a time: pixels whose counts differ.
EQUALITY = "pixels that differ from numpy's and Datashader's"

Work = Callable[[], object]


@dataclass
class Figure:
    """Medians of one comparison, in ms, and how many times slower the others are."""

    what: str
    window: str
    n_spikes: int
    engine_ms: float
    others_ms: dict[str, float]
    must: dict[str, float]

    @property
    def ratios(self) -> dict[str, float]:
        return {name: ms / self.engine_ms for name, ms in self.others_ms.items()}

    @property
    def missed(self) -> list[str]:
        """What this figure should have reached and did not."""
        missed = [
            f"{name} only {self.ratios[name]:.1f} x"
            for name, ratio in self.must.items()
            if name in self.others_ms and self.ratios[name] < ratio
        ]
        limit = self.must.get("ms")
        return missed + ([f"above {limit:g} ms"] if limit is not None and self.engine_ms > limit else [])

    def record(self) -> dict[str, object]:
        return {**asdict(self), "ratios": self.ratios, "missed": self.missed}


def write_sorting(folder: Path, n_spikes: int, seed: int = 0) -> SpikeSorting:
    """Write the four spike columns of a plausible sorting, in pieces, and return it memory-mapped."""
    rng = np.random.default_rng(seed)
    centres = np.sort(rng.uniform(*DEPTHS_UM, N_CLUSTERS))
    share = rng.lognormal(0, 1.2, N_CLUSTERS)
    limits = np.cumsum(share / share.sum())
    paths = {name: folder / f"spikes.{name}.npy" for name in ("times", "depths", "clusters", "amps")}
    types = {"times": np.float64, "depths": np.float64, "clusters": np.uint32, "amps": np.float64}
    columns = {
        name: np.lib.format.open_memmap(path, mode="w+", dtype=types[name], shape=(n_spikes,))
        for name, path in paths.items()
    }
    piece = 1 << 22
    for start in range(0, n_spikes, piece):
        n = min(piece, n_spikes - start)
        own = slice(start, start + n)
        first, last = (DURATION_S * k / n_spikes for k in (start, start + n))
        times = np.sort(rng.uniform(first, last, n))
        clusters = np.minimum(np.searchsorted(limits, rng.random(n)), N_CLUSTERS - 1)
        drift = 15 * np.sin(times / 400)
        columns["times"][own] = times
        columns["clusters"][own] = clusters
        columns["depths"][own] = np.abs(centres[clusters] + drift + rng.normal(0, 12, n))
        columns["amps"][own] = rng.lognormal(-9.2, 0.5, n)
    for column in columns.values():
        column.flush()
    datasets = {
        f"spikes.{name}": DatasetRef("spikes", name, "npy", "alf/probe00", path=path) for name, path in paths.items()
    }
    choice = Choice("", "made for the benchmark")
    ref = SortingRef(InsertionRef("bench", "2000-01-01", 1, "probe00"), "alf/probe00", choice, choice, datasets)
    mapped = {name: np.load(path, mmap_mode="r") for name, path in paths.items()}
    spikes = Spikes(mapped["times"], mapped["clusters"], mapped["depths"], mapped["amps"])
    clusters = pd.DataFrame({"depths": centres})
    return SpikeSorting(ref, spikes, clusters, pd.DataFrame(), Histology.ALF, identity=identity_of(ref))


def timed(work: Work) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def take_turns(engine: Work, others: dict[str, Work], runs: int) -> tuple[float, dict[str, float]]:
    """Return the median of each in ms; they take turns, so that all meet the same machine."""
    times: dict[str, list[float]] = {"engine": []} | {name: [] for name in others}
    for run in range(runs + 1):
        for name, work in (("engine", engine), *others.items()):
            if name == "numpy" and run > NUMPY_RUNS:
                continue
            took = timed(work)
            if run:  # the first of each compiles and touches pages
                times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return medians.pop("engine"), medians


def measure(
    n_spikes: int, runs: int, report: Callable[[Figure], None] = lambda figure: None, folder: Path | None = None
) -> list[Figure]:
    """Return the figures for a sorting of `n_spikes`, written into `folder`; each goes to `report` as it comes."""
    with tempfile.TemporaryDirectory(prefix="spike-dashboard-bench-", dir=folder) as made:
        return _measure(Path(made), n_spikes, runs, report)


def _measure(folder: Path, n_spikes: int, runs: int, report: Callable[[Figure], None]) -> list[Figure]:
    if n_spikes > QUICK_SPIKES:
        compile_kernels()
    figures: list[Figure] = []
    sorting = write_sorting(folder, n_spikes)
    is_large = n_spikes > NUMPY_MOST

    def add(what: str, window: str, engine: Work, others: dict[str, Work], must: dict[str, float]) -> None:
        engine_ms, others_ms = take_turns(engine, others, runs)
        figures.append(Figure(what, window, n_spikes, engine_ms, others_ms, must))
        report(figures[-1])

    started = time.perf_counter()
    columns = build_columns(sorting, folder / "cache")
    built_ms = (time.perf_counter() - started) * 1e3
    figures.append(Figure("build the columns, files warm", "", n_spikes, built_ms, {}, {}))
    report(figures[-1])
    add("open the columns again", "", lambda: build_columns(sorting, folder / "cache"), {}, {})
    add("overview kept with them", "", lambda: overview(columns).values.max(), {}, {})

    categories = (np.arange(N_CLUSTERS) * N_REGIONS // N_CLUSTERS).astype(np.int32)
    slim = pd.DataFrame({"times": np.array(columns.times_s), "depths": np.array(columns.depths_um)})
    # What the plain way makes of a loaded sorting: one frame, with the region of each spike.
    regions = pd.Categorical.from_codes(categories[columns.clusters], [f"region {k}" for k in range(N_REGIONS)])
    spikes = sorting.spikes
    frame = pd.DataFrame(
        {
            "times": np.asarray(spikes.times_s),
            "clusters": np.asarray(spikes.clusters),
            "depths": np.asarray(spikes.depths_um),
            "amps": np.asarray(spikes.amps_v),
            "region": regions,
        }
    )
    add_equality(columns, slim, figures)
    for name, window in WINDOWS.items():
        canvas = datashader.Canvas(WIDTH, HEIGHT, window or columns.time_range_s, columns.depth_range_um)
        _compare_window(columns, name, window, canvas, slim, frame, categories, add, is_large)
        if n_spikes <= QUICK_SPIKES:
            return figures
    del frame
    half = np.random.default_rng(1).permutation(N_CLUSTERS) < N_CLUSTERS // 2
    _compare_filters(columns, half, slim, add)
    add(
        "firing rate, 0.05 s x 10 um",
        "60 s",
        lambda: firing_rate(columns, 0.05, 10.0, WINDOWS["60 s"]),
        {},
        {},
    )
    add("firing rate, 1 s x 10 um", "whole", lambda: firing_rate(columns, 1.0, 10.0), {}, {})
    add("population rate, 1 s", "whole", lambda: population_rate(columns, 1.0), {}, {})
    add(
        "population rate, 1 s, half of the clusters",
        "whole",
        lambda: population_rate(columns, 1.0, kept=kept_spikes(columns, half)),
        {},
        {},
    )
    add("profile by depth, 10 um", "whole", lambda: depth_profile(columns), {}, {})
    return figures


def add_equality(columns: SpikeColumns, slim: pd.DataFrame, figures: list[Figure]) -> None:
    """Count pixels that differ from numpy's and Datashader's; tests/compute asks many more windows and aggregates."""
    for name, window in WINDOWS.items():
        exact = aggregate(columns, window, None, WIDTH, HEIGHT)
        on_lattice = aggregate(columns, window, None, WIDTH, HEIGHT, snap=True)
        edges = exact.depth_edges_um, exact.time_edges_s
        differ = 0
        if len(slim) <= NUMPY_MOST:
            counted = np.histogram2d(slim["depths"], slim["times"], edges)[0]
            differ += int(np.count_nonzero(counted != exact.values))
        edges = on_lattice.time_edges_s, on_lattice.depth_edges_um
        canvas = datashader.Canvas(
            on_lattice.values.shape[1],
            on_lattice.values.shape[0],
            *((float(axis[0]), float(np.nextafter(axis[-1], -np.inf))) for axis in edges),
        )
        shaded = canvas.points(slim, "times", "depths").to_numpy()
        differ += int(np.count_nonzero(shaded != on_lattice.values))
        figures.append(Figure(EQUALITY, name, len(slim), float(differ), {}, {}))


def _compare_window(
    columns: SpikeColumns,
    name: str,
    window: tuple[float, float] | None,
    canvas: datashader.Canvas,
    slim: pd.DataFrame,
    frame: pd.DataFrame,
    categories: npt.NDArray[np.int32],
    add: Callable[[str, str, Work, dict[str, Work], dict[str, float]], None],
    is_large: bool,
) -> None:
    """Every aggregate in one window."""

    def draw(kind: str, snap: bool = True) -> Work:
        return lambda: aggregate(columns, window, None, WIDTH, HEIGHT, kind, categories=categories, snap=snap)

    on_columns: Work = lambda: canvas.points(slim, "times", "depths")  # noqa: E731
    on_frame: Work = lambda: canvas.points(frame, "times", "depths")  # noqa: E731
    must = {
        "whole": {"columns": 10.0 if is_large else 4.0, "frame": 25.0 if is_large else 12.0},
        "60 s": {"frame": 25.0},
        "1 s": {"frame": 60.0},
    }[name]
    ceiling = {"ms": 150.0} if is_large else {}
    add("count", name, draw("count"), {"columns": on_columns, "frame": on_frame}, must | ceiling)
    others: dict[str, Work] = {"columns": on_columns, "frame": on_frame}
    if not is_large:
        edges = (np.linspace(*canvas.y_range, HEIGHT + 1), np.linspace(*canvas.x_range, WIDTH + 1))
        others["numpy"] = lambda: np.histogram2d(columns.depths_um, columns.times_s, edges)
    add(AS_ASKED, name, draw("count", snap=False), others, {})
    add("rate", name, draw("rate"), {"frame": on_frame}, ceiling)
    mean: Work = lambda: canvas.points(frame, "times", "depths", datashader.mean("amps"))  # noqa: E731
    largest: Work = lambda: canvas.points(frame, "times", "depths", datashader.max("amps"))  # noqa: E731
    by_region: Work = lambda: canvas.points(  # noqa: E731
        frame, "times", "depths", datashader.by("region", datashader.count())
    ).argmax("region")
    sixfold = {"frame": 6.0} if name == "whole" else {}
    add("mean amplitude", name, draw("amp_mean"), {"frame": mean}, sixfold | ceiling)
    add("largest amplitude", name, draw("amp_max"), {"frame": largest}, ceiling)
    add(f"majority of {N_REGIONS} regions", name, draw("region"), {"frame": by_region}, sixfold | ceiling)
    add(f"majority of {N_CLUSTERS} clusters", name, draw("cluster"), {}, ceiling)
    shown = np.arange(0, N_CLUSTERS, N_CLUSTERS // 10)[:10]
    add("ten units over the rest", name, lambda: aggregate_units(columns, shown, window, snap=True), {}, {})


def _compare_filters(
    columns: SpikeColumns,
    half: npt.NDArray[np.bool_],
    slim: pd.DataFrame,
    add: Callable[[str, str, Work, dict[str, Work], dict[str, float]], None],
) -> None:
    """Half of the clusters, and amplitude limits, when they stay and when they change with every picture."""
    kept = slim[half[columns.clusters]].reset_index(drop=True)
    for name, window in WINDOWS.items():
        canvas = datashader.Canvas(WIDTH, HEIGHT, window or columns.time_range_s, columns.depth_range_um)
        on_kept: Work = lambda canvas=canvas: canvas.points(kept, "times", "depths")  # noqa: E731
        must = {"columns": 4.0} if name == "whole" else {}
        add(
            "count, half of the clusters",
            name,
            lambda window=window: aggregate(
                columns, window, None, WIDTH, HEIGHT, kept=kept_spikes(columns, half), snap=True
            ),
            {"columns": on_kept},
            must,
        )
        changing = iter(range(10**9))

        def draw_another(window: tuple[float, float] | None = window, changing: object = changing) -> object:
            other = half.copy()
            other[next(changing) % N_CLUSTERS] ^= True  # type: ignore[call-overload]
            return aggregate(columns, window, None, WIDTH, HEIGHT, kept=kept_spikes(columns, other), snap=True)

        add("count, another half each time", name, draw_another, {"columns": on_kept}, {})
        limits = iter(range(10**9))
        add(
            "count, other amplitude limits each time",
            name,
            lambda window=window, limits=limits: aggregate(
                columns,
                window,
                None,
                WIDTH,
                HEIGHT,
                kept=kept_spikes(columns, None, (60 + next(limits) * 0.01, 200.0)),
                snap=True,
            ),
            {"columns": on_kept},
            {},
        )
    depths = (1000.0, 2000.0)
    start, end = columns.time_range_s
    add(
        "spikes in a box, half of the clusters",
        "whole",
        lambda: count_in(columns, (start, end), depths, kept=kept_spikes(columns, half)),
        {},
        {},
    )


def print_figure(figure: Figure) -> None:
    others = "".join(
        f"{f'{figure.others_ms[name]:.1f}' if name in figure.others_ms else '':>11}"
        f"{f'{figure.ratios[name]:.1f} x' if name in figure.others_ms else '':>9}"
        for name in ("columns", "frame", "numpy")
    )
    what = f"{figure.what} ({figure.window})" if figure.window else figure.what
    print(f"{what:<52}{figure.engine_ms:>9.2f}{others}   {'; '.join(figure.missed)}", flush=True)


#: How the table calls the others of a comparison.
OTHERS = {"columns": "Datashader on just its columns", "frame": "Datashader on the session's frame", "numpy": "numpy"}


def table(figures: Sequence[Figure]) -> list[Row]:
    """Return the rows that decide: what has a target, and what it is compared with."""
    rows = []
    for figure in figures:
        what = f"{figure.what}, {figure.window}, {size_text(figure.n_spikes)}"
        if figure.what == EQUALITY:
            rows.append(Row("engine", what, "pixels", figure.engine_ms, most=0))
        if figure.what == AS_ASKED:
            rows.append(Row("engine", what, "ms", figure.engine_ms, figure.others_ms["frame"], OTHERS["frame"]))
        for name, ratio in figure.must.items():
            if name != "ms":
                rows.append(Row("engine", what, "ms", figure.engine_ms, figure.others_ms[name], OTHERS[name], ratio))
    for n_spikes in {figure.n_spikes for figure in figures}:
        whole = [f for f in figures if f.n_spikes == n_spikes and f.window == "whole" and "ms" in f.must]
        if whole:
            slowest = max(whole, key=lambda figure: figure.engine_ms)
            what = f"slowest aggregate, whole, {size_text(n_spikes)} ({slowest.what})"
            rows.append(Row("engine", what, "ms", slowest.engine_ms, most=slowest.must["ms"]))
    return rows


def size_text(n_spikes: int) -> str:
    return f"{n_spikes / 1e6:.3g} M"


def run(sizes: Sequence[int] = SIZES, runs: int = 7, folder: Path | None = None) -> list[Figure]:
    """Print all the figures and return them; the sortings are written into `folder`, and deleted."""
    figures: list[Figure] = []
    for n_spikes in sizes:
        print(f"\n{n_spikes:,} spikes, {WIDTH} x {HEIGHT}; medians in ms, others as multiples of the engine")
        print(f"{'':<52}{'engine':>9}{'DS columns':>11}{'':>9}{'DS frame':>11}{'':>9}{'numpy':>11}{'':>9}   missed")
        figures += measure(n_spikes, runs, print_figure, folder)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikes", type=int, nargs="+", default=list(SIZES), help="spikes of the sorting made")
    parser.add_argument("--runs", type=int, default=7, help="how often each is timed")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    figures = run(options.spikes, options.runs)
    if options.json is not None:
        write_whole(options.json, json.dumps([figure.record() for figure in figures], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
