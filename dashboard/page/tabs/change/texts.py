"""Sentences of the Change tab."""

from __future__ import annotations

from html import escape

import pandas as pd

from dashboard.analysis.change.change import Change
from dashboard.analysis.change.columns import (
    ALONE,
    ALONE_UM,
    APPEARED,
    LOST,
    LOST_TOGETHER,
    UNDETERMINED,
    WITH_OTHERS,
)
from dashboard.analysis.change.spans import BAND_UM, CONFIDENCE, LEAST_UM, N_BLOCKS
from dashboard.analysis.quality.stability import STABLE_MAX_UM
from dashboard.model.texts import counted, span_text

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
    motion = "no band of depth moves as one"
    if len(moving):
        largest = moving.iloc[int(moving["median_change_um"].abs().argmax())]
        motion = (
            f"<b>motion</b> in {len(moving)} of {counted(len(bands), 'band')} of {BAND_UM:g} µm: at most "
            f"{largest['median_change_um']:+.1f} µm, at {largest['low_um']:,.0f}–{largest['high_um']:,.0f} µm"
        )
    counts = ", ".join(
        f"{int(verdicts.get(name, 0)):,} {name}"
        for name in (WITH_OTHERS, ALONE, LOST, LOST_TOGETHER, APPEARED, UNDETERMINED)
    )
    amps = "" if "amp_change_uv" in units else " The spikes have no amplitudes, so that their change is not known."
    return (
        f'<div class="unit"><h2>After, {span_text(request.after)} '
        f"<small>against before, {span_text(request.before)}</small></h2>"
        "<table>"
        f"<tr><th>Displacement of units</th><td>{motion}</td></tr>"
        f"<tr><th>Residual of the spikes</th><td>{_residual(change)}</td></tr>"
        f"<tr><th>Removed by the sorter</th><td>{_removed(change)}</td></tr></table>"
        f"<p>Of {counted(n_fired, 'unit')}: {counts}.{amps}</p>"
        '<p class="absent">These are three different quantities; do not add them. The residual is of the depths of '
        "all spikes of a band; what the sorter removed before detection is in neither of the first two. "
        "All spikes of each unit, whatever the filters; "
        f"intervals of {CONFIDENCE:.0%}, from {N_BLOCKS} blocks of time in each span. Less than {LEAST_UM:g} µm is "
        f"steady; alone: {ALONE_UM:g} µm or more from the median of its band; undetermined: the interval holds both "
        "zero and a change of that size.</p></div>"
    )


def _residual(change: Change) -> str:
    found = change.residual[2 * change.residual["half_um"] <= STABLE_MAX_UM]
    if not len(found):
        return "undetermined: too few spikes in one of the spans"
    largest = found.iloc[int(found["shift_um"].abs().to_numpy().argmax())]
    return (
        f"{found['shift_um'].min():+.1f} to {found['shift_um'].max():+.1f} µm by bands of {BAND_UM:g} µm, most at "
        f"{largest['low_um']:,.0f}–{largest['high_um']:,.0f} µm (± {largest['half_um']:.1f} µm)"
    )


def _removed(change: Change) -> str:
    if change.request.drift is None:
        return "not available: no drift in the files"
    if change.removed_um is None:
        return "not available: the drift file has no estimate in one of the spans"
    low, high = change.removed_um
    return f"{low:+.1f} to {high:+.1f} µm, by depth (drift file)"


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
