"""Sortings of other kinds than ALF, from the call to the first raster: ``python -m benchmarks.formats``.

A Kilosort folder (templates of 384 channels, features of every spike), an analyzer and an NWB file are written once,
and opened twice: with nothing kept, and with what the first opening kept. Targets are of 20 and 10 million spikes.
Beside them stand phylib's `TemplateModel` and SpikeInterface's own loading of the same files, each in a process of its
own, where the environment of ``make parity`` is there. A folder of 10,000 sortings of all kinds is listed. What reads
insertions is imported before, as by a server that lists them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.table import Row, text_table
from dashboard.config.settings import Settings
from dashboard.engine.build import build_columns
from dashboard.engine.count.raster import aggregate
from dashboard.engine.warmup import compile_kernels
from dashboard.library.completion import completed
from dashboard.library.open import open_insertion
from dashboard.model.progress import ignore_progress
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.locate import configured_sources

PHY_SPIKES, NWB_SPIKES, ANALYZER_SPIKES = 20_000_000, 10_000_000, 10_000_000
QUICK_SPIKES = 100_000
N_FOLDERS, QUICK_FOLDERS = 10_000, 100
MAX_BEYOND_THE_MAP_MB = 500.0
PARITY = Path(__file__).resolve().parent.parent / ".venv-parity" / "bin" / "python"
N_TEMPLATES, N_CHANNELS, N_NEAR = 600, 384, 12
N_FEATURES = 21
"""Channels of features of a spike: with 20 million spikes and three components ``pc_features.npy`` has 5 GB."""
RATE_HZ, DURATION_S = 30_000.0, 4500.0
_BLOCK = 1 << 20


def write_phy(folder: Path, n: int) -> None:
    """Write a Kilosort folder of `n` spikes, with features of each: 252 bytes a spike."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    of = rng.integers(0, N_TEMPLATES, n, dtype=np.int32)
    samples = np.sort(rng.integers(0, int(RATE_HZ * DURATION_S), n))
    templates = np.zeros((N_TEMPLATES, 61, N_CHANNELS), np.float32)
    near = np.zeros((N_TEMPLATES, N_FEATURES), np.uint32)
    for k in range(N_TEMPLATES):
        first = int(k * (N_CHANNELS - N_FEATURES) / N_TEMPLATES)
        near[k] = np.arange(first, first + N_FEATURES)
        templates[k, :, near[k, :N_NEAR]] = -rng.uniform(0, 1, (N_NEAR, 61))
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
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, 3, N_FEATURES))
    for start in range(0, n, _BLOCK):
        block = features[start : start + _BLOCK]
        block[:] = rng.standard_normal(block.shape, np.float32) + 1
    features.flush()
    values = {"dat_path": "raw.bin", "n_channels_dat": N_CHANNELS, "dtype": "int16", "offset": 0}
    values |= {"sample_rate": RATE_HZ, "hp_filtered": True}
    (folder / "params.py").write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()))


def write_analyzer(folder: Path, n: int) -> None:
    """Write a SortingAnalyzer of `n` spikes, with locations and amplitudes, as SpikeInterface saves it."""
    rng = np.random.default_rng(0)
    for name in ("sorting", "recording_info", "extensions/spike_locations", "extensions/spike_amplitudes"):
        (folder / name).mkdir(parents=True)
    spikes = np.zeros(n, [("sample_index", "<i8"), ("unit_index", "<i8"), ("segment_index", "<i8")])
    spikes["sample_index"] = np.sort(rng.integers(0, int(RATE_HZ * DURATION_S), n))
    spikes["unit_index"] = rng.integers(0, N_TEMPLATES, n)
    np.save(folder / "sorting" / "spikes.npy", spikes)
    places = np.zeros(n, [("x", "<f8"), ("y", "<f8")])
    places["y"] = spikes["unit_index"] * 6.0 + rng.normal(0, 5, n)
    np.save(folder / "extensions" / "spike_locations" / "spike_locations.npy", places)
    amplitudes = rng.uniform(-200, -40, n).astype(np.float32)
    np.save(folder / "extensions" / "spike_amplitudes" / "amplitudes.npy", amplitudes)
    for name, content in {
        "spikeinterface_info": {"version": "0.105.3", "object": "SortingAnalyzer"},
        "settings": {"return_in_uV": True},
        "sorting/numpysorting_info": {
            "sampling_frequency": RATE_HZ, "unit_ids": list(range(N_TEMPLATES)), "num_segments": 1,
        },
        "sorting/si_folder": {
            "class": "spikeinterface.core.numpyextractors.NumpyFolderSorting", "module": "spikeinterface",
            "kwargs": {"folder_path": "."}, "version": "0.105.3", "annotations": {}, "properties": {},
            "relative_paths": True,
        },
        "recording_info/recording_attributes": {"num_samples": [int(RATE_HZ * DURATION_S)]},
    }.items():  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(content))


def write_folders(root: Path, n: int) -> None:
    """Write `n` sortings of three kinds by the names of their files, below subjects and sessions; none has a spike."""
    for k in range(n):
        place = root / f"M{k % 97:03d}" / f"2024-01-{k % 28 + 1:02d}" / f"{k // 28:03d}"
        folder, names = (
            (place / "imec0" / "kilosort4", ("spike_times.npy", "spike_clusters.npy", "params.py")),
            (place / "alf" / "probe00" / "pykilosort", ("spikes.times.npy", "spikes.clusters.npy")),
            (place / "analyzer", ("spikeinterface_info.json", "sorting/spikes.npy")),
        )[k % 3]
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()


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


class AnonymousMemory:
    """The most memory, beyond mapped files, that the process takes while a block runs; 0 where /proc does not tell."""

    def __init__(self) -> None:
        self.more_mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @staticmethod
    def _now_mb() -> float:
        try:
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)

    def _watch(self) -> None:
        before = self._now_mb()
        while not self._done.wait(0.01):
            self.more_mb = max(self.more_mb, self._now_mb() - before)

    def __enter__(self) -> AnonymousMemory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()


_TIMED = """
import sys, time, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
{imports}
path = sys.argv[1]
started = time.perf_counter()
{work}
print(f"seconds {{time.perf_counter() - started}}")
"""
PHYLIB = _TIMED.format(
    imports="from phylib.io.model import load_model",
    work="model = load_model(path + '/params.py')\nmodel.spike_times, model.amplitudes, model.spike_clusters",
)
PHYLIB_DEPTHS = _TIMED.format(
    imports="from phylib.io.model import load_model", work="load_model(path + '/params.py').get_depths()"
)
SPIKEINTERFACE_PHY = _TIMED.format(
    imports="import spikeinterface.extractors as se", work="se.read_kilosort(path).to_spike_vector()"
)
SPIKEINTERFACE_NWB = _TIMED.format(
    imports="import spikeinterface.extractors as se",
    work="se.read_nwb_sorting(path, sampling_frequency=30000.0, t_start=0.0).to_spike_vector()",
)
SPIKEINTERFACE = _TIMED.format(
    imports="import spikeinterface as si",
    work="sorting = si.load(path + '/sorting')\nsorting.to_spike_vector(), sorting.unit_ids",
)


def theirs_s(code: str, path: Path) -> float | None:
    """Return the seconds that another library takes for a file in a process of its own; None where it is not there."""
    if not PARITY.exists():
        return None
    done = subprocess.run([PARITY, "-c", code, path], capture_output=True, text=True, timeout=3600)
    said = next((line for line in done.stdout.splitlines() if line.startswith("seconds ")), "")
    if not said:
        sys.stderr.write(f"not measured: {done.stderr.strip().splitlines()[-1:] or done.returncode}\n")
        return None
    return float(said.split()[1])


def listing_s(root: Path) -> float:
    """Return the seconds until every insertion below a folder is listed."""
    started = time.perf_counter()
    for source in configured_sources(Settings(data=(root,))):
        list(source.insertions())
    return time.perf_counter() - started


Kind = tuple[str, int, Callable[[Path, int], None], float | None, float | None, Sequence[tuple[str, str]]]

KINDS: tuple[Kind, ...] = (
    (
        "Kilosort folder", PHY_SPIKES, write_phy, 2.0, 0.7,
        (("phylib's TemplateModel", PHYLIB), ("SpikeInterface's read_kilosort", SPIKEINTERFACE_PHY)),
    ),
    ("analyzer", ANALYZER_SPIKES, write_analyzer, None, None, (("SpikeInterface's spikes alone", SPIKEINTERFACE),)),
    ("NWB", NWB_SPIKES, write_nwb, 5.0, None, (("SpikeInterface's read_nwb_sorting", SPIKEINTERFACE_NWB),)),
)  # fmt: skip


def measure(folder: Path, is_quick: bool) -> list[Row]:
    """Write the files, open each twice, compute the depths of the features; what is written is removed."""
    compile_kernels()
    home = folder / "formats"
    shutil.rmtree(home, ignore_errors=True)
    write_folders(home / "few", 3)
    listing_s(home / "few")
    rows = []

    def row(what: str, unit: str, ours: float, most: float | None = None, **more: object) -> None:
        rows.append(Row("formats", what, unit, ours, most=None if is_quick else most, **more))  # type: ignore[arg-type]

    try:
        for kind, n_whole, write, first_most, again_most, others in KINDS:
            n = QUICK_SPIKES if is_quick else n_whole
            path, cache = home / ("file.nwb" if kind == "NWB" else "sorting"), home / f"cache {kind}"
            home.mkdir(parents=True, exist_ok=True)
            write(path, n)
            first, sorting = first_raster_s(path, cache)
            again, _ = first_raster_s(path, cache)
            words = f"{kind}, {n / 1e6:g} M spikes: first raster"
            row(f"{words}, nothing kept", "s", first, first_most)
            row(f"{words}, again", "s", again, again_most)
            for against, code in others:
                row(f"{words}, again, beside loading", "s", again, theirs=theirs_s(code, path), against=against)
            if sorting.later:
                started = time.perf_counter()
                with AnonymousMemory() as memory:
                    completed(sorting, cache, ignore_progress, None)
                taken = time.perf_counter() - started
                depths = theirs_s(PHYLIB_DEPTHS, path) if kind == "Kilosort folder" else None
                what = f"{kind}: depths of pc_features and metrics, in the background"
                row(what, "s", taken, theirs=depths, against="phylib's get_depths")
                row(f"{kind}: memory more for them, beyond the map", "MB", memory.more_mb, MAX_BEYOND_THE_MAP_MB)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        n = QUICK_FOLDERS if is_quick else N_FOLDERS
        write_folders(home / "data", n)
        row(f"serve --data of {n:,} folders of three kinds: all listed", "s", listing_s(home / "data"), 3.0)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder to write to: 7 GB")
    parser.add_argument("--quick", action="store_true", help="show that it works; the figures mean nothing")
    options = parser.parse_args(arguments)
    sys.stdout.write(text_table(measure(options.cache, options.quick)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
