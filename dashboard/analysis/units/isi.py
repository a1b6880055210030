"""Inter-spike intervals, and the sliding test of the refractory period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from slidingRP import metrics as sliding_rp

from dashboard.analysis.trains import as_train
from dashboard.analysis.units.correlograms import autocorrelogram
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest

#: IBL's histogram: 0-10 ms at 0.2 ms (in s).
WINDOW_S, BIN_S = 0.010, 0.0002
#: Rate at which slidingRP counts lags: that of the recordings, so a bin is one sample (in Hz).
SAMPLE_RATE_HZ = 30_000
#: The line and the contour by which a unit passes (in per cent), and the shortest refractory
#: period that counts (in s): slidingRP's defaults, and IBL's.
CONTAMINATION_PCT, CONFIDENCE_PCT, MIN_S = 10.0, 90.0, 0.0005


@dataclass(frozen=True, slots=True, eq=False)
class IsiHistogram:
    """Histogram of the intervals between successive spikes.

    Attributes
    ----------
    counts : ndarray, shape (n_bins,), int64
        Bins are half-open, ``[a, b)``, the last one is closed, as in ``numpy.histogram``.
    edges_s : ndarray, shape (n_bins + 1,), float64, in seconds
    n_intervals : int
        All intervals of the unit.
    n_beyond : int
        Those longer than the last edge.
    """

    counts: npt.NDArray[np.int64]
    edges_s: npt.NDArray[np.float64]
    n_intervals: int
    n_beyond: int


def isi_histogram(times_s: npt.ArrayLike, bin_s: float = BIN_S, window_s: float = WINDOW_S) -> IsiHistogram:
    """Count the intervals between successive spikes of one unit.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    bin_s, window_s : float, in seconds
        There are ``round(window_s / bin_s)`` bins from 0 to `window_s`.

    Raises
    ------
    BadRequest
        Times that are not sorted and finite, or bins that are not above zero.
    """
    train = as_train(times_s)
    if not 0 < bin_s <= window_s < np.inf:
        raise BadRequest("Interval bins have to be above zero and within the window", f"{bin_s} s in {window_s} s")
    intervals = np.diff(train)
    counts, edges = np.histogram(intervals, bins=max(1, round(window_s / bin_s)), range=(0.0, window_s))
    return IsiHistogram(counts, edges, intervals.shape[0], int(intervals.shape[0] - counts.sum()))


@dataclass(frozen=True, slots=True, eq=False)
class RefractoryTest:
    """Confidence that a unit is less contaminated than a level, over refractory periods.

    Attributes
    ----------
    confidence_pct : ndarray, shape (n_levels, n_periods), float64, in per cent
        NaN where the unit has too few spikes for a rate.
    contamination_pct : ndarray, shape (n_levels,), float64, in per cent
    periods_s : ndarray, shape (n_periods,), float64, in seconds
    acg : ndarray, shape (n_periods,), int64
        Autocorrelogram at one sample per bin, from lag 0.
    contour_pct : ndarray, shape (n_periods,), float64, in per cent
        Lowest level that reaches `CONFIDENCE_PCT` at each period; NaN where none does.
    rate_hz : float
        Firing rate as the test takes it: from lags of 1-2 s.
    max_confidence_pct : float
        Highest confidence on the `CONTAMINATION_PCT` line: ``max_confidence`` of the metrics.
    min_contamination_pct : float
        Lowest level that reaches `CONFIDENCE_PCT`; NaN where none does.
    best_period_s : float
        Refractory period at which it does; NaN where none does.
    n_below_2ms : int
        Pairs of spikes closer than 2 ms, ``n_spikes_below2`` of the metrics.
    passes : bool
    """

    confidence_pct: npt.NDArray[np.float64]
    contamination_pct: npt.NDArray[np.float64]
    periods_s: npt.NDArray[np.float64]
    acg: npt.NDArray[np.int64]
    contour_pct: npt.NDArray[np.float64]
    rate_hz: float
    max_confidence_pct: float
    min_contamination_pct: float
    best_period_s: float
    n_below_2ms: int
    passes: bool


@kernel
def _pairs_between(samples: npt.NDArray[np.float64], low: float, high: float) -> int:
    """Count pairs of spikes whose distance is in ``[low, high)``."""
    first = last = 0
    total = 0
    n = samples.shape[0]
    for i in range(n):
        first = max(first, i + 1)
        while first < n and samples[first] - samples[i] < low:
            first += 1
        last = max(last, first)
        while last < n and samples[last] - samples[i] < high:
            last += 1
        total += last - first
    return total


def refractory_test(times_s: npt.ArrayLike) -> RefractoryTest:
    """Run the sliding refractory-period test on one unit.

    The numbers are those of the package slidingRP (Roth, Chapuis, Winter, et al., International
    Brain Laboratory): its own Poisson model and its own verdict, on the lags counted here in
    linear time where its counting grows with the square of the rate.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds

    Raises
    ------
    BadRequest
        Times that are not sorted and finite.
    """
    train = as_train(times_s)
    # The grids of slidingRP.metrics.computeMatrix, which does not give them without its own counts.
    levels = np.arange(0.5, 35, 0.5)
    bin_s = 1 / SAMPLE_RATE_HZ
    period_edges = np.arange(0, WINDOW_S, bin_s)
    periods = period_edges + np.mean(np.diff(period_edges)[0]) / 2
    samples = np.trunc(train * SAMPLE_RATE_HZ)
    correlogram = autocorrelogram(samples, 1.0, 2.0 * (periods.shape[0] - 1), "phy")
    acg = correlogram.counts[periods.shape[0] - 1 :]
    n_below = int(acg[: np.flatnonzero(periods > 0.002)[0] + 1].sum())
    if train.shape[0] == 0:
        nothing = np.full((levels.shape[0], periods.shape[0]), np.nan)
        nan = float("nan")
        return RefractoryTest(nothing, levels, periods, acg, nothing[0], nan, nan, nan, nan, n_below, False)
    rate = _pairs_between(samples, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ) / train.shape[0]
    confidence = 100 * sliding_rp.computeViol(
        np.cumsum(acg)[np.newaxis, :],
        rate,
        train.shape[0],
        periods[np.newaxis, :] + bin_s / 2,
        levels[:, np.newaxis] / 100,
    )
    passes, min_contamination, best_period = sliding_rp.pass_slidingRP_confmat(
        confidence, levels, periods, CONFIDENCE_PCT, CONTAMINATION_PCT, MIN_S
    )
    max_confidence, _, _ = sliding_rp.confidence_contamin(
        confidence, levels, periods, CONTAMINATION_PCT, rp_reject=MIN_S
    )
    reached = confidence >= CONFIDENCE_PCT
    contour = np.where(reached.any(axis=0), levels[reached.argmax(axis=0)], np.nan)
    return RefractoryTest(
        confidence,
        levels,
        periods,
        acg,
        contour,
        float(rate),
        float(max_confidence),
        float(min_contamination),
        float(best_period),
        n_below,
        bool(passes),
    )
