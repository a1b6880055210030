"""How still the probe stood: what the sorter removed, and what the depths of the spikes still show.

Three quantities that are never added: the motion that the sorter estimated and removed before detection (`Removed`),
what remains of it in the spikes' depths (`Residual`), and the displacement of a unit between two spans
(`dashboard.analysis.change`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from dashboard.analysis.events.align import Range
from dashboard.analysis.trains import as_train, as_values
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.sorting import Drift

BAND_UM = 200.0
"""Height of the bands that are looked at each on its own."""
BIN_S, SHORT_BIN_S = 60.0, 30.0
"""One estimate each; the short one where a recording has fewer than `MIN_BINS` of the long."""
STEP_S = 30.0
"""A jump of the drift file is what it differs by from so long before to so long after."""
BLOCKS_PER_BIN = 6
"""Blocks of time that are drawn again for the interval of an estimate."""
MIN_BINS = 6
"""Fewer estimates have no range to speak of."""
MIN_SPIKES = 300
"""Spikes of a band in a bin: with fewer there is no estimate."""
ROW_UM, N_AMPS = 5.0, 8
"""Histograms of depth and amplitude."""
MAX_SHIFT_UM = 60.0
"""Greatest shift that is looked for, to either side."""
ROWS_PER_BAND, REACH_ROWS = round(BAND_UM / ROW_UM), round(MAX_SHIFT_UM / ROW_UM)
SMOOTHING_ROWS = 1.5
N_ALIGNMENTS, N_DRAWS = 3, 24
PERCENT = (5.0, 95.0)

STABLE_MAX_UM = 10.0
"""Range from 5 to 95 % and largest jump of a stable band lie below it."""
PRESENCE_MIN = 0.9
"""Share of the bins in which a stable band has spikes enough."""

MEASURES = ("low_um", "high_um", "range_um", "jump_um", "jump_s", "presence", "half_um")
"""Columns of `Residual.bands`."""

F64 = npt.NDArray[np.float64]


class Stability(StrEnum):
    """What is said of a band, and of all of them."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Removed:
    """Motion that the sorter estimated and removed before detection: the drift file.

    Attributes
    ----------
    rms_um : float
        Root mean square about the mean over time, over all depths.
    least_range_um, most_range_um : float
        From end to end, of the depth that moved least and of the one that moved most.
    jump_um, jump_s : float
        Largest difference of the means of 30 s before and after a time, of all depths, and when.
    """

    rms_um: float
    least_range_um: float
    most_range_um: float
    jump_um: float
    jump_s: float


def removed_motion(drift: Drift | None) -> Removed | None:
    """Return how far the drift file goes; None without one, or without a number in it."""
    if drift is None or not np.isfinite(drift.um).any():
        return None
    um = drift.um[:, np.isfinite(drift.um).any(axis=0)]
    about = um - np.nanmean(um, axis=0)
    ranges = np.nanmax(um, axis=0) - np.nanmin(um, axis=0)
    jump, when = _largest_step(drift.times_s, um)
    return Removed(float(np.sqrt(np.nanmean(about**2))), float(ranges.min()), float(ranges.max()), jump, when)


def _largest_step(times: F64, um: F64) -> tuple[float, float]:
    """Return the largest difference of the means of `STEP_S` before and after a time, of all columns, and that time."""
    rows = np.arange(len(times))
    known = np.isfinite(um)
    sums, counts = (np.pad(np.cumsum(part, axis=0), ((1, 0), (0, 0))) for part in (np.where(known, um, 0.0), known))
    first, last = (np.searchsorted(times, times + shift) for shift in (-STEP_S, STEP_S))
    inside = (times - times[0] >= STEP_S) & (times[-1] - times >= STEP_S) & (first < rows)
    if not inside.any():
        return 0.0, float(times[0])
    with np.errstate(all="ignore"):
        before = (sums[rows] - sums[first]) / (counts[rows] - counts[first])
        after = (sums[last] - sums[rows]) / (counts[last] - counts[rows])
    steps = np.nan_to_num(np.abs(after - before)).max(axis=1) * inside
    at = int(steps.argmax())
    return float(steps[at]), float(times[at])


def removed_between(drift: Drift | None, before_s: Range, after_s: Range) -> Range | None:
    """Return how far the drift file moved from one span to another: the least and the most of all depths, in um.

    None without a drift file, or where a span holds no estimate.
    """
    if drift is None:
        return None
    means = []
    for start, end in (before_s, after_s):
        inside = drift.um[(drift.times_s >= start) & (drift.times_s < end)]
        if not np.isfinite(inside).any():
            return None
        known = inside[:, np.isfinite(inside).any(axis=0)]
        if known.shape[1] != drift.um.shape[1]:
            return None
        means.append(np.nanmean(known, axis=0))
    moved = means[1] - means[0]
    return float(moved.min()), float(moved.max())


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """Shift of the spikes' depths over time, by bands: what the sorter's correction left, or made.

    Attributes
    ----------
    bands : DataFrame, one row per band with spikes, from the tip upwards
        ``low_um``, ``high_um``, ``range_um`` (from 5 to 95 % of the estimates), ``jump_um`` (largest difference
        of estimates one or two bins apart), ``jump_s``, ``presence`` (share of the bins with an estimate), ``half_um``
        (median half width of the estimates' 95 % intervals); NaN where too few bins have spikes enough.
    times_s : ndarray, shape (n_bins,), float64
        Middle of each bin.
    shifts_um : ndarray, shape (n_bins, n_bands), float64
        About the median of the band; NaN with too few spikes.
    bin_s : float
    """

    bands: pd.DataFrame
    times_s: F64
    shifts_um: F64
    bin_s: float


@kernel
def _count(
    times: F64, depths: F64, amps: npt.NDArray[np.floating], start: float, per_s: float, low: float, per_um: float,
    edges: F64, counts: npt.NDArray[np.float32],
) -> None:  # fmt: skip
    n_blocks, n_rows, n_amps = counts.shape
    for i in range(times.shape[0]):
        block = np.int64((times[i] - start) * per_s)
        depth = depths[i]
        if 0 <= block < n_blocks and depth == depth:
            row = np.int64((depth - low) * per_um)
            if 0 <= row < n_rows:
                amp = 0
                if n_amps > 1:
                    while amp < n_amps - 1 and amps[i] >= edges[amp]:
                        amp += 1
                counts[block, row, amp] += np.float32(1)


def residual_motion(
    times_s: npt.ArrayLike,
    depths_um: npt.ArrayLike,
    amps_uv: npt.ArrayLike | None,
    time_range_s: Range,
    depth_range_um: Range,
    cancel: threading.Event | None = None,
) -> Residual:
    """Estimate the shift of the spikes' depths, band by band, from histograms of amplitude and depth.

    The histogram of each bin of time is laid over that of the whole recording, which is aligned in turn, and the shift
    of the highest correlation is taken, between rows by a parabola. Its interval comes from drawing the bin's blocks of
    10 s (5 s of short recordings) again.

    Parameters
    ----------
    times_s : array-like, shape (n_spikes,), sorted, in seconds
    depths_um : array-like, shape (n_spikes,), in um
        NaN are left out.
    amps_uv : array-like, shape (n_spikes,), or None
    time_range_s, depth_range_um : (float, float)
    cancel : threading.Event or None
        Looked at before each band.

    Raises
    ------
    BadRequest
        Columns that do not fit.
    Cancelled
        `cancel` was set.
    """
    times, depths, amps = _checked(times_s, depths_um, amps_uv)
    start, end = time_range_s
    if not np.isfinite(depth_range_um).all():
        return Residual(pd.DataFrame(columns=list(MEASURES)), np.empty(0), np.empty((0, 0)), BIN_S)
    bin_s = BIN_S if end - start >= MIN_BINS * BIN_S else SHORT_BIN_S
    n_bins = int((end - start) // bin_s)
    centres: F64 = start + bin_s * (np.arange(n_bins, dtype=np.float64) + 0.5)
    low, by_bin = _histograms(
        times, depths, amps, [(start + k * bin_s, start + (k + 1) * bin_s) for k in range(n_bins)], depth_range_um
    )
    rows, shifts = [], []
    for band in range(by_bin.shape[2] // ROWS_PER_BAND):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        first = band * ROWS_PER_BAND
        n_spikes = by_bin[:, :, first : first + ROWS_PER_BAND].sum(axis=(1, 2, 3))
        if not n_spikes.any():
            continue
        shift, half = _band_shifts(by_bin, first, n_spikes >= MIN_SPIKES)
        rows.append({"low_um": low + band * BAND_UM, "high_um": low + (band + 1) * BAND_UM,
                     **_measures(shift, half, centres)})  # fmt: skip
        shifts.append(shift)
    found = np.array(shifts).T if shifts else np.empty((n_bins, 0))
    return Residual(pd.DataFrame(rows, columns=list(MEASURES)), centres, found, bin_s)


def residual_between(
    times_s: npt.ArrayLike,
    depths_um: npt.ArrayLike,
    amps_uv: npt.ArrayLike | None,
    before_s: Range,
    after_s: Range,
    depth_range_um: Range,
) -> pd.DataFrame:
    """Estimate the shift of the spikes' depths from one span to another, by bands, as `residual_motion` does.

    Returns
    -------
    DataFrame, one row per band with spikes enough in both spans, from the tip upwards
        ``low_um``, ``high_um``, ``shift_um``, ``half_um`` (half width of the 95 % interval).

    Raises
    ------
    BadRequest
        Columns that do not fit.
    """
    times, depths, amps = _checked(times_s, depths_um, amps_uv)
    rows = []
    if np.isfinite(depth_range_um).all():
        low, by_span = _histograms(times, depths, amps, [before_s, after_s], depth_range_um)
        for first in range(0, by_span.shape[2], ROWS_PER_BAND):
            if (by_span[:, :, first : first + ROWS_PER_BAND].sum(axis=(1, 2, 3)) < MIN_SPIKES).any():
                continue
            wide = _smoothed(by_span, first)
            inside = slice(REACH_ROWS, REACH_ROWS + ROWS_PER_BAND)
            (found,) = _shifts(np.sqrt(wide[1:].sum(axis=1))[:, inside], np.sqrt(wide[0].sum(axis=0)))
            draws = _draws(wide)
            again = [float(_shifts(after[np.newaxis, inside], before)[0]) for before, after in zip(*draws, strict=True)]
            at = low + ROW_UM * first
            rows.append((at, at + BAND_UM, ROW_UM * found, ROW_UM * 1.96 * float(np.std(again))))
    return pd.DataFrame(rows, columns=["low_um", "high_um", "shift_um", "half_um"])


def _checked(
    times_s: npt.ArrayLike, depths_um: npt.ArrayLike, amps_uv: npt.ArrayLike | None
) -> tuple[F64, F64, npt.NDArray[Any] | None]:
    times = as_train(times_s)
    depths = as_values(depths_um, times.shape[0], "spike depths")
    amps = None if amps_uv is None else np.asarray(amps_uv)
    if amps is not None and amps.shape != times.shape:
        raise BadRequest("Spikes and their amplitudes differ in number", f"{times.shape[0]:,} and {amps.shape[0]:,}")
    return times, depths, amps


def _histograms(
    times: F64, depths: F64, amps: npt.NDArray[Any] | None, spans: list[Range], depth_range_um: Range
) -> tuple[float, npt.NDArray[np.float32]]:
    """Return the lowest depth, and spikes by span, block of time in it, depth from there, and amplitude."""
    low = float(np.floor(depth_range_um[0] / BAND_UM) * BAND_UM)
    n_bands = max(1, int(np.ceil((depth_range_um[1] - low) / BAND_UM)))
    edges = _amp_edges(amps)
    shape = len(spans), BLOCKS_PER_BIN, n_bands * ROWS_PER_BAND, edges.shape[0] + 1
    counts = np.zeros(shape, np.float32)
    for (start, end), own in zip(spans, counts, strict=True):
        rows = slice(*np.searchsorted(times, (start, end)))
        given = np.empty(0, np.float32) if amps is None else amps[rows]
        per_s = BLOCKS_PER_BIN / (end - start)
        _count(times[rows], depths[rows], given, float(start), per_s, low, 1 / ROW_UM, edges, own)
    return low, counts


def _smoothed(by_bin: npt.NDArray[np.float32], first: int) -> npt.NDArray[np.float32]:
    """Return the histograms of a band and what a shift can bring into it, nothing beyond the probe, smooth by depth."""
    low, high = first - REACH_ROWS, first + ROWS_PER_BAND + REACH_ROWS
    own = by_bin[:, :, max(0, low) : high]
    before = max(0, -low)
    padding = ((0, 0), (0, 0), (before, high - low - before - own.shape[2]), (0, 0))
    smooth: npt.NDArray[np.float32] = gaussian_filter1d(np.pad(own, padding), SMOOTHING_ROWS, axis=2, mode="constant")
    return smooth


def _draws(blocks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return sums of each bin's blocks, drawn again with repetition, shape (n_bins, N_DRAWS, n_rows, n_amps)."""
    weights = np.random.default_rng(0).multinomial(
        BLOCKS_PER_BIN, [1 / BLOCKS_PER_BIN] * BLOCKS_PER_BIN, (len(blocks), N_DRAWS)
    )
    sums = weights.astype(np.float32) @ blocks.reshape(*blocks.shape[:2], -1)
    drawn: npt.NDArray[np.float32] = np.sqrt(sums).reshape(len(blocks), N_DRAWS, *blocks.shape[2:])
    return drawn


def _amp_edges(amps: npt.NDArray[Any] | None) -> F64:
    """Return limits between classes of amplitude that each hold as many spikes of a sample; none without amplitudes."""
    if amps is None or not len(amps):
        return np.empty(0)
    sample = np.asarray(amps[:: max(1, len(amps) // 100_000)], np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.empty(0)
    return np.unique(np.percentile(sample, np.linspace(0, 100, N_AMPS + 1)[1:-1]))


def _band_shifts(by_bin: npt.NDArray[np.float32], first: int, has_spikes: npt.NDArray[np.bool_]) -> tuple[F64, F64]:
    """Return shift of a band in each bin, and half width of its interval, in um; NaN with too few spikes."""
    shift, half = np.full(has_spikes.shape[0], np.nan), np.full(has_spikes.shape[0], np.nan)
    if np.count_nonzero(has_spikes) < MIN_BINS:
        return shift, half
    blocks = _smoothed(by_bin[has_spikes], first)
    inside = slice(REACH_ROWS, REACH_ROWS + ROWS_PER_BAND)
    whole = np.sqrt(blocks.sum(axis=1))
    template = whole.mean(axis=0)
    for _ in range(N_ALIGNMENTS):
        template = _aligned(whole, _shifts(whole[:, inside], template)).mean(axis=0)
    found = _shifts(whole[:, inside], template)
    drawn = _draws(blocks[:, :, inside])
    again = _shifts(drawn.reshape(-1, *drawn.shape[2:]), template).reshape(drawn.shape[:2])
    shift[has_spikes] = ROW_UM * (found - np.median(found))
    half[has_spikes] = ROW_UM * 1.96 * again.std(axis=1)
    return shift, half


def _shifts(values: npt.NDArray[np.float32], template: npt.NDArray[np.float32]) -> F64:
    """Return by how many rows the values of each bin lie above the template, which is wider on both sides."""
    n_rows, reach = values.shape[1], (template.shape[0] - values.shape[1]) // 2
    lags = np.arange(-reach, reach + 1)
    moved = np.stack([template[reach - lag : reach - lag + n_rows].ravel() for lag in lags])
    moved = moved - moved.mean(axis=1, keepdims=True)
    moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    score = values.reshape(len(values), -1) @ moved.T
    best = np.clip(score.argmax(axis=1), 1, len(lags) - 2)
    rows = np.arange(len(values))
    left, middle, right = (score[rows, best + side] for side in (-1, 0, 1))
    bend = left - 2 * middle + right
    between = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1), 0.0)
    return np.asarray(lags[best] + np.clip(between, -1, 1), np.float64)


def _aligned(values: npt.NDArray[np.float32], shifts: F64) -> npt.NDArray[np.float32]:
    """Return the values moved back by their shifts, between rows by lines."""
    at = np.arange(values.shape[1]) + shifts[:, np.newaxis]
    at = np.clip(at, 0, values.shape[1] - 1.001)
    low = at.astype(np.int64)
    part = (at - low)[..., np.newaxis].astype(np.float32)
    bins = np.arange(len(values))[:, np.newaxis]
    moved: npt.NDArray[np.float32] = (1 - part) * values[bins, low] + part * values[bins, low + 1]
    return moved


def _measures(shift: F64, half: F64, centres: F64) -> dict[str, float]:
    known = np.isfinite(shift)
    found = {
        "range_um": np.nan,
        "jump_um": np.nan,
        "jump_s": np.nan,
        "presence": float(known.mean()),
        "half_um": np.nan,
    }
    if np.count_nonzero(known) >= MIN_BINS:
        low, high = np.percentile(shift[known], PERCENT)
        values, when = shift[known], centres[known]
        # Over two bins, too: a jump within one of them is halved between its neighbours.
        steps = [(float(np.abs(values[lag:] - values[:-lag]).max()), lag) for lag in (1, 2)]
        jump, lag = max(steps)
        at = int(np.abs(values[lag:] - values[:-lag]).argmax())
        found |= {
            "range_um": float(high - low), "jump_um": jump, "jump_s": float(when[at] + when[at + lag]) / 2,
            "half_um": float(np.median(half[known])),
        }  # fmt: skip
    return found


def judge(
    residual: Residual, max_um: float = STABLE_MAX_UM, presence_min: float = PRESENCE_MIN
) -> tuple[Stability, list[Stability]]:
    """Return whether the spikes' depths are stable: all in all, and band by band.

    A band is stable where its range from 5 to 95 % and its largest jump lie below `max_um` and its presence above
    `presence_min`. It is undetermined where too few bins have spikes enough, or where the interval of an estimate is
    wider than `max_um`. All in all, one unstable band is enough; a recording is stable where at least half of its bands
    are and none is unstable.

    Parameters
    ----------
    residual : Residual
    max_um : float, in um
    presence_min : float
    """
    verdicts = []
    for _, band in residual.bands.iterrows():
        if not np.isfinite(band["range_um"]) or 2 * band["half_um"] > max_um:
            verdicts.append(Stability.UNDETERMINED)
        elif band["presence"] > presence_min and band["range_um"] < max_um and band["jump_um"] < max_um:
            verdicts.append(Stability.STABLE)
        else:
            verdicts.append(Stability.UNSTABLE)
    if Stability.UNSTABLE in verdicts:
        return Stability.UNSTABLE, verdicts
    is_enough = bool(verdicts) and 2 * verdicts.count(Stability.STABLE) >= len(verdicts)
    return Stability.STABLE if is_enough else Stability.UNDETERMINED, verdicts
