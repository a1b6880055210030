"""The demo's raw voltage: made up when it is asked for, by the second, around the default sorting's spikes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.model.raw import RawBand, RawRecording, SampleClock, SingleWaveforms, Sites
from dashboard.sources.alf import traces
from dashboard.sources.demo.channels import Channels, make_channels
from dashboard.sources.demo.kernels import SAMPLING_HZ, session_times
from dashboard.sources.demo.templates import TROUGH_SAMPLE
from dashboard.sources.raw.chunks import CHUNKS
from dashboard.sources.raw.files import check_range

LF_RATIO = 12
AP_BIT_V, LF_BIT_V = 2.34375e-6, 4.6875e-6
"""Of Neuropixels 1.0 at gains of 500 and 250."""

OWN_UV, COMMON_UV, NOISY_UV = 5.0, 8.0, 48.0
"""Noise of a channel, of all channels together, and of a noisy one."""

LF_WAVES = ((2.0, 60.0, 0.9), (8.0, 90.0, 0.35), (35.0, 18.0, 0.6), (120.0, 6.0, 0.4))
"""Of the LFP: Hz, amplitude in uV, and the height on the probe at which it is strongest, from 0 to 1."""

DURATION_S = 60.0
"""What is recorded, from the start of the session."""

SYNC = 64
_CYCLES, _PER_CONVERTER = 13, 12


def synthetic_recording(sorting: Path, seed: int) -> RawRecording:
    """Return a minute of voltage that fits the spikes of a folder of the demo; nothing is written.

    Parameters
    ----------
    sorting : Path
        ``alf/probe00/iblsorter`` of the demo.
    seed : int
        The same seed makes the same voltage.
    """
    channels = make_channels()
    index = channels.raw_ind
    sites = Sites(
        channels.local_um[:, 0].copy(),
        channels.local_um[:, 1].copy(),
        np.zeros(index.size, np.int64),
        (index // 2 % _PER_CONVERTER) / _CYCLES,
    )
    n_ap = round(DURATION_S * SAMPLING_HZ)

    def band(name: str, fs_hz: float, n_samples: int, bit_v: float, make: _Maker) -> RawBand:
        def columns(i0: int, i1: int) -> npt.NDArray[np.int16]:
            check_range(i0, i1, n_samples, sorting)
            n = round(fs_hz)
            parts = []
            for second in range(i0 // n, (i1 - 1) // n + 1):
                key = ("demo", str(sorting), seed, name, second)
                chunk = CHUNKS.get(key)
                if chunk is None:
                    chunk = _counts(make(second), bit_v, n)
                    CHUNKS.put(key, chunk)
                parts.append(chunk[max(i0 - second * n, 0) : i1 - second * n])
            return np.concatenate(parts)

        volts_per_bit = np.full(index.size, bit_v, np.float32)
        return RawBand(name, sorting, fs_hz, n_samples, volts_per_bit, sites, False, columns)

    bands = {
        "ap": band("ap", float(SAMPLING_HZ), n_ap, AP_BIT_V, lambda second: _ap(sorting, channels, seed, second)),
        "lf": band(
            "lf", SAMPLING_HZ / LF_RATIO, n_ap // LF_RATIO, LF_BIT_V, lambda second: _lf(channels, seed, second)
        ),
    }
    ends = np.array([0, n_ap], np.int32)
    times_s = np.empty(2)
    session_times(ends, times_s)
    clock = SampleClock(ends.astype(np.float64), times_s, 1.0, "the demo's own")
    return RawRecording(bands, clock, channels.labels.copy(), float(SAMPLING_HZ), is_synthetic=True)


_Maker = Callable[[int], npt.NDArray[np.float32]]


def _counts(uv: npt.NDArray[np.float32], bit_v: float, n: int) -> npt.NDArray[np.int16]:
    """Return microvolts as a file would hold them, with a sync word that changes every half second."""
    counts = np.empty((n, uv.shape[1] + 1), np.int16)
    counts[:, :-1] = np.rint(uv * np.float32(1e-6 / bit_v))
    counts[:, -1] = np.where(np.arange(n) < n // 2, SYNC, 0)
    counts.flags.writeable = False
    return counts


def _ap(sorting: Path, channels: Channels, seed: int, second: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng([seed, 20, second])
    n, n_channels = SAMPLING_HZ, channels.labels.size
    own = np.full(n_channels, OWN_UV, np.float32)
    own[channels.labels == 1], own[channels.labels == 2] = 0.5, NOISY_UV
    uv = rng.standard_normal((n, n_channels), np.float32) * own
    uv += COMMON_UV * rng.standard_normal((n, 1), np.float32) * (channels.labels != 1)
    samples, clusters, waveforms, at = _spikes(sorting)
    length = waveforms.shape[1]
    first = second * n
    rows = slice(*np.searchsorted(samples, [first - length, first + n + length]))
    found_samples, found_clusters = np.asarray(samples[rows]), np.asarray(clusters[rows])
    for sample, cluster in zip(found_samples.tolist(), found_clusters.tolist(), strict=True):
        start = sample - TROUGH_SAMPLE - first
        low, high = max(start, 0), min(start + length, n)
        if low < high:
            uv[low:high, channels.raw_ind[at[cluster]]] += 1e6 * waveforms[cluster, low - start : high - start]
    return uv


def _lf(channels: Channels, seed: int, second: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng([seed, 21, second])
    n, depths = SAMPLING_HZ // LF_RATIO, channels.local_um[:, 1]
    height = (depths - depths.min()) / np.ptp(depths)
    times = second + np.arange(n) / n
    uv = np.float32(4.0) * rng.standard_normal((n, depths.size), np.float32)
    waves, profiles = [], []  # sin(a + b) = sin a cos b + cos a sin b, with b the phase along the probe
    for hz, amplitude, at in LF_WAVES:
        profile = amplitude * (0.2 + np.exp(-(((height - at) / 0.15) ** 2)))
        waves += [np.sin(2 * np.pi * hz * times), np.cos(2 * np.pi * hz * times)]
        profiles += [profile * np.cos(3 * height), profile * np.sin(3 * height)]
    uv += np.asarray(waves, np.float32).T @ np.asarray(profiles, np.float32)
    uv[:, channels.labels == 1] = 0.0
    uv[:, channels.labels == 2] *= 2.5
    return uv


N_SINGLES = 100
"""Single spikes of a unit, at most."""


def synthetic_waveforms(sorting: Path, seed: int, unit: int) -> SingleWaveforms:
    """Return single spikes of a unit as a file of ``waveforms.traces`` would have them: its template in noise.

    Parameters
    ----------
    sorting : Path
        ``alf/probe00/iblsorter`` of the demo.
    seed : int
    unit : int

    Raises
    ------
    DatasetMissing
        The unit has no spike.
    """
    samples, clusters, waveforms, at = _spikes(sorting)
    rows = np.flatnonzero(np.asarray(clusters) == unit)
    if not len(rows):
        raise traces.missing(f"{sorting} unit {unit}")
    rng = np.random.default_rng([seed, 22, unit])
    rows = np.sort(rng.choice(rows, min(N_SINGLES, len(rows)), replace=False))
    own = np.asarray(waveforms[unit], np.float32).T
    uv = OWN_UV * rng.standard_normal((len(rows), *own.shape), np.float32)
    sizes = rng.normal(1.0, 0.12, (len(rows), 1, 1)).astype(np.float32)
    columns = np.broadcast_to(make_channels().raw_ind[at[unit]], (len(rows), len(own)))
    return SingleWaveforms(
        sizes * own + np.float32(1e-6) * uv, columns, np.asarray(samples[rows], np.int64), TROUGH_SAMPLE,
        float(SAMPLING_HZ), "synthetic waveforms of the demo",
    )  # fmt: skip


@lru_cache(maxsize=2)
def _spikes(sorting: Path) -> tuple[npt.NDArray[np.int64], ...]:
    """Return samples and units of the spikes, and the templates in volts with their channels; memory-mapped."""
    names = ("spikes.samples", "spikes.clusters", "clusters.waveforms", "clusters.waveformsChannels")
    return tuple(np.load(sorting / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in names)
