"""Filters of raw voltage over time and over channels, and what is known as destriping.

The steps and their parameters are those of ``ibldsp.voltage.destripe`` of ibl-neuropixel 1.14 (International Brain
Laboratory, 2022, "Spike sorting pipeline for the International Brain Laboratory", doi:10.6084/m9.figshare.19705522).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

from dashboard.model.raw import Sites

HIGH_PASS_HZ = 300.0
LF_BAND_HZ = (0.5, 300.0)
ORDER = 3
NEIGHBOUR_UM, NEIGHBOUR_EXPONENT, MIN_WEIGHT = 20.0, 1.3, 0.005
"""Weights of the channels that stand in for a bad one."""

GAIN_S = 0.1
"""Length of the window over which amplitudes are evened out before the filter over channels."""

MIRRORED_CHANNELS = 60
SPATIAL_CORNER = 0.01
"""Corner of the high-pass over channels, as a part of their Nyquist frequency."""

DEAD, NOISY, OUTSIDE = 1, 2, 3

Volts = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]


def high_pass(volts: Volts, fs_hz: float) -> Floats:
    """Return voltage above 300 Hz: Butterworth of third order, forwards and backwards.

    Parameters
    ----------
    volts : ndarray, shape (n_channels, n_samples)
    fs_hz : float

    Returns
    -------
    ndarray, shape (n_channels, n_samples), float64
    """
    return _butterworth(volts, HIGH_PASS_HZ / fs_hz * 2, "highpass")


def _butterworth(volts: Volts, corners: float | list[float], kind: Literal["highpass", "bandpass"]) -> Floats:
    return np.asarray(signal.sosfiltfilt(signal.butter(ORDER, corners, kind, output="sos"), volts), np.float64)


def reference(volts: Volts, shank: npt.NDArray[np.int64], labels: npt.NDArray[np.int64] | None) -> Volts:
    """Return voltage less the median, at each sample, of the good channels of the same shank.

    Parameters
    ----------
    volts : ndarray, shape (n_channels, n_samples)
    shank : ndarray, shape (n_channels,)
    labels : ndarray, shape (n_channels,), or None
        0 good, 1 dead, 2 noisy, 3 outside the brain; dead and noisy channels are not in the median, and channels
        outside the brain are left as they are.
    """
    result = np.array(volts)
    labels = np.zeros(len(volts), np.int64) if labels is None else labels
    for one in np.unique(shank):
        inside = (shank == one) & (labels != OUTSIDE)
        good = inside & (labels == 0)
        if good.any():
            result[inside] -= np.median(volts[good], axis=0)
    return result


def destripe(
    volts: Volts,
    fs_hz: float,
    sites: Sites,
    labels: npt.NDArray[np.int64] | None,
    *,
    is_shifted: bool = False,
    spatial: bool = True,
) -> Floats:
    """Return AP voltage without what is common to many channels, as ``ibldsp.voltage.destripe`` does.

    High-pass; each channel shifted by the delay of its converter; dead and noisy channels put together from their
    neighbours; then, over the channels inside the brain, a high-pass along the probe or a median reference.

    Parameters
    ----------
    volts : ndarray, shape (n_channels, n_samples)
        In the order of the file.
    fs_hz : float
    sites : Sites
    labels : ndarray, shape (n_channels,), or None
        0 good, 1 dead, 2 noisy, 3 outside the brain; None: all are good.
    is_shifted : bool
        The delays are gone already.
    spatial : bool
        The high-pass along the probe, else the median.

    Returns
    -------
    ndarray, shape (n_channels, n_samples), float64
    """
    result, inside = _repaired(high_pass(volts, fs_hz), sites, labels, is_shifted)
    if spatial and inside.any():
        evened, gain = _evened(result[inside], fs_hz)
        result[inside] = _along_probe(evened) * gain
    elif inside.any():
        result[inside] -= np.median(result[inside], axis=0)
    return result


def destripe_lf(
    volts: Volts,
    fs_hz: float,
    sites: Sites,
    labels: npt.NDArray[np.int64] | None,
    *,
    is_shifted: bool = False,
    common: bool = False,
) -> Floats:
    """Return LF voltage from 0.5 to 300 Hz with the steps of `destripe`, as ``ibldsp.voltage.destripe_lfp`` does.

    Of what is sampled too slowly for 300 Hz, all above 0.5 Hz stays.

    Parameters
    ----------
    volts, fs_hz, sites, labels, is_shifted
        As of `destripe`.
    common : bool
        Whether what is common to the probe stays; ``destripe_lfp`` takes the median off, and theta with it.

    Returns
    -------
    ndarray, shape (n_channels, n_samples), float64
    """
    corners = [corner / fs_hz * 2 for corner in LF_BAND_HZ]
    band = _butterworth(volts, corners, "bandpass") if corners[1] < 1 else _butterworth(volts, corners[0], "highpass")
    result, inside = _repaired(band, sites, labels, is_shifted)
    if inside.any() and not common:
        result[inside] -= np.median(result[inside], axis=0)
    return result


def _repaired(
    volts: Floats, sites: Sites, labels: npt.NDArray[np.int64] | None, is_shifted: bool
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return voltage with delays removed and bad channels replaced, and which channels are inside the brain."""
    result = volts if is_shifted else _delayed(volts, sites.shift)
    labels = np.zeros(len(result), np.int64) if labels is None else labels
    _stand_in(result, labels, sites)
    return result, labels != OUTSIDE


def _delayed(volts: Floats, shift: npt.NDArray[np.float64]) -> Floats:
    """Shift each channel later by a part of a sample, by the phase of its Fourier transform."""
    n = volts.shape[1]
    frequencies = np.arange(n // 2 + 1)
    turns = -2 * np.pi * frequencies / n
    if n % 2 == 0:  # the phase of a whole sample at the Nyquist frequency is pi, of either sign
        turns[-1] = np.pi
    return np.asarray(fft.irfft(fft.rfft(volts, axis=1) * np.exp(1j * turns * shift[:, np.newaxis]), n, axis=1))


def _stand_in(volts: Floats, labels: npt.NDArray[np.int64], sites: Sites) -> None:
    """Replace dead and noisy channels, in place, by a weighted mean of their neighbours."""
    bad = np.flatnonzero((labels == DEAD) | (labels == NOISY))
    for channel in bad:
        apart = np.hypot(sites.x_um - sites.x_um[channel], sites.y_um - sites.y_um[channel])
        weights = np.exp(-((apart / NEIGHBOUR_UM) ** NEIGHBOUR_EXPONENT))
        weights[bad] = 0
        weights[weights < MIN_WEIGHT] = 0
        total = weights.sum()
        used = np.flatnonzero(weights / total > MIN_WEIGHT) if total else np.array([], np.int64)
        volts[channel] = (weights[used] / total) @ volts[used] if len(used) else 0.0


def _evened(volts: Floats, fs_hz: float) -> tuple[Floats, Floats]:
    """Return voltage divided by its mean magnitude around each sample, and that magnitude."""
    window = np.hanning(int(np.round(int(fs_hz * GAIN_S) / 2) * 2 + 1))
    window /= window.sum()
    gain = signal.fftconvolve(np.abs(volts), window[np.newaxis], mode="same", axes=1)
    gain += (gain.sum(axis=1) * 1e-8 / volts.shape[1])[:, np.newaxis]
    alive = gain.sum(axis=1) != 0
    evened = volts.copy()
    evened[alive] /= gain[alive]
    return evened, gain


def _along_probe(volts: Floats) -> Floats:
    """Return what varies along the probe: Butterworth of third order over channels, mirrored at both ends."""
    n = min(MIRRORED_CHANNELS, len(volts))
    mirrored = np.concatenate([volts[:n][::-1], volts, volts[-n:][::-1]])
    sections = signal.butter(ORDER, SPATIAL_CORNER, "highpass", output="sos")
    pad = min(3 * (2 * len(sections) + 1 - int((sections[:, 5] == 0).sum())), len(mirrored) - 1)
    return np.asarray(signal.sosfiltfilt(sections, mirrored, axis=0, padlen=pad))[n : n + len(volts)]
