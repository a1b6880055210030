"""The first spike at each tick of a regular clock: where pixel edges lie among the spikes, looked up and not sought."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import inlined, kernel

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

#: There are no more ticks than one for so many spikes, where the clock is faster than one tick per s.
SPIKES_PER_TICK = 16
#: Ticks per s, as a power of two, are at most so many: scaled times then stay whole numbers that floats hold.
FASTEST = 20
#: A clock of one tick per s is not laid over more than this.
MAX_S = float(1 << 20)
#: Times further from zero than this have no clock.
FARTHEST_S = 2.0**40
#: Spikes looked at one after another on either side of a guess, before the search goes by halves.
NEAR = 16


class TimeTicks(NamedTuple):
    """Rank of the first spike at or after each tick.

    Attributes
    ----------
    starts : ndarray, shape (n_ticks,), uint32
        At or after ``(first + i) / per_s`` s; the last tick is after all spikes. Empty: there is no clock, and edges
        are sought among all spikes.
    first : float
        A whole number.
    per_s : float
        A power of two, not below 1: scaling a time by it is exact.
    """

    starts: npt.NDArray[np.uint32]
    first: float
    per_s: float


def clock(times: F64) -> tuple[int, float, float]:
    """Return number of ticks, first tick and ticks per s that suit ascending times; no ticks where none do."""
    n = times.shape[0]
    if n == 0:
        return 0, 0.0, 1.0
    first, last = float(times[0]), float(times[-1])
    if max(abs(first), abs(last)) > FARTHEST_S or last - first > MAX_S:
        return 0, 0.0, 1.0
    most = n / SPIKES_PER_TICK
    level = math.floor(math.log2(most / (last - first))) if last - first > most * 2.0**-FASTEST else FASTEST
    per_s = 2.0 ** min(max(level, 0), FASTEST)
    first_tick = math.floor(first * per_s)
    return math.floor(last * per_s) - first_tick + 2, float(first_tick), per_s


@kernel
def fill_ticks(times: F64, first: float, per_s: float, starts: npt.NDArray[np.uint32]) -> None:
    """Write the rank of the first spike at or after each tick."""
    tick = 0
    for spike in range(times.shape[0]):
        at = int(np.floor(times[spike] * per_s) - first)
        while tick <= at:
            starts[tick] = spike
            tick += 1
    while tick < starts.shape[0]:
        starts[tick] = times.shape[0]
        tick += 1


def index_ticks(times: F64) -> TimeTicks:
    """Return the clock of ascending times, in memory."""
    n_ticks, first, per_s = clock(times)
    starts = np.empty(n_ticks, dtype=np.uint32)
    if n_ticks:
        fill_ticks(times, first, per_s, starts)
    starts.flags.writeable = False
    return TimeTicks(starts, first, per_s)


@inlined
def first_not_below(times: F64, low: int, high: int, edge: float) -> int:
    """Return the first of ascending ``times[low:high]`` that is not below `edge`; `high` where all are."""
    while low < high:
        middle = (low + high) >> 1
        if times[np.uint64(middle)] < edge:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def settle_bound(times: F64, low: int, high: int, guess: int, edge: float) -> int:
    """`first_not_below` where `guess` is nearly always a few places off."""
    place = guess
    if place < high and times[np.uint64(place)] < edge:
        place += 1
        limit = min(place + NEAR, high)
        while place < limit and times[np.uint64(place)] < edge:
            place += 1
        return place if place < limit else first_not_below(times, place, high, edge)
    limit = max(place - NEAR, low)
    while place > limit and times[np.uint64(place - 1)] >= edge:
        place -= 1
    return place if place > limit else first_not_below(times, low, place, edge)


@kernel
def column_bounds(times: F64, ticks: TimeTicks, edges: F64, closed: bool, bounds: I64) -> None:
    """Write the rank of the first spike at or after each of the ascending edges; with `closed`, after the last one."""
    starts = ticks.starts
    n_spikes, n_ticks, n_edges = times.shape[0], starts.shape[0], edges.shape[0]
    found = 0
    for k in range(n_edges):
        edge = edges[k]
        if closed and k == n_edges - 1:
            edge = np.nextafter(edge, np.inf)  # below which are all times up to the edge itself
        if n_ticks == 0:
            found = first_not_below(times, found, n_spikes, edge)
        else:
            place = edge * ticks.per_s
            whole = np.floor(place)
            beyond = whole - ticks.first
            if beyond >= n_ticks - 1:
                found = n_spikes
            elif beyond >= 0.0:
                tick = np.uint64(beyond)
                start = int(starts[tick])
                if place > whole:
                    stop = int(starts[tick + np.uint64(1)])
                    guess = start + int((place - whole) * (stop - start))
                    start = settle_bound(times, max(start, found), stop, max(guess, found), edge)
                found = start
        bounds[k] = found
