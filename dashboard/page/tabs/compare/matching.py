"""Matched units of two sortings: within what their spikes coincide, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import ref

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.compare.tables import pair_table
from dashboard.analysis.compare.units import MATCH_SCORE, Comparison, compare_units
from dashboard.analysis.inputs import matchable
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import BadRequest
from dashboard.model.progress import ProgressCallback
from dashboard.model.shanks import SHANK
from dashboard.model.sorting import SpikeSorting

MAX_S = 0.005
"""A wider coincidence pairs spikes by chance, and every spike of a dense recording with hundreds of others."""

Tolerance = tuple[float, float]
"""In s and um."""


@dataclass(frozen=True, slots=True, eq=False)
class MatchedUnits:
    """Matched units of two sides; by itself it keeps neither alive."""

    a: ref[SpikeColumns]
    b: ref[SpikeColumns]
    tolerance: Tolerance
    comparison: Comparison
    table: pd.DataFrame

    def is_of(self, a: SpikeColumns, b: SpikeColumns, tolerance: Tolerance) -> bool:
        """Whether it is of these two, matched so."""
        return self.a() is a and self.b() is b and self.tolerance == tolerance

    @property
    def words(self) -> str:
        """How spikes were matched."""
        seconds, microns = self.tolerance
        return (
            f"spikes coincide within ±{1e3 * seconds:g} ms and {microns:g} µm; "
            f"a unit is in both from an agreement of {MATCH_SCORE:g} on"
        )


def wrong_compare_fields(values: Mapping[str, float]) -> dict[str, str]:
    """Return why tolerances that cannot be are not taken, by the names of their fields."""
    wrong = {name: "At least 0" for name, value in values.items() if value < 0}
    return wrong | ({"match": f"At most {1e3 * MAX_S:g}"} if values["match"] > 1e3 * MAX_S else {})


def shanks_of(*sortings: SpikeSorting) -> tuple[npt.NDArray[np.int64] | None, ...]:
    """Return the shank of each unit of each sorting; None for all where one of them knows of one shank only."""
    if any(SHANK not in sorting.clusters for sorting in sortings):
        return (None,) * len(sortings)
    return tuple(sorting.clusters[SHANK].to_numpy(dtype=np.int64) for sorting in sortings)


def match(
    a: SpikeColumns,
    b: SpikeColumns,
    tolerance: Tolerance,
    report: ProgressCallback,
    cancel: threading.Event,
    shanks: tuple[npt.NDArray[np.int64] | None, ...] = (None, None),
) -> MatchedUnits:
    """Match the units of two sortings; spikes on different shanks, as `shanks_of` tells them, do not coincide.

    Raises
    ------
    BadRequest
        A tolerance is below zero, or wider than `MAX_S`.
    Cancelled
        `cancel` was set.
    """
    seconds, microns = tolerance
    if not seconds <= MAX_S:
        raise BadRequest("Spikes that far apart do not coincide", f"{1e3 * seconds:g} ms", f"At most {1e3 * MAX_S:g}")
    comparison = compare_units(
        matchable(a, shanks[0]),
        matchable(b, shanks[1]),
        tolerance_s=seconds,
        tolerance_um=microns,
        progress=report,
        cancel=cancel,
    )
    return MatchedUnits(ref(a), ref(b), tolerance, comparison, pair_table(comparison))
