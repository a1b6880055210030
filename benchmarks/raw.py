"""How long a snippet of raw voltage takes from a local file: ``python -m benchmarks.run --only raw``.

The file is of 385 columns in chunks of a second, compressed as mtscomp does, and holds the demo's synthetic voltage.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.table import Row
from benchmarks.units import timed
from dashboard.analysis.raw.snippet import cut
from dashboard.model.raw import DESTRIPED, HIGH_PASS, RAW, RawBand, RawRecording
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.raw.chunks import ChunkCache
from dashboard.sources.raw.files import CompressedFile

SECONDS = 3
MIDDLE_S = 1.5
SHORT_S, LONG_S = 0.07, 0.2


def measure(cache: Path, n_spikes: int, runs: int) -> list[Row]:
    """Return how long it takes to decode, cut and filter."""
    demo = DemoSource(cache, n_spikes=n_spikes)
    synthetic = demo.raw(next(demo.insertions()))
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        path = Path(folder) / "raw.ap.cbin"
        _write(path, synthetic.band("ap"))
        held = _recording(synthetic, path, ChunkCache())
        forgetful = _recording(synthetic, path, ChunkCache(0))

        def row(what: str, recording: RawRecording, length_s: float, step: str, most: float | None) -> Row:
            ends = MIDDLE_S - length_s / 2, MIDDLE_S + length_s / 2
            return Row("raw", what, "ms", 1e3 * timed(lambda: cut(recording, *ends, step=step), runs), most=most)

        return [
            row("70 ms of AP, its chunk read and inflated", forgetful, SHORT_S, RAW, None),
            row("70 ms of AP, its chunk held", held, SHORT_S, RAW, 30),
            row("70 ms of AP, high-pass and reference, its chunk held", held, SHORT_S, HIGH_PASS, 300),
            row("70 ms of AP, destriped, its chunk held", held, SHORT_S, DESTRIPED, 1500),
            row("0.2 s of AP, destriped, its chunk held", held, LONG_S, DESTRIPED, 1500),
        ]


def _recording(synthetic: RawRecording, path: Path, chunks: ChunkCache) -> RawRecording:
    band = synthetic.band("ap")
    file = CompressedFile(path, path.with_suffix(".ch"), band.n_channels + 1, chunks=chunks)
    return replace(synthetic, bands={"ap": replace(band, path=path, n_samples=file.n_samples, columns=file)})


def _write(path: Path, band: RawBand) -> None:
    n, offsets = round(band.fs_hz), [0]
    with path.open("wb") as file:
        for second in range(SECONDS):
            counts = band.columns(second * n, (second + 1) * n)
            differences = np.concatenate([counts[:1], np.diff(counts, axis=0)])
            file.write(zlib.compress(np.ascontiguousarray(differences.T).tobytes()))
            offsets.append(file.tell())
    index = {
        "algorithm": "zlib", "dtype": "int16", "chunk_order": "F", "do_time_diff": True, "do_spatial_diff": False,
        "n_channels": band.n_channels + 1, "chunk_bounds": [n * k for k in range(SECONDS + 1)],
        "chunk_offsets": offsets,
    }  # fmt: skip
    path.with_suffix(".ch").write_text(json.dumps(index))
