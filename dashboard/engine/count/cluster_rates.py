"""Firing rate of every cluster over time, from the columns."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.lattice import check_window
from dashboard.engine.count.window import time_bounds
from dashboard.model.errors import BadRequest


class ClusterRates(NamedTuple):
    """Spikes per second of each cluster in bins of equal width.

    Attributes
    ----------
    edges_s : ndarray, shape (n_bins + 1,), float64, in s
    rate_hz : ndarray, shape (n_clusters, n_bins), float32, in Hz
    """

    edges_s: npt.NDArray[np.float64]
    rate_hz: npt.NDArray[np.float32]


def cluster_rates(
    columns: SpikeColumns, n_bins: int = 40, time_range: tuple[float, float] | None = None
) -> ClusterRates:
    """Return the rate of every cluster over time; each pass looks at every spike of the window once.

    Parameters
    ----------
    columns : SpikeColumns
    n_bins : int
        At least 1.
    time_range : (float, float) or None
        In s; None takes all. A spike on an inner edge belongs to the bin that starts there, one on the last edge to
        the last bin, as `numpy.histogram` has it.

    Raises
    ------
    BadRequest
        Fewer than one bin, or a window that is none.
    """
    if n_bins < 1:
        raise BadRequest("There has to be a bin", f"n_bins={n_bins}", "Ask for one or more")
    low, high = check_window(time_range or _whole(columns), "time_range")
    edges = np.linspace(low, high, n_bins + 1)
    bounds = time_bounds(columns, edges)
    rate = np.empty((columns.n_clusters, n_bins), np.float32)
    for k, (first, last) in enumerate(itertools.pairwise(bounds)):
        counts = np.bincount(columns.clusters[first:last], minlength=columns.n_clusters)
        rate[:, k] = counts / (edges[k + 1] - edges[k])
    return ClusterRates(edges, rate)


def _whole(columns: SpikeColumns) -> tuple[float, float]:
    low, high = columns.time_range_s
    return (low, high) if high > low else (low, low + 1.0)
