"""Quality of the recording by depth, from small files: RMS over time, and spectra.

The values are those of IBL's alignment GUI (``PlotLoader.image_rms_ap``, ``image_lfp_spectrum``, ``probe_lfp_spectrum``
of int-brain-lab/ibl-alignment-gui).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.raw.spectra import decibels

LEVEL_QUANTILES = (0.1, 0.9)
MAX_HZ = 300.0

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
    """Return RMS over time and depth, in uV: less the median over depths of each time, plus the mean of these medians.

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
    power: npt.NDArray[np.floating[Any]], hz: npt.NDArray[np.floating[Any]], depths_um: Floats
) -> DepthImage:
    """Return power below 300 Hz over frequency and depth, in dB: the mean, in dB, of the channels at a depth.

    Parameters
    ----------
    power : ndarray, shape (n_frequencies, n_channels), in V^2/Hz
    hz : ndarray, shape (n_frequencies,)
    depths_um : ndarray, shape (n_channels,)
    """
    inside = hz < MAX_HZ
    image, depths = by_depth(decibels(power[inside]), depths_um)
    return DepthImage(image.T, depths, np.asarray(hz[inside], np.float64))
