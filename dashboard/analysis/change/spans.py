"""Before and after: how depth, amplitude and rate of each unit differ between two spans of time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from dashboard.analysis.events.align import Range
from dashboard.analysis.trains import as_ids, as_train, as_values
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest

#: Intervals are of this confidence.
CONFIDENCE = 0.95
#: Blocks of time in each span, whose differences intervals come from: depth, amplitude and rate wander, so that a
#: unit's spikes are not independent of each other. Few and long, they hold for what wanders over a tenth of a span.
N_BLOCKS = 4
#: A unit is lost where its rate fell below this part, by the upper end of the interval.
LOST_RATIO = 0.1
#: Height of the bands in which units are looked at together (in um), and how many units make a band.
BAND_UM, MIN_UNITS = 200.0, 3
#: A shorter way is not called motion (in um).
LEAST_UM = 5.0
#: Units move together where at least this part of a band moves the same way.
TOGETHER = 0.5

F64 = npt.NDArray[np.float64]


@kernel
def _sum_blocks(
    times: F64, ids: npt.NDArray[Any], values: F64, first: int, last: int, start: float, per_s: float,
    origins: F64, counts: npt.NDArray[np.int64], sums: F64,
) -> None:  # fmt: skip
    """Count the values of each unit and block, and sum them from the first one of the unit."""
    n_blocks = counts.shape[1]
    for i in range(first, last):
        value = values[i]
        if value == value:
            unit, block = ids[i], min(np.int64((times[i] - start) * per_s), n_blocks - 1)
            if origins[unit] != origins[unit]:
                origins[unit] = value
            counts[unit, block] += 1
            sums[unit, block] += value - origins[unit]


@kernel
def _count_blocks(
    times: F64, ids: npt.NDArray[Any], first: int, last: int, start: float, per_s: float, counts: npt.NDArray[np.int64]
) -> None:
    n_blocks = counts.shape[1]
    for i in range(first, last):
        counts[ids[i], min(np.int64((times[i] - start) * per_s), n_blocks - 1)] += 1


def _rows(times: F64, span: Range) -> tuple[int, int]:
    first, last = np.searchsorted(times, span)
    return int(first), int(last)


def _check_span(span: Range) -> None:
    if not (np.isfinite(span).all() and span[0] < span[1]):
        raise BadRequest("A span has to end after it starts", f"{span[0]} to {span[1]} s")


def _block_counts(times: F64, ids: npt.NDArray[Any], n_clusters: int, span: Range) -> npt.NDArray[np.int64]:
    counts = np.zeros((n_clusters, N_BLOCKS), dtype=np.int64)
    _count_blocks(times, ids, *_rows(times, span), float(span[0]), N_BLOCKS / (span[1] - span[0]), counts)
    return counts


def _dispersion(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64]) -> F64:
    """Return how much more a unit's counts vary than a Poisson process's, at least 1.

    It is of few blocks, and as much larger as Student's quantile is than the normal one.
    """
    freedom = 2 * (N_BLOCKS - 1)
    chi_square = np.zeros(before.shape[0])
    for counts in (before, after):
        mean = counts.mean(axis=1, keepdims=True)
        chi_square += np.sum((counts - mean) ** 2 / np.where(mean > 0, mean, 1.0), axis=1)
    quantile = (1 + CONFIDENCE) / 2
    widened = chi_square / freedom * (stats.t.ppf(quantile, freedom) / stats.norm.ppf(quantile)) ** 2
    dispersion: F64 = np.maximum(1.0, widened)
    return dispersion


def _ratio_interval(n_before: F64, n_after: F64, time_ratio: float) -> tuple[F64, F64]:
    """Return the exact (Clopper-Pearson) interval of a ratio of Poisson rates, given their sum."""
    tail = (1 - CONFIDENCE) / 2
    with np.errstate(all="ignore"):
        low = np.where(n_after > 0, stats.beta.ppf(tail, n_after, n_before + 1), 0.0)
        high = np.where(n_before > 0, stats.beta.ppf(1 - tail, n_after + 1, n_before), 1.0)
        limits = low / (1 - low) * time_ratio, high / (1 - high) * time_ratio
    none = (n_before == 0) & (n_after == 0)
    return np.where(none, np.nan, limits[0]), np.where(none, np.nan, limits[1])


def _block_mean(
    times: F64, ids: npt.NDArray[Any], values: F64, n_clusters: int, span: Range
) -> tuple[F64, F64, npt.NDArray[np.int64]]:
    """Return each unit's mean, its squared standard error from blocks of time, and the blocks that have spikes."""
    origins = np.full(n_clusters, np.nan)
    counts, sums = np.zeros((n_clusters, N_BLOCKS), np.int64), np.zeros((n_clusters, N_BLOCKS))
    per_s = N_BLOCKS / (span[1] - span[0])
    _sum_blocks(times, ids, values, *_rows(times, span), float(span[0]), per_s, origins, counts, sums)
    n, n_blocks = counts.sum(axis=1), np.count_nonzero(counts, axis=1)
    with np.errstate(all="ignore"):
        mean = np.where(n > 0, sums.sum(axis=1) / n, np.nan)
        away = sums - mean[:, np.newaxis] * counts  # a ratio of two sums over blocks, linearised
        error = np.where(n_blocks > 1, n_blocks / (n_blocks - 1) * np.sum(away**2, axis=1) / n**2, np.nan)
    return origins + mean, error, n_blocks


def _mean_change(
    times: F64, ids: npt.NDArray[Any], values: F64, n_clusters: int, spans: tuple[Range, Range], name: str, unit: str
) -> dict[str, F64]:
    """Compare means by Welch's interval on blocks of time; NaN where the spikes of a span are in a single block."""
    (before, error_before, n_before), (after, error_after, n_after) = (
        _block_mean(times, ids, values, n_clusters, span) for span in spans
    )
    with np.errstate(all="ignore"):  # means of infinite values have no difference
        change, error = after - before, error_before + error_after
        freedom = error**2 / (error_before**2 / (n_before - 1) + error_after**2 / (n_after - 1))
        half = np.where(error > 0, stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(error), error)
    return {
        f"{name}_before_{unit}": before,
        f"{name}_after_{unit}": after,
        f"{name}_change_{unit}": change,
        f"{name}_change_low_{unit}": change - half,
        f"{name}_change_high_{unit}": change + half,
    }


def compare_spans(
    times_s: npt.ArrayLike,
    clusters: npt.ArrayLike,
    n_clusters: int,
    before_s: Range,
    after_s: Range,
    *,
    depths_um: npt.ArrayLike | None = None,
    amps_uv: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Compare each unit between two spans, with 95 % intervals.

    Each span is cut into `N_BLOCKS` blocks of time, and intervals come from how blocks differ, not single spikes:
    what wanders over seconds to a tenth of a span is in them. What wanders more slowly looks like a change.
    *Rates.* The interval of the ratio is the exact one of two Poisson counts (Clopper and Pearson,
    on the count of one span given both), with both counts divided by the unit's dispersion: the
    variance of its counts over blocks relative to that of a Poisson process, where that is
    above 1 (quasi-likelihood). The interval of the difference is Wald's, with the same dispersion.
    *Depth and amplitude.* Difference of the spikes' means with Welch's interval, the error of each mean
    being that of a ratio of two sums over blocks.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    clusters : array-like, shape (n_spikes,), integer
    n_clusters : int
    before_s, after_s : (float, float)
        ``[start, end)``, in seconds. They must not overlap.
    depths_um, amps_uv : array-like, shape (n_spikes,), or None
        NaN are left out. Without a column its part of the table is left out.

    Returns
    -------
    DataFrame, one row per unit, by index
        ``n_before``, ``n_after``, ``rate_before_hz``, ``rate_after_hz``, ``rate_change_hz`` and
        ``rate_ratio`` (after over before), each with ``_low`` and ``_high``, ``dispersion``,
        ``state`` (``kept``, ``lost``, ``appeared``, ``silent`` in both), and for ``depth`` (um) and
        ``amp`` (uV) ``_before``, ``_after``, ``_change``, ``_change_low``, ``_change_high``.

    Raises
    ------
    BadRequest
        Spans that overlap or end before they start, columns that do not fit.
    """
    _check_span(before_s)
    _check_span(after_s)
    if before_s[0] < after_s[1] and after_s[0] < before_s[1]:
        raise BadRequest("The two spans overlap", f"{before_s} and {after_s} s", "Mark spans that are apart")
    times = as_train(times_s)
    ids = as_ids(clusters, times.shape[0], n_clusters)
    durations = before_s[1] - before_s[0], after_s[1] - after_s[0]
    blocks = [_block_counts(times, ids, n_clusters, span) for span in (before_s, after_s)]
    n_before, n_after = (counts.sum(axis=1) for counts in blocks)
    dispersion = _dispersion(*blocks)
    rate_before, rate_after = n_before / durations[0], n_after / durations[1]
    change = rate_after - rate_before
    error = np.sqrt(dispersion * (n_before / durations[0] ** 2 + n_after / durations[1] ** 2))
    half = stats.norm.ppf((1 + CONFIDENCE) / 2) * error
    with np.errstate(all="ignore"):
        ratio = rate_after / rate_before
    low, high = _ratio_interval(n_before / dispersion, n_after / dispersion, durations[0] / durations[1])
    state = np.where(high < LOST_RATIO, "lost", np.where(low > 1 / LOST_RATIO, "appeared", "kept")).astype(object)
    state[(n_before == 0) & (n_after == 0)] = "silent"
    columns: dict[str, Any] = {
        "n_before": n_before,
        "n_after": n_after,
        "rate_before_hz": rate_before,
        "rate_after_hz": rate_after,
        "rate_change_hz": change,
        "rate_change_low_hz": change - half,
        "rate_change_high_hz": change + half,
        "rate_ratio": ratio,
        "rate_ratio_low": low,
        "rate_ratio_high": high,
        "dispersion": dispersion,
        "state": state,
    }
    for name, unit, column in (("depth", "um", depths_um), ("amp", "uv", amps_uv)):
        if column is not None:
            values = as_values(column, times.shape[0], f"spike {name}s")
            columns |= _mean_change(times, ids, values, n_clusters, (before_s, after_s), name, unit)
    return pd.DataFrame(columns)


def co_movement(changes: pd.DataFrame, band_um: float = BAND_UM) -> pd.DataFrame:
    """Look at the units of each band of depth together: many that move alike are motion of the probe.

    Parameters
    ----------
    changes : DataFrame
        From `compare_spans`, with depths. A unit belongs to the band of its depth before, or of
        that after where it fired only then.
    band_um : float, in um

    Returns
    -------
    DataFrame, one row per band, from the tip upwards
        ``low_um``, ``high_um``, ``n_units`` (with a depth in both spans), ``median_change_um``,
        ``n_up``, ``n_down`` (by `LEAST_UM` or more, and whose interval leaves out zero), ``n_lost``,
        ``n_appeared``, and ``verdict``: ``motion`` where at least half of three or more units move the same way,
        ``units lost`` where units vanished and the others stayed, ``too few units``, ``steady`` where the median is
        below `LEAST_UM`, else ``undetermined``.

    Raises
    ------
    BadRequest
        No depths, or a band that is not above zero.
    """
    if "depth_change_um" not in changes.columns:
        raise BadRequest("Co-movement needs the depths of the spikes")
    if not 0 < band_um < np.inf:
        raise BadRequest("Bands have to be above zero", f"{band_um} um")
    depth = changes["depth_before_um"].fillna(changes["depth_after_um"])
    rows = []
    bands = np.floor(depth / band_um)
    for band, units in changes.groupby(bands):
        moved = units[units["depth_change_um"].notna()]
        n_up = int(((moved["depth_change_low_um"] > 0) & (moved["depth_change_um"] >= LEAST_UM)).sum())
        n_down = int(((moved["depth_change_high_um"] < 0) & (moved["depth_change_um"] <= -LEAST_UM)).sum())
        median = float(moved["depth_change_um"].median()) if len(moved) else np.nan
        n_lost, n_appeared = (int((units["state"] == state).sum()) for state in ("lost", "appeared"))
        if len(moved) >= MIN_UNITS and max(n_up, n_down) >= TOGETHER * len(moved):
            verdict = "motion"
        elif n_lost:
            verdict = "units lost"
        elif len(moved) < MIN_UNITS:
            verdict = "too few units"
        else:
            verdict = "steady" if abs(median) < LEAST_UM else "undetermined"
        rows.append(
            {
                "low_um": band * band_um,
                "high_um": (band + 1) * band_um,
                "n_units": len(moved),
                "median_change_um": median,
                "n_up": n_up,
                "n_down": n_down,
                "n_lost": n_lost,
                "n_appeared": n_appeared,
                "verdict": verdict,
            }
        )
    columns = (
        "low_um", "high_um", "n_units", "median_change_um", "n_up", "n_down", "n_lost", "n_appeared", "verdict"
    )  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))
