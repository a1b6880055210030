"""What two spans of the session make of each unit, for the table of units and the figures of a change."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from dashboard.analysis.change.columns import PREFIX, change_columns
from dashboard.analysis.change.spans import co_movement, compare_spans
from dashboard.analysis.computed import Computed, compute_all
from dashboard.analysis.quality.stability import removed_between, residual_between
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import Drift, SpikeSorting
from dashboard.model.texts import span_text

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class ChangeRequest:
    """Two spans of one sorting, in s, and what its sorter removed."""

    columns: SpikeColumns
    before: Span
    after: Span
    amps_are_volts: bool
    drift: Drift | None = field(default=None, repr=False)

    @property
    def amp_unit(self) -> str:
        """Unit of the change of amplitudes."""
        return "µV" if self.amps_are_volts else "a.u."

    def is_of(self, columns: SpikeColumns, before: Span | None, after: Span | None) -> bool:
        """Whether it asks for the same numbers."""
        return self.columns is columns and (self.before, self.after) == (before, after)


@dataclass(frozen=True, eq=False)
class Change:
    """What came of it; what fails of it fails where it is read.

    Attributes
    ----------
    request : ChangeRequest
    units : DataFrame, one row per unit, index = index of the unit
        As `dashboard.analysis.change.spans.compare_spans` gives it.
    columns : DataFrame, index = index of the unit
        What the cluster table takes.
    bands : DataFrame, one row per band of depth, from the tip upwards
    removed_um : (float, float) or None
        How far the drift file moved between the spans: the least and the most of all depths.
    residual : DataFrame, one row per band with spikes enough
        As `dashboard.analysis.quality.stability.residual_between` gives it.
    """

    request: ChangeRequest
    units: pd.DataFrame

    @Computed
    def columns(self) -> pd.DataFrame:
        """What the cluster table takes, one row per unit."""
        return change_columns(self.units, amps_are_volts=self.request.amps_are_volts)

    @Computed
    def bands(self) -> pd.DataFrame:
        """Units of each band of depth together, from the tip upwards."""
        return co_movement(self.units)

    @Computed
    def removed_um(self) -> Span | None:
        """How far the drift file moved between the spans, in um: the least and the most of all depths."""
        request = self.request
        return removed_between(request.drift, request.before, request.after)

    @Computed
    def residual(self) -> pd.DataFrame:
        """How far the depths of all spikes of a band moved, one row per band with spikes enough."""
        request, columns = self.request, self.request.columns
        return residual_between(
            columns.times_s, columns.depths_um, columns.amps_uv, request.before, request.after, columns.depth_range_um
        )


def render_change(request: ChangeRequest, cancel: threading.Event) -> Change:
    """Compare the spans.

    Raises
    ------
    BadRequest
        They overlap, or no unit fires in one of them.
    """
    columns = request.columns
    units = compare_spans(
        columns.times_s,
        columns.clusters,
        columns.n_clusters,
        request.before,
        request.after,
        depths_um=columns.depths_um,
        amps_uv=columns.amps_uv,
    )
    for name, span in (("before", request.before), ("after", request.after)):
        if not units[f"n_{name}"].any():
            raise BadRequest(f"The span {name} has no spikes", span_text(span), "Mark another window")
    change = Change(request, units)
    compute_all(change)
    return change


def with_changes(sorting: SpikeSorting, table: pd.DataFrame | None) -> SpikeSorting:
    """Return the sorting with the columns of a comparison in its clusters, and without those of the one before.

    Parameters
    ----------
    sorting : SpikeSorting
    table : DataFrame or None, one row per unit
        May have more rows than the sorting has clusters; None only takes columns away.
    """
    clusters = sorting.clusters.drop(columns=changed_columns(sorting))
    if table is not None:
        clusters = clusters.join(table.iloc[: len(clusters)].set_axis(clusters.index))
    return replace(sorting, clusters=clusters)


def changed_columns(sorting: SpikeSorting) -> list[str]:
    """Return the names of the columns that a comparison of spans has added."""
    return [str(name) for name in sorting.clusters if str(name).startswith(PREFIX)]


def running_median(bands: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return median change and middle depth of the bands that have units in both spans, in um."""
    there = bands[np.isfinite(bands["median_change_um"].to_numpy(dtype=np.float64))]
    middles = (there["low_um"] + there["high_um"]) / 2
    return there["median_change_um"].tolist(), middles.tolist()
