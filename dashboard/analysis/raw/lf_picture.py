"""What LF is looked at for: current sources along the probe, and the power of one channel over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
class LfPicture:
    """Current sources and power around a moment.

    Attributes
    ----------
    csd : ndarray, shape (n_rows, n_samples), float64, in A/m^3
        As `dashboard.analysis.raw.spectra.current_sources` defines it, of the rows of the picture: sinks are negative;
        NaN where there is none.
    filtered : str
        What was done to the voltage of `csd`, in words: what is common to the probe is never taken off.
    column : int
        Of the file: the channel whose power it is.
    depth_um : float
        Of that channel.
    hz, times_s : ndarray, shape (n_frequencies,) and (n_windows,)
        Frequencies, and session times of the middles of the windows.
    power_db : ndarray, shape (n_frequencies, n_windows)
        dB re 1 V^2/Hz, as `dashboard.analysis.raw.spectra.spectrogram` defines it, of the voltage as recorded, over the
        snippet and what filters are given on either side of it; empty where the file is too short.
    """

    csd: Floats
    filtered: str
    column: int
    depth_um: float
    hz: Floats
    times_s: Floats
    power_db: Floats


def csd_scale(picture: LfPicture) -> float:
    """Return what the colours of the current sources end at with a gain of 0 dB, in A/m^3."""
    known = np.abs(picture.csd[np.isfinite(picture.csd)])
    return float(np.quantile(known, SCALE_QUANTILE)) or 1.0 if len(known) else 1.0


def lf_picture(
    recording: RawRecording, snippet: Snippet, rows: npt.NDArray[np.int64], depths_um: Floats, near_um: float
) -> LfPicture:
    """Return current sources of a snippet of LF, and the power of the good channel next to a depth around it.

    No sample is read that a filtered snippet does not need: `PADDING_S` on either side.

    Parameters
    ----------
    recording : RawRecording
    snippet : Snippet
        Of ``lf``; one whose median was taken off is cut once more without that.
    rows : ndarray, shape (n_rows,), int64
        Columns of the file in view, the lowest first.
    depths_um : ndarray, shape (n_rows,)
    near_um : float

    Raises
    ------
    DashboardError
        The file cannot be read.
    """
    t0, t1 = snippet.times_s[[0, -1]].tolist()
    step = HIGH_PASS if snippet.step == DESTRIPED else snippet.step
    whole = snippet if step == snippet.step else cut(recording, t0, t1, "lf", step)
    labels = recording.labels if recording.labels is not None else np.zeros(snippet.band.n_channels, np.int64)
    csd = current_sources(whole.volts, snippet.band.sites, labels)[rows]
    good = np.flatnonzero(~np.isin(labels[rows], (DEAD, NOISY, OUTSIDE)))
    row = int(good[np.abs(depths_um[good] - near_um).argmin()]) if len(good) else len(rows) // 2
    column = int(rows[row])
    trace, start = _around(snippet, column)
    try:
        hz, centres_s, power = spectrogram(trace, snippet.band.fs_hz)
    except BadRequest:  # the file is shorter than a window
        hz, centres_s, power = np.zeros(0), np.zeros(0), np.zeros((0, 0))
    inside = hz < MAX_HZ
    times = recording.times_at("lf", start + centres_s * snippet.band.fs_hz)
    return LfPicture(
        csd, whole.filtered, column, float(depths_um[row]), hz[inside], times, decibels(power[inside])
    )  # fmt: skip


def _around(snippet: Snippet, column: int) -> tuple[Floats, int]:
    """Return what is recorded on a channel in a snippet and in the padding of its filters, and its first sample."""
    band, n_pad = snippet.band, round(PADDING_S["lf"] * snippet.band.fs_hz)
    start = max(snippet.first - n_pad, 0)
    stop = min(snippet.first + snippet.volts.shape[1] + n_pad, band.n_samples)
    counts = band.columns(start, stop)[:, column]
    return counts.astype(np.float64) * float(band.volts_per_bit[column]), start
