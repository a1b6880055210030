"""Bins of the Probe tab in links."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.analysis.anatomy.correlation import DEPTH_BIN_UM, TIME_BIN_S
from dashboard.engine.count.rates import PROFILE_BIN_UM
from dashboard.page.core.numbers import Fields, defaults

PROBE_FIELDS: Fields = {
    "corr_um": ("Correlation (µm)", DEPTH_BIN_UM),
    "corr_bin": ("Correlation (ms)", 1e3 * TIME_BIN_S),
    "profile_um": ("Profile (µm)", PROFILE_BIN_UM),
}
"""The same for Probe."""


def probe_bins(bins: Mapping[str, float]) -> tuple[float, float, float]:
    """Return the bins of Probe: of the correlation in s and um, of the profiles in um; see `event_bins`."""
    value = {**defaults(PROBE_FIELDS), **bins}
    return value["corr_bin"] / 1e3, value["corr_um"], value["profile_um"]
