"""Which spikes a picture is made of: clusters that are kept, amplitudes in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dashboard.engine.columns.arrays import Filter, SpikeArrays
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

if TYPE_CHECKING:
    from dashboard.engine.columns.columns import SpikeColumns

#: Amplitudes without limits.
NO_LIMITS = (-math.inf, math.inf)
#: Stands in for amplitudes where there are none, or none are needed.
NO_AMPS: npt.NDArray[np.float32] = np.empty(0, dtype=np.float32)
NO_AMPS.flags.writeable = False

NO_CLUSTERS: npt.NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
NO_CLUSTERS.flags.writeable = False
#: Where what is counted has passed a filter already, or there is none.
NO_FILTER = Filter(NO_CLUSTERS, False, False, np.float32(-np.inf), np.float32(np.inf))


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A filter, validated.

    Attributes
    ----------
    keep : ndarray, shape (n_clusters,), uint8
        1 for clusters that are kept.
    by_cluster : bool
        Whether any cluster is left out.
    by_amp : bool
        Whether amplitudes are limited.
    amp_range : tuple of float
        Lower limit, which is inside, and upper limit, which is not.
    """

    keep: npt.NDArray[np.uint8]
    by_cluster: bool
    by_amp: bool
    amp_range: tuple[float, float]

    @property
    def everything(self) -> bool:
        """Whether no filter is set."""
        return not self.by_cluster and not self.by_amp

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids of the kept clusters, ascending."""
        return np.flatnonzero(self.keep)

    @property
    def key(self) -> tuple[bytes, tuple[float, float]]:
        """What tells this filter from others on the same columns."""
        return self.keep.tobytes(), self.amp_range

    @property
    def of_all_units(self) -> Kept:
        """The same limits of amplitudes, for all clusters."""
        return replace(self, keep=_frozen(np.ones_like(self.keep)), by_cluster=False)

    def only(self, clusters: npt.ArrayLike) -> Kept:
        """Return the same limits of amplitudes for these clusters alone: a bool per unit, or indexes.

        Raises
        ------
        BadRequest
            As `kept_spikes`.
        """
        keep = _chosen(clusters, len(self.keep))
        return replace(self, keep=keep, by_cluster=not bool(keep.all()))

    @property
    def chosen(self) -> Filter:
        """The filter as kernels take it."""
        low, high = (_at_least(limit) for limit in self.amp_range)
        return Filter(self.keep, self.by_cluster, self.by_amp, low, high)

    def mask(self, columns: SpikeColumns, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which of some rows of the columns are kept."""
        mask: npt.NDArray[np.bool_] = self.keep[columns.clusters[rows]] != 0
        if self.by_amp and columns.amps_uv is not None:
            amps = columns.amps_uv[rows].astype(np.float64)
            mask &= (amps >= self.amp_range[0]) & (amps < self.amp_range[1])
        return mask

    def share(self, columns: SpikeColumns, n_spikes: int) -> int:
        """Return about how many of `n_spikes` are of kept clusters, by their share of the session."""
        if not self.by_cluster or not columns.n_spikes:
            return n_spikes
        of_cluster = np.diff(columns.unit_index.offsets)
        return int(n_spikes * (float(of_cluster[self.keep != 0].sum()) / columns.n_spikes))


def keep_everything(n_clusters: int) -> Kept:
    """Return the filter that lets all spikes pass."""
    return Kept(_frozen(np.ones(n_clusters, dtype=np.uint8)), False, False, NO_LIMITS)


def _at_least(limit: float) -> np.float32:
    """Return the smallest float32 that is not below `limit`: comparing float32 with it is comparing with `limit`."""
    with np.errstate(over="ignore"):
        nearest = np.float32(limit)
    return nearest if float(nearest) >= limit else np.nextafter(nearest, np.float32(np.inf))


def spike_arrays(columns: SpikeColumns) -> SpikeArrays:
    """Return columns as kernels take them."""
    amps = NO_AMPS if columns.amps_uv is None else columns.amps_uv
    return SpikeArrays(columns.depth_codes, columns.depth_fines, columns.depths_um, columns.clusters, amps)


def kept_spikes(
    columns: SpikeColumns, clusters: npt.ArrayLike | None, amp_range_uv: tuple[float, float] | None = None
) -> Kept:
    """Return the filter that `clusters` and `amp_range_uv` describe.

    Parameters
    ----------
    columns : SpikeColumns
    clusters : array-like or None
        A bool per unit, shape (n_clusters,), or the indexes to keep. None: all.
    amp_range_uv : tuple of float or None
        Lower limit, inside; upper limit, outside. Either may be infinite.

    Raises
    ------
    BadRequest
        Where a mask has another length, an id is not a whole number or does not exist, or there are
        no amplitudes to limit.
    """
    if clusters is None and amp_range_uv is None:
        return columns.everything
    amp_range = NO_LIMITS
    if amp_range_uv is not None:
        try:
            low, high = (float(value) for value in amp_range_uv)
        except (TypeError, ValueError) as error:
            raise BadRequest("amp_range_uv must be two numbers", repr(amp_range_uv)) from error
        if math.isnan(low) or math.isnan(high):
            raise BadRequest("amp_range_uv must be two numbers", repr(amp_range_uv))
        if columns.amps_uv is None:
            raise BadRequest("Amplitudes cannot be limited", "spikes.amps is missing", "Clear the amplitude filter")
        amp_range = (low, high)
    kept = replace(columns.everything, by_amp=amp_range_uv is not None, amp_range=amp_range)
    return kept if clusters is None else kept.only(clusters)


def checked(columns: SpikeColumns, kept: Kept | None) -> Kept:
    """Return the filter that a request for `columns` means: all spikes where it is None.

    Raises
    ------
    BadRequest
        The filter is of other columns: the kernels would read beyond its end.
    """
    if kept is None:
        return columns.everything
    if len(kept.keep) != columns.n_clusters or (kept.by_amp and columns.amps_uv is None):
        raise BadRequest("The filter was made for another sorting", counted(len(kept.keep), "cluster"))
    return kept


def _chosen(clusters: npt.ArrayLike, n_clusters: int) -> npt.NDArray[np.uint8]:
    """Return 1 for each cluster that a mask or a list of ids names."""
    chosen: npt.NDArray[Any] = np.asarray(clusters)
    if chosen.ndim != 1:
        raise BadRequest("clusters must be a mask or a list of ids", f"shape {chosen.shape}")
    if chosen.dtype == np.bool_:
        if chosen.shape[0] != n_clusters:
            raise BadRequest("The mask of clusters has another length", f"{chosen.shape[0]}, not {n_clusters}")
        return _frozen(chosen.astype(np.uint8))
    keep = np.zeros(n_clusters, dtype=np.uint8)
    if chosen.shape[0] == 0:
        return _frozen(keep)
    if not np.issubdtype(chosen.dtype, np.integer):
        raise BadRequest("Cluster ids are whole numbers", f"dtype {chosen.dtype}")
    if int(chosen.min()) < 0 or int(chosen.max()) >= n_clusters:
        wrong = chosen[(chosen < 0) | (chosen >= n_clusters)][0]
        raise BadRequest("No such cluster", str(wrong), f"Ids run from 0 to {n_clusters - 1}")
    keep[chosen] = 1
    return _frozen(keep)


def _frozen(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    array.flags.writeable = False
    return array
