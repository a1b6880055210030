"""The small files of the raw data's quality: AP noise and LFP power by channel."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import DatasetInvalid
from dashboard.model.noise import Noise
from dashboard.model.references import DatasetRef
from dashboard.model.sorting import Missing
from dashboard.model.texts import counted
from dashboard.sources.alf.arrays import read_numbers

AP_RMS = "ephysTimeRmsAP.rms"
CHANNEL_RMS = "ephysChannels.apRMS"
CHANNEL_LABELS = "ephysChannels.labels"
LFP_POWER = "ephysSpectralDensityLF.power"
LFP_FREQUENCIES = "ephysSpectralDensityLF.freqs"
LFP_WINDOWS = "ephysTimeRmsLF.timestamps"
"""A time for each window whose spectrum ``ibllib.ephys.ephysqc`` adds to the file of LFP power."""
AP_TIMES, LF_RMS = "ephysTimeRmsAP.timestamps", "ephysTimeRmsLF.rms"
AP_POWER, AP_FREQUENCIES = "ephysSpectralDensityAP.power", "ephysSpectralDensityAP.freqs"
MAX_RMS_V, MAX_POWER, LFP_HZ = 0.01, 1e-4, 100.0
"""Medians above these, of power below so many Hz, are no volts and no V^2/Hz (a sum of some 10^-13 to 10^-9 over
thousands of windows). SpikeInterface's ``export_to_ibl_gui`` writes files of the same names with RMS in the unit of its
recording (bits, unless it was scaled), and LF's power as a mean over windows, in uV^2/Hz."""
_MAPS = (LFP_WINDOWS, AP_TIMES, LF_RMS, AP_POWER, AP_FREQUENCIES)
"""What is not missed: where one is not there, its picture says so."""
_DIMENSIONS = MappingProxyType(
    {
        AP_TIMES: 1,
        LF_RMS: 2,
        AP_RMS: 2,
        CHANNEL_RMS: 2,
        CHANNEL_LABELS: 1,
        LFP_POWER: 2,
        LFP_FREQUENCIES: 1,
        LFP_WINDOWS: 1,
        AP_POWER: 2,
        AP_FREQUENCIES: 1,
    }
)


def noise_datasets(datasets: Sequence[DatasetRef], probe: str) -> list[DatasetRef]:
    """Return the quality files of a probe among a session's datasets; those beside the spikes come last."""
    homes = (f"raw_ephys_data/{probe}", f"alf/{probe}")
    return [d for home in homes for d in datasets if d.collection == home and d.name in _DIMENSIONS]


def load_noise(datasets: Sequence[DatasetRef]) -> Noise:
    """Return what the files hold; a damaged one is reported in `missing`.

    Parameters
    ----------
    datasets : sequence of DatasetRef
        As `noise_datasets` gives them, with paths.
    """
    found: dict[str, npt.NDArray[np.float64]] = {}
    missing: list[Missing] = []
    for name, n_dimensions in _DIMENSIONS.items():
        dataset = next((d for d in datasets if d.name == name and d.path is not None), None)
        if dataset is None or dataset.path is None:
            if name not in _MAPS:
                missing.append(Missing(name, "no such file"))
            continue
        try:
            values = read_numbers(dataset.path)
        except DatasetInvalid as error:
            missing.append(Missing(name, str(error)))
            continue
        if values.ndim != n_dimensions:
            missing.append(Missing(name, f"has {values.ndim} dimensions"))
            continue
        if name == CHANNEL_RMS and len(values) != 2:
            missing.append(Missing(name, f"has {counted(len(values), 'row')}, not those before and after destriping"))
            continue
        found[name] = values
    spectra: list[npt.NDArray[np.float64] | None] = []
    for name, frequencies in ((LFP_POWER, LFP_FREQUENCIES), (AP_POWER, AP_FREQUENCIES)):
        density, at = found.get(name), found.get(frequencies)
        if density is not None and (at is None or len(at) != len(density)):
            missing.append(Missing(name, "its frequencies are missing or of another number"))
            density = None
        spectra += [density, at if density is not None else None]
    power, hz, ap_power, ap_hz = spectra
    n_windows = len(found.get(LFP_WINDOWS, ())) or None
    if power is not None and hz is not None and _median(power[(hz > 0) & (hz < LFP_HZ)]) > MAX_POWER:
        power, n_windows = power * 1e-12, 1
    elif power is not None and n_windows is not None:
        power = power / n_windows
    of_recording = [name for name in (AP_RMS, LF_RMS) if name in found]
    rms_is_volts = all(_median(found[name]) <= MAX_RMS_V for name in of_recording)
    if not rms_is_volts:
        found |= {name: found[name] * 1e-6 for name in of_recording}
    return Noise(
        found.get(AP_RMS), power, hz, tuple(missing),
        found.get(CHANNEL_RMS), found.get(CHANNEL_LABELS), n_windows,
        _times(found, AP_TIMES, AP_RMS), found.get(LF_RMS), _times(found, LFP_WINDOWS, LF_RMS), ap_power, ap_hz,
        rms_is_volts,
    )  # fmt: skip


def _median(values: npt.NDArray[np.float64]) -> float:
    """Return the median of what is known; 0 where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def _times(found: dict[str, npt.NDArray[np.float64]], name: str, of: str) -> npt.NDArray[np.float64] | None:
    """Return the times of rows of an array; None where they are not as many, or do not increase."""
    times = found.get(name)
    is_whole = times is not None and len(times) == len(found.get(of, ())) and bool((np.diff(times) > 0).all())
    return times if is_whole else None
