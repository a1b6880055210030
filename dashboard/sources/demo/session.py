"""The demo's session files: trials, passive periods and stimuli, noise of the raw recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dashboard.sources.demo.behaviour import Behaviour
from dashboard.sources.demo.channels import TRACK, Channels, region_rows
from dashboard.sources.demo.files import save
from dashboard.sources.demo.kernels import SAMPLING_HZ

RMS_WINDOW_S = 1.0

SESSION_FILES = (
    "alf/_ibl_trials.table.pqt",
    "alf/_ibl_passivePeriods.intervalsTable.csv",
    "alf/_ibl_passiveGabor.table.csv",
    "alf/_ibl_passiveStims.table.csv",
    "alf/_ibl_passiveRFM.times.npy",
    "raw_ephys_data/probe00/_iblqc_ephysChannels.apRMS.npy",
    "raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.rms.npy",
    "raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.timestamps.npy",
    "raw_ephys_data/probe00/_iblqc_ephysTimeRmsLF.rms.npy",
    "raw_ephys_data/probe00/_iblqc_ephysTimeRmsLF.timestamps.npy",
    "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityLF.power.npy",
    "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityLF.freqs.npy",
    "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityAP.power.npy",
    "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityAP.freqs.npy",
)
"""Every file of the session that is not a sorting's."""

LFP_HZ = np.linspace(0.0, 1250.0, 513)
"""Frequencies of the LFP's spectrum, as ``ibllib.ephys.ephysqc`` has them: windows of 1024 samples at 2500 Hz."""

AP_HZ = np.linspace(0.0, SAMPLING_HZ / 2, 513)

LF_SEED = 26
"""Of what LF does over time: other draws stay as they were."""

LFP_DB = {
    "thalamus": -121.0, "pulvinar": -119.0, "dentate": -109.0, "hippocampus": -113.0, "white": -118.0,
    "deep cortex": -112.5, "upper cortex": -111.0,
}  # fmt: skip
"""Power at 40 Hz by group of regions, in dB re 1 V^2/Hz."""


def write_session(
    session: Path, behaviour: Behaviour, channels: Channels, duration_s: float, rng: np.random.Generator
) -> None:
    """Write the files of `SESSION_FILES` below `session`.

    Parameters
    ----------
    session : Path
    behaviour : Behaviour
    channels : Channels
    duration_s : float
    rng : numpy.random.Generator
        Draws the levels of noise and LFP of the channels.
    """
    alf, raw = session / "alf", session / "raw_ephys_data" / "probe00"
    alf.mkdir(parents=True, exist_ok=True)
    raw.mkdir(parents=True, exist_ok=True)
    behaviour.trials.to_parquet(alf / "_ibl_trials.table.pqt")
    behaviour.periods.to_csv(alf / "_ibl_passivePeriods.intervalsTable.csv")
    behaviour.gabors.to_csv(alf / "_ibl_passiveGabor.table.csv")
    behaviour.sounds.to_csv(alf / "_ibl_passiveStims.table.csv")
    save(alf / "_ibl_passiveRFM.times.npy", behaviour.rfm_times_s)
    times = np.arange(0.0, duration_s, max(RMS_WINDOW_S, duration_s / 450))
    level = 11e-6 * np.exp(rng.normal(0.0, 0.12, channels.raw_ind.size))
    level[channels.labels == 1] = 2e-6
    level[channels.labels == 2] = 48e-6
    level[channels.labels == 3] = 6e-6
    stripes_v = 28e-6  # the noise that all channels share, and that destriping takes away
    rms = np.hypot(level, stripes_v)[None, :] * np.exp(rng.normal(0.0, 0.05, (times.size, 1)))
    save(raw / "_iblqc_ephysChannels.apRMS.npy", np.stack([np.median(rms, axis=0), level]))
    save(raw / "_iblqc_ephysTimeRmsAP.rms.npy", rms.astype(np.float32))
    save(raw / "_iblqc_ephysTimeRmsAP.timestamps.npy", times)
    power, own = _lfp_power(channels, rng), np.random.default_rng(LF_SEED)
    lf_level = np.sqrt(power[1:].sum(axis=0) * LFP_HZ[1])  # the variance of a stretch is its power over all frequencies
    slow = np.exp(0.25 * np.sin(times / 97.0) + own.normal(0.0, 0.05, times.size))  # states that come and go
    save(raw / "_iblqc_ephysTimeRmsLF.rms.npy", (slow[:, None] * lf_level).astype(np.float32))
    save(raw / "_iblqc_ephysTimeRmsLF.timestamps.npy", times)
    save(raw / "_iblqc_ephysSpectralDensityLF.power.npy", power * times.size)  # the file holds the sum over its windows
    save(raw / "_iblqc_ephysSpectralDensityLF.freqs.npy", LFP_HZ)
    slope = 1.0 + (1_000.0 / np.maximum(AP_HZ, AP_HZ[1])) ** 2
    ap_power = slope[:, None] * (level**2 + stripes_v**2) / AP_HZ[-1] / slope.mean()
    save(raw / "_iblqc_ephysSpectralDensityAP.power.npy", ap_power.astype(np.float32))
    save(raw / "_iblqc_ephysSpectralDensityAP.freqs.npy", AP_HZ)


def _lfp_power(channels: Channels, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return power in V^2/Hz, shape (n_frequencies, n_channels): falls with the frequency, and steps at the regions."""
    rows = region_rows(channels.local_um[:, 1])
    level_db = np.array([LFP_DB[TRACK[row].group] for row in rows])
    width = 9  # channels: volume conduction
    padded = np.pad(level_db, width // 2, mode="edge")
    level_db = np.convolve(padded, np.full(width, 1 / width), "valid") + rng.normal(0.0, 0.4, level_db.size)
    level_db[channels.labels == 1] = -140.0
    slope = (40.0 / np.maximum(LFP_HZ, LFP_HZ[1])) ** 2
    return np.asarray(slope[:, None] * 10 ** (level_db / 10), np.float32)
