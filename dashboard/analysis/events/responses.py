"""Which units respond to an event: rate change, AUC, p and q of every unit at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from dashboard.analysis.events.align import EventTimes, Range, first_at
from dashboard.analysis.trains import as_ids, as_train
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress

#: Windows of ``brainbox.task.closed_loop.responsive_units``, relative to the event (in s).
BASELINE_S, RESPONSE_S = (-0.5, 0.0), (0.0, 0.5)
#: Units between two looks at the clock and at `cancel`.
BLOCK = 32
#: Rates of windows of different length are equal where they differ by less than this (in Hz):
#: 3 spikes in 0.3 s and 2 in 0.2 s are a tie, which float64 does not see.
TIE_DECIMALS = 9


@dataclass(frozen=True, slots=True, eq=False)
class ResponseTest:
    """One value per unit, by index.

    Attributes
    ----------
    baseline_hz, response_hz : ndarray, shape (n_clusters,), float64
        Mean rates over trials; NaN without trials.
    change_hz : ndarray, shape (n_clusters,), float64
    auc : ndarray, shape (n_clusters,), float64
        Probability that a trial's response exceeds a trial's baseline, ties counting half: above
        0.5 the unit is excited. As ``brainbox.task.closed_loop.roc_single_event``.
    p : ndarray, shape (n_clusters,), float64
        Two-sided Wilcoxon signed-rank test of the trials' pairs; 1 where no pair differs; NaN
        without trials, or where the cluster has no spike in the sorting.
    q : ndarray, shape (n_clusters,), float64
        `p` adjusted over the units that have one, by Benjamini and Hochberg.
    n_trials : int
    baseline_s, response_s : (float, float)
    """

    baseline_hz: npt.NDArray[np.float64]
    response_hz: npt.NDArray[np.float64]
    change_hz: npt.NDArray[np.float64]
    auc: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    n_trials: int
    baseline_s: Range
    response_s: Range

    def table(self, ids: pd.Index, suffix: str = "") -> pd.DataFrame:
        """Return the values as columns of the cluster table, one row per unit.

        Parameters
        ----------
        ids : Index
            Ids of the units; rows beyond them are left out.
        suffix : str
            Appended to each name: one split's columns beside another's.
        """
        columns = ("baseline_hz", "response_hz", "change_hz", "auc", "p", "q")
        return pd.DataFrame(
            {f"resp_{name}{suffix}": getattr(self, name)[: len(ids)] for name in columns},
            index=ids.rename("cluster_id"),
        )


@kernel
def _count_units(
    times: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    events: npt.NDArray[np.float64],
    start: float,
    end: float,
    counts: npt.NDArray[np.uint32],
) -> None:
    for trial in range(events.shape[0]):
        i = first_at(times, events[trial] + start)
        while i < times.shape[0] and times[i] < events[trial] + end:
            counts[ids[i], trial] += np.uint32(1)
            i += 1


def count_units(
    times_s: npt.ArrayLike, clusters: npt.ArrayLike, n_clusters: int, events: EventTimes, window_s: Range
) -> npt.NDArray[np.uint32]:
    """Count every unit's spikes in a window around each event, ``[start, end)``.

    Returns
    -------
    ndarray, shape (n_clusters, n_events), uint32

    Raises
    ------
    BadRequest
        A window that ends before it starts, times that are not sorted, ids beyond `n_clusters`.
    """
    if not (np.isfinite(window_s).all() and window_s[0] < window_s[1]):
        raise BadRequest("A window has to end after it starts", f"{window_s[0]} to {window_s[1]} s")
    times = as_train(times_s)
    ids = as_ids(clusters, times.shape[0], n_clusters)
    counts = np.zeros((n_clusters, len(events)), dtype=np.uint32)
    _count_units(times, ids, events.times_s, float(window_s[0]), float(window_s[1]), counts)
    return counts


def adjust(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return Benjamini and Hochberg's q of each p; NaN stays NaN and is not counted as a test."""
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = stats.false_discovery_control(p[tested], method="bh")
    return q


def _signed_rank(difference: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the p value of each row; rows without any difference have 1."""
    p = np.ones(difference.shape[0])
    differs = np.any(difference != 0, axis=1)
    for row in np.flatnonzero(differs):
        p[row] = stats.wilcoxon(difference[row]).pvalue
    return p


def _auc(baseline: npt.NDArray[np.float64], response: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the Mann-Whitney U of each row, as a part of all pairs."""
    n = baseline.shape[1]
    ranks = stats.rankdata(np.concatenate([response, baseline], axis=1), axis=1)
    u = ranks[:, :n].sum(axis=1) - n * (n + 1) / 2
    auc: npt.NDArray[np.float64] = u / (n * n)
    return auc


def response_test(
    times_s: npt.ArrayLike,
    clusters: npt.ArrayLike,
    n_clusters: int,
    events: EventTimes,
    *,
    baseline_s: Range = BASELINE_S,
    response_s: Range = RESPONSE_S,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> ResponseTest:
    """Compare each unit's rate in a response window with that in a baseline window of the same trials.

    Source: ``brainbox.task.closed_loop.responsive_units`` (signed-rank test of the counts) and
    ``roc_single_event`` (AUC). Two things differ. It takes any unit whose counts have equal *sums*
    for unchanged (p = 1); here only one whose counts are equal in every trial. And windows of
    different length are compared as rates. The test is ``scipy.stats.wilcoxon`` with its defaults:
    trials without a difference are left out, and p is exact for few trials, else by the normal
    approximation.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    clusters : array-like, shape (n_spikes,), integer
    n_clusters : int
    events : EventTimes
        Checked by the caller over both windows (`usable_events`); take a split's trials by mask.
    baseline_s, response_s : (float, float), relative to the event, in seconds
    progress : callable
    cancel : threading.Event or None
        Looked at every few units.

    Raises
    ------
    BadRequest
        As `count_units`.
    Cancelled
        `cancel` was set.
    """
    progress(Progress("counting spikes around events", 0, n_clusters, "units"))
    baseline, response = (
        np.round(count_units(times_s, clusters, n_clusters, events, window) / (window[1] - window[0]), TIE_DECIMALS)
        for window in (baseline_s, response_s)
    )
    n_trials = len(events)
    values = {name: np.full(n_clusters, np.nan) for name in ("baseline", "response", "auc", "p")}
    # A cluster id without a single spike is not a unit: it is not tested, nor counted as a test.
    present = np.bincount(np.asarray(clusters), minlength=n_clusters) > 0
    if n_trials:
        values["baseline"], values["response"] = baseline.mean(axis=1), response.mean(axis=1)
        for first in range(0, n_clusters, BLOCK):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            rows = first + np.flatnonzero(present[first : first + BLOCK])
            if rows.size:
                values["auc"][rows] = _auc(baseline[rows], response[rows])
                values["p"][rows] = _signed_rank(np.round(response[rows] - baseline[rows], TIE_DECIMALS))
            progress(Progress("testing responses", min(first + BLOCK, n_clusters), n_clusters, "units"))
    return ResponseTest(
        values["baseline"],
        values["response"],
        values["response"] - values["baseline"],
        values["auc"],
        values["p"],
        adjust(values["p"]),
        n_trials,
        baseline_s,
        response_s,
    )
