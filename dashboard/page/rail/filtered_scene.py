"""Which clusters and spikes pass what the state asks for, and the scene of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dashboard.analysis.filters.clusters import ClusterFilter, Criterion, FilterResult, filter_clusters
from dashboard.analysis.filters.words import read_spike_amp, say_spike_amp
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.rates import cluster_counts
from dashboard.library.store import OpenInsertion
from dashboard.page.core.scene import Scene
from dashboard.page.rail import filters

if TYPE_CHECKING:
    from dashboard.page.core.state import ViewState

SPIKE_AMP = "spike_amp"
"""Word of the filter, and name of its criterion."""


@dataclass(frozen=True, slots=True, eq=False)
class PassedUnits:
    """What passes.

    Attributes
    ----------
    result : FilterResult
        Of the clusters; its spikes are those that pass the limits of single spikes, too.
    amp_range_uv : (float, float) or None
        Limits of single spikes; None: all.
    counts : ndarray, shape (n_clusters,), int64
        Spikes of each cluster within these limits, by id.
    """

    result: FilterResult
    amp_range_uv: tuple[float, float] | None
    counts: npt.NDArray[np.int64]

    def scene(self, opened: OpenInsertion, level: str, parent: Scene | None = None) -> Scene:
        """Return the scene of what passes; see `Scene` for the arguments."""
        has_mask = any(criterion.mask is not None for criterion in self.result.criteria)
        mask = self.result.by_index(opened.columns.n_clusters) if has_mask else None
        return Scene(opened, mask, level, parent, self.amp_range_uv, self.counts)


def passing(state: ViewState, opened: OpenInsertion, before: Scene | None = None) -> PassedUnits:
    """Return what passes the filters of a state.

    Parameters
    ----------
    state : ViewState
    opened : OpenInsertion
    before : Scene or None
        Whose counts are taken where they are of the same spikes.

    Raises
    ------
    BadRequest
        A word cannot be read, or the expression asks for a column that is not there.
    """
    sorting, columns = opened.sorting, opened.columns
    asked = read_spike_amp(state.filters)
    limits = asked if columns.amps_uv is not None else None
    if before is not None and before.columns is columns and before.amp_range_uv == limits:
        counts = before.passing_per_cluster
    else:
        counts = cluster_counts(columns, kept=kept_spikes(columns, None, limits))
    result = replace(filters.apply(state, sorting, counts), n_spikes_total=columns.n_spikes)
    if asked is not None:
        text = say_spike_amp(asked, sorting.amp_unit)
        reason = "" if limits is not None else "the spikes have no amplitudes"
        result = replace(result, criteria=(*result.criteria, Criterion(SPIKE_AMP, text, None, reason=reason)))
    return PassedUnits(result, limits, counts)


def everything(opened: OpenInsertion) -> PassedUnits:
    """Return what passes where nothing is asked for."""
    counts = np.diff(opened.columns.unit_index.offsets)
    return PassedUnits(filter_clusters(ClusterFilter(), opened.sorting.clusters, counts), None, counts)
