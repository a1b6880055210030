"""Sortings of other kinds than ALF, from the call to the first raster: ``python -m benchmarks.formats``.

A Kilosort folder (templates of 384 channels, features of every spike) and an NWB file are written once, and opened
twice: with nothing kept, and with what the first opening kept. Targets are those of 20 and 10 million spikes.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.table import Row, text_table
from dashboard.engine.build import build_columns
from dashboard.engine.count.raster import aggregate
from dashboard.engine.warmup import compile_kernels
from dashboard.library.completion import completed
from dashboard.library.open import open_insertion
from dashboard.model.progress import ignore_progress
from dashboard.model.sorting import SpikeSorting

PHY_SPIKES, NWB_SPIKES = 20_000_000, 10_000_000
QUICK_SPIKES = 100_000
N_TEMPLATES, N_CHANNELS, N_NEAR = 600, 384, 12
RATE_HZ, DURATION_S = 30_000.0, 4500.0
_BLOCK = 1 << 20


def write_phy(folder: Path, n: int) -> None:
    """Write a Kilosort folder of `n` spikes, with features of each: 144 bytes a spike."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    of = rng.integers(0, N_TEMPLATES, n, dtype=np.int32)
    samples = np.sort(rng.integers(0, int(RATE_HZ * DURATION_S), n))
    templates = np.zeros((N_TEMPLATES, 61, N_CHANNELS), np.float32)
    near = np.zeros((N_TEMPLATES, N_NEAR), np.uint32)
    for k in range(N_TEMPLATES):
        first = int(k * (N_CHANNELS - N_NEAR) / N_TEMPLATES)
        near[k] = np.arange(first, first + N_NEAR)
        templates[k, :, near[k]] = -rng.uniform(0, 1, (N_NEAR, 61))
    rows = np.arange(N_CHANNELS)
    arrays = {
        "spike_times": samples, "spike_clusters": of, "spike_templates": of, "amplitudes": rng.uniform(0.5, 2, n),
        "templates": templates, "pc_feature_ind": near, "channel_map": rows,
        "channel_positions": np.column_stack([11.0 + 16 * (rows % 4), 20.0 * (rows // 2)]),
        "whitening_mat": np.eye(N_CHANNELS) - 0.001,
    }  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    path = folder / "pc_features.npy"
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, 3, N_NEAR))
    for start in range(0, n, _BLOCK):
        block = features[start : start + _BLOCK]
        block[:] = rng.standard_normal(block.shape, np.float32) + 1
    features.flush()
    (folder / "params.py").write_text(f"sample_rate = {RATE_HZ}\n")


def write_nwb(path: Path, n: int) -> None:
    """Write an NWB file of `n` spikes, unit by unit."""
    import h5py

    rng = np.random.default_rng(0)
    counts = rng.multinomial(n, np.full(N_TEMPLATES, 1 / N_TEMPLATES))
    with h5py.File(path, "w") as file:
        units = file.create_group("units")
        units["id"] = np.arange(N_TEMPLATES)
        units["spike_times"] = np.concatenate([np.sort(rng.uniform(0, DURATION_S, count)) for count in counts])
        units["spike_depths"] = np.repeat(np.linspace(0, 3800, N_TEMPLATES), counts)
        for name in ("spike_times", "spike_depths"):
            units[f"{name}_index"] = np.cumsum(counts)


def first_raster_s(path: Path, cache: Path) -> tuple[float, SpikeSorting]:
    """Return the seconds from the call to a picture of all spikes, and the sorting."""
    started = time.perf_counter()
    sorting = open_insertion(path, cache=cache, lazy=True)
    columns = build_columns(sorting, cache)
    image = aggregate(columns, columns.time_range_s, columns.depth_range_um, 1600, 800)
    assert image.n_spikes == columns.n_spikes
    return time.perf_counter() - started, sorting


def measure(folder: Path, is_quick: bool) -> list[Row]:
    """Write the files, open each twice, compute the depths of the features; what is written is removed."""
    compile_kernels()
    home = folder / "formats"
    shutil.rmtree(home, ignore_errors=True)
    rows = []
    try:
        for kind, n_whole, write, first_most, again_most in (
            ("Kilosort folder", PHY_SPIKES, write_phy, 2.0, 0.7),
            ("NWB", NWB_SPIKES, write_nwb, 5.0, None),
        ):
            n = QUICK_SPIKES if is_quick else n_whole
            path, cache = home / ("sorting" if kind != "NWB" else "file.nwb"), home / f"cache {kind}"
            home.mkdir(parents=True, exist_ok=True)
            write(path, n)
            first, sorting = first_raster_s(path, cache)
            again, _ = first_raster_s(path, cache)
            words = f"{kind}, {n / 1e6:g} M spikes: first raster"
            rows.append(Row("formats", f"{words}, nothing kept", "s", first, most=None if is_quick else first_most))
            rows.append(Row("formats", f"{words}, again", "s", again, most=None if is_quick else again_most))
            if sorting.later:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                started = time.perf_counter()
                completed(sorting, cache, ignore_progress, None)
                taken = time.perf_counter() - started
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
                rows.append(Row("formats", f"{kind}: depths of pc_features and metrics, in the background", "s", taken))
                rows.append(Row("formats", f"{kind}: memory more for them, the map included", "MB", grown))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder to write to: 4 GB")
    parser.add_argument("--quick", action="store_true", help="show that it works; the figures mean nothing")
    options = parser.parse_args(arguments)
    sys.stdout.write(text_table(measure(options.cache, options.quick)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
