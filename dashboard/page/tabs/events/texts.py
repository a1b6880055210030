"""Sentences of the Events tab. Text from files is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

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


def head(picture: EventPicture, aside: str, *, dark: bool) -> str:
    """Return whose spikes are aligned, in which trials, and the colours of their groups."""
    chips = "".join(
        f'<span class="chip"><i style="background:{theme_ink(group.group.color, dark=dark)}"></i>'
        f"{escape(group.group.label)} ({len(group):,})</span>"
        for group in picture.groups
    )
    words = escape(f"{aside}{picture.subject} · {picture.trials_text(picture.event)}")
    return (
        f'<div class="unit"><h2><small>{words}</small></h2>'
        f'<p class="chips">{chips if picture.split != "none" else ""}</p></div>'
    )


def heading(name: str, picture: EventPicture, *, dark: bool) -> str:
    """Return the heading over a figure of the tab, with what it measures; empty for one of another package."""
    write = HEADINGS.get(name)
    return "" if write is None else f'<div class="unit">{write(picture, dark)}</div>'


def _psth(picture: EventPicture, dark: bool) -> str:
    together = "" if picture.is_single else "; rate of all spikes together"
    edges = picture.groups[0].psth.edges_s
    return f"<h3>PSTH: mean ± SEM over trials, {_bin(edges)} bins, not smoothed{together}</h3>"


def _raster(picture: EventPicture, dark: bool) -> str:
    per_row = trials_per_row(sum(map(len, picture.groups)))
    shared = ""
    if per_row > 1:
        how = "the largest count" if picture.is_single else "their mean"
        shared = f"; {per_row} trials share a row of pixels, {how} is drawn"
    low, high = raster_limits(pooled_groups(picture.groups, is_single=picture.is_single), is_single=picture.is_single)
    return (
        f"<h3>Trials, {_bin(picture.raster_edges_s)} bins, {low:.3g} to {high:.3g} spikes{shared}; "
        "a click shows the trial in the large raster</h3>"
    )


def _map(picture: EventPicture, dark: bool) -> str:
    found = picture.map
    stops = ",".join(ramp("zscore", dark=dark)[::17])
    bar = (
        f'<div class="bar-row"><span class="title">z</span><span>−{Z_LIMIT:g}</span>'
        f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i><span>{Z_LIMIT:g}</span></div>'
    )
    depth_bin = float(found.depth_edges_um[1] - found.depth_edges_um[0])
    return (
        f"<h3>Population, all units that pass the filters: rate in {depth_bin:g} µm × {_bin(found.time_edges_s)} bins "
        f"as z-score of the baseline, {counted(found.n_trials, 'trial')}; grey: the baseline does not vary</h3>{bar}"
    )


HEADINGS: Mapping[str, Callable[[EventPicture, bool], str]] = MappingProxyType(
    {"event-psth": _psth, "event-raster": _raster, "event-map": _map}
)
"""Name of a figure -> what stands over it, in a theme."""


def _bin(edges: npt.NDArray[np.float64]) -> str:
    return duration_text(float(edges[1] - edges[0]))
