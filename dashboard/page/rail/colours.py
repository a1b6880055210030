"""What the pictures of an insertion can be coloured by, and why they cannot be by the rest."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from dashboard.model.sorting import SpikeSorting

AMPLITUDES = ("amp_mean", "amp_max")


def colours_off(sorting: SpikeSorting) -> dict[str, str]:
    """Return the reason for each colour of `dashboard.page.core.state.COLOURS` that the sorting has no data for."""
    off: dict[str, str] = {}
    if sorting.spikes.amps_v is None:
        off |= dict.fromkeys(AMPLITUDES, sorting.missing_reason("spikes.amps") or "there are no amplitudes")
    if "atlas_id" not in sorting.clusters:
        off["region"] = "there are no brain locations"
    if sorting.why_no_labels:
        off["label"] = "there are no IBL labels"  # the line under the units says why
    return off


def colours_off_words(off: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Return one line per reason, as HTML.

    Parameters
    ----------
    off : mapping of str to str
        As `colours_off` returns it.
    names : mapping of str to str
        Colours by the words of the page.
    """
    lines = []
    for reason in dict.fromkeys(off.values()):
        words = ", ".join(word for word, colour in names.items() if off.get(colour) == reason)
        lines.append(f"{escape(words)}: off, {escape(reason)}")
    return f'<div class="notes">{"<br>".join(lines)}</div>' if lines else ""
