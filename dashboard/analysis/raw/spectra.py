"""Spectra of LF voltage over time and by band, and current sources along the probe."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from dashboard.analysis.raw.filters import DEAD, NOISY, OUTSIDE
from dashboard.model.errors import BadRequest
from dashboard.model.raw import Sites

BANDS_HZ = MappingProxyType(
    {"0-4 Hz": (0, 4), "4-10 Hz": (4, 10), "10-30 Hz": (10, 30), "30-80 Hz": (30, 80), "80-200 Hz": (80, 200)}
)
"""Those of IBL's alignment GUI."""

WINDOW_S, OVERLAP = 0.5, 0.75
CONDUCTIVITY_S_PER_M = 0.3
"""Of grey matter (Goto et al. 2010, J Neurophysiol)."""

Floats = npt.NDArray[np.float64]


def spectrogram(
    volts: npt.NDArray[np.floating[Any]], fs_hz: float, window_s: float = WINDOW_S, overlap: float = OVERLAP
) -> tuple[Floats, Floats, Floats]:
    """Return the power of a channel by frequency and time.

    S(f, t) = 2 |sum_n w_n (v_n - mean v) exp(-2 pi i f n / fs)|^2 / (fs sum_n w_n^2), one-sided (without the factor 2
    at 0 and at the Nyquist frequency), over windows w of Hann of `window_s` seconds that overlap by the part `overlap`
    (defaults: 0.5 s, 75 %; the resolution is 2 Hz). The mean is that of each window.

    Parameters
    ----------
    volts : ndarray, shape (n_samples,) or (n_channels, n_samples)
    fs_hz : float
    window_s : float
    overlap : float
        From 0 up to and without 1.

    Returns
    -------
    hz : ndarray, shape (n_frequencies,)
    centres_s : ndarray, shape (n_windows,)
        Centres of the windows, from the first sample.
    power : ndarray, shape (..., n_frequencies, n_windows), in V^2/Hz

    Raises
    ------
    BadRequest
        There are fewer samples than a window has.
    """
    n = round(window_s * fs_hz)
    if n < 2 or volts.shape[-1] < n:
        raise BadRequest(f"A window of {window_s:g} s is longer than what is read", "", "Read more, or shorten it")
    hz, centres_s, power = signal.spectrogram(
        volts, fs_hz, "hann", n, int(n * overlap), detrend="constant", scaling="density", mode="psd"
    )
    return np.asarray(hz), np.asarray(centres_s), np.asarray(power)


def band_powers(power: npt.NDArray[np.floating[Any]], hz: npt.NDArray[np.floating[Any]]) -> dict[str, Floats]:
    """Return the mean power of each channel in each band of `BANDS_HZ`, in dB re 1 V^2/Hz; NaN without power.

    10 log10 of the mean over the frequencies f of ``low <= f < high``. The frequency 0 is left out: it is the offset
    of the amplifiers. With bins of 2.44 Hz, as in ``_iblqc_ephysSpectralDensityLF``, the band 0-4 Hz is one bin.

    Parameters
    ----------
    power : ndarray, shape (n_frequencies, n_channels), in V^2/Hz
    hz : ndarray, shape (n_frequencies,)
    """
    found = {}
    for name, (low, high) in BANDS_HZ.items():
        inside = (hz > 0) & (hz >= low) & (hz < high)
        mean = power[inside].mean(axis=0, dtype=np.float64) if inside.any() else np.full(power.shape[1], np.nan)
        found[name] = decibels(mean)
    return found


def decibels(power: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return 10 log10 of power; NaN where there is none."""
    values = np.asarray(power, np.float64)
    return np.asarray(10 * np.log10(np.where(values > 0, values, np.nan)))


def current_sources(
    volts: npt.NDArray[np.floating[Any]],
    sites: Sites,
    labels: npt.NDArray[np.int64] | None = None,
    sigma: float = CONDUCTIVITY_S_PER_M,
) -> Floats:
    """Return the current source density along the probe, in A/m^3: sinks are negative.

    CSD(z) = -sigma d2V/dz2, along each column of sites of each shank for itself; z in m, sigma in S/m (0.3). The second
    derivative at a site, with the sites h- below and h+ above: 2 (h- V+ - (h- + h+) V + h+ V-) / (h- h+ (h- + h+)).
    Dead and noisy channels take what lies on the line between the good ones below and above first; channels outside
    the brain, and the ends of a column, have none (NaN). Voltage is taken as it is: a reference that is common to the
    probe does not matter, filters do.

    Parameters
    ----------
    volts : ndarray, shape (n_channels, n_samples), in the order of the file
    sites : Sites
    labels : ndarray, shape (n_channels,), or None
    sigma : float

    Returns
    -------
    ndarray, shape (n_channels, n_samples), float64
    """
    labels = np.zeros(len(volts), np.int64) if labels is None else labels
    result = np.full(volts.shape, np.nan)
    columns = np.stack([sites.shank, np.round(sites.x_um)], axis=1)
    for column in np.unique(columns, axis=0):
        rows = np.flatnonzero((columns == column).all(axis=1) & (labels != OUTSIDE))
        rows = rows[np.argsort(sites.y_um[rows], kind="stable")]
        z = sites.y_um[rows] * 1e-6
        good = (labels[rows] != DEAD) & (labels[rows] != NOISY)
        if good.sum() < 3 or (np.diff(z) <= 0).any():
            continue
        v = _on_line(volts[rows].astype(np.float64), z, good)
        below, above = np.diff(z)[:-1, np.newaxis], np.diff(z)[1:, np.newaxis]
        second = 2 * (below * v[2:] - (below + above) * v[1:-1] + above * v[:-2]) / (below * above * (below + above))
        result[rows[1:-1]] = -sigma * second
    return result


def _on_line(volts: Floats, z: Floats, good: npt.NDArray[np.bool_]) -> Floats:
    """Return voltage with that of channels that are not good on the line between the nearest good ones."""
    known = np.flatnonzero(good)
    for row in np.flatnonzero(~good):
        above = min(int(np.searchsorted(known, row)), len(known) - 1)
        low, high = known[max(above - 1, 0)], known[above]
        part = 0.0 if low == high else np.clip((z[row] - z[low]) / (z[high] - z[low]), 0.0, 1.0)
        volts[row] = (1 - part) * volts[low] + part * volts[high]
    return volts
