"""Units of two sortings of one recording, matched by the spikes that they share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.trains import as_ids, as_train, as_values
from dashboard.engine.compile import kernel
from dashboard.model.errors import BadRequest, Cancelled
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress

#: Spikes coincide within this time (in s) and depth (in um).
TOLERANCE_S, TOLERANCE_UM = 0.0004, 100.0
#: Spikes between two looks at `cancel`.
BLOCK = 1_000_000
#: Units share more than chance from this part of the smaller one's spikes on: two that fire at
#: 100 Hz side by side coincide in 8 % of theirs.
LINKED = 0.2
#: Up to this many pairs of units, counting all of them (160 MB) is quicker than sorting the spikes.
MAX_DENSE = 20_000_000
#: Partner of a spike that has none.
NONE = -1

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SortedSpikes:
    """The columns of one sorting that matching needs.

    Attributes
    ----------
    times_s : ndarray, shape (n_spikes,), float64, sorted, in seconds
    clusters : ndarray, shape (n_spikes,), integer
    depths_um : ndarray, shape (n_spikes,), float64, in um
        A spike without a depth (NaN) coincides with none.
    n_clusters : int
    """

    times_s: npt.NDArray[np.float64]
    clusters: npt.NDArray[Any]
    depths_um: npt.NDArray[np.float64]
    n_clusters: int

    @classmethod
    def of(
        cls, times_s: npt.ArrayLike, clusters: npt.ArrayLike, depths_um: npt.ArrayLike, n_clusters: int
    ) -> SortedSpikes:
        """Check the columns.

        Raises
        ------
        BadRequest
            Times that are not sorted and finite, columns of another length, ids beyond `n_clusters`.
        """
        times = as_train(times_s)
        ids = as_ids(clusters, times.shape[0], n_clusters)
        return cls(times, ids, as_values(depths_um, times.shape[0], "spike depths"), n_clusters)


@kernel
def _nearest(
    times: npt.NDArray[np.float64],
    depths: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    other_depths: npt.NDArray[np.float64],
    ids: npt.NDArray[Any],
    other_ids: npt.NDArray[Any],
    linked: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.int32],
    rows: IntArray,
    lowest: int,
    tolerance_s: float,
    tolerance_um: float,
    nearest: npt.NDArray[np.int32],
) -> None:
    """Find for each of `rows`, ascending, the free spike of the other sorting that it would rather have."""
    by_link = linked.shape[0] > 0
    first = lowest
    for k in range(rows.shape[0]):
        i = rows[k]
        while first < others.shape[0] and times[i] - others[first] > tolerance_s:
            first += 1
        best = -1
        best_link = False
        best_lag = best_gap = np.inf
        for j in range(first, others.shape[0]):
            if others[j] - times[i] > tolerance_s:
                break
            if taken[j] >= 0:
                continue
            lag, gap = abs(others[j] - times[i]), abs(other_depths[j] - depths[i])
            # NaN fails the comparison.
            if not gap <= tolerance_um:
                continue
            link = by_link and linked[ids[i], other_ids[j]]
            # Equal in all: the earlier row, which came first.
            nearer = lag < best_lag or (lag == best_lag and gap < best_gap)
            if (link and not best_link) or (link == best_link and nearer):
                best, best_link, best_lag, best_gap = j, link, lag, gap
        nearest[i] = best


@kernel
def _take_mutual(
    rows: IntArray, near_a: npt.NDArray[np.int32], near_b: npt.NDArray[np.int32],
    partner_a: npt.NDArray[np.int32], partner_b: npt.NDArray[np.int32], left: IntArray,
) -> int:  # fmt: skip
    """Pair spikes that are each other's nearest; return how many rows go on to the next round."""
    n_left = 0
    for k in range(rows.shape[0]):
        i = rows[k]
        j = near_a[i]
        if j < 0:
            continue
        if near_b[j] == i:
            partner_a[i] = j
            partner_b[j] = i
        else:
            left[n_left] = i
            n_left += 1
    return n_left


@kernel
def _still_wanted(rows: IntArray, partner: npt.NDArray[np.int32], near: npt.NDArray[np.int32], left: IntArray) -> int:
    """Keep rows that had a free neighbour and have no partner yet."""
    n_left = 0
    for k in range(rows.shape[0]):
        i = rows[k]
        if partner[i] < 0 and near[i] >= 0:
            left[n_left] = i
            n_left += 1
    return n_left


def _blocks(rows: IntArray, cancel: threading.Event | None) -> Iterator[IntArray]:
    for first in range(0, rows.shape[0], BLOCK):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        yield rows[first : first + BLOCK]


def match_spikes(
    a: SortedSpikes,
    b: SortedSpikes,
    *,
    tolerance_s: float = TOLERANCE_S,
    tolerance_um: float = TOLERANCE_UM,
    linked: npt.NDArray[np.bool_] | None = None,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.int32]:
    """Pair the spikes of two sortings that coincide, each with at most one.

    Definition: of all pairs (i, j) with ``|times_a[i] - times_b[j]| <= tolerance_s`` and
    ``|depths_a[i] - depths_b[j]| <= tolerance_um``, take the one of least distance in time, drop
    the others that hold one of its spikes, and go on until none is left (greedy, nearest first).
    Equal distances in time are settled by that in depth, then by the lower row in `a`, then in `b`.
    Differences are evaluated in float64, in seconds. With `linked`, pairs whose units are linked go
    before all others.

    That is found without sorting pairs: two spikes that are each other's nearest are such a pair
    whatever the rest does, so rounds of "take all mutual nearest" end in the same pairs. Each
    round is linear; the spikes that one leaves over are few.

    Parameters
    ----------
    a, b : SortedSpikes
    tolerance_s, tolerance_um : float
    linked : ndarray, shape (a.n_clusters, b.n_clusters), bool, or None
        Pairs of units that are known to share spikes; see `link_units`.
    progress : callable
    cancel : threading.Event or None

    Returns
    -------
    ndarray, shape (n_spikes of `a`,), int32
        Row of the partner in `b`, or -1.

    Raises
    ------
    BadRequest
        Tolerances below zero, or links of another shape.
    Cancelled
        `cancel` was set.
    """
    links = np.zeros((0, 0), dtype=np.bool_) if linked is None else np.ascontiguousarray(linked, dtype=np.bool_)
    if linked is not None and links.shape != (a.n_clusters, b.n_clusters):
        raise BadRequest("The links do not fit the units", f"{links.shape} for {a.n_clusters} x {b.n_clusters}")
    if not (0 <= tolerance_s < np.inf and tolerance_um >= 0):
        raise BadRequest("Tolerances have to be zero or more", f"{tolerance_s} s, {tolerance_um} um")
    n_a, n_b = a.times_s.shape[0], b.times_s.shape[0]
    partner_a, partner_b = np.full(n_a, NONE, np.int32), np.full(n_b, NONE, np.int32)
    near_a, near_b = np.full(n_a, NONE, np.int32), np.full(n_b, NONE, np.int32)
    rows_a, rows_b = np.arange(n_a, dtype=np.int64), np.arange(n_b, dtype=np.int64)
    links_of_b = np.ascontiguousarray(links.T)
    total = n_a + n_b
    done = 0
    while rows_a.size and rows_b.size:
        for mine, other, link, rows, near, taken in (
            (a, b, links, rows_a, near_a, partner_b),
            (b, a, links_of_b, rows_b, near_b, partner_a),
        ):
            for block in _blocks(rows, cancel):
                lowest = int(np.searchsorted(other.times_s, mine.times_s[block[0]] - 2 * tolerance_s))
                _nearest(
                    mine.times_s, mine.depths_um, other.times_s, other.depths_um, mine.clusters, other.clusters, link,
                    taken, block, lowest, float(tolerance_s), float(tolerance_um), near,
                )  # fmt: skip
                done = min(done + block.size, total)
                progress(Progress("comparing spikes", done, total, "spikes"))
        left_a, left_b = np.empty_like(rows_a), np.empty_like(rows_b)
        n_left = _take_mutual(rows_a, near_a, near_b, partner_a, partner_b, left_a)
        rows_a = left_a[:n_left]
        rows_b = left_b[: _still_wanted(rows_b, partner_b, near_b, left_b)]
    return partner_a


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Coincident spikes by pair of units; pairs that share none are absent.

    Attributes
    ----------
    units_a, units_b : ndarray, shape (n_pairs,), int64
        Cluster ids, ascending by `units_a`, then `units_b`.
    n_shared : ndarray, shape (n_pairs,), int64
    n_a, n_b : ndarray, shape (n_clusters,), int64
        Spikes of every unit of either sorting.
    """

    units_a: IntArray
    units_b: IntArray
    n_shared: IntArray
    n_a: IntArray
    n_b: IntArray

    @property
    def score(self) -> npt.NDArray[np.float64]:
        """Shared spikes over all that either unit has: 1 for the same unit."""
        return self.n_shared / (self.n_a[self.units_a] + self.n_b[self.units_b] - self.n_shared)

    @property
    def part_of_a(self) -> npt.NDArray[np.float64]:
        """Shared spikes as a part of those of the unit in the first sorting."""
        return self.n_shared / self.n_a[self.units_a]

    @property
    def part_of_b(self) -> npt.NDArray[np.float64]:
        """Shared spikes as a part of those of the unit in the second sorting."""
        return self.n_shared / self.n_b[self.units_b]


def agreement(a: SortedSpikes, b: SortedSpikes, partners: npt.NDArray[np.int32]) -> Agreement:
    """Count the matched spikes of every pair of units.

    Parameters
    ----------
    a, b : SortedSpikes
    partners : ndarray, shape (n_spikes of `a`,), int32
        From `match_spikes`.
    """
    n_a = np.bincount(a.clusters, minlength=a.n_clusters).astype(np.int64)
    n_b = np.bincount(b.clusters, minlength=b.n_clusters).astype(np.int64)
    matched = np.flatnonzero(partners >= 0)
    keys = a.clusters[matched].astype(np.int64) * b.n_clusters + b.clusters[partners[matched]]
    if a.n_clusters * b.n_clusters <= MAX_DENSE:
        found = np.bincount(keys, minlength=1)
        pairs = np.flatnonzero(found)
        shared = found[pairs]
    else:
        pairs, shared = np.unique(keys, return_counts=True)
    return Agreement(pairs // b.n_clusters, pairs % b.n_clusters, shared.astype(np.int64), n_a, n_b)


def link_units(found: Agreement) -> npt.NDArray[np.bool_]:
    """Return which pairs of units share more spikes than two neighbours do by chance.

    Matching by time alone gives about every twentieth spike of a dense recording to a neighbour
    that happens to be nearer than the unit itself. A second `match_spikes` that lets linked units
    choose first gives them back.

    Returns
    -------
    ndarray, shape (n_clusters of A, n_clusters of B), bool
    """
    linked = np.zeros((found.n_a.shape[0], found.n_b.shape[0]), dtype=np.bool_)
    smaller = np.minimum(found.n_a[found.units_a], found.n_b[found.units_b])
    strong = found.n_shared >= LINKED * smaller
    linked[found.units_a[strong], found.units_b[strong]] = True
    return linked
