"""Units of the columns of exported tables: by the ends of their names, or by the names that the field has for them."""

from __future__ import annotations

from collections.abc import Iterable

ENDS = {
    "_s": "s", "_ms": "ms", "_hz": "Hz", "_um": "um", "_um_per_h": "um/h", "_uv": "uV", "_pct": "%", "_db": "dB",
    "_au": "a.u.",
}  # fmt: skip
"""Of names that were given here: ``rate_hz``."""

AMPLITUDES = frozenset(("amps", "amp_max", "amp_min", "amp_median"))
"""Columns in the unit of the file's amplitudes: V, unless the sorting says otherwise."""

LIMITS = frozenset(("amp_from", "amp_below"))
"""Limits of single spikes: uV, unless the sorting says otherwise."""

NAMED = {
    "times": "s", "depths": "um", "firing_rate": "Hz", "amp_std_dB": "dB", "drift": "um/h", "peakToTrough": "ms",
    "x": "m", "y": "m", "z": "m", "max_confidence": "%", "min_contamination": "%",
}  # fmt: skip
"""Of ibllib's names, which say none; sources: brainbox.metrics.single_units, brainbox.io.one."""


def unit_of(column: str, *, are_volts: bool = True) -> str:
    """Return the unit of a column; empty where it has none: ids, counts, shares, words.

    Parameters
    ----------
    column : str
    are_volts : bool
        Whether amplitudes of the sorting are volts.
    """
    if column in AMPLITUDES:
        return "V" if are_volts else "a.u."
    if column in LIMITS:
        return "uV" if are_volts else "a.u."
    if column in NAMED:
        return NAMED[column]
    return next((unit for end, unit in ENDS.items() if column.lower().endswith(end)), "")


def headers(columns: Iterable[str], *, are_volts: bool = True) -> list[str]:
    """Return names of columns with their units, as people read them: ``amp_max [V]``."""
    units = ((name, unit_of(name, are_volts=are_volts)) for name in columns)
    return [f"{name} [{unit}]" if unit else name for name, unit in units]
