"""From the shared columns to what unit, event and matching computations take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.analysis.compare.matching import SortedSpikes
from dashboard.analysis.events.align import Range, Selection
from dashboard.analysis.units import correlograms, isi
from dashboard.analysis.units.amplitudes import N_BINS, AmplitudeHistogram, amplitude_histogram
from dashboard.analysis.units.correlograms import CLOSE_BIN_S, CLOSE_WINDOW_S, Correlogram, autocorrelogram
from dashboard.analysis.units.isi import IsiHistogram, RefractoryTest, isi_histogram, refractory_test
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.few_units import unit_rows
from dashboard.model.errors import BadRequest

RATE_BIN_S = 10.0


@dataclass(frozen=True, slots=True)
class UnitBins:
    """Bins and windows, in s; the defaults are IBL's.

    Attributes
    ----------
    lag_bin_s, lag_half_s : float
        Of the wide autocorrelogram and the cross-correlograms.
    close_bin_s, close_half_s : float
        Of the autocorrelogram's close-up.
    isi_bin_s, isi_window_s, rate_bin_s : float
    n_amp_bins : int
        Of the histogram of amplitudes. The noise cut-off has bins of its own.
    """

    lag_bin_s: float = correlograms.BIN_S
    lag_half_s: float = correlograms.WINDOW_S / 2
    isi_bin_s: float = isi.BIN_S
    isi_window_s: float = isi.WINDOW_S
    rate_bin_s: float = RATE_BIN_S
    close_bin_s: float = correlograms.CLOSE_BIN_S
    close_half_s: float = correlograms.CLOSE_WINDOW_S / 2
    n_amp_bins: int = N_BINS


DEFAULT_BINS = UnitBins()


@dataclass(frozen=True, slots=True, eq=False)
class UnitSpikes:
    """All spikes of one unit, in order of time.

    Attributes
    ----------
    cluster_id : int
    times_s, depths_um : ndarray, shape (n_spikes,), float64
    amps_uv : ndarray, shape (n_spikes,), float32, or None
        None where the sorting has no amplitudes; arbitrary units where they are not volts.
    """

    cluster_id: int
    times_s: npt.NDArray[np.float64]
    depths_um: npt.NDArray[np.float64]
    amps_uv: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return int(self.times_s.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class UnitStatistics:
    """What the unit tab draws of one unit; every one of its spikes is in each.

    Attributes
    ----------
    acg, close_acg : Correlogram
        ±25 ms at 1 ms, and ±5 ms at 0.25 ms.
    isi : IsiHistogram
    refractory : RefractoryTest
    amplitudes : AmplitudeHistogram or None
        None where the sorting has no amplitudes.
    """

    acg: Correlogram
    close_acg: Correlogram
    isi: IsiHistogram
    refractory: RefractoryTest
    amplitudes: AmplitudeHistogram | None


def unit_spikes(columns: SpikeColumns, cluster_id: int) -> UnitSpikes:
    """Collect the spikes of one unit from the by-cluster index.

    A cluster without spikes has none; that is no error.

    Raises
    ------
    BadRequest
        No cluster has that id.
    """
    rows = unit_rows(columns, _known(columns, cluster_id))
    amps = None if columns.amps_uv is None else columns.amps_uv[rows]
    return UnitSpikes(cluster_id, columns.times_s[rows], columns.depths_um[rows].astype(np.float64, copy=False), amps)


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
        raise BadRequest("Limits of amplitude need the amplitudes of the spikes", str(unit.cluster_id))
    low, high = amp_range_uv
    amps = unit.amps_uv.astype(np.float64)
    keep = (amps >= low) & (amps < high)
    return UnitSpikes(unit.cluster_id, unit.times_s[keep], unit.depths_um[keep], unit.amps_uv[keep])


def _known(columns: SpikeColumns, cluster_id: int) -> int:
    if not 0 <= cluster_id < columns.n_clusters:
        raise BadRequest("There is no such cluster", str(cluster_id), f"Ids go from 0 to {columns.n_clusters - 1}")
    return cluster_id


def main_template(columns: SpikeColumns, templates: npt.NDArray[Any], cluster_id: int) -> tuple[int, float] | None:
    """Return the template that most spikes of a unit were found with, and their share; None without any.

    Parameters
    ----------
    columns : SpikeColumns
    templates : ndarray, shape (n_rows_in_file,), numbers
        ``spikes.templates``, as in the file. What is negative or no number counts for nothing.
    cluster_id : int

    Raises
    ------
    BadRequest
        No cluster has that id.
    """
    rows = unit_rows(columns, _known(columns, cluster_id))
    in_file = rows if columns.spike_rows is None else columns.spike_rows[rows]
    found = np.asarray(templates[in_file], dtype=np.float64)
    found = found[np.isfinite(found) & (found >= 0)]
    if not found.size:
        return None
    ids, counts = np.unique(found, return_counts=True)
    most = int(counts.argmax())  # the lowest id of equals
    return int(ids[most]), float(counts[most] / rows.size)


def unit_statistics(unit: UnitSpikes) -> UnitStatistics:
    """Compute what the unit tab draws, with IBL's bins and windows."""
    return UnitStatistics(
        autocorrelogram(unit.times_s),
        autocorrelogram(unit.times_s, CLOSE_BIN_S, CLOSE_WINDOW_S),
        isi_histogram(unit.times_s),
        refractory_test(unit.times_s),
        None if unit.amps_uv is None else amplitude_histogram(unit.amps_uv),
    )


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
        By cluster id (`FilterResult.by_id`); all where None.
    depth_range_um : (float, float) or None
        ``[low, high)``, in um.
    amp_range_uv : (float, float) or None
        ``[low, high)``, in uV or in the arbitrary units of the file.

    Raises
    ------
    BadRequest
        `keep` does not cover every cluster id, or there are no amplitudes to limit.
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


def matchable(columns: SpikeColumns) -> SortedSpikes:
    """Return the columns that `unit_pairs.compare_units` takes."""
    return SortedSpikes.of(columns.times_s, columns.clusters, columns.depths_um, columns.n_clusters)


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
