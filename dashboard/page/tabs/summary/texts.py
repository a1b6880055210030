"""Sentences of the Summary tab about motion along the probe."""

from __future__ import annotations

from html import escape

import numpy as np

from dashboard.analysis.quality.stability import Residual, Stability, judge
from dashboard.analysis.quality.summary import Summary

REMOVED_TITLE = "Motion that the sorter estimated and took out before it detected spikes: the drift file"
RESIDUAL_TITLE = (
    "Shift of the spikes' depths in bands of 200 µm, a minute at a time: what the sorter's correction left, or made"
)
CLASSES = {Stability.STABLE: "pass", Stability.UNSTABLE: "fail", Stability.UNDETERMINED: "not-available"}


def motion(summary: Summary, residual: Residual | str) -> str:
    """Return the three quantities of motion as HTML, each under its own name.

    Parameters
    ----------
    summary : Summary
    residual : Residual or str
        Why it is not there, where it is not.
    """
    rows = (
        (REMOVED_TITLE, "removed by the sorter", _removed(summary)),
        (RESIDUAL_TITLE, "residual of the spikes", escape(residual) if isinstance(residual, str) else _left(residual)),
        (
            "Mean depth of a unit's spikes in two spans",
            "displacement of a unit",
            "mark two spans in the tab Change",
        ),
    )
    lines = "".join(f'<tr><th title="{title}">{name}</th><td>{value}</td></tr>' for title, name, value in rows)
    return (
        f'<div class="summary"><h2>Motion along the probe</h2><table class="motion">{lines}</table>'
        '<p class="absent">These are three different quantities; do not add them.</p></div>'
    )


def _removed(summary: Summary) -> str:
    found = summary.removed
    if found is None:
        return f'<span class="absent">not available: {escape(summary.drift_reason)}</span>'
    ends = _span(found.least_range_um, found.most_range_um)
    return (
        f"{ends} µm from end to end, largest jump {found.jump_um:.1f} µm at {found.jump_s:,.0f} s; "
        f"RMS {found.rms_um:.2f} µm about the mean"
    )


def _left(residual: Residual) -> str:
    bands = residual.bands.dropna(subset="range_um")
    if not len(bands):
        return '<span class="absent">not available: too few spikes, or too short a recording</span>'
    jump = bands.iloc[int(bands["jump_um"].to_numpy().argmax())]
    return (
        f"{_span(bands['range_um'].min(), bands['range_um'].max())} µm from 5 to 95 %, largest jump "
        f"{jump['jump_um']:.1f} µm at {jump['jump_s']:,.0f} s, {jump['low_um']:,.0f}–{jump['high_um']:,.0f} µm; "
        f"± {np.median(bands['half_um']):.1f} µm for one of {residual.bin_s:.0f} s"
    )


def _span(low: float, high: float) -> str:
    return f"{low:.0f} to {high:.0f}" if round(low) != round(high) else f"{high:.0f}"


def stability_row(residual: Residual | str, max_um: float, presence_min: float) -> str:
    """Return the row of the verdicts that says whether the spikes' depths are stable."""
    name = f'<tr><th title="{RESIDUAL_TITLE}">Stability of depths</th>'
    if isinstance(residual, str):
        return f"{name}<td>{escape(residual)}</td><td></td></tr>"
    outcome, by_band = judge(residual, max_um, presence_min)
    counts = ", ".join(f"{by_band.count(word)} {word}" for word in Stability if word in by_band) or "no spikes"
    needs = f"range and jump &lt; {max_um:g} µm, spikes in &gt; {presence_min:.0%} of the bins"
    return (
        f'{name}<td>bands: {counts} <small title="To be changed at the end of the tab">needs {needs}</small></td>'
        f'<td><b class="{CLASSES[outcome]}">{outcome}</b></td></tr>'
    )
