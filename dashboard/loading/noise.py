"""The small files of the raw data's quality: AP noise and LFP power by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.loading.files import read_array
from dashboard.model.errors import DatasetInvalid
from dashboard.model.references import DatasetRef
from dashboard.model.sorting import Missing

AP_RMS = "ephysTimeRmsAP.rms"
LFP_POWER = "ephysSpectralDensityLF.power"
LFP_FREQUENCIES = "ephysSpectralDensityLF.freqs"


@dataclass(frozen=True, slots=True)
class Noise:
    """What the quality files hold; None where one is not there, and `missing` says why.

    Attributes
    ----------
    ap_rms_v : ndarray, shape (n_times, n_channels), float64, in volts, or None
    lfp_power : ndarray, shape (n_frequencies, n_channels), float64, in V^2/Hz, or None
    lfp_hz : ndarray, shape (n_frequencies,), float64, or None
    missing : tuple of Missing
    """

    ap_rms_v: npt.NDArray[np.float64] | None = None
    lfp_power: npt.NDArray[np.float64] | None = None
    lfp_hz: npt.NDArray[np.float64] | None = None
    missing: tuple[Missing, ...] = ()


def noise_datasets(datasets: Sequence[DatasetRef], probe: str) -> list[DatasetRef]:
    """Return the quality files of a probe among a session's datasets."""
    home = f"raw_ephys_data/{probe}"
    return [d for d in datasets if d.collection == home and d.name in (AP_RMS, LFP_POWER, LFP_FREQUENCIES)]


def load_noise(datasets: Sequence[DatasetRef]) -> Noise:
    """Return what the files hold; a damaged one is reported in `missing`.

    Parameters
    ----------
    datasets : sequence of DatasetRef
        As `noise_datasets` gives them, with paths.
    """
    found: dict[str, npt.NDArray[np.float64]] = {}
    missing: list[Missing] = []
    for name in (AP_RMS, LFP_POWER, LFP_FREQUENCIES):
        dataset = next((d for d in datasets if d.name == name and d.path is not None), None)
        if dataset is None or dataset.path is None:
            missing.append(Missing(name, "no such file"))
            continue
        try:
            values = np.asarray(read_array(dataset.path), np.float64)
        except DatasetInvalid as error:
            missing.append(Missing(name, str(error)))
            continue
        if values.ndim != (1 if name == LFP_FREQUENCIES else 2):
            missing.append(Missing(name, f"has {values.ndim} dimensions"))
            continue
        found[name] = values
    power, hz = found.get(LFP_POWER), found.get(LFP_FREQUENCIES)
    if power is not None and (hz is None or len(hz) != len(power)):
        missing.append(Missing(LFP_POWER, "its frequencies are missing or of another number"))
        power = hz = None
    return Noise(found.get(AP_RMS), power, hz if power is not None else None, tuple(missing))
