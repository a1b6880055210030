"""Firing rate of units in classes, for pictures coloured by the rate of the unit with most spikes."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.categories import Categories
from dashboard.model.sorting import SpikeSorting

#: Limits between classes, in Hz: about equal on a logarithmic scale, as rates are.
LIMITS_HZ = (0.5, 2.0, 5.0, 10.0, 20.0)
NAMES = (
    "< 0.5 Hz",
    *(f"{low:g}–{high:g} Hz" for low, high in itertools.pairwise(LIMITS_HZ)),
    "≥ 20 Hz",
)
#: Cividis at equal steps: even to the eye, and to readers who are colour-blind.
COLOURS = np.array(
    [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]], np.uint8
)


def rate_classes(columns: SpikeColumns) -> npt.NDArray[np.int32]:
    """Return the class of each cluster's mean rate over the recording.

    Parameters
    ----------
    columns : SpikeColumns

    Returns
    -------
    ndarray, shape (n_clusters,), int32
        Index into `NAMES`; -1 for a cluster without spikes. A rate on a limit belongs to the class above.
        The recording lasts from the first spike to the last, as in ``quick_unit_metrics`` of brainbox.
    """
    counts = np.diff(columns.unit_index.offsets)
    first, last = columns.time_range_s
    rates = counts / max(last - first, np.finfo(np.float64).tiny)
    return np.where(counts > 0, np.searchsorted(LIMITS_HZ, rates, side="right"), -1).astype(np.int32)


def categories(sorting: SpikeSorting, columns: SpikeColumns, level: str) -> Categories:
    """Return the class of each cluster's rate."""
    return Categories(rate_classes(columns), COLOURS, NAMES)
