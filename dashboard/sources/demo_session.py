"""The demo's session files: trials, passive periods and stimuli, noise of the raw recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dashboard.sources.demo_behaviour import Behaviour
from dashboard.sources.demo_channels import Channels
from dashboard.sources.demo_files import save

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
)
"""Every file of the session that is not a sorting's."""


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
        Draws the noise levels of the channels.
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
