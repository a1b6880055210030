"""Nothing compiles under a user's hand, and no kernel is taken from a cache that no longer fits it."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import dashboard.engine
from dashboard.engine import compile
from dashboard.engine.build import build_columns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.few_units import aggregate_units
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.queries import count_in, spikes_in
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.rates import cluster_counts, depth_profile, population_rate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.engine.warmup import compile_kernels
from tests.engine.engine_data import write_sorting


def signatures() -> dict[str, list[object]]:
    found = {}
    for info in pkgutil.walk_packages(dashboard.engine.__path__, "dashboard.engine."):
        module = importlib.import_module(info.name)
        for key, value in vars(module).items():
            if hasattr(value, "signatures") and value.__module__ == module.__name__:
                found[f"{info.name.rpartition('.')[2]}.{key}"] = list(value.signatures)
    return found


def test_every_kernel_of_the_engine_is_compiled_before_it_is_used(tmp_path):
    compile_kernels()
    before = signatures()
    assert before["kernels.count_tiles"] and before["majority.majority_tiles"]
    rng = np.random.default_rng(0)
    n_spikes = 30_000
    sorting = write_sorting(
        tmp_path / "alf",
        times=np.sort(rng.uniform(0, 100, n_spikes)),
        depths=np.round(rng.uniform(0, 3840, n_spikes)),
        clusters=rng.integers(0, 12, n_spikes).astype(np.uint32),
        amps=rng.lognormal(-9.2, 0.5, n_spikes),
    )
    for cache in (tmp_path / "cache", tmp_path / "cache", None):
        columns = build_columns(sorting, cache)
        half = kept_spikes(columns, np.arange(columns.n_clusters) % 2 == 0)
        for width, height, snap in ((3, 480, True), (3, 777, False), (900, 900, True)):
            for kind in AGGREGATES.names:
                for kept in (None, half, half.only([3]), kept_spikes(columns, None, (50, 200))):
                    categories = np.arange(columns.n_clusters) % 5
                    for _ in range(3):
                        aggregate(columns, None, None, width, height, kind, categories=categories, snap=snap, kept=kept)
        aggregate_units(columns, [3, 4])
        firing_rate(columns)
        population_rate(columns, 1.0)
        population_rate(columns, 1.0, kept=half)
        depth_profile(columns, kept=half)
        cluster_counts(columns, (5, 50), (100, 900))
        count_in(columns, (5, 50), (100, 900), kept=half)
        spikes_in(columns, (5, 50), (100, 900), kept=half)
    assert signatures() == before


def test_a_kernel_knows_every_module_that_its_code_comes_from():
    engine = Path(dashboard.engine.__path__[0])
    found = compile.imported_files(engine / "count" / "amplitudes.py")
    wanted = {"count/kernels.py", "threads.py", "columns/depths.py", "compile.py", "columns/arrays.py"}
    assert {engine / name for name in wanted} <= found
    assert engine / "count" / "kernels.py" not in compile.imported_files(engine / "columns" / "depths.py")


def test_a_change_in_another_module_compiles_a_kernel_anew(tmp_path):
    """numba alone would run `caller` with the old code of `callee`, wherever that leads."""
    package = tmp_path / "dashboard"
    (package / "engine" / "count").mkdir(parents=True)
    shutil.copy(Path(compile.__file__), package / "engine" / "compile.py")
    for folder in (package, package / "engine", package / "engine" / "count"):
        (folder / "__init__.py").write_text("")
    callee = package / "engine" / "count" / "callee.py"
    start = "from dashboard.engine.compile import kernel\n"
    (package / "engine" / "caller.py").write_text(
        f"{start}from dashboard.engine.count.callee import answer\n\n@kernel\ndef ask():\n    return answer()\n"
    )
    answers = []
    for value in (1, 2, 2):
        callee.write_text(f"{start}\n@kernel\ndef answer():\n    return {value}\n")
        script = "from dashboard.engine.caller import ask; print(ask(), sum(ask.stats.cache_hits.values()))"
        run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
        answers.append(run.stdout.split())
    assert answers == [["1", "0"], ["2", "0"], ["2", "1"]]


def test_kernels_work_where_no_cache_can_be_written(monkeypatch):
    def no_folder(function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compile, "KernelCache", no_folder)

    @compile.kernel
    def double(x: int) -> int:
        return 2 * x

    assert double(21) == 42


def test_no_kernel_runs_in_numbas_own_threads():
    for path in Path(dashboard.engine.__path__[0]).parent.rglob("*.py"):
        code = "\n".join(line for line in path.read_text().splitlines() if "``parallel=True``" not in line)
        assert "parallel=True" not in code and "prange" not in code, path
