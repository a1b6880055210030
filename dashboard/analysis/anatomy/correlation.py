"""Which depths fire together: correlation of the firing rates of all pairs of depth bins."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.engine.build import SpikeColumns
from dashboard.engine.columns.filter import Kept
from dashboard.engine.count.heatmap import firing_rate
from dashboard.model.errors import BadRequest

#: IBL's bins (s, um).
TIME_BIN_S, DEPTH_BIN_UM = 0.05, 40.0

#: Rates held at once, in 8 bytes each and twice: IBL's bins over six hours of a whole probe.
MAX_CELLS = 40_000_000


CORRELATION_PCT = 99.0
"""Percentile of the correlations between different depths at which their colours end."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthCorrelation:
    """Correlation between depths.

    Attributes
    ----------
    values : ndarray, shape (n_bins, n_bins), float64
        Pearson's; symmetric; NaN for bins whose rate does not vary.
    depth_edges_um : ndarray, shape (n_bins + 1,), float64
    n_time_bins : int
    """

    values: npt.NDArray[np.float64]
    depth_edges_um: npt.NDArray[np.float64]
    n_time_bins: int

    @property
    def limit(self) -> float:
        """Where the colours end on either side of zero: that percentile of correlations between different depths."""
        apart = np.abs(self.values[~np.eye(len(self.values), dtype=np.bool_)])
        apart = apart[np.isfinite(apart)]
        return (float(np.percentile(apart, CORRELATION_PCT)) if len(apart) else 1.0) or 1.0


def correlate_rows(rates: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return Pearson's correlation of all pairs of rows, NaN for rows that do not vary.

    Parameters
    ----------
    rates : ndarray, shape (n_rows, n_times)
    """
    centred = rates - rates.mean(axis=1, keepdims=True) if rates.shape[1] else np.asarray(rates, dtype=np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    # A row of equal values is centred on rounding errors, which must not be scaled up to a correlation.
    varies = np.ptp(rates, axis=1) > 0 if rates.shape[1] else np.zeros(rates.shape[0], dtype=np.bool_)
    scale = np.where(varies, length, np.nan)
    values: npt.NDArray[np.float64] = np.clip((centred @ centred.T) / scale[:, np.newaxis] / scale, -1.0, 1.0)
    np.fill_diagonal(values, np.where(varies, 1.0, np.nan))
    return values


def depth_correlation(
    columns: SpikeColumns,
    time_bin_s: float = TIME_BIN_S,
    depth_bin_um: float = DEPTH_BIN_UM,
    time_range: tuple[float, float] | None = None,
    *,
    kept: Kept | None = None,
    cancel: threading.Event | None = None,
) -> DepthCorrelation:
    """Correlate the firing rates of depth bins, as ``brainbox.ephys_plots.image_crosscorr_plot``.

    That one writes 0 for depths without spikes; here they are NaN, and blank in the plot.

    Parameters
    ----------
    columns : SpikeColumns
    time_bin_s, depth_bin_um : float
        Bins start at the first spike and at depth 0.
    time_range : (float, float) or None
        The whole session where None.
    kept : Kept or None
        Which spikes; None: all.
    cancel : threading.Event or None

    Raises
    ------
    BadRequest
        Bins that make no sense, or more than `MAX_CELLS` of them.
    Cancelled
        `cancel` was set.
    """
    start, end = columns.time_range_s if time_range is None else time_range
    if time_bin_s > 0 and depth_bin_um > 0:
        n_cells = (end - start) / time_bin_s * max(columns.depth_range_um[1] / depth_bin_um, 1.0)
        if n_cells > MAX_CELLS:
            raise BadRequest(
                "Too many bins to correlate", f"{n_cells:,.0f}", f"Make them larger: at most {MAX_CELLS:,}"
            )
    rates = firing_rate(
        columns,
        time_bin_s,
        depth_bin_um,
        time_range,
        kept=kept,
        origin=(columns.time_range_s[0], 0.0),
        max_cells=None,
        cancel=cancel,
    )
    return DepthCorrelation(correlate_rows(rates.values), rates.depth_edges_um, rates.values.shape[1])
