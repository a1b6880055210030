"""One unit's amplitudes as a histogram, and the noise cut-off, which tells whether its low end is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

#: Bins of the histogram beside amplitudes over time.
N_BINS = 100
#: Edges (not bins) and part of the upper half that ``brainbox.metrics.single_units.noise_cutoff`` takes.
CUTOFF_EDGES, CUTOFF_QUANTILE = 100, 0.25
#: A unit fails at this many standard deviations; the website's own verdict also wants the low bin
#: above this part of the peak.
CUTOFF_FAILS, LOW_BIN_FAILS = 5.0, 0.10


@dataclass(frozen=True, slots=True, eq=False)
class NoiseCutoff:
    """How far the low end of an amplitude histogram stands above its high end.

    Attributes
    ----------
    counts : ndarray, shape (99,), int64
        Histogram from zero to the largest amplitude, which the test looks at.
    edges_uv : ndarray, shape (100,), float64
    cutoff : float
        Standard deviations between the low bin and the mean of the high bins; NaN where the
        high bins do not vary or there are too few spikes.
    low_bin : int
        The second bin that is not empty; -1 where there is no verdict.
    high_bins : ndarray of int64
        Bins in the upper part, those without spikes left out.
    high_mean, high_deviation : float
        Of the counts of these; NaN where there are none.
    passes_label : bool
        ``cutoff < 5``, the test in ``clusters.label``; False for NaN, as there.
    passes_website : bool
        The website's verdict: it fails only where also the low bin holds more than a tenth of
        the peak's spikes, so it can disagree with `passes_label`.
    """

    counts: npt.NDArray[np.int64]
    edges_uv: npt.NDArray[np.float64]
    cutoff: float
    low_bin: int
    high_bins: npt.NDArray[np.int64]
    high_mean: float
    high_deviation: float
    passes_label: bool
    passes_website: bool


@dataclass(frozen=True, slots=True, eq=False)
class AmplitudeHistogram:
    """Amplitudes of one unit.

    Attributes
    ----------
    counts : ndarray, shape (n_bins,), int64
        As ``numpy.histogram`` from the smallest to the largest amplitude; where these are the same, or floats
        between them too few for so many bins, half a unit to each side.
    edges_uv : ndarray, shape (n_bins + 1,), float64
    median_uv, mean_uv : float
        NaN without spikes.
    n_missing : int
        Spikes without a finite amplitude, in no bin.
    noise : NoiseCutoff
    """

    counts: npt.NDArray[np.int64]
    edges_uv: npt.NDArray[np.float64]
    median_uv: float
    mean_uv: float
    n_missing: int
    noise: NoiseCutoff


def noise_cutoff(amps_uv: npt.NDArray[np.floating]) -> NoiseCutoff:
    """Compute the noise cut-off as ``brainbox.metrics.single_units.noise_cutoff`` does, with what it looked at.

    Parameters
    ----------
    amps_uv : ndarray, shape (n_spikes,), float, finite
        In any unit: the verdict does not depend on it.
    """
    nan = float("nan")
    nothing = np.empty(0, dtype=np.int64)
    top = float(amps_uv.max()) if amps_uv.size else nan
    if amps_uv.size < 2 or not top > 0:
        return NoiseCutoff(nothing, np.empty(0), nan, -1, nothing, nan, nan, False, False)
    counts, edges = np.histogram(amps_uv, bins=np.linspace(0, top, CUTOFF_EDGES))
    peak = int(np.argmax(counts))
    # The last bin does not count towards the length of the upper half; bins without spikes neither.
    upper_half = np.count_nonzero(counts[peak:-1])
    start = int(np.ceil(2 * CUTOFF_QUANTILE * upper_half + peak))
    high_bins = start + np.flatnonzero(counts[start:])
    if not high_bins.size:
        return NoiseCutoff(counts, edges, nan, -1, high_bins, nan, nan, False, False)
    mean, deviation = float(counts[high_bins].mean()), float(counts[high_bins].std())
    filled = np.flatnonzero(counts)
    if deviation == 0 or filled.size < 2:
        return NoiseCutoff(counts, edges, nan, -1, high_bins, mean, deviation, False, False)
    low_bin = int(filled[1])
    cutoff = float((counts[low_bin] - mean) / deviation)
    fails = cutoff > CUTOFF_FAILS and counts[low_bin] > LOW_BIN_FAILS * counts.max()
    return NoiseCutoff(counts, edges, cutoff, low_bin, high_bins, mean, deviation, cutoff < CUTOFF_FAILS, not fails)


def _extent(amps_uv: npt.NDArray[np.float64], n_bins: int) -> tuple[float, float] | None:
    """Return the ends of the first and the last bin; None for the extremes of the amplitudes."""
    if not amps_uv.size:
        return None
    low, high = float(amps_uv.min()), float(amps_uv.max())
    has_room = bool((np.diff(np.linspace(low, high, n_bins + 1)) > 0).all())
    return None if has_room or low == high else (low - 0.5, high + 0.5)


def amplitude_histogram(amps_uv: npt.ArrayLike, n_bins: int = N_BINS) -> AmplitudeHistogram:
    """Count one unit's spikes by amplitude, with the noise cut-off.

    Parameters
    ----------
    amps_uv : array-like, shape (n_spikes,), in uV (or arbitrary units)
        Spikes whose amplitude is not finite are left out and counted.
    n_bins : int

    Raises
    ------
    BadRequest
        Not a list of numbers, or no bins.
    """
    amps = np.asarray(amps_uv, dtype=np.float64)
    if amps.ndim != 1 or not 1 <= n_bins <= 100_000:
        raise BadRequest(
            "Amplitudes are one per spike, in at least one bin", f"shape {amps.shape}, {counted(n_bins, 'bin')}"
        )
    finite = amps[np.isfinite(amps)]
    counts, edges = np.histogram(finite, bins=n_bins, range=_extent(finite, n_bins))
    median, mean = (float(np.median(finite)), float(finite.mean())) if finite.size else (float("nan"),) * 2
    return AmplitudeHistogram(counts, edges, median, mean, amps.size - finite.size, noise_cutoff(finite))
