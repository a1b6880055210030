"""Tolerances of the Compare tab in links."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.analysis.compare.matching import TOLERANCE_S, TOLERANCE_UM
from dashboard.page.core.numbers import Fields, defaults

COMPARE_FIELDS: Fields = {
    "match": ("Coincident ± (ms)", 1e3 * TOLERANCE_S),
    "match_um": ("and ± (µm)", TOLERANCE_UM),
}
"""The same for Compare."""


def match_tolerance(bins: Mapping[str, float]) -> tuple[float, float]:
    """Return within what spikes of two sortings coincide, in s and um; see `event_bins`."""
    value = {**defaults(COMPARE_FIELDS), **bins}
    return value["match"] / 1e3, value["match_um"]
