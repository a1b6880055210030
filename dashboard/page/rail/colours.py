"""What the pictures of an insertion can be coloured by, and why they cannot be by the rest."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.sorting import SpikeSorting


def colours_off(sorting: SpikeSorting) -> dict[str, str]:
    """Return why each aggregate cannot be shown that a sorting has no data for."""
    return {entry.name: reason for entry in AGGREGATES if (reason := entry.why_off(sorting))}


def colours_off_words(off: Mapping[str, str]) -> str:
    """Return one line per reason, as HTML.

    Parameters
    ----------
    off : mapping of str to str
        As `colours_off` returns it.
    """
    lines = []
    for reason in dict.fromkeys(off.values()):
        words = ", ".join(AGGREGATES[name].title for name in off if off[name] == reason)
        lines.append(f"{escape(words)}: off, {escape(reason)}")
    return f'<div class="notes">{"<br>".join(lines)}</div>' if lines else ""
