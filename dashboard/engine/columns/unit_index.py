"""Rows of each cluster, sorted by counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.compile import kernel

#: Rows are stored in 32 bits; a sorting has at most some hundred million spikes.
MAX_SPIKES = 2**32 - 1


@dataclass(frozen=True, slots=True, eq=False)
class UnitIndex:
    """Rows of the columns, by cluster.

    Attributes
    ----------
    offsets : ndarray, shape (n_clusters + 1,), int64
        Rows of cluster c are ``order[offsets[c]:offsets[c + 1]]``.
    order : ndarray, shape (n_spikes,), uint32
        Ascending within each cluster, so in order of time.
    """

    offsets: npt.NDArray[np.int64]
    order: npt.NDArray[np.uint32]

    def rows(self, unit: int) -> npt.NDArray[np.uint32]:
        """Return the rows of one cluster, ascending; none for an id that does not exist."""
        if not 0 <= unit < self.offsets.shape[0] - 1:
            return self.order[:0]
        return self.order[int(self.offsets[unit]) : int(self.offsets[unit + 1])]


@kernel
def _count_ids(clusters: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
    for i in range(clusters.shape[0]):
        counts[clusters[i]] += 1


@kernel
def _place(
    clusters: npt.NDArray[Any], first: int, cursor: npt.NDArray[np.int64], order: npt.NDArray[np.uint32]
) -> None:
    for i in range(clusters.shape[0]):
        cluster = clusters[i]
        order[cursor[cluster]] = first + i
        cursor[cluster] += 1


def index_units(clusters: npt.NDArray[Any], n_clusters: int, order: npt.NDArray[np.uint32] | None = None) -> UnitIndex:
    """Sort rows by cluster, by counting: one pass over the ids and one that places the rows.

    Parameters
    ----------
    clusters : ndarray, shape (n_spikes,), uint16 or uint32
        All below `n_clusters`: the caller has checked.
    n_clusters : int
    order : ndarray, shape (n_spikes,), uint32, or None
        Where to write; allocated where None.
    """
    if order is None:
        order = np.empty(clusters.shape[0], dtype=np.uint32)
    counts = np.zeros(n_clusters, dtype=np.int64)
    _count_ids(clusters, counts)
    offsets = np.zeros(n_clusters + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    _place(clusters, 0, offsets[:-1].copy(), order)
    return UnitIndex(offsets, order)


@kernel
def _find_ranges(codes: npt.NDArray[np.uint16], clusters: npt.NDArray[Any], ranges: npt.NDArray[np.int32]) -> None:
    for i in range(codes.shape[0]):
        cluster = clusters[i]
        code = np.int32(codes[i])
        ranges[cluster, 0] = min(ranges[cluster, 0], code)
        ranges[cluster, 1] = max(ranges[cluster, 1], code)


def code_ranges(codes: npt.NDArray[np.uint16], clusters: npt.NDArray[Any], n_clusters: int) -> npt.NDArray[np.int32]:
    """Return the lowest and the highest depth code of each cluster.

    Returns
    -------
    ndarray, shape (n_clusters, 2), int32
        The first above the second for clusters without spikes.
    """
    ranges = np.empty((n_clusters, 2), dtype=np.int32)
    ranges[:, 0], ranges[:, 1] = 1 << 16, -1
    _find_ranges(codes, clusters, ranges)
    return ranges
