"""The raster of a probe with several shanks on paper: one above the other, each with its own depths and regions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.analysis.anatomy.probe import region_spans
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.drawing import bin_text, draw_regions
from dashboard.export.kinds.raster import RasterParts, depth_axis, draw_raster, lay_out, raster_parts, time_axis
from dashboard.export.origin import Subject, provenance, words_of_histology
from dashboard.export.sheet import Sheet, SheetStyle, place
from dashboard.model.shanks import SHANK, UNKNOWN_SHANK, shank_numbers

MAX_DRAWN = 8
"""Shanks that have room one above the other."""

MIN_EM = 5.0
"""Height of a shank's raster, in widths of a letter, below which all are drawn on one axis."""

MARGIN_UM = 40.0
"""Room above and below the channels of a shank that has depths of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class ShankRaster:
    """One shank of a sheet.

    Attributes
    ----------
    number : int
        From 0 at the left; `UNKNOWN_SHANK` for units of which it is not known.
    subject : Subject
        Its units, in its depths.
    parts : RasterParts
    """

    number: int
    subject: Subject
    parts: RasterParts

    @property
    def title(self) -> str:
        """What the shank is called."""
        return "shank not known" if self.number == UNKNOWN_SHANK else f"shank {self.number}"


def rows_of(subject: Subject, style: SheetStyle) -> tuple[str, ...]:
    """Return a row of the sheet for each shank of which something is in view; none where one axis shows them all."""
    shanks = subjects_of_shanks(subject)
    rows = tuple(f"shank {shank}" for shank in shanks)
    if not 1 < len(shanks) <= MAX_DRAWN:
        return ()
    em = style.preset.em
    room = style.preset.height - style.room - (2.9 + 3.0) * em - 0.9 * em * (len(rows) - 1)
    return rows if room / len(rows) >= MIN_EM * em else ()


def count_shanks(subject: Subject, style: SheetStyle, rows: tuple[str, ...]) -> tuple[ShankRaster, ...]:
    """Count the spikes of each shank, a bin for each pixel of its row."""
    places = lay_out(style.preset, rows, style.room)
    return tuple(
        ShankRaster(shank, own, raster_parts(own, places.rows[row]))
        for row, (shank, own) in zip(rows, subjects_of_shanks(subject).items(), strict=True)
    )


def shank_sheet(subject: Subject, style: SheetStyle, rasters: tuple[ShankRaster, ...]) -> Sheet:
    """Return a sheet with the shanks one above the other, the first on top, with the colours of `subject`."""
    rows = tuple(f"shank {each.number}" for each in rasters)
    places = lay_out(style.preset, rows, style.room)
    bins = f"raster {bin_text(rasters[0].parts.raster)}".replace("×", "x").replace("µ", "u")
    words = provenance(subject, colour=AGGREGATES[subject.kind].title.lower(), bins=bins, shanks="one above the other")

    def draw(figure: Figure) -> None:
        for row, each in zip(rows, rasters, strict=True):
            axes = place(figure, style.preset, places.rows[row])
            time_axis(axes, subject, is_last=row == rows[-1])
            depth_axis(axes, each.subject, f"{each.title} (µm)")
            bar = place(figure, style.preset, places.bars[row])
            draw_raster(figure, axes, bar, style, replace(each.subject, limits=subject.limits), each.parts)
            label = bar.yaxis.label
            label.set(text=label.get_text().replace(" per ", "\nper ", 1), fontsize=0.75 * style.preset.font_pt)
            strip = place(figure, style.preset, places.strips[row])
            _draw_strip(strip, style, each, places.strips[row][3])
            if row == rows[0]:
                histology = words_of_histology(subject.sorting.histology)
                strip.set_title(f"histology {histology}", fontsize=0.75 * style.preset.font_pt, pad=2)

    return Sheet(subject.sorting.title, words, style, draw)


def _draw_strip(strip: Axes, style: SheetStyle, each: ShankRaster, high_px: int) -> None:
    low, high = each.subject.depth_range
    size, channels = style.preset.font_pt, each.subject.sorting.channels
    spans = [replace(span, shank=0) for span in region_spans(channels, each.subject.level) if span.shank == each.number]
    draw_regions(
        strip, spans, (0,), (low, high), 1.1 * style.preset.em / high_px * (high - low),
        paper=style.colours.paper, dim=style.colours.dim,
        label_pt=lambda name: min(0.8 * size, 4.2 * size / (0.75 * len(name))),
    )  # fmt: skip


def subjects_of_shanks(subject: Subject) -> dict[int, Subject]:
    """Return what is in view of each shank; nothing of a probe with one."""
    sorting, columns = subject.sorting, subject.columns
    numbers = shank_numbers(sorting.channels)
    if len(numbers) == 1 or SHANK not in sorting.clusters:
        return {}
    of_units = np.full(columns.n_clusters, UNKNOWN_SHANK)
    own = sorting.clusters[SHANK].to_numpy()
    of_units[: len(own)] = np.where(np.isin(own, numbers), own, UNKNOWN_SHANK)
    passing = np.ones(columns.n_clusters, np.bool_) if subject.mask is None else subject.mask
    low, high = subject.depth_range
    extents, masks = {}, {}
    for shank in (*numbers, UNKNOWN_SHANK):
        mask = passing & (of_units == shank)
        depths = columns.depths_um[mask[columns.clusters]]
        if shank != UNKNOWN_SHANK:
            sites = sorting.channels.loc[sorting.channels[SHANK] == shank, "axial_um"].to_numpy(np.float64)
            depths = np.r_[depths, sites[np.isfinite(sites)]]
        depths = depths[(depths >= low) & (depths <= high)]
        if len(depths):
            extents[shank], masks[shank] = (float(depths.min()), float(depths.max())), mask
    known = sorted(extent for shank, extent in extents.items() if shank != UNKNOWN_SHANK)
    is_shared = any(one[1] >= other[0] for one, other in pairwise(known))
    ranges = {
        shank: (low, high)
        if is_shared or shank == UNKNOWN_SHANK
        else (max(low, first - MARGIN_UM), min(high, last + MARGIN_UM))
        for shank, (first, last) in extents.items()
    }
    return {shank: replace(subject, mask=masks[shank], depth_range=ranges[shank]) for shank in extents}
