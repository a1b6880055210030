"""Bins of the Unit tab in links."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.analysis.units.bins import UnitBins
from dashboard.page.core.numbers import Fields, defaults

UNIT_FIELDS: Fields = {
    "lag_half": ("± lags (ms)", 1e3 * UnitBins().lag_half_s),
    "lag_bin": ("Lag bin (ms)", 1e3 * UnitBins().lag_bin_s),
    "close_half": ("± close-up (ms)", 1e3 * UnitBins().close_half_s),
    "close_bin": ("Close-up bin (ms)", 1e3 * UnitBins().close_bin_s),
    "isi_window": ("Intervals to (ms)", 1e3 * UnitBins().isi_window_s),
    "isi_bin": ("Interval bin (ms)", 1e3 * UnitBins().isi_bin_s),
    "rate_bin": ("Rate bin (s)", UnitBins().rate_bin_s),
    "amp_bins": ("Amplitude bins", float(UnitBins().n_amp_bins)),
}
"""The same for Unit."""


def unit_bins(bins: Mapping[str, float]) -> UnitBins:
    """Return the bins of Unit; see `event_bins`."""
    value = {**defaults(UNIT_FIELDS), **bins}
    return UnitBins(
        lag_bin_s=value["lag_bin"] / 1e3,
        lag_half_s=value["lag_half"] / 1e3,
        close_bin_s=value["close_bin"] / 1e3,
        close_half_s=value["close_half"] / 1e3,
        isi_bin_s=value["isi_bin"] / 1e3,
        isi_window_s=value["isi_window"] / 1e3,
        rate_bin_s=value["rate_bin"],
        n_amp_bins=int(min(max(value["amp_bins"], 0), 1e6)),
    )
