"""Signal to noise of units: their templates over the noise of the channels that they are largest on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.raw.snippet import file_columns
from dashboard.model.errors import DashboardError
from dashboard.model.noise import Noise
from dashboard.model.sorting import SNR, SpikeSorting

SOME = 1 << 18
"""Spikes by which a sorting is known to be as the sorter left it, whose units are its templates."""

F64 = npt.NDArray[np.float64]
_DESTRIPED, _BEFORE = "the RMS of AP after destriping", "the median over time of the RMS of AP before destriping"
_NO_NOISE = "no file says the noise of the channels (_iblqc_ephysChannels.apRMS, _iblqc_ephysTimeRmsAP.rms)"


def with_snr(sorting: SpikeSorting) -> SpikeSorting:
    """Return the sorting whose units have the column `SNR`, or one whose ``why_no_snr`` says why they have not.

    The largest magnitude of the unit's mean waveform on the channel where it is largest from peak to peak, over the
    noise of that channel: the RMS of AP after destriping (``_iblqc_ephysChannels.apRMS``), else the median over time of
    that before it (``_iblqc_ephysTimeRmsAP.rms``), which is some times as large. NaN for units without a waveform. A
    column of a file stays (SpikeInterface's is the same ratio, with the noise as 1.48 times the median absolute
    deviation of what was sorted), and so does that of a source whose files say the noise otherwise (Kilosort, NWB):
    ``snr_definition`` says what it is.
    """
    if SNR in sorting.clusters:
        return sorting
    noise, said = _noise(sorting)
    if noise is None:
        return replace(sorting, why_no_snr=sorting.why_no_snr or said)
    try:
        units = sorting.clusters.assign(**{SNR: _ratios(sorting, noise)})
        return replace(sorting, clusters=units, why_no_snr="", snr_definition=said)
    except (DashboardError, OSError, ValueError) as error:
        return replace(sorting, why_no_snr=str(error))


def _noise(sorting: SpikeSorting) -> tuple[F64 | None, str]:
    """Return the noise of each channel in volts, and what the ratio to it is; None where there is none, and why."""
    if sorting.templates is None:
        return None, f"no templates: {sorting.missing_reason('templates') or 'the sorting has none'}"
    if not sorting.amps_are_volts:
        return None, "templates are in arbitrary units"
    if sorting.noise_is_remote:
        return None, "the noise of the channels is on the server, and is not fetched for it"
    try:
        noise = sorting.noise or Noise()
        found = channel_noise(noise, sorting.channels)
    except DashboardError as error:
        return None, str(error)
    if found is None:
        return None, _NO_NOISE
    of_channel = _BEFORE if noise.channel_rms_v is None else _DESTRIPED
    return found, f"snr is the largest magnitude of the unit's mean waveform over {of_channel} of its channel"


def channel_noise(noise: Noise, channels: pd.DataFrame) -> F64 | None:
    """Return the noise of each channel of a sorting in volts, NaN where it is not known; None where no file has any."""
    if noise.channel_rms_v is not None:
        values = noise.channel_rms_v[1]
    elif noise.ap_rms_v is not None and len(noise.ap_rms_v) and noise.rms_is_volts:
        values = np.median(noise.ap_rms_v, axis=0)
    else:
        return None
    columns = file_columns(channels)
    known = np.isfinite(columns) & (columns >= 0) & (columns < len(values))
    found = np.full(len(channels), np.nan)
    found[known] = values[columns[known].astype(np.int64)]
    found[found <= 0] = np.nan
    return found if np.isfinite(found).any() else None


def _ratios(sorting: SpikeSorting, noise: F64) -> F64:
    assert sorting.templates is not None
    waveforms = np.asarray(sorting.templates.waveforms, np.float32)
    channels = np.asarray(sorting.templates.channels, np.int64)
    is_known = (channels >= 0) & (channels < len(noise)) & np.isfinite(waveforms).all(axis=1)
    sizes = np.where(is_known, np.ptp(waveforms, axis=1), 0.0)
    rows, peak = np.arange(len(sizes)), sizes.argmax(axis=1)
    found = np.full(len(sizes) + 1, np.nan)  # the last is that of a unit without a template
    has_waveform = sizes[rows, peak] > 0
    on = channels[rows, peak][has_waveform]
    found[:-1][has_waveform] = np.abs(waveforms[rows, :, peak][has_waveform]).max(axis=1) / noise[on]
    return found[_rows_of_units(sorting, len(sizes))]


def _rows_of_units(sorting: SpikeSorting, n_templates: int) -> npt.NDArray[np.int64]:
    """Return the row of each unit's template, -1 for none, as `analysis.units.templates.unit_template` has it."""
    assert sorting.templates is not None
    rows = np.arange(sorting.n_clusters)
    if sorting.templates.dataset.startswith("templates."):
        ids = sorting.units.at(rows)
        rows = ids.astype(np.int64) if ids.dtype.kind in "iu" else rows
        of_spikes = sorting.spikes.extra.get("templates")
        if of_spikes is not None and not np.array_equal(of_spikes[:SOME], sorting.spikes.clusters[:SOME]):  # curated
            found = np.asarray(of_spikes, np.float64)
            known = np.isfinite(found) & (found >= 0) & (found < n_templates)
            units = sorting.unit_indexes()[known].astype(np.int64)
            counts = np.bincount(units * n_templates + found[known].astype(np.int64), minlength=len(rows) * n_templates)
            counts = counts.reshape(len(rows), n_templates)
            rows = np.where(counts.any(axis=1), counts.argmax(axis=1), rows)
    return np.where((rows >= 0) & (rows < n_templates), rows, -1)
