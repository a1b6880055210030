"""An event on paper, as the page shows it: trials and rates by group, and the population by depth."""

from __future__ import annotations

import textwrap

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dashboard.analysis.events.picture import EventPicture, pooled_groups, raster_limits, theme_ink, trials_per_row
from dashboard.export.origin import Subject, provenance
from dashboard.export.sheet import NARROW_EM, Sheet, SheetStyle, lay_out_between

ZSCORE_LIMIT = 10.0
"""Colours of the event map, as in the brain-wide map's own figures."""


def event_sheet(subject: Subject, style: SheetStyle, picture: EventPicture, event: str, split: str) -> Sheet:
    """Return a sheet of what was counted around an event.

    Parameters
    ----------
    subject : Subject
    style : SheetStyle
    picture : EventPicture
    event, split : str
        What `picture` was aligned to and split by.
    """
    title = f"{subject.sorting.title} · {event}"
    words = provenance(
        subject, event=event, split=split, aligned=picture.subject, trials=picture.trials_text(event),
        bins=bins_of(picture),
    ) | {"spikes": f"{picture.subject}, whole recording"}  # fmt: skip

    def draw(figure: Figure) -> None:
        lay_out_between(figure, style)
        axes = figure.subplot_mosaic([["trials", "map"], ["rates", "map"]], height_ratios=(1.1, 1.0))
        _draw_trials(axes["trials"], style, picture)
        draw_rates(axes["rates"], style, picture, event, split)
        _draw_map(axes["map"], picture, event)

    return Sheet(title, words, style, draw)


def bins_of(picture: EventPicture, *, has_map: bool = True) -> str:
    """Return the bins of what is aligned, in words; those of trials and map only where they are drawn."""
    edges = picture.groups[0].psth.edges_s if picture.groups else picture.raster_edges_s
    found = picture.map
    microns = float(np.diff(found.depth_edges_um[:2])[0])
    widths = [float(np.diff(array[:2])[0]) for array in (edges, picture.raster_edges_s, found.time_edges_s)]
    if not has_map:
        return f"PSTH {widths[0]:.6g} s"
    return f"PSTH {widths[0]:.6g} s, trials {widths[1]:.6g} s, map {widths[2]:.6g} s x {microns:g} um"


def _colours(picture: EventPicture, style: SheetStyle) -> list[str]:
    return [theme_ink(group.group.color, dark=style.theme == "dark") for group in picture.groups]


def _draw_trials(axes: Axes, style: SheetStyle, picture: EventPicture) -> None:
    """Draw trials as rows, the first group at the bottom, in the groups' colours."""
    rows = pooled_groups(picture.groups, is_single=picture.is_single)
    low, high = raster_limits(rows, is_single=picture.is_single)
    start, end = picture.raster_edges_s[[0, -1]]
    bottom = 0
    for group, values, colour in zip(picture.groups, rows, _colours(picture, style), strict=True):
        top = bottom + len(group.counts)
        image = np.empty((*values.shape, 4))
        image[..., :3] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        image[..., 3] = _opacity(values, low, high, is_single=picture.is_single)
        axes.imshow(image, origin="lower", aspect="auto", interpolation="none", extent=(start, end, bottom, top))
        axes.axhline(top, color="#888888", lw=0.4)
        bottom = top
    axes.axvline(0, color="#888888", lw=0.6)
    axes.set(xlim=(start, end), ylim=(0, max(bottom, 1)), ylabel="trials")
    n_trials = sum(len(group.counts) for group in picture.groups)
    per_row = trials_per_row(n_trials)
    shared = f", {per_row} trials a row" if per_row > 1 else ""
    width = 1e3 * float(picture.raster_edges_s[1] - picture.raster_edges_s[0])
    axes.set_title(f"{textwrap.fill(picture.subject, 44)}\n{n_trials:,} trials, {width:.3g} ms bins{shared}")


def _opacity(values: npt.NDArray[np.float64], low: float, high: float, *, is_single: bool) -> npt.NDArray[np.float64]:
    """Return 0 to 1: a unit's counts by their logarithm from a third up, so that one spike shows; else linear."""
    if not is_single:
        return np.clip((values - low) / (high - low), 0, 1)
    shown = 0.35 + 0.65 * np.log1p(values) / np.log1p(max(high, 1.0))
    return np.where(values > 0, np.clip(shown, 0, 1), 0.0)


def draw_rates(
    axes: Axes, style: SheetStyle, picture: EventPicture, event: str, split: str, *, is_small: bool = False
) -> None:
    """Draw the rate of each group of trials with its standard error, and how many trials are in it.

    Parameters
    ----------
    is_small : bool
        Whether the axes are one of many: then the legend is inside them, and they have a title.
    """
    for group, colour in zip(picture.groups, _colours(picture, style), strict=True):
        found = group.psth
        error = np.nan_to_num(found.sem_hz)
        axes.fill_between(
            found.centres_s, found.mean_hz - error, found.mean_hz + error, color=colour, alpha=0.22, lw=0
        )  # fmt: skip
        axes.plot(found.centres_s, found.mean_hz, color=colour)
    axes.axvline(0, color="#888888", lw=0.6)
    edges = picture.groups[0].psth.edges_s if picture.groups else picture.raster_edges_s
    width = 1e3 * float(edges[1] - edges[0])
    where = f"time from {event} (s), {width:.3g} ms bins"
    axes.set(xlim=(edges[0], edges[-1]), xlabel=where, ylabel="rate (Hz) ± SEM")
    if is_small:
        n_trials = sum(len(group.counts) for group in picture.groups)
        axes.set(ylim=(0, None), title=f"{n_trials:,} trials{f' by {split}' if split != 'none' else ''}")
    if split != "none" and picture.groups:
        patches = [
            Patch(color=colour, label=f"{group.group.label} ({len(group.counts):,})")
            for group, colour in zip(picture.groups, _colours(picture, style), strict=True)
        ]
        if is_small:
            axes.legend(
                handles=patches, loc="upper left", fontsize=0.55 * style.preset.font_pt, ncols=2, facecolor="inherit",
                edgecolor="none", framealpha=1, borderpad=0.1, handlelength=0.7, labelspacing=0.2, columnspacing=0.8,
                handletextpad=0.4, borderaxespad=0.1,
            )  # fmt: skip
            is_narrow = style.preset.width < NARROW_EM * style.preset.em
            axes.set_ylim(0, (1 + (0.22 if is_narrow else 0.12) * -(-len(patches) // 2)) * axes.get_ylim()[1])
            return
        n_columns = 3 if style.preset.width > NARROW_EM * style.preset.em else 2
        axes.legend(
            handles=patches, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns, frameon=False,
            borderpad=0.1, handlelength=0.8, columnspacing=1.0, title=f"{split} (trials)", title_fontsize="small",
        )  # fmt: skip


def _draw_map(axes: Axes, picture: EventPicture, event: str) -> None:
    found = picture.map
    times, depths = found.time_edges_s, found.depth_edges_um
    image = axes.imshow(
        np.ma.masked_invalid(found.zscore), cmap="bwr", vmin=-ZSCORE_LIMIT, vmax=ZSCORE_LIMIT, origin="lower",
        aspect="auto", interpolation="none", extent=(times[0], times[-1], depths[0], depths[-1]),
    )  # fmt: skip
    axes.axvline(0, color="black", lw=0.6)
    axes.set(xlabel=f"time from {event} (s)", ylabel="depth along the probe (µm)", facecolor="#bdbdbd")
    axes.set_title(f"all units that pass, {found.n_trials:,} trials")
    bar = axes.figure.colorbar(image, ax=axes, extend="both", pad=0.02)
    bar.set_label("z-score of the rate (grey: no baseline)")
