"""Sentences of the Change tab."""

from __future__ import annotations

from html import escape

import pandas as pd

from dashboard.analysis.change.columns import ALONE, ALONE_UM, APPEARED, LOST, LOST_TOGETHER, WITH_OTHERS
from dashboard.analysis.change.spans import BAND_UM, CONFIDENCE
from dashboard.page.plot.spans import span_text
from dashboard.page.tabs.change.compute import Change

EMPTY = (
    '<div class="unit empty-tab"><p><b>Before and after.</b> Hold <kbd>Shift</kbd> and drag over the overview above: '
    "the first drag marks the span before, the second the span after. Or show a window of the session and press "
    '"Before", right of the overview (key <kbd>[</kbd>), then another and "After" (<kbd>]</kbd>).</p><p>Each '
    "unit's change of depth, amplitude and rate then stands here and in the table of units, with 95 % intervals."
    "</p></div>"
)
HALF = (
    '<div class="unit empty-tab"><p>The span {0} is marked. Draw the span {1} over the overview '
    '(<kbd>Shift</kbd> and drag), or show another window and press "{2}".</p></div>'
)


def head(change: Change) -> str:
    """Return what is compared, and what came of it, in words."""
    request, units, bands = change.request, change.units, change.bands
    verdicts = change.columns["change_verdict"].value_counts()
    n_fired = int(((units["n_before"] > 0) | (units["n_after"] > 0)).sum())
    moving = bands[bands["verdict"] == "motion"]
    motion = "No band of depth moves as one."
    if len(moving):
        largest = moving.iloc[int(moving["median_change_um"].abs().argmax())]
        motion = (
            f"<b>Motion</b> in {len(moving)} of {len(bands)} bands of {BAND_UM:g} µm: at most "
            f"{largest['median_change_um']:+.1f} µm, at {largest['low_um']:,.0f}–{largest['high_um']:,.0f} µm."
        )
    counts = ", ".join(
        f"{int(verdicts.get(name, 0)):,} {name}" for name in (WITH_OTHERS, ALONE, LOST, LOST_TOGETHER, APPEARED)
    )
    amps = "" if "amp_change_uv" in units else " The spikes have no amplitudes, so that their change is not known."
    return (
        f'<div class="unit"><h3>After, {span_text(request.after)} '
        f"<small>against before, {span_text(request.before)}</small></h3>"
        f"<p>{motion} Of {n_fired:,} units: {counts}.{amps}</p>"
        f'<p class="absent">All spikes of each unit, whatever the filters; intervals of {CONFIDENCE:.0%}. '
        f"Alone: {ALONE_UM:g} µm or more from the median of its band.</p></div>"
    )


def bands_table(bands: pd.DataFrame) -> str:
    """Return the bands from the surface to the tip."""
    names = ["low_um", "high_um", "median_change_um", "n_units", "n_up", "n_down", "n_lost", "verdict"]
    rows = "".join(
        f"<tr><td>{low:,.0f}–{high:,.0f}</td><td>{_signed(median)}</td><td>{n}</td><td>{n_up}</td><td>{n_down}</td>"
        f"<td>{n_lost}</td><td>{escape(verdict)}</td></tr>"
        for low, high, median, n, n_up, n_down, n_lost, verdict in bands[names][::-1].to_numpy(dtype=object)
    )
    titles = ("depth (µm)", "median (µm)", "units", "up", "down", "lost", "")
    return f'<div class="unit"><table><tr>{"".join(f"<th>{name}</th>" for name in titles)}</tr>{rows}</table></div>'


def _signed(value: float) -> str:
    return "–" if value != value else f"{value:+.1f}"
