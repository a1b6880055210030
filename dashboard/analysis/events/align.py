"""Spikes around events: trial rasters, counts and PSTHs, of one unit or of any selection of spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.analysis.trains import as_ids, as_singles, as_train, as_values
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest

#: IBL's cluster trial rasters: window and bins of raster and PSTH (in s).
WINDOW_S = (-0.4, 1.0)
RASTER_BIN_S, PSTH_BIN_S = 0.010, 0.050
#: Above this a typing error, not a histogram, was asked for.
MAX_BINS = 20_000

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Spikes to look at: all of them, or those of some clusters, depths or amplitudes.

    Nothing is copied: kernels look at cluster, depth and amplitude of the spikes around events only.

    Attributes
    ----------
    times_s : ndarray, shape (n_spikes,), float64, sorted, in seconds
    clusters : ndarray, shape (n_spikes,), integer, or None
        Needed for `keep`.
    keep : ndarray, shape (n_clusters,), bool, or None
        Which clusters' spikes count; all where None.
    depths_um : ndarray, shape (n_spikes,), float64, in um, or None
        Needed for `depth_range_um`.
    depth_range_um : (float, float) or None
        Depths ``[low, high)``, in um; a spike without a depth is in no band.
    amps_uv : ndarray, shape (n_spikes,), float32 or float64, or None
        Needed for `amp_range_uv`.
    amp_range_uv : (float, float) or None
        Amplitudes ``[low, high)``; a spike without one is in no range.
    """

    times_s: npt.NDArray[np.float64]
    clusters: npt.NDArray[Any] | None = None
    keep: npt.NDArray[np.bool_] | None = None
    depths_um: npt.NDArray[np.float64] | None = None
    depth_range_um: Range | None = None
    amps_uv: npt.NDArray[np.floating] | None = None
    amp_range_uv: Range | None = None

    @classmethod
    def of(
        cls,
        times_s: npt.ArrayLike,
        *,
        clusters: npt.ArrayLike | None = None,
        keep: npt.ArrayLike | None = None,
        depths_um: npt.ArrayLike | None = None,
        depth_range_um: Range | None = None,
        amps_uv: npt.ArrayLike | None = None,
        amp_range_uv: Range | None = None,
    ) -> Selection:
        """Check the columns once; the result can be used for any number of events.

        Raises
        ------
        BadRequest
            Times that are not sorted and finite, columns of another length, ids that `keep` does
            not cover, a filter without its column.
        """
        times = as_train(times_s)
        mask = None if keep is None else np.ascontiguousarray(keep, dtype=np.bool_)
        filters = ((mask, clusters), (depth_range_um, depths_um), (amp_range_uv, amps_uv))
        if any(wanted is not None and column is None for wanted, column in filters):
            raise BadRequest("A filter by cluster, depth or amplitude needs that column of the spikes")
        ids = None if mask is None or clusters is None else as_ids(clusters, times.shape[0], mask.shape[0])
        depths = None if depths_um is None else as_values(depths_um, times.shape[0], "spike depths")
        amps = None if amps_uv is None else as_singles(amps_uv, times.shape[0], "spike amplitudes")
        return cls(times, ids, mask, depths, depth_range_um, amps, amp_range_uv)


@dataclass(frozen=True, slots=True, eq=False)
class EventTimes:
    """Events that spikes can be aligned to.

    Attributes
    ----------
    times_s : ndarray, shape (n_events,), float64, in seconds
        Those that are used, in the order they were given in.
    trials : ndarray, shape (n_events,), int64
        Row of each in the array that was given.
    n_missing : int
        NaN: the event did not happen, or was not recorded.
    n_outside : int
        Their window reaches beyond the recording.
    """

    times_s: npt.NDArray[np.float64]
    trials: npt.NDArray[np.int64]
    n_missing: int = 0
    n_outside: int = 0

    def __len__(self) -> int:
        return int(self.times_s.shape[0])


def usable_events(
    event_times_s: npt.ArrayLike,
    window_s: Range = WINDOW_S,
    recording_s: Range | None = None,
    mask: npt.ArrayLike | None = None,
) -> EventTimes:
    """Drop, and count, the events that nothing can be aligned to.

    Parameters
    ----------
    event_times_s : array-like, shape (n_trials,), in seconds
        In any order; NaN where a trial lacks the event.
    window_s : (float, float)
        Around the event, in seconds.
    recording_s : (float, float) or None
        First and last time of the recording (not of one unit, which may be silent at an end).
        Events whose whole window is not inside are dropped: silence there is not an answer. None
        uses every finite event.
    mask : array-like, shape (n_trials,), bool, or None
        Trials to use; the others are left out and counted nowhere.

    Raises
    ------
    BadRequest
        A window that ends before it starts, or a mask of another length.
    """
    times = np.asarray(event_times_s, dtype=np.float64)
    if times.ndim != 1:
        raise BadRequest("Event times are not a list", f"shape {times.shape}")
    if not (np.isfinite(window_s).all() and window_s[0] < window_s[1]):
        raise BadRequest("A window has to end after it starts", f"{window_s[0]} to {window_s[1]} s")
    wanted = np.ones(times.shape[0], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if wanted.shape != times.shape:
        raise BadRequest("The trial mask does not fit the trials", f"{wanted.shape[0]} for {times.shape[0]}")
    finite = wanted & np.isfinite(times)
    inside = finite.copy()
    if recording_s is not None:
        inside[finite] = (times[finite] + window_s[0] >= recording_s[0]) & (
            times[finite] + window_s[1] <= recording_s[1]
        )
    trials = np.flatnonzero(inside)
    return EventTimes(
        times[trials], trials, int(np.sum(wanted & ~np.isfinite(times))), int(finite.sum() - trials.shape[0])
    )


def bin_edges(bin_s: float, window_s: Range) -> npt.NDArray[np.float64]:
    """Return bin edges relative to the event, such that zero is an edge where the window holds it.

    As ``brainbox.singlecell.bin_spikes``: whole bins on either side of the event, the outermost
    reaching over the window where it is no multiple of the bin.

    Raises
    ------
    BadRequest
        Bins that are not above zero, a window that ends before it starts, or too many bins.
    """
    if not (np.isfinite([bin_s, *window_s]).all() and bin_s > 0 and window_s[0] < window_s[1]):
        raise BadRequest("Bins have to be above zero and the window to end after it starts", f"{bin_s} s, {window_s}")
    if (window_s[1] - window_s[0]) / bin_s > MAX_BINS:
        raise BadRequest("Too many bins", f"{bin_s} s in {window_s[1] - window_s[0]} s", f"At most {MAX_BINS}")
    # -0.4 / 0.01 is not exactly -40: without the tolerance there would be a 41st bin.
    first = int(np.floor(window_s[0] / bin_s + 1e-9))
    last = int(np.ceil(window_s[1] / bin_s - 1e-9))
    return np.arange(first, last + 1, dtype=np.float64) * bin_s


@kernel
def first_at(times: npt.NDArray[np.float64], value: float) -> int:
    """Return the first row whose time is not below `value`."""
    low, high = 0, times.shape[0]
    while low < high:
        middle = (low + high) // 2
        if times[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _count(
    times: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    keep: npt.NDArray[np.bool_],
    depths: npt.NDArray[np.float64],
    low_um: float,
    high_um: float,
    amps: npt.NDArray[np.floating],
    least_uv: float,
    most_uv: float,
    events: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
    counts: npt.NDArray[np.uint32],
) -> None:
    by_cluster, by_depth, by_amp = ids.shape[0] > 0, depths.shape[0] > 0, amps.shape[0] > 0
    n_bins = edges.shape[0] - 1
    for row in range(events.shape[0]):
        i = first_at(times, events[row] + edges[0])
        for column in range(n_bins):
            end = events[row] + edges[column + 1]
            total = np.uint32(0)
            while i < times.shape[0] and times[i] < end:
                if (
                    (not by_cluster or keep[ids[i]])
                    and (not by_depth or low_um <= depths[i] < high_um)
                    and (not by_amp or least_uv <= amps[i] < most_uv)
                ):
                    total += np.uint32(1)
                i += 1
            counts[row, column] = total


@kernel
def _collect(
    times: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    keep: npt.NDArray[np.bool_],
    depths: npt.NDArray[np.float64],
    low_um: float,
    high_um: float,
    amps: npt.NDArray[np.floating],
    least_uv: float,
    most_uv: float,
    events: npt.NDArray[np.float64],
    start: float,
    end: float,
    found_spikes: npt.NDArray[np.int64],
    found_rows: npt.NDArray[np.int32],
) -> int:
    """Write the spikes around each event while they fit; return how many there are."""
    by_cluster, by_depth, by_amp = ids.shape[0] > 0, depths.shape[0] > 0, amps.shape[0] > 0
    found = 0
    for row in range(events.shape[0]):
        i = first_at(times, events[row] + start)
        while i < times.shape[0] and times[i] < events[row] + end:
            if (
                (not by_cluster or keep[ids[i]])
                and (not by_depth or low_um <= depths[i] < high_um)
                and (not by_amp or least_uv <= amps[i] < most_uv)
            ):
                if found < found_spikes.shape[0]:
                    found_spikes[found] = i
                    found_rows[found] = row
                found += 1
            i += 1
    return found


class KernelArguments(NamedTuple):
    """A selection as kernels take it: empty arrays for what is not filtered by."""

    times: npt.NDArray[np.float64]
    ids: npt.NDArray[Any]
    keep: npt.NDArray[np.bool_]
    depths: npt.NDArray[np.float64]
    low_um: float
    high_um: float
    amps: npt.NDArray[np.floating]
    least_uv: float
    most_uv: float


def kernel_arguments(selection: Selection) -> KernelArguments:
    """Lay out a selection for the kernels."""
    empty_ids = np.empty(0, dtype=np.uint32)
    empty_ids.flags.writeable = False
    depths = selection.depths_um if selection.depth_range_um is not None else None
    low, high = selection.depth_range_um or (-np.inf, np.inf)
    amps = selection.amps_uv if selection.amp_range_uv is not None else None
    if amps is None:
        amps = np.empty(0, dtype=np.float32)
        amps.flags.writeable = False
    least, most = selection.amp_range_uv or (-np.inf, np.inf)
    return KernelArguments(
        selection.times_s,
        empty_ids if selection.clusters is None else selection.clusters,
        np.empty(0, dtype=np.bool_) if selection.keep is None else selection.keep,
        selection.times_s[:0] if depths is None else depths,
        float(low),
        float(high),
        amps,
        float(least),
        float(most),
    )


def count_around(selection: Selection, events: EventTimes, edges_s: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Count spikes per trial and bin.

    Bins are half-open in absolute time: a spike is in bin k where
    ``event + edges_s[k] <= time < event + edges_s[k + 1]``, evaluated in float64. That is exact on
    every edge; ``brainbox.singlecell.bin_spikes`` floors a quotient instead and may differ for a
    spike that lies on an edge.

    Parameters
    ----------
    selection : Selection
    events : EventTimes
    edges_s : ndarray, shape (n_bins + 1,), float64, ascending, relative to the event

    Returns
    -------
    ndarray, shape (n_events, n_bins), uint32
    """
    counts = np.zeros((len(events), edges_s.shape[0] - 1), dtype=np.uint32)
    _count(*kernel_arguments(selection), events.times_s, np.ascontiguousarray(edges_s), counts)
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class AlignedSpikes:
    """Single spikes around events, for a raster of trials.

    Attributes
    ----------
    spikes : ndarray, shape (n_found,), int64
        Row in the selection's columns. A spike near two events is there twice.
    rows : ndarray, shape (n_found,), int32
        Which of the events, from 0; ascending.
    lags_s : ndarray, shape (n_found,), float64
        Time from the event, in seconds.
    events : EventTimes
    window_s : (float, float)
    """

    spikes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]
    lags_s: npt.NDArray[np.float64]
    events: EventTimes
    window_s: Range


def align_spikes(selection: Selection, events: EventTimes, window_s: Range = WINDOW_S) -> AlignedSpikes:
    """Collect the spikes of each trial with ``event + start <= time < event + end``."""
    arguments = (*kernel_arguments(selection), events.times_s, float(window_s[0]), float(window_s[1]))
    no_spikes, no_rows = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    n_found = _collect(*arguments, no_spikes, no_rows)
    spikes, rows = np.empty(n_found, dtype=np.int64), np.empty(n_found, dtype=np.int32)
    _collect(*arguments, spikes, rows)
    return AlignedSpikes(spikes, rows, selection.times_s[spikes] - events.times_s[rows], events, window_s)


@dataclass(frozen=True, slots=True, eq=False)
class Psth:
    """Mean rate around events, unsmoothed.

    Attributes
    ----------
    edges_s : ndarray, shape (n_bins + 1,), float64, relative to the event, in seconds
    mean_hz : ndarray, shape (n_bins,), float64
        NaN where there is no trial.
    sem_hz : ndarray, shape (n_bins,), float64
        Standard error over trials: the deviation of the population (``ddof=0``) over the root of
        their number, as ``brainbox.task.trials.get_psth``; NaN below two trials.
    n_trials : int
    """

    edges_s: npt.NDArray[np.float64]
    mean_hz: npt.NDArray[np.float64]
    sem_hz: npt.NDArray[np.float64]
    n_trials: int

    @property
    def centres_s(self) -> npt.NDArray[np.float64]:
        """Middle of each bin, relative to the event."""
        return (self.edges_s[:-1] + self.edges_s[1:]) / 2


def psth_of_counts(counts: npt.NDArray[np.uint32], edges_s: npt.NDArray[np.float64]) -> Psth:
    """Average counts over trials.

    Parameters
    ----------
    counts : ndarray, shape (n_trials, n_bins)
        From `count_around`; take a split's rows for its PSTH.
    edges_s : ndarray, shape (n_bins + 1,)
    """
    n_trials = counts.shape[0]
    missing = np.full(counts.shape[1], np.nan)
    widths = np.diff(edges_s)
    mean = counts.mean(axis=0) / widths if n_trials else missing
    sem = counts.std(axis=0) / np.sqrt(n_trials) / widths if n_trials > 1 else missing
    return Psth(edges_s, mean, sem, n_trials)


def psth(selection: Selection, events: EventTimes, bin_s: float = PSTH_BIN_S, window_s: Range = WINDOW_S) -> Psth:
    """Compute the peri-event time histogram of a selection of spikes.

    Raises
    ------
    BadRequest
        Bins that make no sense; see `bin_edges`.
    """
    edges = bin_edges(bin_s, window_s)
    return psth_of_counts(count_around(selection, events, edges), edges)
