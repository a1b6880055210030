"""The population around an event: depth x time, as z-scores of the time before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.events.align import (
    WINDOW_S,
    EventTimes,
    Range,
    Selection,
    bin_edges,
    first_at,
    kernel_arguments,
)
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest

#: IBL's population event map: bins and baseline.
TIME_BIN_S, DEPTH_BIN_UM = 0.010, 20.0
BASELINE_S = (-1.0, -0.4)
#: Above this a typing error, not a map, was asked for.
MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class EventMap:
    """Rate by depth around an event, averaged over trials.

    Attributes
    ----------
    rate_hz : ndarray, shape (n_rows, n_bins), float64
        Row 0 is the lowest depth.
    zscore : ndarray, shape (n_rows, n_bins), float64
        ``(rate - baseline_hz) / deviation_hz``; NaN where the baseline does not vary (no spikes, or
        no trials), since there is no scale to measure a change by.
    baseline_hz, deviation_hz : ndarray, shape (n_rows,), float64
        Mean, and standard deviation over time bins (``ddof=0``), of the trials' average before the
        event, as ``brainbox.task.passive.get_stim_aligned_activity``.
    time_edges_s : ndarray, shape (n_bins + 1,), float64, relative to the event
    depth_edges_um : ndarray, shape (n_rows + 1,), float64
    n_trials : int
    n_spikes : int
        Spikes in the map; one near two events counts twice.
    """

    rate_hz: npt.NDArray[np.float64]
    zscore: npt.NDArray[np.float64]
    baseline_hz: npt.NDArray[np.float64]
    deviation_hz: npt.NDArray[np.float64]
    time_edges_s: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    n_trials: int
    n_spikes: int


@kernel
def _count_map(
    times: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    keep: npt.NDArray[np.bool_],
    depths: npt.NDArray[np.float64],
    amps: npt.NDArray[np.floating],
    least_uv: float,
    most_uv: float,
    events: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
    depth_edges: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
) -> None:
    by_cluster, by_amp = ids.shape[0] > 0, amps.shape[0] > 0
    n_rows = depth_edges.shape[0] - 1
    low, high = depth_edges[0], depth_edges[n_rows]
    per_um = n_rows / (high - low)
    for trial in range(events.shape[0]):
        i = first_at(times, events[trial] + edges[0])
        for column in range(edges.shape[0] - 1):
            end = events[trial] + edges[column + 1]
            while i < times.shape[0] and times[i] < end:
                depth = depths[i]
                # NaN fails the comparison.
                if (
                    low <= depth < high
                    and (not by_cluster or keep[ids[i]])
                    and (not by_amp or least_uv <= amps[i] < most_uv)
                ):
                    row = min(np.int64((depth - low) * per_um), n_rows - 1)
                    # The quotient may round over an edge; the edges decide.
                    while depth < depth_edges[row]:
                        row -= 1
                    while depth >= depth_edges[row + 1]:
                        row += 1
                    counts[row, column] += 1
                i += 1


def depth_rows(depth_range_um: Range, bin_um: float = DEPTH_BIN_UM) -> npt.NDArray[np.float64]:
    """Return edges at multiples of `bin_um` that cover a range of depths, its ends included.

    Raises
    ------
    BadRequest
        Bins that are not above zero, or too many of them.
    """
    low, high = depth_range_um
    if not (np.isfinite([low, high, bin_um]).all() and bin_um > 0 and low <= high):
        raise BadRequest("Depth bins have to be above zero, and the range to end above its start", f"{low} to {high}")
    if (high - low) / bin_um > MAX_ROWS:
        raise BadRequest("Too many depth bins", f"{bin_um} um in {high - low:g} um", f"At most {MAX_ROWS}")
    return np.arange(int(np.floor(low / bin_um)), int(np.floor(high / bin_um)) + 2, dtype=np.float64) * bin_um


def event_map(
    selection: Selection,
    events: EventTimes,
    depth_edges_um: npt.NDArray[np.float64],
    *,
    bin_s: float = TIME_BIN_S,
    window_s: Range = WINDOW_S,
    baseline_s: Range = BASELINE_S,
) -> EventMap:
    """Average the population around an event, by depth and time.

    Bins are half-open, ``[a, b)``, in time as in `count_around` and in depth.

    Parameters
    ----------
    selection : Selection
        With depths; by IBL's convention of good units only (`Selection.keep`).
    events : EventTimes
        Checked by the caller over window *and* baseline (`usable_events` with `span_of`).
    depth_edges_um : ndarray, shape (n_rows + 1,), ascending, evenly spaced
        From `depth_rows`.
    bin_s : float, in seconds
    window_s, baseline_s : (float, float), relative to the event, in seconds

    Raises
    ------
    BadRequest
        Spikes without depths, or bins that make no sense.
    """
    if selection.depths_um is None:
        raise BadRequest("The event map needs the depths of the spikes")
    edges_um = np.ascontiguousarray(depth_edges_um, dtype=np.float64)
    if edges_um.ndim != 1 or edges_um.shape[0] < 2 or not np.all(np.diff(edges_um) > 0):
        raise BadRequest("Depth edges have to ascend", f"{edges_um.shape[0]} edges")
    asked = kernel_arguments(selection)
    spikes = (asked.times, asked.ids, asked.keep, selection.depths_um, asked.amps, asked.least_uv, asked.most_uv)
    shown = bin_edges(bin_s, window_s)
    before = bin_edges(bin_s, baseline_s)
    counts, quiet_counts = (
        np.zeros((edges_um.shape[0] - 1, edges.shape[0] - 1), np.int64) for edges in (shown, before)
    )
    _count_map(*spikes, events.times_s, shown, edges_um, counts)
    _count_map(*spikes, events.times_s, before, edges_um, quiet_counts)
    trial_s = len(events) * bin_s if len(events) else np.nan
    rate, quiet = counts / trial_s, quiet_counts / trial_s
    baseline, deviation = quiet.mean(axis=1), quiet.std(axis=1)
    varies = deviation > 0
    scale = np.where(varies, deviation, np.nan)[:, np.newaxis]
    zscore = (rate - baseline[:, np.newaxis]) / scale
    return EventMap(rate, zscore, baseline, deviation, shown, edges_um, len(events), int(counts.sum()))


def span_of(window_s: Range, baseline_s: Range) -> Range:
    """Return the window that holds both, for `usable_events`."""
    return min(window_s[0], baseline_s[0]), max(window_s[1], baseline_s[1])
