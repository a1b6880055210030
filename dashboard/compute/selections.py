"""Which spikes a picture is made of: clusters that are kept, amplitudes in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.compute.columns import SpikeColumns
from dashboard.model.errors import BadRequest

#: Where no amplitude limit is set the kernels get this instead of the column.
NO_AMPS: npt.NDArray[np.float32] = np.empty(0, dtype=np.float32)
NO_AMPS.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A filter, validated, as the kernels take it.

    Attributes
    ----------
    keep : ndarray, shape (n_clusters,), uint8
        1 for clusters that are kept.
    by_cluster : bool
        Whether any cluster is left out.
    amps : ndarray, shape (n_spikes,) or (0,), float32
        Empty where amplitudes are not limited.
    amp_range : tuple of float
        Lower limit, which is inside, and upper limit, which is not.
    """

    keep: npt.NDArray[np.uint8]
    by_cluster: bool
    amps: npt.NDArray[np.float32]
    amp_range: tuple[float, float]

    @property
    def everything(self) -> bool:
        """Whether no filter is set."""
        return not self.by_cluster and not self.by_amp

    @property
    def by_amp(self) -> bool:
        """Whether amplitudes are limited."""
        return self.amps.shape[0] > 0

    def share(self, columns: SpikeColumns, n_spikes: int) -> int:
        """Return about how many of `n_spikes` are of kept clusters, by their share of the session."""
        if not self.by_cluster or not columns.n_spikes:
            return n_spikes
        of_cluster = np.diff(columns.unit_index.offsets)
        return int(n_spikes * (float(of_cluster[self.keep != 0].sum()) / columns.n_spikes))


def kept_spikes(
    columns: SpikeColumns, clusters: npt.ArrayLike | None, amp_range_uv: tuple[float, float] | None
) -> Kept:
    """Return the filter that `clusters` and `amp_range_uv` describe.

    Parameters
    ----------
    columns : SpikeColumns
    clusters : array-like or None
        A bool per cluster id, shape (n_clusters,), or the ids to keep. None: all.
    amp_range_uv : tuple of float or None
        Lower limit, inside; upper limit, outside. Either may be infinite.

    Raises
    ------
    BadRequest
        Where a mask has another length, an id is not a whole number or does not exist, or there are
        no amplitudes to limit.
    """
    amps, amp_range = NO_AMPS, (-math.inf, math.inf)
    if amp_range_uv is not None:
        low, high = (float(value) for value in amp_range_uv)
        if math.isnan(low) or math.isnan(high):
            raise BadRequest("amp_range_uv must be two numbers", repr(amp_range_uv))
        if columns.amps_uv is None:
            raise BadRequest("Amplitudes cannot be limited", "spikes.amps is missing", "Clear the amplitude filter")
        amps, amp_range = columns.amps_uv, (low, high)
    keep = np.ones(columns.n_clusters, dtype=np.uint8)
    if clusters is None:
        return Kept(_frozen(keep), False, amps, amp_range)
    chosen: npt.NDArray[Any] = np.asarray(clusters)
    if chosen.ndim != 1:
        raise BadRequest("clusters must be a mask or a list of ids", f"shape {chosen.shape}")
    if chosen.dtype == np.bool_:
        if chosen.shape[0] != columns.n_clusters:
            raise BadRequest("The mask of clusters has another length", f"{chosen.shape[0]}, not {columns.n_clusters}")
        keep[:] = chosen
    elif chosen.shape[0] == 0:
        keep[:] = 0
    elif not np.issubdtype(chosen.dtype, np.integer):
        raise BadRequest("Cluster ids are whole numbers", f"dtype {chosen.dtype}")
    elif int(chosen.min()) < 0 or int(chosen.max()) >= columns.n_clusters:
        wrong = chosen[(chosen < 0) | (chosen >= columns.n_clusters)][0]
        raise BadRequest("No such cluster", str(wrong), f"Ids run from 0 to {columns.n_clusters - 1}")
    else:
        keep[:] = 0
        keep[chosen] = 1
    return Kept(_frozen(keep), not bool(keep.all()), amps, amp_range)


def _frozen(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    array.flags.writeable = False
    return array
