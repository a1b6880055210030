"""Bins of the figures of a unit."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.analysis.units import correlograms, isi
from dashboard.analysis.units.amplitudes import N_BINS

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
