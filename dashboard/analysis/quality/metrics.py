"""Quality metrics of units, computed from their spikes as ibllib does where the metrics file cannot be used.

Definitions are those of ``brainbox.metrics.single_units`` of ibllib 4.1 (``quick_unit_metrics``,
``compute_labels``), which reads all spikes once per cluster; here spikes are sorted by cluster once.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from dashboard.analysis.units.isi import refractory_test
from dashboard.engine.count.few_units import UnitIndex, index_units
from dashboard.model.conventions import LabelKind
from dashboard.model.errors import Cancelled, DatasetInvalid
from dashboard.model.files import whole_file
from dashboard.model.progress import Progress, ProgressCallback, ignore_progress
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.arrays import read_table
from dashboard.sources.alf.clusters import (
    FILES_LABEL,
    KILOSORTS_LABEL,
    LABEL_IN_FILE,
    label_tests,
    merge_clusters,
)

logger = logging.getLogger(__name__)

F64 = npt.NDArray[np.float64]

# METRICS_PARAMS of brainbox.metrics.single_units.
PRESENCE_WINDOW_S = 10.0
REFRACTORY_PERIOD_S = 0.0015
MIN_ISI_S = 0.0001

#: Columns of the table and their order.
COLUMNS = (
    "cluster_id", "amp_max", "amp_min", "amp_median", "amp_std_dB", "contamination", "contamination_alt", "drift",
    "missed_spikes_est", "noise_cutoff", "presence_ratio", "presence_ratio_std", "slidingRP_viol", "spike_count",
    "slidingRP_viol_forced", "max_confidence", "min_contamination", "n_spikes_below2", "firing_rate", "label",
    "bitwise_fail",
)  # fmt: skip
#: Of `COLUMNS`, what amplitudes in volts are needed for.
OF_AMPLITUDES = (
    "amp_max",
    "amp_min",
    "amp_median",
    "amp_std_dB",
    "missed_spikes_est",
    "noise_cutoff",
    "n_spikes_below2",
)
_RELABELLED = "label was Kilosort's own opinion in the files; it and the metrics are recomputed from the spikes"
_MADE = "label and metrics are computed from the spikes; the file has no label"
_TESTED = f"label and metrics are computed from the spikes; the file's own label is {LABEL_IN_FILE}"
# Clusters handled between two looks at `cancel`.
_BATCH = 16


def recompute(
    sorting: SpikeSorting,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    first_unit: int = 0,
) -> pd.DataFrame:
    """Return the metrics of every cluster, from its spikes.

    Parameters
    ----------
    sorting : SpikeSorting
    progress : callable
    cancel : threading.Event or None
    first_unit : int
        Index; clusters before it have NaN but for counts and presence.

    Returns
    -------
    DataFrame, one row per cluster
        `COLUMNS`, as ``SpikeSortingLoader.compute_metrics`` gives them: amplitudes in V, rates in Hz,
        ``drift`` in um per hour (the summed change of depth), ``contamination`` as a fraction,
        ``max_confidence`` and ``min_contamination`` in per cent, ``bitwise_fail`` a bit for each test
        failed: 1 sliding refractory period, 2 noise cut-off, 4 amplitude. Where amplitudes are missing or
        not in volts, what needs them and ``label`` are NaN. Clusters without spikes have NaN.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    n_clusters = sorting.n_clusters
    times, rows = _times(sorting)
    of_spikes = sorting.unit_indexes(slice(None) if rows is None else rows)
    units = index_units(of_spikes.astype(np.uint32, copy=False), n_clusters)
    start, stop = (float(times[0]), float(times[-1])) if len(times) else (0.0, 0.0)
    amps = sorting.spikes.amps_v if sorting.amps_are_volts else None
    if amps is not None and sorting.n_negative_amps:
        amps = np.abs(amps)
    table: dict[str, npt.NDArray[Any]] = {name: np.full(n_clusters, np.nan) for name in COLUMNS}
    table["cluster_id"] = sorting.unit_ids
    table |= _presence(times, units, start, stop)
    for first in range(first_unit, n_clusters, _BATCH):
        _check(cancel)
        progress(Progress("computing metrics", first, n_clusters, "clusters"))
        batch = range(first, min(first + _BATCH, n_clusters))
        for cluster in batch:
            own = units.rows(cluster)
            if not len(own):
                continue
            _refractory(table, cluster, times[own], start, stop)
            in_file = own if rows is None else rows[own]
            if sorting.spikes.depths_um is not None:
                with np.errstate(invalid="ignore"):  # between depths that are infinite
                    steps = np.abs(np.diff(np.asarray(sorting.spikes.depths_um[in_file], np.float64)))
                table["drift"][cluster] = np.sum(steps) / (stop - start) * 3600 if stop > start else np.nan
            if amps is not None:
                table["noise_cutoff"][cluster] = noise_cutoff(np.asarray(amps[in_file]))
                table["missed_spikes_est"][cluster] = missed_spikes(np.asarray(amps[in_file]))
        if amps is not None:
            _amplitudes(table, batch, units, rows, amps)
    _check(cancel)
    progress(Progress("computing metrics", n_clusters, n_clusters, "clusters"))
    frame = pd.DataFrame({name: table[name] for name in COLUMNS})
    passed = label_tests(frame)
    bits = np.bitwise_or.reduce(2 ** np.arange(passed.shape[1]) * (~passed.to_numpy()).astype(np.uint8), axis=1)
    frame["label"] = np.mean(passed.to_numpy(), axis=1) if amps is not None and not sorting.amps_at_peak else np.nan
    frame["bitwise_fail"] = bits.astype(np.uint8)
    return frame


def recorded_or_recomputed(
    sorting: SpikeSorting,
    cache: Path | None,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Return what `recompute` gives, kept in ``metrics/<key>.pqt`` of the cache for the next time.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    identity = None if sorting.has_stand_ins else sorting.identity
    path = None
    if cache is not None and identity is not None:
        of = "-magnitudes" if sorting.n_negative_amps and sorting.amps_are_volts else ""
        path = cache / "metrics" / f"{identity.metrics}{of}.pqt"
    if path is not None and path.exists():
        try:
            known = read_table(path)
        except DatasetInvalid as error:
            logger.warning("The metrics kept in the cache are computed again: %s", error)
        else:
            if len(known) == sorting.n_clusters and set(COLUMNS) <= set(known.columns):
                return known
    metrics = recompute(sorting, progress, cancel)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as draft:
                metrics.to_parquet(draft)
        except OSError as error:
            logger.warning("Metrics are not kept in the cache: %s", error)
    return metrics


def with_metrics(sorting: SpikeSorting, metrics: pd.DataFrame) -> SpikeSorting:
    """Return the sorting with `metrics` merged into its clusters; the one that is given does not change.

    Parameters
    ----------
    sorting : SpikeSorting
    metrics : DataFrame, one row per cluster
    """
    if sorting.spikes.amps_v is None or not sorting.amps_are_volts:  # those of the files are not covered by blank ones
        metrics = metrics.drop(columns=[*OF_AMPLITUDES, "bitwise_fail"], errors="ignore")
    if sorting.label_kind is LabelKind.CURATED:  # what people decided stands, and no label is put beside it
        metrics = metrics.drop(columns=["label", "bitwise_fail"], errors="ignore")
    of_channels = [name for name in sorting.channels.columns if name in sorting.clusters.columns]
    clusters = sorting.clusters.drop(columns=of_channels if "channels" in sorting.clusters else [])
    merged = merge_clusters(clusters, metrics, sorting.channels)
    is_labelled = "label" in metrics and bool(metrics["label"].notna().any())
    kind = LabelKind.IBL if is_labelled else sorting.label_kind
    if sorting.label_kind is LabelKind.FILE:
        merged[LABEL_IN_FILE] = sorting.clusters["label"]
    said = {KILOSORTS_LABEL: _RELABELLED, FILES_LABEL: _TESTED}
    notes = tuple(said.get(note, note) for note in sorting.notes)
    if sorting.label_kind is LabelKind.NONE and not sorting.metrics_stale:
        notes = (*notes, _MADE)
    return replace(sorting, clusters=merged, metrics_stale=False, metrics_made=True, label_kind=kind, notes=notes)


def noise_cutoff(amps: npt.NDArray[np.floating[Any]], quantile_length: float = 0.25, n_bins: int = 100) -> float:
    """Return by how many standard deviations the low end of the amplitudes exceeds their upper part.

    Parameters
    ----------
    amps : ndarray, shape (n_spikes,), in V
    quantile_length : float
        Half of the part of the upper flank that is left out next to the peak.
    n_bins : int

    Returns
    -------
    float
        NaN where it cannot be told. ``noise_cutoff`` of ``brainbox.metrics.single_units``.
    """
    amps = amps[np.isfinite(amps)]
    if amps.size <= 1:
        return np.nan
    counts, _ = np.histogram(amps, bins=np.linspace(0, np.max(amps), n_bins))
    peak = int(np.argmax(counts))
    top_half = int(np.count_nonzero(counts[peak:-1] > 0))
    first_high = int(np.ceil(2 * quantile_length * top_half + peak))
    high = counts[first_high:]
    high = high[high >= 1]
    if not high.size:
        return np.nan
    spread = np.std(high)
    if not spread > 0:
        return np.nan
    first_low = counts[counts != 0][1]  # the second bin: the first is cut by the threshold
    return float((first_low - np.mean(high)) / spread)


def missed_spikes(
    amps: npt.NDArray[np.floating[Any]], spikes_per_bin: int = 10, sigma: float = 4, min_bins: int = 50
) -> float:
    """Return the fraction of spikes below threshold, were the amplitudes spread evenly around their peak.

    Parameters
    ----------
    amps : ndarray, shape (n_spikes,), in V
    spikes_per_bin : int
    sigma : float
        Of the smoothing, in bins.
    min_bins : int
        NaN is returned for units with too few spikes for as many bins.

    Returns
    -------
    float
        At most 0.5. ``missed_spikes_est`` of ``brainbox.metrics.single_units``, after Hill et al. (2011).
    """
    amps = amps[np.isfinite(amps)]
    if amps.size <= spikes_per_bin * min_bins or amps.min() == amps.max():
        return np.nan
    density, _ = np.histogram(amps, int(amps.size / spikes_per_bin), density=True)
    smooth = gaussian_filter1d(density, sigma)
    peak = int(np.argmax(smooth))
    cut = peak + int(np.argmin(np.abs(smooth[peak:] - smooth[0])))
    return float(min(np.sum(smooth[cut:]) / np.sum(smooth), 0.5))


def contamination(times_s: F64, start_s: float, stop_s: float) -> float:
    """Return the rate of refractory violations over the unit's rate.

    Parameters
    ----------
    times_s : ndarray, shape (n_spikes,), float64, sorted, in seconds
    start_s, stop_s : float
        Of the recording.

    Returns
    -------
    float
        ``contamination`` of ``brainbox.metrics.single_units``, after sortingQuality (Denman, Steinmetz).
    """
    if not stop_s > start_s:
        return np.nan
    twins = np.flatnonzero(np.diff(times_s) <= MIN_ISI_S)
    times_s = np.delete(times_s, twins + 1)
    violations = np.sum(np.diff(times_s) < REFRACTORY_PERIOD_S)
    rate_of_violations = violations / (2 * times_s.size * (REFRACTORY_PERIOD_S - MIN_ISI_S))
    return float(rate_of_violations / (times_s.size / (stop_s - start_s)))


def contamination_alt(times_s: F64) -> float:
    """Return the false-positive rate that explains the refractory violations.

    Parameters
    ----------
    times_s : ndarray, shape (n_spikes,), float64, sorted, in seconds

    Returns
    -------
    float
        ``contamination_alt`` of ``brainbox.metrics.single_units``, after Hill et al. (2011).
    """
    violations = int(np.count_nonzero(np.diff(times_s) < REFRACTORY_PERIOD_S))
    span = times_s[-1] - times_s[0]
    constant = (span * violations) / (2 * REFRACTORY_PERIOD_S * times_s.size**2)
    return float(np.min(np.abs(np.roots([-1, 1, constant]))))


def _check(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Computing metrics was cancelled")


def _times(sorting: SpikeSorting) -> tuple[F64, npt.NDArray[np.int64] | None]:
    """Return times that are finite and in order, and their rows in the file (None: all as they are)."""
    times = np.asarray(sorting.spikes.times_s, dtype=np.float64)
    if np.all(times[1:] >= times[:-1]):  # NaN compares as False
        return (times, None) if len(times) != 1 or np.isfinite(times[0]) else (times[:0], np.empty(0, np.int64))
    rows = np.flatnonzero(np.isfinite(times))
    rows = rows[np.argsort(times[rows], kind="stable")]
    return times[rows], rows


def _presence(times: F64, units: UnitIndex, start: float, stop: float) -> dict[str, npt.NDArray[Any]]:
    """Return counts and presence in windows of 10 s, on the bins of ``iblutil.numerical.bincount2D``."""
    n_clusters = len(units.offsets) - 1
    n_bins = len(np.arange(start, stop + PRESENCE_WINDOW_S / 2, PRESENCE_WINDOW_S))
    counts = np.zeros((n_clusters, max(n_bins, 1)))
    for cluster in range(n_clusters):
        bins = np.floor((times[units.rows(cluster)] - start) / PRESENCE_WINDOW_S).astype(np.int64)
        counts[cluster] = np.bincount(bins, minlength=counts.shape[1])
    spike_count = np.sum(counts, axis=1)
    return {
        "presence_ratio": np.sum(counts > 0, axis=1) / counts.shape[1],
        "presence_ratio_std": np.std(counts, axis=1),
        "spike_count": spike_count,
        "firing_rate": spike_count / (stop - start) if stop > start else np.full(n_clusters, np.nan),
    }


def _refractory(table: dict[str, npt.NDArray[Any]], cluster: int, times: F64, start: float, stop: float) -> None:
    test = refractory_test(times)
    table["slidingRP_viol"][cluster] = test.passes
    # slidingRP's allowance for hour-long recordings: no violation at all in a unit that fires. It asks
    # `passes is False`, which NumPy's False is not: so only where no level at all is reached.
    no_level = bool(np.isnan(test.min_contamination_pct))
    table["slidingRP_viol_forced"][cluster] = test.n_below_2ms == 0 and test.rate_hz > 0.5 and no_level
    table["max_confidence"][cluster] = test.max_confidence_pct
    table["min_contamination"][cluster] = test.min_contamination_pct
    table["n_spikes_below2"][cluster] = test.n_below_2ms
    table["contamination_alt"][cluster] = contamination_alt(times)
    table["contamination"][cluster] = contamination(times, start, stop)


def _amplitudes(
    table: dict[str, npt.NDArray[Any]],
    batch: range,
    units: UnitIndex,
    rows: npt.NDArray[np.int64] | None,
    amps_v: npt.NDArray[Any],
) -> None:
    """Fill in the extremes, the geometric median and the spread in dB, by the same pandas groups as ibllib."""
    own = units.order[int(units.offsets[batch.start]) : int(units.offsets[batch.stop])]
    if not len(own):
        return
    amps = np.asarray(amps_v[own if rows is None else rows[own]])
    lengths = np.diff(units.offsets[batch.start : batch.stop + 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = 20 * np.log10(amps)
    frame = pd.DataFrame(
        {"amp": amps.astype(np.float64), "dB": decibels.astype(np.float64), "id": np.repeat(list(batch), lengths)}
    )
    groups = frame.groupby("id")
    ids = groups["amp"].min().index.to_numpy()
    table["amp_min"][ids] = groups["amp"].min().to_numpy()
    table["amp_max"][ids] = groups["amp"].max().to_numpy()
    table["amp_median"][ids] = (10 ** (groups["dB"].median() / 20)).to_numpy()
    table["amp_std_dB"][ids] = groups["dB"].std().to_numpy()
