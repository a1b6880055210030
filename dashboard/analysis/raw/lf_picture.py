"""What LF is looked at for: current sources along the probe, and the power of one channel over time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dashboard.analysis.computed import Computed
from dashboard.analysis.raw.filters import DEAD, NOISY, OUTSIDE
from dashboard.analysis.raw.maps import MAX_HZ
from dashboard.analysis.raw.snippet import PADDING_S, Snippet, cut
from dashboard.analysis.raw.spectra import current_sources, decibels, spectrogram
from dashboard.model.errors import BadRequest
from dashboard.model.raw import DESTRIPED, HIGH_PASS, RawRecording

SCALE_QUANTILE = 0.999
"""Of the magnitudes in a snippet: what the colours end at with a gain of 0 dB."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """Power of one channel over time.

    Attributes
    ----------
    hz, times_s : ndarray, shape (n_frequencies,) and (n_windows,)
        Frequencies, and session times of the middles of the windows.
    power_db : ndarray, shape (n_frequencies, n_windows)
        dB re 1 V^2/Hz, as `dashboard.analysis.raw.spectra.spectrogram` defines it, of the voltage as recorded, over the
        snippet and what filters are given on either side of it; empty where the file is too short.
    """

    hz: Floats
    times_s: Floats
    power_db: Floats


@dataclass(frozen=True, eq=False)
class LfPicture:
    """Current sources of a snippet of LF, and the power of the good channel next to a depth around it.

    What fails of it fails where it is read. No sample is read that a filtered snippet does not need: `PADDING_S` on
    either side.

    Parameters
    ----------
    recording : RawRecording
    snippet : Snippet
        Of ``lf``; one whose median was taken off is cut once more without that.
    rows : ndarray, shape (n_rows,), int64
        Columns of the file in view, the lowest first.
    depths_um : ndarray, shape (n_rows,)
    near_um : float
    """

    recording: RawRecording = field(repr=False)
    snippet: Snippet = field(repr=False)
    rows: npt.NDArray[np.int64] = field(repr=False)
    depths_um: Floats = field(repr=False)
    near_um: float

    @property
    def _labels(self) -> npt.NDArray[np.int64]:
        known = self.recording.labels
        return known if known is not None else np.zeros(self.snippet.band.n_channels, np.int64)

    @Computed
    def _sources(self) -> tuple[Floats, str]:
        snippet = self.snippet
        if snippet.step == DESTRIPED:
            t0, t1 = snippet.times_s[[0, -1]].tolist()
            snippet = cut(self.recording, t0, t1, "lf", HIGH_PASS)
        return current_sources(snippet.volts, snippet.band.sites, self._labels)[self.rows], snippet.filtered

    @property
    def csd(self) -> Floats:
        """Current sources, shape (n_rows, n_samples), in A/m^3: sinks are negative, NaN where there is none.

        As `dashboard.analysis.raw.spectra.current_sources` defines them, of the rows of the picture.
        """
        return self._sources[0]

    @property
    def filtered(self) -> str:
        """What was done to the voltage of `csd`, in words: what is common to the probe is never taken off."""
        return self._sources[1]

    @property
    def _row(self) -> int:
        good = np.flatnonzero(~np.isin(self._labels[self.rows], (DEAD, NOISY, OUTSIDE)))
        return int(good[np.abs(self.depths_um[good] - self.near_um).argmin()]) if len(good) else len(self.rows) // 2

    @property
    def column(self) -> int:
        """Of the file: the channel whose power it is."""
        return int(self.rows[self._row])

    @property
    def depth_um(self) -> float:
        """Of that channel."""
        return float(self.depths_um[self._row])

    @Computed
    def power(self) -> Spectrogram:
        """Power of that channel over time."""
        trace, start = _around(self.snippet, self.column)
        fs_hz = self.snippet.band.fs_hz
        try:
            hz, centres_s, power = spectrogram(trace, fs_hz)
        except BadRequest:  # the file is shorter than a window
            hz, centres_s, power = np.zeros(0), np.zeros(0), np.zeros((0, 0))
        inside = hz < MAX_HZ
        return Spectrogram(
            hz[inside], self.recording.times_at("lf", start + centres_s * fs_hz), decibels(power[inside])
        )


def csd_scale(picture: LfPicture) -> float:
    """Return what the colours of the current sources end at with a gain of 0 dB, in A/m^3."""
    known = np.abs(picture.csd[np.isfinite(picture.csd)])
    return float(np.quantile(known, SCALE_QUANTILE)) or 1.0 if len(known) else 1.0


def _around(snippet: Snippet, column: int) -> tuple[Floats, int]:
    """Return what is recorded on a channel in a snippet and in the padding of its filters, and its first sample."""
    band, n_pad = snippet.band, round(PADDING_S["lf"] * snippet.band.fs_hz)
    start = max(snippet.first - n_pad, 0)
    stop = min(snippet.first + snippet.volts.shape[1] + n_pad, band.n_samples)
    counts = band.columns(start, stop)[:, column]
    return counts.astype(np.float64) * float(band.volts_per_bit[column]), start
