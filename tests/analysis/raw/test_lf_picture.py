"""Current sources and power of a snippet of LF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dashboard.analysis.raw.lf_picture import LfPicture
from dashboard.analysis.raw.snippet import cut
from dashboard.model.raw import DESTRIPED, RawBand, RawRecording, SampleClock, Sites

FS_HZ, N, N_SAMPLES, AT = 1_000.0, 40, 8_000, 20


def recording() -> RawRecording:
    """A sink of 100 um around the channel `AT` that comes and goes at 20 Hz, under a large wave common to all."""
    sites = Sites(np.arange(N) % 2 * 32.0, 20.0 * np.arange(N), np.zeros(N, np.int64), np.zeros(N))
    times = np.arange(N_SAMPLES) / FS_HZ
    profile = -100.0 * np.exp(-(((sites.y_um - sites.y_um[AT]) / 100) ** 2))
    uv = profile * (1 + np.sin(2 * np.pi * 20 * times[:, np.newaxis]))
    uv += 400 * np.sin(2 * np.pi * 6 * times)[:, np.newaxis]
    counts = np.column_stack([np.rint(uv / 0.1), np.zeros(N_SAMPLES)]).astype(np.int16)
    bits = np.full(N, 1e-7, np.float32)
    band = RawBand("lf", Path("made.lf.bin"), FS_HZ, N_SAMPLES, bits, sites, True, lambda i0, i1: counts[i0:i1])
    clock = SampleClock(np.array([0.0, N_SAMPLES]), np.array([0.0, N_SAMPLES / FS_HZ]), 1.0, "made up")
    return RawRecording({"lf": band}, clock, None, FS_HZ)


def test_a_sink_is_negative_whatever_filter_the_voltage_is_shown_with() -> None:
    made = recording()
    rows: Any = np.arange(N)
    for step in ("raw", "high-pass", DESTRIPED):
        snippet = cut(made, 4.0, 4.2, "lf", step)
        found = LfPicture(made, snippet, rows, made.bands["lf"].sites.y_um, 400.0)
        deepest = found.csd[:, 12]  # the sine is largest 12.5 ms after a period begins
        assert np.nanargmin(deepest) == AT
        assert deepest[AT] < 0
        assert "median" not in found.filtered
        assert (found.column, found.depth_um) == (AT, 400.0)
        # 6 Hz is common to all channels: a reference would have taken it.
        assert found.power.hz[np.nanmedian(found.power.power_db, axis=1).argmax()] == 6


def test_no_sample_is_read_that_a_filtered_snippet_does_not_need() -> None:
    made, asked = recording(), list[tuple[int, int]]()
    band = made.bands["lf"]

    def columns(i0: int, i1: int) -> Any:
        asked.append((i0, i1))
        return band.columns(i0, i1)

    counted = replace(made, bands={"lf": replace(band, columns=columns)})
    rows: Any = np.arange(N)
    for step in ("raw", "high-pass", DESTRIPED):
        snippet = cut(counted, 4.0, 4.2, "lf", step)
        found = LfPicture(counted, snippet, rows, band.sites.y_um, 400.0)
        assert len(found.csd) == N
        times_s = found.power.times_s
        assert (min(i0 for i0, _ in asked), max(i1 for _, i1 in asked)) == (2_000, 6_201)
        assert times_s[0] == 2.25
        assert times_s[-1] <= 6.2 - 0.25
