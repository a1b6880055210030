"""Bins of every tab as one word of the link."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dashboard.model.registry import load
from dashboard.page.core.numbers import number_text
from dashboard.page.tabs.registry import TABS

FIRST = ("events", "unit", "compare", "probe")
"""Tabs whose bins come first in links, in this order: a link is written as it always was."""


def default_bins() -> dict[str, float]:
    """Return name in the link and default of every number of every tab."""
    entries = sorted(TABS, key=lambda entry: FIRST.index(entry.name) if entry.name in FIRST else len(FIRST))
    found = [load(entry.bins) for entry in entries if entry.bins]
    return {name: default for fields in found for name, (_, default) in fields.items()}


def write_bins(bins: Mapping[str, float]) -> str:
    """Return bins as `read_bins` takes them: ``psth_bin:20,start:-1``."""
    return ",".join(f"{name}:{number_text(bins[name])}" for name in default_bins() if name in bins)


def read_bins(text: str) -> dict[str, float]:
    """Return the bins of a link.

    Raises
    ------
    ValueError
        A name or a number cannot be read.
    """
    found, defaults = {}, default_bins()
    for part in text.split(","):
        name, _, number = part.partition(":")
        if name not in defaults:
            raise ValueError(f"names are {', '.join(defaults)}")
        value = float(number)
        if not math.isfinite(value):
            raise ValueError("not finite")
        if value != defaults[name]:
            found[name] = value
    return found
