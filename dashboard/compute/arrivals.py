"""Counts of spikes that arrive in the order of time, while their number grows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Bins that the whole session is expected to take; the first estimate of its length settles their width.
TIME_BINS = 1200
DEPTH_BIN_UM = 10.0
DEPTH_TOP_UM = 4000.0


class ArrivalCounts:
    """Exact counts of the spikes that have come so far, in bins that stay.

    Attributes
    ----------
    counts : ndarray, shape (n_depth_bins, n_time_bins), uint32
        Row 0 is the lowest depth; spikes outside 0 to 4000 um, or without a time or depth, are left out.
    time_bin_s : float
        0 until the first spikes have come.
    n_spikes : int
        Spikes that have come, those left out included.
    n_total : int
        How many there will be.
    last_s : float
        Time of the last one.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((int(DEPTH_TOP_UM / DEPTH_BIN_UM), 0), np.uint32)
        self.time_bin_s = 0.0
        self.n_spikes = 0
        self.n_total = 0
        self.last_s = 0.0

    @property
    def expected_s(self) -> float:
        """Length of the session if spikes go on coming at the same rate, in s."""
        return self.last_s * self.n_total / self.n_spikes if self.n_spikes else 0.0

    def update(self, times_s: npt.NDArray[np.floating], depths_um: npt.NDArray[np.floating], n_total: int) -> None:
        """Count what has come since the last time.

        Parameters
        ----------
        times_s, depths_um : ndarray, shape (n,)
            All that have come so far; the first `n_spikes` of them are counted already.
        n_total : int
        """
        self.n_total = n_total
        times = np.asarray(times_s[self.n_spikes :], np.float64)
        depths = np.asarray(depths_um[self.n_spikes :], np.float64)
        if not len(times):
            return
        self.n_spikes += len(times)
        self.last_s = max(self.last_s, float(np.nanmax(times, initial=0.0)))
        if not self.time_bin_s:
            self.time_bin_s = max(self.expected_s / TIME_BINS, 1e-3)
        is_in = (times >= 0) & (depths >= 0) & (depths < DEPTH_TOP_UM)
        columns = (times[is_in] / self.time_bin_s).astype(np.int64)
        rows = (depths[is_in] / DEPTH_BIN_UM).astype(np.int64)
        n_rows, n_columns = self.counts.shape
        if len(columns) and (needed := int(columns.max()) + 1) > n_columns:
            self.counts = np.pad(self.counts, ((0, 0), (0, max(needed - n_columns, n_columns // 4))))
            n_columns = self.counts.shape[1]
        added = np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns)
        self.counts += added.reshape(n_rows, n_columns).astype(np.uint32)
