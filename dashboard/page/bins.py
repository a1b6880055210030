"""Bins of every tab as words of the link."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dashboard.page.core.numbers import defaults, number_text
from dashboard.page.tabs.compare.fields import COMPARE_FIELDS
from dashboard.page.tabs.events.words import EVENT_FIELDS
from dashboard.page.tabs.probe.words import PROBE_FIELDS
from dashboard.page.tabs.unit.words import UNIT_FIELDS

_DEFAULTS = defaults({**EVENT_FIELDS, **UNIT_FIELDS, **COMPARE_FIELDS, **PROBE_FIELDS})


def write_bins(bins: Mapping[str, float]) -> str:
    """Return bins as `read_bins` takes them: ``psth_bin:20,start:-1``."""
    return ",".join(f"{name}:{number_text(bins[name])}" for name in _DEFAULTS if name in bins)


def read_bins(text: str) -> dict[str, float]:
    """Return the bins of a link.

    Raises
    ------
    ValueError
        A name or a number cannot be read.
    """
    found = {}
    for part in text.split(","):
        name, _, number = part.partition(":")
        if name not in _DEFAULTS:
            raise ValueError(f"names are {', '.join(_DEFAULTS)}")
        value = float(number)
        if not math.isfinite(value):
            raise ValueError("not finite")
        if value != _DEFAULTS[name]:
            found[name] = value
    return found
