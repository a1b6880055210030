"""Sentences of the Events tab. Text from files is escaped here."""

from __future__ import annotations

from html import escape

from dashboard.analysis.events.picture import EventPicture, pooled_groups, raster_limits, theme_ink, trials_per_row
from dashboard.analysis.events.trials import REACTION_S
from dashboard.figures.events import Z_LIMIT
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted, duration_text
from dashboard.page.core.figure_view import ramp

MASK_WORDS = (
    f"Only trials of the brain-wide map: first movement {REACTION_S[0]:g} to {REACTION_S[1]:g} s after the stimulus, "
    "nothing missing"
)

WORKING = '<div class="unit empty-tab"><p class="absent">aligning spikes …</p></div>'


def absent(sorting: SpikeSorting, why: str = "") -> str:
    """Return why there is nothing to align to."""
    why = why or sorting.missing_reason("trials") or "the session has no trials"
    return (
        f'<div class="unit empty-tab"><p><b>No events</b></p><p class="absent">Trials are not available: '
        f"{escape(why)}. Rasters and responses around events need the trials of the session.</p></div>"
    )


def captions(picture: EventPicture, event: str, split: str, aside: str = "", *, dark: bool) -> dict[str, str]:
    """Return the heading over each figure, and the line of what is drawn."""
    edges = picture.raster_edges_s
    n_used = sum(len(group.counts) for group in picture.groups)
    per_row = trials_per_row(n_used)
    shared = ""
    if per_row > 1:
        how = "the largest count" if picture.is_single else "their mean"
        shared = f"; {per_row} trials share a row of pixels, {how} is drawn"
    together = "" if picture.is_single else "; rate of all spikes together"
    low, high = raster_limits(pooled_groups(picture.groups, is_single=picture.is_single), is_single=picture.is_single)
    chips = "".join(
        f'<span class="chip"><i style="background:{theme_ink(group.group.color, dark=dark)}"></i>'
        f"{escape(group.group.label)} ({len(group.counts):,})</span>"
        for group in picture.groups
    )
    psth_bin = picture.groups[0].psth.edges_s if picture.groups else edges
    found = picture.map
    stops = ",".join(ramp("zscore", dark=dark)[::17])
    bar = (
        f'<div class="bar-row"><span class="title">z</span><span>−{Z_LIMIT:g}</span>'
        f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i><span>{Z_LIMIT:g}</span></div>'
    )
    depth_bin = float(found.depth_edges_um[1] - found.depth_edges_um[0])
    time_bin = duration_text(float(found.time_edges_s[1] - found.time_edges_s[0]))
    raster_bin = duration_text(float(edges[1] - edges[0]))
    words = escape(f"{aside}{picture.subject} · {picture.trials_text(event)}")
    return {
        "head": f'<div class="unit"><h3><small>{words}</small></h3>'
        f'<p class="chips">{chips if split != "none" else ""}</p></div>',
        "psth": f'<div class="unit"><h4>PSTH: mean ± SEM over trials, '
        f"{duration_text(float(psth_bin[1] - psth_bin[0]))} bins, not smoothed{together}</h4></div>",
        "raster": f'<div class="unit"><h4>Trials, {raster_bin} bins, {low:.3g} to {high:.3g} spikes{shared}; '
        "a click shows the trial in the large raster</h4></div>",
        "map": '<div class="unit"><h4>Population, all units that pass the filters: rate in '
        f"{depth_bin:g} µm × {time_bin} bins as z-score of the baseline, "
        f"{counted(found.n_trials, 'trial')}; grey: the baseline does not vary</h4>{bar}</div>",
    }
