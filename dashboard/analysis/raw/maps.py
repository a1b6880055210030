"""Quality of the recording by depth, from small files: RMS over time, and spectra.

The values are those of IBL's alignment GUI (``PlotLoader.image_rms_ap``, ``image_lfp_spectrum``, ``probe_lfp_spectrum``
of int-brain-lab/ibl-alignment-gui).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.computed import Computed, compute_all
from dashboard.analysis.raw.snippet import file_columns
from dashboard.analysis.raw.spectra import band_powers, decibels
from dashboard.model.colours import LABEL_COLOURS
from dashboard.model.errors import DashboardError
from dashboard.model.noise import Noise
from dashboard.model.sorting import SpikeSorting

LEVEL_QUANTILES = (0.1, 0.9)
MAX_HZ = 300.0
NEAR = 0.75
"""A bin that holds no value takes the nearest one, up to this part of what is between two: else a gap shows."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DepthImage:
    """Values over something and depth.

    Attributes
    ----------
    values : ndarray, shape (n_depths, n), float64
        The lowest depth first.
    depths_um : ndarray, shape (n_depths,), increasing
    along : ndarray, shape (n,)
        Times in s, or frequencies in Hz.
    """

    values: Floats
    depths_um: Floats
    along: Floats

    @property
    def levels(self) -> tuple[float, float]:
        """The quantiles 0.1 and 0.9 of the values: ends of the colours."""
        known = self.values[np.isfinite(self.values)]
        low, high = np.quantile(known, LEVEL_QUANTILES).tolist() if len(known) else (0.0, 1.0)
        return (low, high) if high > low else (low, low + 1.0)

    def binned(self, along_edges: Floats, depth_edges_um: Floats) -> npt.NDArray[np.float32]:
        """Return the picture in bins, shape (n_depth_bins, n_along_bins), float32.

        A bin holds the mean of the values whose places lie in it; one between two places has the value of the nearer
        one, and NaN where that is farther than what is between two places.
        """
        across = _binned(self.values, self.along, along_edges)
        return np.asarray(_binned(across.T, self.depths_um, depth_edges_um).T, np.float32)


def _binned(values: Floats, places: Floats, edges: Floats) -> Floats:
    """Return values, whose last axis lies at `places`, in bins of that axis."""
    n = len(places)
    if not n:
        return np.full((len(values), len(edges) - 1), np.nan)
    known = np.isfinite(values)
    sums = np.pad(np.cumsum(np.where(known, values, 0.0), axis=-1), ((0, 0), (1, 0)))
    counts = np.pad(np.cumsum(known, axis=-1), ((0, 0), (1, 0)))
    first, end = np.searchsorted(places, edges[:-1]), np.searchsorted(places, edges[1:])
    middles = (edges[:-1] + edges[1:]) / 2
    above = np.clip(np.searchsorted(places, middles), 1, max(n - 1, 1))
    nearest = np.where(middles - places[above - 1] <= places[np.minimum(above, n - 1)] - middles, above - 1, above)
    nearest = np.minimum(nearest, n - 1)
    apart = float(np.median(np.diff(places))) if n > 1 else float(np.diff(edges[[0, -1]])[0])
    is_between = (first == end) & (np.abs(places[nearest] - middles) <= apart * NEAR)
    first, end = np.where(is_between, nearest, first), np.where(is_between, nearest + 1, end)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((sums[:, end] - sums[:, first]) / (counts[:, end] - counts[:, first]))


def by_depth(values: npt.NDArray[np.floating[Any]], depths_um: Floats) -> tuple[Floats, Floats]:
    """Return the mean of the channels at each depth, shape (n, n_depths), and the depths; NaN depths are left out."""
    known = np.flatnonzero(np.isfinite(depths_um))
    found, index = np.unique(depths_um[known], return_inverse=True)
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(found)))
    columns = np.asarray(values[:, known[order]], np.float64)
    if not len(found):
        return np.zeros((len(values), 0)), found
    return np.add.reduceat(columns, starts, axis=1) / np.bincount(index), found


def rms_image(rms_v: npt.NDArray[np.floating[Any]], times_s: Floats, depths_um: Floats) -> DepthImage:
    """Return RMS over time and depth: less the median over depths of each time, plus the mean of these medians.

    In uV, or as `Noise.rms_unit` says.

    Parameters
    ----------
    rms_v : ndarray, shape (n_times, n_channels), in volts
    times_s : ndarray, shape (n_times,)
    depths_um : ndarray, shape (n_channels,)
        NaN for channels that have none.
    """
    image, depths = by_depth(np.asarray(rms_v, np.float64) * 1e6, depths_um)
    if image.size:
        medians = np.median(image, axis=1, keepdims=True)
        image = image - medians + medians.mean()
    return DepthImage(image.T, depths, times_s)


def spectrum_image(
    power: npt.NDArray[np.floating[Any]], hz: npt.NDArray[np.floating[Any]], depths_um: Floats, most_hz: float = MAX_HZ
) -> DepthImage:
    """Return power below a frequency over frequency and depth, in dB: the mean, in dB, of the channels at a depth.

    Parameters
    ----------
    power : ndarray, shape (n_frequencies, n_channels), in V^2/Hz
    hz : ndarray, shape (n_frequencies,)
    depths_um : ndarray, shape (n_channels,)
    most_hz : float
    """
    inside = hz < most_hz
    image, depths = by_depth(decibels(power[inside]), depths_um)
    return DepthImage(image.T, depths, np.asarray(hz[inside], np.float64))


@dataclass(frozen=True, eq=False)
class QualityMaps:
    """Quality of the recording by depth; what fails of it fails where it is read.

    Parameters
    ----------
    sorting : SpikeSorting
    noise : Noise
        The recording's small quality files.
    """

    sorting: SpikeSorting = field(repr=False)
    noise: Noise = field(repr=False)

    @Computed
    def _to_session(self) -> tuple[Callable[[Floats], Floats], str]:
        if not self.noise.rms_is_volts:
            return lambda times: times, "on the clock of the spikes, as SpikeInterface writes them"
        return _session_clock(self.sorting)

    @property
    def clock(self) -> str:
        """In words: what the times are."""
        return self._to_session[1]

    @property
    def is_sum(self) -> bool:
        """Whether the power of LF is a sum over an unknown number of windows."""
        return self.noise.n_lfp_windows is None

    @Computed
    def depths_um(self) -> Floats:
        """Of the columns of the files, shape (n_channels,)."""
        return channel_depths(self.noise, self.sorting.channels)

    @Computed
    def rms(self) -> dict[str, DepthImage]:
        """Of ``ap`` and ``lf``, over session time where a clock is known; those whose files are there."""
        noise, depths = self.noise, self.depths_um
        found = (("ap", noise.ap_rms_v, noise.ap_times_s), ("lf", noise.lf_rms_v, noise.lf_times_s))
        return {
            name: rms_image(values, self._to_session[0](times), depths)
            for name, values, times in found
            if values is not None and times is not None and len(times) > 1 and values.shape[1] == len(depths)
        }

    @Computed
    def spectrum(self) -> DepthImage | None:
        """Of LF below `MAX_HZ`; None where its files are not there."""
        return self._spectrum(self.noise.lfp_power, self.noise.lfp_hz, MAX_HZ)

    @Computed
    def ap_spectrum(self) -> DepthImage | None:
        """Of AP; None where its files are not there."""
        return self._spectrum(self.noise.ap_power, self.noise.ap_hz, np.inf)

    def _spectrum(self, power: Floats | None, hz: Floats | None, most_hz: float) -> DepthImage | None:
        if power is None or hz is None or power.shape[1] != len(self.depths_um):
            return None
        return spectrum_image(power, hz, self.depths_um, most_hz)

    @Computed
    def powers(self) -> dict[str, Floats]:
        """Of LF, in dB, shape (n_channels,), by band; empty where its files are not there."""
        power, hz = self.noise.lfp_power, self.noise.lfp_hz
        return {} if power is None or hz is None or power.shape[1] != len(self.depths_um) else band_powers(power, hz)

    @Computed
    def labels(self) -> Floats | None:
        """Of channels, shape (n_channels,): 0 good, 1 dead, 2 noisy, 3 outside; None where no file has them."""
        return channel_labels(self.noise, self.sorting.channels, len(self.depths_um))


@dataclass(frozen=True, slots=True)
class ChannelRun:
    """Neighbouring channels of one label.

    Attributes
    ----------
    bottom_um, top_um : float
        Half a row of sites below the lowest, and above the highest of them.
    label : int
        1 dead, 2 noisy, 3 outside the brain.
    """

    bottom_um: float
    top_um: float
    label: int

    @property
    def colour(self) -> str:
        """Of the label."""
        return LABEL_COLOURS[self.label]


def channel_runs(maps: QualityMaps) -> list[ChannelRun]:
    """Return where channels are dead, noisy or outside the brain."""
    if maps.labels is None:
        return []
    n = min(len(maps.labels), len(maps.depths_um))
    depths, labels = maps.depths_um[:n], maps.labels[:n]
    known = np.unique(depths[np.isfinite(depths)])
    half = float(np.median(np.diff(known))) / 2 if len(known) > 1 else 10.0
    runs = []
    for label in LABEL_COLOURS:
        places = np.unique(depths[(labels == label) & np.isfinite(depths)])
        for run in np.split(places, np.flatnonzero(np.diff(places) > 3 * half) + 1):
            if len(run):
                runs.append(ChannelRun(float(run[0]) - half, float(run[-1]) + half, label))
    return runs


def quality_maps(sorting: SpikeSorting, noise: Noise) -> QualityMaps:
    """Put the channels of the recording's small quality files by depth, and their times on the session's clock."""
    maps = QualityMaps(sorting, noise)
    compute_all(maps)
    return maps


def _session_clock(
    sorting: SpikeSorting,
) -> tuple[Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], str]:
    """Return what turns the probe's seconds into the session's, and what the result is."""
    try:
        recording = sorting.raw
    except DashboardError:
        return lambda times: times, "on the probe's clock, since no .timestamps.npy is there"
    return lambda times: recording.clock.times(times * recording.ap_fs_hz), "session time"


def channel_depths(noise: Noise, channels: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the depth of each column of the files, NaN for those that the sorting does not have."""
    arrays = (noise.ap_rms_v, noise.lf_rms_v, noise.lfp_power, noise.ap_power, noise.channel_rms_v)
    n = next((array.shape[1] for array in arrays if array is not None), 0)
    depths, columns = np.full(n, np.nan), file_columns(channels)
    if "axial_um" in channels:
        known = np.isfinite(columns) & (columns >= 0) & (columns < n)
        depths[columns[known].astype(np.int64)] = channels["axial_um"].to_numpy(np.float64)[known]
    return depths


def channel_labels(noise: Noise, channels: pd.DataFrame, n: int) -> npt.NDArray[np.float64] | None:
    """Return the label of each of `n` columns of the files: of the quality files, else of the sorting's channels."""
    if noise.channel_labels is not None:
        return noise.channel_labels
    if "labels" not in channels:
        return None
    labels, columns = np.zeros(n), file_columns(channels)
    known = np.isfinite(columns) & (columns >= 0) & (columns < n)
    labels[columns[known].astype(np.int64)] = channels["labels"].to_numpy(np.float64)[known]
    return labels
