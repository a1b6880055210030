"""The demo's mean waveforms, in the layouts of real files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.sources.demo.channels import Channels
from dashboard.sources.demo.files import save
from dashboard.sources.demo.kernels import SAMPLING_HZ

N_SAMPLES, N_SITES = 82, 32
"""Samples and channels of a template in ``clusters.waveforms`` (Pykilosort)."""
LONG_SAMPLES, LONG_SITES = 128, 40
"""The same in ``waveforms.templates`` (ibl-sorter)."""
TROUGH_SAMPLE, LONG_TROUGH_SAMPLE = 41, 42
VELOCITY_UM_PER_SAMPLE = 24.0
"""How fast a spike travels along the dendrite: 0.7 m/s."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a unit's mean waveform looks like.

    Attributes
    ----------
    width : float
        Standard deviation of the trough, in samples: 3 narrow, 7 broad.
    delay : float
        From trough to the peak that follows, in samples.
    rebound : float
        Height of that peak relative to the trough.
    early : float
        Height of the peak before the trough.
    reach_um : float
        Distance along which the amplitude falls to 1/e.
    sign : int
        -1 as usual; 1 for the few positive spikes (axons).
    """

    width: float
    delay: float
    rebound: float
    early: float
    reach_um: float
    sign: int


def draw_shape(rng: np.random.Generator) -> Shape:
    """Draw one unit's shape: broad, narrow (interneurons) or, rarely, positive."""
    narrow = rng.random() < 0.24
    return Shape(
        width=float(rng.uniform(2.0, 2.8) if narrow else rng.uniform(3.2, 5.2)),
        delay=float(rng.uniform(6.5, 10.5) if narrow else rng.uniform(15.0, 25.0)),
        rebound=float(rng.uniform(0.35, 0.6) if narrow else rng.uniform(0.15, 0.4)),
        early=float(rng.uniform(0.0, 0.14)),
        reach_um=float(np.exp(rng.normal(np.log(34.0), 0.3))),
        sign=1 if rng.random() < 0.03 else -1,
    )


def nearest_sites(peak: int, channels: Channels, n: int) -> npt.NDArray[np.int64]:
    """Return the `n` channels around a peak channel, nearest first."""
    offset = channels.local_um - channels.local_um[peak]
    return np.argsort(np.hypot(offset[:, 0], offset[:, 1]), kind="stable")[:n]


def draw_template(
    shape: Shape,
    at_um: tuple[float, float],
    sites: npt.NDArray[np.int64],
    channels: Channels,
    n_samples: int,
    trough: int,
) -> npt.NDArray[np.float64]:
    """Return a template of unit peak-to-peak amplitude on its peak channel, shape (n_samples, n_sites).

    Parameters
    ----------
    shape : Shape
    at_um : tuple of (float, float)
        Lateral and axial position of the cell.
    sites : ndarray, shape (n_sites,), int64
        Channels to draw; the first is the peak channel.
    channels : Channels
    n_samples, trough : int
        Length, and the sample at which the peak channel has its trough.
    """
    offset = channels.local_um[sites] - np.array(at_um)
    distance = np.hypot(offset[:, 0], offset[:, 1])
    distance = distance - distance[0]  # relative to the peak channel
    decay = np.exp(-np.maximum(distance, 0.0) / shape.reach_um)
    decay[channels.labels[sites] == 1] = 0.0
    late = np.abs(channels.local_um[sites, 1] - channels.local_um[sites[0], 1]) / VELOCITY_UM_PER_SAMPLE
    t = np.arange(n_samples)[:, None] - trough - late[None, :]
    broad = 1 + late[None, :] * 0.03
    wave = -np.exp(-0.5 * (t / (shape.width * broad)) ** 2)
    wave += shape.rebound * np.exp(-0.5 * ((t - shape.delay) / (2.2 * shape.width * broad)) ** 2)
    wave += shape.early * np.exp(-0.5 * ((t + 3.4 * shape.width) / (1.3 * shape.width)) ** 2)
    wave *= -shape.sign * decay[None, :]
    wave[:, decay < 0.02] = 0.0  # sorters cut a template off where it has sunk into the noise
    scaled: npt.NDArray[np.float64] = wave / np.ptp(wave[:, 0])
    return scaled


def draw_templates(
    shapes: Sequence[Shape],
    at_um: npt.NDArray[np.float64],
    peaks: npt.NDArray[np.int64],
    amps_v: npt.NDArray[np.float64],
    channels: Channels,
    long: bool = False,
) -> tuple[Float32, npt.NDArray[np.int64]]:
    """Return the templates of a sorting and their channels.

    Parameters
    ----------
    shapes : sequence of Shape
    at_um : ndarray, shape (n_clusters, 2), float64
        Lateral and axial position of each unit.
    peaks : ndarray, shape (n_clusters,), int64
    amps_v : ndarray, shape (n_clusters,), float64
        Peak-to-peak amplitude on the peak channel.
    channels : Channels
    long : bool
        Whether in the size of ibl-sorter's waveforms.

    Returns
    -------
    waveforms : ndarray, shape (n_clusters, n_samples, n_sites), float32, in volts
    sites : ndarray, shape (n_clusters, n_sites), int64
    """
    n_samples, n_sites, trough = (
        (LONG_SAMPLES, LONG_SITES, LONG_TROUGH_SAMPLE) if long else (N_SAMPLES, N_SITES, TROUGH_SAMPLE)
    )
    waveforms = np.empty((len(shapes), n_samples, n_sites), np.float32)
    sites = np.empty((len(shapes), n_sites), np.int64)
    for u, shape in enumerate(shapes):
        sites[u] = nearest_sites(int(peaks[u]), channels, n_sites)
        at = (float(at_um[u, 0]), float(at_um[u, 1]))
        waveforms[u] = amps_v[u] * draw_template(shape, at, sites[u], channels, n_samples, trough)
    return waveforms, sites


def peak_to_trough_ms(waveforms: Float32) -> npt.NDArray[np.float64]:
    """Return the time from trough to peak on each template's first channel, in ms (phylib's definition)."""
    peak = waveforms[:, :, 0]
    times: npt.NDArray[np.float64] = (np.argmax(peak, axis=1) - np.argmin(peak, axis=1)) / SAMPLING_HZ * 1e3
    return times


def write_templates(folder: Path, waveforms: Float32, sites: npt.NDArray[np.int64]) -> None:
    """Write ``clusters.waveforms``, ``clusters.waveformsChannels`` and ``clusters.peakToTrough``."""
    save(folder / "clusters.waveforms.npy", waveforms)
    save(folder / "clusters.waveformsChannels.npy", sites)
    save(folder / "clusters.peakToTrough.npy", peak_to_trough_ms(waveforms))


def write_long_templates(folder: Path, waveforms: Float32, sites: npt.NDArray[np.int64]) -> None:
    """Write ``waveforms.templates`` (clusters x channels x samples, float16) and their channels.

    The channels are a ``.npz``, as ibl-sorter writes them.
    """
    save(folder / "waveforms.templates.npy", np.ascontiguousarray(waveforms.transpose(0, 2, 1)).astype(np.float16))
    np.savez_compressed(folder / "waveforms.channels.npz", channels=sites.astype(np.int16))
