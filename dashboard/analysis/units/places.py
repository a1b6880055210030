"""Where each unit lies on the probe, how large its spikes are, and how long they last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.analysis.filters.clusters import AMPLITUDE_COLUMNS
from dashboard.analysis.units.isi import SAMPLE_RATE_HZ
from dashboard.engine.columns.columns import BLOCK, SpikeColumns
from dashboard.model.sorting import SpikeSorting, Templates


@dataclass(frozen=True, slots=True, eq=False)
class Amplitudes:
    """Amplitude of each unit, by index.

    Attributes
    ----------
    values : ndarray, shape (n_clusters,), float64
        In uV, or as in the file where amplitudes are not volts; NaN where a unit has none.
    name : str
        Which amplitude it is; empty where there is none.
    why : str
        Why there is none.
    """

    values: npt.NDArray[np.float64]
    name: str
    why: str


def unit_positions(
    sorting: SpikeSorting,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return lateral and axial position of each unit, by index, in um.

    Lateral is that of the unit's channel, axial its own depth where there is one.

    Returns
    -------
    lateral_um, axial_um : ndarray, shape (n_clusters,), float64
        NaN where it is not known.
    """
    clusters = sorting.clusters
    axial = next((name for name in ("depths", "axial_um") if name in clusters), "")
    return _column(sorting, "lateral_um"), _column(sorting, axial)


def _column(sorting: SpikeSorting, name: str) -> npt.NDArray[np.float64]:
    if name not in sorting.clusters:
        return np.full(sorting.n_clusters, np.nan)
    return np.asarray(sorting.clusters[name].to_numpy(dtype=np.float64, na_value=np.nan))


def unit_amplitudes(sorting: SpikeSorting, columns: SpikeColumns) -> Amplitudes:
    """Return the amplitude of each unit: ``clusters.amps`` as the website has it, else the mean of its spikes.

    Where the spikes have no amplitudes, it is the median in the metrics.
    """
    scale = sorting.amp_scale
    website, median = AMPLITUDE_COLUMNS
    if website in sorting.clusters:
        return Amplitudes(scale * _column(sorting, website), f"clusters.{website}", "")
    if columns.amps_uv is not None:
        return Amplitudes(mean_amplitudes(columns)[: sorting.n_clusters], "mean of the unit's spikes", "")
    if median in sorting.clusters:
        return Amplitudes(scale * _column(sorting, median), f"{median} of the metrics", "")
    why = sorting.missing_reason("spikes.amps") or "there are no amplitudes"
    return Amplitudes(np.full(sorting.n_clusters, np.nan), "", why)


def mean_amplitudes(columns: SpikeColumns) -> npt.NDArray[np.float64]:
    """Return the mean amplitude of each cluster's spikes that have one.

    Parameters
    ----------
    columns : SpikeColumns
        With amplitudes.

    Returns
    -------
    ndarray, shape (n_clusters,), float64
        In the unit of the columns; NaN for clusters without spikes.
    """
    assert columns.amps_uv is not None
    sums, counts = np.zeros(columns.n_clusters), np.zeros(columns.n_clusters, dtype=np.int64)
    for start in range(0, columns.n_spikes, BLOCK):
        amps, clusters = columns.amps_uv[start : start + BLOCK], columns.clusters[start : start + BLOCK]
        is_known = np.isfinite(amps)
        if not is_known.all():
            amps, clusters = amps[is_known], clusters[is_known]
        sums += np.bincount(clusters, weights=amps, minlength=columns.n_clusters)
        counts += np.bincount(clusters, minlength=columns.n_clusters)
    means: npt.NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def peak_to_trough_ms(templates: Templates, n_clusters: int) -> npt.NDArray[np.float64]:
    """Return the time from the trough of each template to its peak, on the channel with the largest swing.

    phylib's ``templates_waveforms_durations``, the ``clusters.peakToTrough`` of IBL's files: below zero where the
    peak comes first.

    Parameters
    ----------
    templates : Templates
    n_clusters : int

    Returns
    -------
    ndarray, shape (n_clusters,), float64, in ms
        NaN for clusters without a template.
    """
    found = np.full(n_clusters, np.nan)
    for cluster in range(min(n_clusters, len(templates.waveforms))):
        traces = np.asarray(templates.waveforms[cluster], dtype=np.float32)
        traces = traces[:, np.asarray(templates.channels[cluster]) >= 0]
        if not traces.size or not np.isfinite(traces).all():
            continue
        swing = np.ptp(traces, axis=0)
        if swing.max() > 0:
            peak = traces[:, int(swing.argmax())]
            found[cluster] = 1e3 * (int(peak.argmax()) - int(peak.argmin())) / SAMPLE_RATE_HZ
    return found
