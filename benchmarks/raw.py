"""How long raw voltage takes from a local file, and what it costs a line: ``python -m benchmarks.run --only raw``.

The file is of 385 columns in chunks of a second, compressed as mtscomp does, and holds the demo's synthetic voltage.
From a key to pixels: ``--only gestures``.
"""

from __future__ import annotations

import json
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.table import Row
from benchmarks.units import timed
from dashboard.analysis.raw.maps import rms_image
from dashboard.analysis.raw.picture import SnippetPicture, snippet_picture
from dashboard.analysis.raw.session_lfp import SessionLfp
from dashboard.analysis.raw.snippet import cut
from dashboard.engine.build import build_columns
from dashboard.library.open import open_insertion
from dashboard.model.raw import DESTRIPED, HIGH_PASS, RAW, RawBand, RawRecording
from dashboard.page.core.fair_pool import FairPool
from dashboard.page.services.raw_pool import MAX_PER_PERSON, THREADS
from dashboard.sources.byte_ranges import LocalBytes
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.raw.chunks import ChunkCache
from dashboard.sources.raw.files import CompressedFile

SECONDS = 3
MIDDLE_S = 1.5
SHORT_S, LONG_S = 0.07, 0.2
PEOPLE = 5
RMS_STEP_S = 2.0
"""Of the sorter's file of RMS over time; ibllib's has fewer rows."""
WIDTH, HEIGHT = 1_100, 280
"""Pixels of the heatmap in a window of 1600 x 1000."""


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

        sorting = replace(open_insertion("demo", source=demo, cache=cache), open_raw=lambda: held)
        columns = build_columns(sorting, cache)

        def picture(step: str = RAW) -> SnippetPicture:
            return snippet_picture(sorting, columns, MIDDLE_S, SHORT_S, "ap", step, (-np.inf, np.inf))

        return [
            Row(
                "raw",
                "70 ms of AP with its spikes, its chunk held: the server's part",
                "ms",
                1e3 * timed(picture, runs),
                most=30,
            ),
            *_five_people(picture, runs),
            *(_rms(minutes, runs) for minutes in (10, 120)),
            _bytes(synthetic, path),
            Row("raw", "a second of LF to its power by band", "ms", 1e3 * timed(_second_of_lf(synthetic), runs)),
            row("70 ms of AP, its chunk read and inflated", forgetful, SHORT_S, RAW, None),
            row("70 ms of AP, its chunk held", held, SHORT_S, RAW, 30),
            row("70 ms of AP, high-pass and reference, its chunk held", held, SHORT_S, HIGH_PASS, 300),
            row("70 ms of AP, destriped, its chunk held", held, SHORT_S, DESTRIPED, 1500),
            row("0.2 s of AP, destriped, its chunk held", held, LONG_S, DESTRIPED, 1500),
        ]


def _five_people(picture: Callable[[str], SnippetPicture], runs: int) -> list[Row]:
    """Return how long five people wait who look at five snippets at once, by the worst of each run."""
    pool = FairPool(THREADS, max_each=MAX_PER_PERSON, is_patient=True)
    shares = [pool.session(f"login {k}") for k in range(PEOPLE)]
    begun, done = [], []
    for step in [HIGH_PASS] * (runs + 1):
        asked = time.perf_counter()

        def look(step: str = step) -> float:
            started = time.perf_counter()
            picture(step)
            return started

        jobs = [share.submit(look) for share in shares]
        begun.append(1e3 * (max(job.result() for job in jobs) - asked))
        done.append(1e3 * (time.perf_counter() - asked))
    pool.shutdown()
    return [
        Row("raw", "five people's snippets at once: until the last begins", "ms", max(begun[1:]), most=500),
        Row("raw", "five people's snippets at once: until the last is there", "ms", float(np.median(done[1:]))),
    ]


def _rms(minutes: int, runs: int) -> Row:
    rng, n = np.random.default_rng(0), round(60 * minutes / RMS_STEP_S)
    rms = rng.normal(1e-5, 1e-6, (n, 384)).astype(np.float32)
    times, depths = RMS_STEP_S * np.arange(n), 20.0 * (np.arange(384) // 2)
    edges = np.linspace(0, times[-1], WIDTH + 1), np.linspace(0, 3_840, HEIGHT + 1)
    took = timed(lambda: rms_image(rms, times, depths).binned(*edges), runs)
    return Row("raw", f"RMS of {minutes} minutes over time and depth, {n:,} rows", "ms", 1e3 * took, most=200)


class CountedBytes(LocalBytes):
    """Bytes of a file that a server would send."""

    n_sent = 0

    def pieces(self, bounds: Sequence[int]) -> Sequence[memoryview]:
        """Return them, and count."""
        self.n_sent += bounds[-1] - bounds[0]
        return super().pieces(bounds)


def _bytes(synthetic: RawRecording, path: Path) -> Row:
    """Return the bytes that a filtered snippet asks of a server, of those of the one chunk that it lies in."""
    band, counted = synthetic.band("ap"), CountedBytes(path)
    file = CompressedFile(
        path, path.with_suffix(".ch"), band.n_channels + 1, path.stat().st_size, counted, ChunkCache(), "counted"
    )
    recording = replace(synthetic, bands={"ap": replace(band, n_samples=file.n_samples, columns=file)})
    cut(recording, MIDDLE_S - SHORT_S / 2, MIDDLE_S + SHORT_S / 2, step=DESTRIPED)
    offsets = json.loads(path.with_suffix(".ch").read_text())["chunk_offsets"]
    chunk = offsets[int(MIDDLE_S) + 1] - offsets[int(MIDDLE_S)]
    return Row("raw", "bytes of 70 ms over a line, of those of its chunk", "", counted.n_sent / chunk, most=1)


def _second_of_lf(synthetic: RawRecording) -> Callable[[], object]:
    synthetic.band("lf").columns(0, 2_500)
    return lambda: SessionLfp(synthetic).read_next()


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
