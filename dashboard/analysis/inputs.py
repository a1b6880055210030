"""From the shared columns to what unit, event and matching computations take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.compare.matching import SortedSpikes
from dashboard.analysis.events.align import Range, Selection
from dashboard.analysis.units import correlograms
from dashboard.analysis.units.bins import RATE_BIN_S
from dashboard.analysis.units.templates import _known
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.few_units import unit_rows
from dashboard.model.errors import BadRequest

APART_UM = 1e6
"""Spikes on neighbouring shanks are taken to be so far apart where they are matched: no probe is as long."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitSpikes:
    """All spikes of one unit, in order of time.

    Attributes
    ----------
    unit : int
        Index of the unit.
    times_s, depths_um : ndarray, shape (n_spikes,), float64
    amps_uv : ndarray, shape (n_spikes,), float32, or None
        None where the sorting has no amplitudes; arbitrary units where they are not volts.
    """

    unit: int
    times_s: npt.NDArray[np.float64]
    depths_um: npt.NDArray[np.float64]
    amps_uv: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return int(self.times_s.shape[0])


def unit_spikes(columns: SpikeColumns, unit: int) -> UnitSpikes:
    """Collect the spikes of one unit, by its index.

    A unit without spikes has none; that is no error.

    Raises
    ------
    BadRequest
        No unit has that index.
    """
    rows = unit_rows(columns, _known(columns, unit))
    amps = None if columns.amps_uv is None else columns.amps_uv[rows]
    return UnitSpikes(unit, columns.times_s[rows], columns.depths_um[rows].astype(np.float64, copy=False), amps)


def within(unit: UnitSpikes, amp_range_uv: Range | None) -> UnitSpikes:
    """Return the spikes of a unit whose amplitude is in ``[low, high)``; all where there are no limits.

    Raises
    ------
    BadRequest
        There are limits, and no amplitudes.
    """
    if amp_range_uv is None:
        return unit
    if unit.amps_uv is None:
        raise BadRequest("Limits of amplitude need the amplitudes of the spikes")
    low, high = amp_range_uv
    amps = unit.amps_uv.astype(np.float64)
    keep = (amps >= low) & (amps < high)
    return UnitSpikes(unit.unit, unit.times_s[keep], unit.depths_um[keep], unit.amps_uv[keep])


def select_spikes(
    columns: SpikeColumns,
    keep: npt.ArrayLike | None = None,
    depth_range_um: Range | None = None,
    amp_range_uv: Range | None = None,
) -> Selection:
    """Return the spikes of some clusters, depths or amplitudes, for `events` and `event_maps`; nothing is copied.

    Parameters
    ----------
    columns : SpikeColumns
    keep : array-like, shape (n_clusters,), bool, or None
        By index (`FilterResult.by_index`); all where None.
    depth_range_um : (float, float) or None
        ``[low, high)``, in um.
    amp_range_uv : (float, float) or None
        ``[low, high)``, in uV or in the arbitrary units of the file.

    Raises
    ------
    BadRequest
        `keep` does not cover every unit, or there are no amplitudes to limit.
    """
    return Selection.of(
        columns.times_s,
        clusters=columns.clusters if keep is not None else None,
        keep=keep,
        depths_um=columns.depths_um,
        depth_range_um=depth_range_um,
        amps_uv=columns.amps_uv if amp_range_uv is not None else None,
        amp_range_uv=amp_range_uv,
    )


def matchable(columns: SpikeColumns, shanks: npt.NDArray[np.int64] | None = None) -> SortedSpikes:
    """Return the columns that `unit_pairs.compare_units` takes.

    Parameters
    ----------
    columns : SpikeColumns
    shanks : ndarray, shape (n_units,), int, or None
        Shank of each unit, where the probe has several: spikes on different ones are too far apart to coincide.
    """
    depths = columns.depths_um
    if shanks is not None:
        of_units = np.zeros(columns.n_clusters)
        of_units[: len(shanks)] = shanks
        depths = depths + APART_UM * of_units[columns.clusters]
    return SortedSpikes.of(columns.times_s, columns.clusters, depths, columns.n_clusters)


def session_rates(
    trains_s: Sequence[npt.NDArray[np.float64]], span_s: Range, bin_s: float = RATE_BIN_S
) -> tuple[npt.NDArray[np.float64], tuple[npt.NDArray[np.float64], ...]]:
    """Return the firing rate of units over a recording.

    Bins are half-open but for the last, as ``numpy.histogram`` has them. The last one ends with the recording: what is
    left of it after whole bins is a bin of its own where it is half of one or more, and else part of the one before, so
    that a single spike in a sliver of time is no burst.

    Parameters
    ----------
    trains_s : sequence of ndarray, sorted, in seconds
        Spikes of each unit.
    span_s : (float, float)
        First and last time of the recording, in seconds.
    bin_s : float, in seconds

    Returns
    -------
    ndarray, shape (n_bins + 1,), float64
        Edges, in seconds.
    tuple of ndarray, shape (n_bins,), one per train
        Rates in Hz.

    Raises
    ------
    BadRequest
        Bins that are not above zero, or too many.
    """
    first, last = span_s if span_s[1] > span_s[0] else (span_s[0], span_s[0] + 1.0)
    if not (np.isfinite(bin_s) and bin_s > 0 and (last - first) / bin_s <= correlograms.MAX_BINS):
        raise BadRequest("The bins of the firing rate make no sense", f"{bin_s} s", "Above zero, and not too many")
    n_bins = max(1, int(np.floor((last - first) / bin_s + 0.5)))
    edges = np.append(first + bin_s * np.arange(n_bins), last)
    widths = np.diff(edges)
    return edges, tuple(np.histogram(train, edges)[0] / widths for train in trains_s)
