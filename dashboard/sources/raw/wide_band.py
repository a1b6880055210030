"""LF of probes that record one wide band (Neuropixels 2.0): low-passed, and every twelfth sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from dashboard.model.errors import DatasetInvalid
from dashboard.model.raw import RawBand
from dashboard.sources.raw.chunks import CHUNKS
from dashboard.sources.raw.files import check_range

EVERY = 12
CORNER_HZ = 1_000.0
"""Of the low-pass; -6 dB. What Neuropixels 1.0 does to its LF before it is sampled at 2,500 Hz."""

N_TAPS = 481
"""16 ms: below 800 Hz the gain is 1 within 0.3 %, above 1,250 Hz less than 0.2 %."""

SAID = "derived from the wide band: below 1,000 Hz, every twelfth sample"


def lf_of(band: RawBand) -> RawBand:
    """Return LF that is made of a wide band when it is looked at, in blocks of a second, which are kept.

    Sample k is ``sum_j h_j x[12 k - j]`` with h a symmetric low-pass of `N_TAPS` taps (Hamming window) around 0: no
    delay. Beyond the ends of the file, its first and last samples are taken to go on.

    Raises
    ------
    DatasetInvalid
        The band is too slow to hold LF beside spikes.
    """
    if band.fs_hz <= 2 * CORNER_HZ:
        what = f"A wide band of {band.fs_hz:,.6g} Hz holds no LF below {CORNER_HZ:,.0f} Hz"
        raise DatasetInvalid(what, [band.path], "Check the file that describes the recording")
    n_block, n_samples = round(band.fs_hz / EVERY), band.n_samples // EVERY
    taps = signal.firwin(N_TAPS, CORNER_HZ, fs=band.fs_hz).astype(np.float32)
    half = N_TAPS // 2

    def block(k: int) -> npt.NDArray[np.float32]:
        first, end = k * n_block, min((k + 1) * n_block, n_samples)
        wanted = first * EVERY - half, (end - 1) * EVERY + half + 1
        i0, i1 = max(wanted[0], 0), min(wanted[1], band.n_samples)
        counts = band.columns(i0, i1)[:, : band.n_channels].astype(np.float32)
        counts = np.pad(counts, ((i0 - wanted[0], wanted[1] - i1), (0, 0)), mode="edge")
        filtered: npt.NDArray[np.float32] = signal.upfirdn(taps, counts, 1, EVERY, axis=0)
        made = filtered[(N_TAPS - 1) // EVERY :][: end - first]
        return np.array(made, np.float32)  # a copy: a view would keep all of `filtered`

    def columns(i0: int, i1: int) -> npt.NDArray[Any]:
        check_range(i0, i1, n_samples, band.path)
        parts = []
        for k in range(i0 // n_block, (i1 - 1) // n_block + 1):
            key = ("lf", str(band.path), band.n_samples, k)
            chunk = CHUNKS.get(key)
            if chunk is None:
                chunk = block(k)
                CHUNKS.put(key, chunk)
            parts.append(chunk[max(i0 - k * n_block, 0) : i1 - k * n_block])
        return np.concatenate(parts)

    sites = replace(band.sites, shift=band.sites.shift / EVERY)
    return replace(
        band, name="lf", fs_hz=band.fs_hz / EVERY, n_samples=n_samples, sites=sites, columns=columns, note=SAID,
        hold=None,
    )  # fmt: skip
