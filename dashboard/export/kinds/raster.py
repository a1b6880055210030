"""The page's layout on paper: drift, raster and heatmap on one time axis, with regions and colour bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dashboard.analysis.anatomy.probe import region_spans
from dashboard.analysis.raw.filters import OUTSIDE
from dashboard.analysis.raw.heat import KINDS, SHADE_ALPHA, STRIP_LEFT, HeatImage
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.few_units import aggregate_units
from dashboard.engine.count.heatmap import firing_rate
from dashboard.engine.count.raster import aggregate
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.drawing import (
    TICK_STEPS,
    Marks,
    bar_title,
    bin_text,
    draw_bar,
    draw_regions,
    ends_beyond,
    extent,
    find_marks,
    is_whole,
    note,
    palette,
)
from dashboard.export.kinds.legend import draw_drift, name_selected
from dashboard.export.origin import Subject, provenance, words_of_histology
from dashboard.export.sheet import Preset, Sheet, SheetStyle, place
from dashboard.model.colours import SEGMENT_COLOUR
from dashboard.model.errors import BadRequest
from dashboard.model.shanks import shank_numbers

WEIGHTS = {"raster": 3.0, "heatmap": 2.0, "a": 3.0, "b": 3.0, "difference": 2.0}
"""How the height of a sheet is shared out among its rows; others have 1."""

MANY_MARKS = 2_500
"""Spikes above which marks are smaller."""

LAYOUTS = {"raster": ("raster",), "layout": ("drift", "raster", "heatmap")}

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Boxes of the axes in whole pixels: left, bottom, width, height."""

    rows: dict[str, Box]
    strips: dict[str, Box]
    bars: dict[str, Box]


def lay_out(preset: Preset, rows: tuple[str, ...], room: int, head: int = 0) -> Places:
    """Return where everything stands.

    Parameters
    ----------
    preset : Preset
    rows : tuple of str
        From the top; ``"drift"`` has a height of its own.
    room, head : int
        Pixels at the bottom, and below the title, that are taken.

    Raises
    ------
    BadRequest
        Nothing is left for the rows.
    """
    em = preset.em
    left, right, top, bottom, gap = (round(em * share) for share in (5.6, 5.2, 2.9, 3.0, 0.9))
    strip, bar, apart = round(em * 4.2), round(em * 0.9), round(em * 0.6)
    wide = preset.width - left - right - strip - bar - 2 * apart
    top += head
    drift = round(em * 4.0) if "drift" in rows else 0
    high = preset.height - room - bottom - top - gap * (len(rows) - 1) - drift
    if high < 6 * em or wide < 6 * em:
        raise BadRequest("The sheet has no room for its axes", preset.title, "Take a larger one")
    weights = {row: WEIGHTS.get(row, 1.0) for row in rows if row != "drift"}
    share = high / sum(weights.values())
    boxes: dict[str, Box] = {}
    foot = room + bottom
    for row in reversed(rows):
        tall = drift if row == "drift" else int(share * weights[row])
        boxes[row] = (left, foot, wide, tall)
        foot += tall + gap
    beside = {row: box for row, box in boxes.items() if row != "drift"}
    strips = {row: (left + wide + apart, low, strip, tall) for row, (_, low, _, tall) in beside.items()}
    bars = {row: (left + wide + strip + 2 * apart, low, bar, tall) for row, (_, low, _, tall) in beside.items()}
    return Places(boxes, strips, bars)


@dataclass(frozen=True, slots=True, eq=False)
class RasterParts:
    """What a raster is drawn from: counts, single spikes where they are few, and the selected units."""

    raster: Aggregate
    marks: Marks | None
    overlay: Aggregate | None


@dataclass(frozen=True, slots=True, eq=False)
class _Pictures:
    """What was computed for the rows."""

    parts: RasterParts
    rates: Aggregate | None
    merged_depths: int


def raster_sheet(subject: Subject, layout: str, style: SheetStyle) -> Sheet:
    """Compute a sheet of the raster, alone or with heatmap, regions and drift; the counts are those of `render`.

    Raises
    ------
    BadRequest
        The layout does not exist, or has no room.
    """
    if layout not in LAYOUTS:
        raise BadRequest("No such layout", layout, f"Choose one of {', '.join(LAYOUTS)}")
    rows = tuple(row for row in LAYOUTS[layout] if row != "drift" or subject.sorting.drift is not None)
    places = lay_out(style.preset, rows, style.room)
    pictures = _compute(subject, rows, places)
    colour = AGGREGATES[subject.kind].title.lower()
    bins = f"raster {bin_text(pictures.parts.raster)}".replace("×", "x").replace("µ", "u")
    if "heatmap" in rows and subject.heat is not None:
        bins += f", heatmap {subject.heat.words}".replace("µ", "u").replace("²", "^2")
    elif "heatmap" in rows:
        bins += f", heatmap {subject.heat_bins[0]:g} s x {subject.heat_bins[1]:g} um"
        if pictures.rates is not None:
            bins += f" (mean over {bin_text(pictures.rates)})".replace("×", "x").replace("µ", "u")

    def draw(figure: Figure) -> None:
        _draw(figure, style, subject, rows, places, pictures)

    return Sheet(subject.sorting.title, provenance(subject, colour=colour, bins=bins), style, draw)


def raster_parts(subject: Subject, box: Box) -> RasterParts:
    """Count the spikes of a raster that takes a box of pixels."""
    columns, kept = subject.columns, subject.kept
    times, depths = subject.time_range, subject.depth_range
    _, _, wide, high = box
    raster = aggregate(
        columns, times, depths, wide, high, subject.kind, kept=kept,
        categories=subject.of_cluster,
    )  # fmt: skip
    marks, overlay = find_marks(columns, raster, times, depths, kept), None
    if subject.selected:
        overlay = aggregate_units(columns, np.array(subject.selected), times, depths, wide, high, kept=kept)
    return RasterParts(raster, marks, overlay)


def _compute(subject: Subject, rows: tuple[str, ...], places: Places) -> _Pictures:
    times, depths = subject.time_range, subject.depth_range
    rates, merged_depths = None, 1
    if "heatmap" in rows and subject.heat is not None:
        _, _, wide, high = places.rows["heatmap"]
        rates = subject.heat.in_pixels(times, depths, wide, high)
    elif "heatmap" in rows:
        _, _, wide, high = places.rows["heatmap"]
        seconds, microns = subject.heat_bins
        merged_times = max(1, int(np.ceil((times[1] - times[0]) / seconds / wide)))
        merged_depths = max(1, int(np.ceil((depths[1] - depths[0]) / microns / high)))
        rates = firing_rate(
            subject.columns,
            seconds * merged_times,
            microns * merged_depths,
            times,
            depths,
            kept=subject.kept,
            origin=(0.0, 0.0),
        )
    return _Pictures(raster_parts(subject, places.rows["raster"]), rates, merged_depths)


def _draw(
    figure: Figure, style: SheetStyle, subject: Subject, rows: tuple[str, ...], places: Places, pictures: _Pictures
) -> None:
    preset = style.preset
    name_selected(figure, style, subject, places.rows[rows[0]])
    for row in rows:
        axes = place(figure, preset, places.rows[row])
        time_axis(axes, subject, is_last=row == rows[-1])
        if row == "drift":
            draw_drift(axes, style, subject)
            continue
        depth_axis(axes, subject, "depth along the probe (µm)" if row == "raster" else "depth (µm)")
        bar = place(figure, preset, places.bars[row])
        if row == "raster":
            draw_raster(figure, axes, bar, style, subject, pictures.parts)
        elif subject.heat is not None and pictures.rates is not None:
            _draw_heat(figure, axes, bar, subject.heat, pictures.rates)
        else:
            _draw_heatmap(figure, axes, bar, style, subject, pictures)
        strip = place(figure, preset, places.strips[row])
        draw_strip(strip, style, subject, places.strips[row][3])
        for run in subject.heat.runs if subject.heat is not None else ():
            strip.axhspan(run.bottom_um, run.top_um, STRIP_LEFT, 1.0, color=run.colour, lw=0)
            if run.label == OUTSIDE:
                axes.axhspan(run.bottom_um, run.top_um, color=run.colour, alpha=SHADE_ALPHA, lw=0)
        if row == "raster":
            histology = words_of_histology(subject.sorting.histology)
            strip.set_title(f"histology {histology}", fontsize=0.75 * preset.font_pt, pad=2)


def time_axis(axes: Axes, subject: Subject, *, is_last: bool) -> None:
    """Let an axis run over the window; only the lowest row of a sheet is labelled."""
    axes.set_xlim(*subject.time_range)
    for start in subject.sorting.segment_starts_s:
        if subject.time_range[0] < start < subject.time_range[1]:
            axes.axvline(start, color=SEGMENT_COLOUR, linestyle="--", linewidth=1, gid="segment")
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=TICK_STEPS))
    axes.ticklabel_format(axis="x", useOffset=False, style="plain")
    if is_last:
        axes.set_xlabel("time (s)")
    else:
        axes.tick_params(labelbottom=False)


def depth_axis(axes: Axes, subject: Subject, label: str) -> None:
    """Let an axis run over the depths in view, the tip at the bottom."""
    axes.set_ylim(*subject.depth_range)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=TICK_STEPS))
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.set_ylabel(label)


def colour_scale(
    subject: Subject, picture: Aggregate
) -> tuple[npt.NDArray[np.float64] | np.ma.MaskedArray[Any, Any], Normalize]:
    """Return values to colour, with nothing where no spike is, and how they map to 0 to 1.

    An equalised scale gives the share of the pixels that are no higher.
    """
    values = np.ma.masked_invalid(picture.values.astype(np.float64))
    low, high = subject.limits
    entry = AGGREGATES[picture.kind]
    if entry.zero_is_empty:
        values = np.ma.masked_where(values == 0, values)
    if entry.grows_with:
        width = float(np.ptp(picture.time_edges_s)) / picture.values.shape[1]
        height = float(np.ptp(picture.depth_edges_um)) / picture.values.shape[0]
        # One spike is never past the scale.
        area, one = (width * height, 1.0) if entry.grows_with == "area" else (height, 1.0 / width)
        low, high = low * area, max(high * area, one)
    if subject.scale == "eq":
        present = values.compressed()
        distinct, counts = np.unique(present, return_counts=True)
        share = np.cumsum(counts) / max(present.size, 1)
        ranks = share[np.searchsorted(distinct, values.filled(distinct[0] if distinct.size else 0.0))]
        return np.ma.masked_where(np.ma.getmaskarray(values), ranks), Normalize(0.0, 1.0)
    if subject.scale == "log":
        least = values.compressed().min() if values.count() else 1.0
        start = max(low, float(least), 1e-9)
        return values, LogNorm(start, max(high, start * 1.001))
    return values, Normalize(low, high)


def draw_raster(figure: Figure, axes: Axes, bar: Axes, style: SheetStyle, subject: Subject, parts: RasterParts) -> None:
    """Draw a raster with its colour bar."""
    picture = parts.raster
    if parts.marks is not None:
        size = (0.16 if len(parts.marks[0]) > MANY_MARKS else 0.24) * style.preset.font_pt
        axes.plot(*parts.marks, "o", color=style.colours.ink, markersize=size, markeredgewidth=0)
        note(bar, "one mark per spike")
    elif subject.categories is not None:
        axes.imshow(coloured(picture.values, subject), **extent(picture))
        draw_legend(bar, subject, bar_title(picture))
    else:
        values, norm = colour_scale(subject, picture)
        image = axes.imshow(values, cmap=palette(subject.cmap, style.theme), norm=norm, **extent(picture))
        title = bar_title(picture)
        if subject.scale == "eq":
            title += "\nequalised: not quantitative"
        draw_bar(
            figure, bar, image, title, is_whole=is_whole(picture) and subject.scale == "linear",
            extend=ends_beyond(values, float(norm.vmin or 0), float(norm.vmax or 0)),
        )  # fmt: skip
        if subject.scale == "eq":
            bar.set_yticks([])
    if parts.overlay is not None:
        axes.imshow(_overlay(parts.overlay, subject), **extent(parts.overlay))


def _draw_heatmap(
    figure: Figure, axes: Axes, bar: Axes, style: SheetStyle, subject: Subject, pictures: _Pictures
) -> None:
    rates = pictures.rates
    assert rates is not None
    low, high = subject.rate_limits
    # The mean rate of the bins that share a row is the rate of one of them.
    values = rates.values / pictures.merged_depths
    image = axes.imshow(values, cmap=palette(subject.cmap, style.theme), vmin=low, vmax=high, **extent(rates))
    axes.set_xlim(*subject.time_range)
    axes.set_ylim(*subject.depth_range)
    seconds, microns = subject.heat_bins
    draw_bar(figure, bar, image, f"Hz per {seconds:g} s × {microns:g} µm")


def _draw_heat(figure: Figure, axes: Axes, bar: Axes, heat: HeatImage, drawn: Aggregate) -> None:
    """Draw a picture of the recording as the page has it, or say why there is none."""
    if not heat.is_there:
        bar.set_axis_off()
        axes.text(0.5, 0.5, heat.words, ha="center", va="center", transform=axes.transAxes, wrap=True)
        return
    low, high = heat.image.levels
    image = axes.imshow(drawn.values, cmap=heat.palette, vmin=low, vmax=high, **extent(drawn))
    title = f"{KINDS[heat.kind]} ({heat.unit.replace('uV', 'µV')})"
    draw_bar(figure, bar, image, title, extend=ends_beyond(drawn.values, low, high))


def coloured(values: npt.NDArray[np.int32], subject: Subject) -> npt.NDArray[np.uint8]:
    """Return the RGBA picture of category indices; -1 is clear."""
    assert subject.categories is not None
    table = np.zeros((len(subject.categories.colours) + 1, 4), np.uint8)
    table[1:, :3], table[1:, 3] = subject.categories.colours, 255
    return np.asarray(table[values + 1])


def _overlay(drawn: Aggregate, subject: Subject) -> npt.NDArray[np.uint8]:
    """Return the selected units in their colours, each spike grown by a pixel so that it shows."""
    ids = np.array(subject.selected)
    lookup = np.full(ids.max() + 1, -1, np.int32)
    lookup[ids] = np.arange(len(ids))
    values = np.where(drawn.values < 0, -1, lookup[drawn.values])
    grown = values.copy()
    for to, of in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:, :-1], np.s_[:, 1:]),
    ):
        beside = grown[to]  # a view
        np.copyto(beside, values[of], where=(beside < 0) & (values[of] >= 0))
    table = np.zeros((len(ids) + 1, 4), np.uint8)
    table[1:, :3], table[1:, 3] = subject.selection_colours, 255
    return np.asarray(table[grown + 1])


def draw_legend(bar: Axes, subject: Subject, words: str) -> None:
    """Draw what the categories are called in the place of a colour bar; `words` where they are too many."""
    title, categories = AGGREGATES[subject.kind].legend, subject.categories
    if not title or categories is None:
        note(bar, words)
        return
    bar.set_axis_off()
    named = zip(categories.names, categories.colours, strict=True)
    patches = [Patch(color=colour / 255, label=name) for name, colour in named]
    bar.legend(handles=patches[::-1], loc="lower left", frameon=False, borderpad=0, handlelength=1.0, title=title)


def draw_strip(strip: Axes, style: SheetStyle, subject: Subject, high_px: int) -> None:
    """Draw the regions along the probe in a strip of so many pixels."""
    low, high = subject.depth_range
    size, channels = style.preset.font_pt, subject.sorting.channels
    draw_regions(
        strip, region_spans(channels, subject.level), shank_numbers(channels), (low, high),
        1.1 * style.preset.em / high_px * (high - low), paper=style.colours.paper, dim=style.colours.dim,
        label_pt=lambda name: min(0.8 * size, 4.2 * size / (0.75 * len(name))),
    )  # fmt: skip
