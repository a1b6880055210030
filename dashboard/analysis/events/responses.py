"""Which units respond to an event: rate change, AUC, p and q of every unit at once."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from dashboard.analysis.events.align import EventTimes, Range, first_at, usable_events
from dashboard.analysis.events.trials import EVENTS, BoolArray, event_times
from dashboard.analysis.trains import as_ids, as_train
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress

#: Event before which the baseline of every test of IBL's events lies, in the same trial.
BASELINE_EVENT = "stimOn"
#: Windows of the brain-wide map, relative to the event (in s): 0.5 s after stimOn would hold the movement.
RESPONSES_S: dict[str, Range] = {
    "stimOn": (0.0, 0.1),
    "goCue": (0.0, 0.1),  # sounds when the stimulus appears
    "firstMovement": (-0.1, 0.0),
    "response": (0.0, 0.2),  # comes with feedback
    "feedback": (0.0, 0.2),
}
#: Spikes that a unit needs in the two windows of all trials together to be among the tests that q adjusts for. How
#: they are shared between the windows, which is the outcome, has no part in it.
MIN_SPIKES = 20
#: Units between two looks at the clock and at `cancel`.
BLOCK = 32
#: Windows are compared to the microsecond.
PER_S = 1_000_000
#: Sign flips are counted one by one up to so many trials that differ, and so large a sum of their weights; beyond,
#: their distribution is normal.
MAX_EXACT_TRIALS, MAX_EXACT_SUM = 50, 20_000


def baseline_event(event: str) -> str:
    """Return the event before which the baseline lies: stimOn, or the event itself where it is none of IBL's."""
    return BASELINE_EVENT if event in EVENTS else event


def default_windows(event: str) -> tuple[Range, Range]:
    """Return baseline and response window of the brain-wide map for an event.

    Returns
    -------
    baseline_s : (float, float)
        Relative to stimOn of the same trial, and as long as the response window: only then is the difference of
        two counts of the same rate as often positive as negative.
    response_s : (float, float)
        Relative to the event; of an event that the brain-wide map does not test, as of stimOn.
    """
    start, end = RESPONSES_S.get(event, RESPONSES_S[BASELINE_EVENT])
    return (start - end, 0.0), (start, end)


def paired_events(
    trials: pd.DataFrame,
    event: str,
    baseline_s: Range,
    response_s: Range,
    recording_s: Range | None = None,
    mask: BoolArray | None = None,
) -> tuple[EventTimes, EventTimes]:
    """Return the events of baselines and the events of the trials that have both, with both windows in the recording.

    Raises
    ------
    BadRequest
        The table lacks a column, or a window makes no sense.
    """
    names, windows = (baseline_event(event), event), (baseline_s, response_s)
    times = [event_times(trials, name) for name in names]
    found = [usable_events(*pair, recording_s, mask) for pair in zip(times, windows, strict=True)]
    both = np.intersect1d(found[0].trials, found[1].trials)
    before, after = (
        EventTimes(of_event[both], both, other.n_missing, other.n_outside)
        for of_event, other in zip(times, found, strict=True)
    )
    return before, after


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
        Two-sided, see `response_test`; 1 where no pair differs; NaN without trials, or where the
        cluster has no spike in the sorting.
    q : ndarray, shape (n_clusters,), float64
        `p` adjusted by Benjamini and Hochberg over the units with at least `MIN_SPIKES` spikes in
        the two windows; NaN for the others.
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

    @property
    def abs_change_hz(self) -> npt.NDArray[np.float64]:
        """Size of the change, whatever its sign: what units are ranked by."""
        return np.abs(self.change_hz)

    def table(self, ids: pd.Index, suffix: str = "") -> pd.DataFrame:
        """Return the values as columns of the cluster table, one row per unit.

        Parameters
        ----------
        ids : Index
            Ids of the units; rows beyond them are left out.
        suffix : str
            Appended to each name: one split's columns beside another's.
        """
        columns = ("baseline_hz", "response_hz", "change_hz", "abs_change_hz", "auc", "p", "q")
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


def _flips_one_by_one(weights: npt.NDArray[np.int64], found: int) -> float:
    """Return how many of all choices of signs give a sum as far from zero as the one that was found."""
    total = int(weights.sum())
    share = np.zeros(total + 1)  # of all choices, by the sum of the weights that are positive
    share[0], top = 1.0, 0
    for weight in weights:
        moved = share[: top + 1] / 2
        share[: top + 1] /= 2
        share[weight : weight + top + 1] += moved
        top += int(weight)
    return min(1.0, float(share[np.abs(2 * np.arange(total + 1) - total) >= found].sum()))


def sign_flips(difference: npt.NDArray[np.int64], *, ranked: bool) -> float:
    """Return the two-sided p of a sum of signed differences, if each could as well have the other sign.

    Parameters
    ----------
    difference : ndarray, shape (n_trials,), int64
        Zeros are left out.
    ranked : bool
        Whether ranks of the differences are summed (Wilcoxon's signed-rank test, ties counted as they are) or the
        differences themselves.
    """
    differs = difference[difference != 0]
    if not differs.size:
        return 1.0
    weights = np.abs(differs)
    if ranked:
        weights = np.rint(2 * stats.rankdata(weights)).astype(np.int64)
    weights //= np.gcd.reduce(weights)
    found = abs(int(np.sum(np.sign(differs) * weights)))
    if weights.size <= MAX_EXACT_TRIALS and weights.sum() <= MAX_EXACT_SUM:
        return _flips_one_by_one(weights, found)
    # Sums go in steps of 2, so the correction for continuity is 1.
    deviation = float(np.sqrt(np.sum(np.square(weights, dtype=np.float64))))
    return min(1.0, float(2 * stats.norm.sf(max(found - 1, 0) / deviation)))


def _auc(baseline: npt.NDArray[np.int64], response: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
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
    baseline_events: EventTimes | None = None,
    baseline_s: Range | None = None,
    response_s: Range = RESPONSES_S[BASELINE_EVENT],
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> ResponseTest:
    """Compare each unit's rate in a response window with that in a baseline window of the same trials.

    Windows of one length are compared by Wilcoxon's signed-rank test. Windows of different lengths are
    compared by the sum of the differences of their rates: a rate of few spikes in a long window differs
    from one in a short window by much rarely and by little often, which ranks would take for a response
    (it gives p < 0.05 in more than half of units that do not respond). Either sum is held against all
    choices of signs, one by one for few trials, so that few or tied differences need no approximation.

    Source: ``brainbox.task.closed_loop.responsive_units`` (signed-rank test of the counts) and
    ``roc_single_event`` (AUC); windows of the brain-wide map (International Brain Laboratory). brainbox
    takes any unit whose counts have equal *sums* for unchanged (p = 1); here only one whose counts are
    equal in every trial.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    clusters : array-like, shape (n_spikes,), integer
    n_clusters : int
    events : EventTimes
        What units respond to, checked by the caller (`paired_events`).
    baseline_events : EventTimes or None
        What the baseline is relative to, of the same trials; None takes `events`.
    baseline_s : (float, float) or None
        Relative to `baseline_events`, in seconds; None: as long as the response window, up to the event.
    response_s : (float, float)
        Relative to `events`, in seconds.
    progress : callable
    cancel : threading.Event or None
        Looked at every few units.

    Raises
    ------
    BadRequest
        As `count_units`, or another number of baselines than of events.
    Cancelled
        `cancel` was set.
    """
    before = events if baseline_events is None else baseline_events
    if len(before) != len(events):
        raise BadRequest("Each trial needs a baseline and a response", f"{len(before)} and {len(events)}")
    quiet_s = (response_s[0] - response_s[1], 0.0) if baseline_s is None else baseline_s
    progress(Progress("counting spikes around events", 0, n_clusters, "units"))
    counts = [
        count_units(times_s, clusters, n_clusters, around, window).astype(np.int64)
        for around, window in ((before, quiet_s), (events, response_s))
    ]
    lengths_us = [max(1, round((window[1] - window[0]) * PER_S)) for window in (quiet_s, response_s)]
    is_ranked = lengths_us[0] == lengths_us[1]
    # Counts as rates on one scale, in whole numbers: 3 spikes in 0.3 s and 2 in 0.2 s are a tie.
    scale = lengths_us[0] * lengths_us[1]
    baseline, response = (
        count * (scale // length // math.gcd(*lengths_us)) for count, length in zip(counts, lengths_us, strict=True)
    )
    n_trials = len(events)
    values = {name: np.full(n_clusters, np.nan) for name in ("baseline", "response", "auc", "p")}
    # A cluster id without a single spike is not a unit: it is not tested, nor counted as a test.
    present = np.bincount(np.asarray(clusters), minlength=n_clusters) > 0
    if n_trials:
        values["baseline"], values["response"] = (
            count.mean(axis=1) * PER_S / length for count, length in zip(counts, lengths_us, strict=True)
        )
        for first in range(0, n_clusters, BLOCK):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            rows = first + np.flatnonzero(present[first : first + BLOCK])
            if rows.size:
                values["auc"][rows] = _auc(baseline[rows], response[rows])
                values["p"][rows] = [sign_flips(response[row] - baseline[row], ranked=is_ranked) for row in rows]
            progress(Progress("testing responses", min(first + BLOCK, n_clusters), n_clusters, "units"))
    is_counted = counts[0].sum(axis=1) + counts[1].sum(axis=1) >= MIN_SPIKES
    return ResponseTest(
        values["baseline"],
        values["response"],
        values["response"] - values["baseline"],
        values["auc"],
        values["p"],
        adjust(np.where(is_counted, values["p"], np.nan)),
        n_trials,
        quiet_s,
        response_s,
    )
