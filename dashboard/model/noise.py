"""Quality of the raw recording: AP noise and LFP power by channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dashboard.model.sorting import Missing

NOT_THERE = tuple(Missing(name, "no such file") for name in ("ephysTimeRmsAP.rms", "ephysSpectralDensityLF.power"))
"""What is missing where a source knows nothing of the raw recording."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What the quality files hold; None where one is not there, and `missing` says why.

    Attributes
    ----------
    ap_rms_v : ndarray, shape (n_times, n_channels), float64, in volts, or None
        Before destriping.
    channel_rms_v : ndarray, shape (2, n_channels), float64, in volts, or None
        Median over samples of the recording, before (row 0) and after destriping (row 1), as
        ``ibllib.ephys.ephysqc.EphysQC.run`` writes it.
    channel_labels : ndarray, shape (n_channels,), float64, or None
        What ``ibldsp.voltage.detect_bad_channels`` found most often: 0 good, 1 dead, 2 noisy, 3 outside.
    lfp_power : ndarray, shape (n_frequencies, n_channels), float64, in V^2/Hz, or None
        The mean over `n_lfp_windows`; the file's sum over an unknown number of them where that is None.
    lfp_hz : ndarray, shape (n_frequencies,), float64, or None
    missing : tuple of Missing
    n_lfp_windows : int or None
    ap_times_s, lf_times_s : ndarray, shape (n_times,), float64, or None
        Of the rows of `ap_rms_v` and `lf_rms_v`, on the probe's clock; None where they are of another number.
    lf_rms_v : ndarray, shape (n_times, n_channels), float64, in volts, or None
    ap_power : ndarray, shape (n_ap_frequencies, n_channels), float64, in V^2/Hz, or None
        Of AP, before destriping; the mean over windows.
    ap_hz : ndarray, shape (n_ap_frequencies,), float64, or None
    rms_is_volts : bool
        False where `ap_rms_v` and `lf_rms_v` are millionths of the unit of the recording, which no file says:
        SpikeInterface's ``export_to_ibl_gui``. Their times are then on the clock of the spikes.
    """

    ap_rms_v: npt.NDArray[np.float64] | None = None
    lfp_power: npt.NDArray[np.float64] | None = None
    lfp_hz: npt.NDArray[np.float64] | None = None
    missing: tuple[Missing, ...] = NOT_THERE
    channel_rms_v: npt.NDArray[np.float64] | None = None
    channel_labels: npt.NDArray[np.float64] | None = None
    n_lfp_windows: int | None = None
    ap_times_s: npt.NDArray[np.float64] | None = None
    lf_rms_v: npt.NDArray[np.float64] | None = None
    lf_times_s: npt.NDArray[np.float64] | None = None
    ap_power: npt.NDArray[np.float64] | None = None
    ap_hz: npt.NDArray[np.float64] | None = None
    rms_is_volts: bool = True

    @property
    def rms_unit(self) -> str:
        """Of a million times `ap_rms_v` and `lf_rms_v`."""
        return "µV" if self.rms_is_volts else "bits or µV, not said"
