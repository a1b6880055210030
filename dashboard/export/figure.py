"""Figures on paper: the raster with its regions, scales and provenance, drawn from the exact aggregate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dashboard.analysis.anatomy.probe import depth_limits, region_spans
from dashboard.engine.build import SpikeColumns
from dashboard.engine.columns.filter import kept_spikes
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import STANDARD_DEVIATIONS, value_limits
from dashboard.engine.count.raster import aggregate, default_window
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.drawing import (
    TICK_STEPS,
    Marks,
    bar_title,
    draw_bar,
    draw_regions,
    extent,
    find_marks,
    is_whole,
    palette,
)
from dashboard.model.errors import BadRequest
from dashboard.model.references import Histology
from dashboard.model.shanks import SHANK, shank_numbers
from dashboard.model.sorting import SpikeSorting
from dashboard.version import __version__

BASE_SIZE = (1600, 1000)
BASE_DPI = 125.0
"""Text is laid out for a slide of 1600 x 1000 pixels and grows with the figure."""

SHRINK = 0.7
"""Text shrinks less than a small figure does, to stay readable."""

BAR_SHARE = 0.5
"""Height of the colour bar, of that of the raster."""

MARK_PT, MANY_MARKS = 1.5, 2_500
"""Size of a mark where there are more than so many; half as much again where there are fewer."""

LABEL_PT = 11.0
"""Height that the label of a region takes."""

MIN_SIZE = (400, 300)
"""Pixels below which the axes have no room left."""


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What to draw.

    Attributes
    ----------
    time_range, depth_range : tuple of float or None
        In s and um; None is the whole session, the whole probe.
    width, height : int
        Of the figure, in pixels.
    aggregate : str
        Name of an aggregate whose values measure something.
    good_units : bool
        Only clusters with ``label == 1``.
    shank : int or None
        Only units on one shank of a probe that has several.
    level : {'allen', 'beryl', 'cosmos'}
        Names of the regions.
    cmap : str or None
        Colour map of matplotlib; None takes that of the aggregate.
    limits : tuple of float or None
        Of the colours; None is 0 to 4 standard deviations for counts and rates, and the 1st to 99th
        percentile for amplitudes.
    """

    time_range: tuple[float, float] | None = None
    depth_range: tuple[float, float] | None = None
    width: int = BASE_SIZE[0]
    height: int = BASE_SIZE[1]
    aggregate: str = "count"
    good_units: bool = False
    shank: int | None = None
    level: str = "allen"
    cmap: str | None = None
    limits: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if AGGREGATES[self.aggregate].categories:
            scalar = ", ".join(entry.name for entry in AGGREGATES if not entry.categories)
            raise BadRequest("This figure does not show categories", self.aggregate, f"Choose one of {scalar}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of the axes, in whole pixels from the lower left, so that a bin is a pixel."""

    dpi: float
    raster: tuple[int, int, int, int]
    strip: tuple[int, int, int, int]
    bar: tuple[int, int, int, int]


def lay_out(width: int, height: int) -> Layout:
    """Return the layout of a figure of `width` x `height` pixels.

    Raises
    ------
    BadRequest
        There is no room for the axes.
    """
    if width < MIN_SIZE[0] or height < MIN_SIZE[1]:
        raise BadRequest(f"{width} x {height} pixels are too few", "", f"A figure has {MIN_SIZE[0]} x {MIN_SIZE[1]}")
    scale = min(width / BASE_SIZE[0], height / BASE_SIZE[1])
    if scale < 1:
        scale **= SHRINK
    left, right, bottom, top = (round(scale * margin) for margin in (112, 100, 88, 104))
    strip, gap, bar = (round(scale * size) for size in (84, 14, 22))
    high = height - bottom - top
    wide = width - left - right - strip - bar - 2 * gap
    strip_left = left + wide + gap
    bar_left = strip_left + strip + gap
    return Layout(
        BASE_DPI * scale,
        (left, bottom, wide, high),
        (strip_left, bottom, strip, high),
        (bar_left, bottom, bar, round(high * BAR_SHARE)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What a figure shows, computed and not yet drawn.

    Attributes
    ----------
    sorting : SpikeSorting
    columns : SpikeColumns
    request : FigureRequest
    layout : Layout
    picture : Aggregate
        One bin for each pixel of the raster's axes.
    marks : tuple of ndarray, shape (n,), float64, or None
        Times in s and depths in um of the spikes, where so few are in the window that each is a mark.
    """

    sorting: SpikeSorting
    columns: SpikeColumns
    request: FigureRequest
    layout: Layout
    picture: Aggregate
    marks: Marks | None


def prepare(sorting: SpikeSorting, columns: SpikeColumns, request: FigureRequest) -> Drawing:
    """Compute what a figure shows.

    Raises
    ------
    BadRequest
        There is no room for the axes; the aggregate, or the label that a filter needs, does not exist.
    """
    layout = lay_out(request.width, request.height)
    units: npt.NDArray[np.bool_] | None = None
    if request.shank is not None:
        there = shank_numbers(sorting.channels)
        if request.shank not in there or len(there) == 1:
            remedy = f"There are {', '.join(map(str, there))}" if len(there) > 1 else "Leave --shank out"
            raise BadRequest("The probe is not known to have such a shank", f"{request.shank}", remedy)
        units = (sorting.clusters[SHANK] == request.shank).to_numpy()
    if request.good_units:
        if sorting.why_no_labels:
            reason = f"{sorting.ref.collection} ({sorting.why_no_labels})"
            raise BadRequest("There are no labels to select good units by", reason, "Draw all units")
        units = (sorting.labels == 1) if units is None else units & (sorting.labels == 1)
    kept = columns.everything if units is None else kept_spikes(columns, np.flatnonzero(units))
    times = request.time_range or default_window(columns.time_range_s)
    depths = request.depth_range or depth_limits(sorting.channels, columns.depth_range_um)
    _, _, width, height = layout.raster
    picture = aggregate(columns, times, depths, width, height, request.aggregate, kept=kept)
    marks = find_marks(columns, picture, times, depths, kept)
    return Drawing(sorting, columns, request, layout, picture, marks)


def colour_limits(picture: Aggregate, limits: tuple[float, float] | None = None) -> tuple[float, float]:
    """Return the limits of the colours of an aggregate; see `FigureRequest.limits`.

    No upper limit of counts is below one spike, so that a single spike is never past the scale.
    """
    if limits is not None:
        return limits
    values = picture.values
    if grows_with := AGGREGATES[picture.kind].grows_with:
        one = 1.0 if grows_with == "area" else float(1 / np.diff(picture.time_edges_s[:2])[0])
        return 0.0, max(STANDARD_DEVIATIONS * float(np.std(values, dtype=np.float64)), one)
    return value_limits(picture)


def draw_figure(drawing: Drawing) -> Figure:
    """Return the figure; the caller sets the style and draws one figure at a time.

    Raises
    ------
    BadRequest
        The colour map does not exist.
    """
    sorting, request, layout, picture = drawing.sorting, drawing.request, drawing.layout, drawing.picture
    # A millionth of a pixel more, or rounding may lose a whole one.
    size = ((request.width + 1e-6) / layout.dpi, (request.height + 1e-6) / layout.dpi)
    figure = Figure(figsize=size, dpi=layout.dpi, facecolor="white")
    scale = layout.dpi / BASE_DPI

    def axes(place: tuple[int, int, int, int]) -> Axes:
        left, bottom, wide, high = place
        wanted = (left / request.width, bottom / request.height, wide / request.width, high / request.height)
        return figure.add_axes(wanted)

    def write(right: float, up: float, text: str, **style: Any) -> None:
        figure.text(right / request.width, up / request.height, text, **style)

    raster = axes(layout.raster)
    times, depths = picture.time_edges_s, picture.depth_edges_um
    raster.set_xlim(float(times[0]), float(times[-1]))
    raster.set_ylim(float(depths[0]), float(depths[-1]))
    raster.set_xlabel("time (s)")
    raster.set_ylabel("depth along the probe (µm)")
    for axis, n_ticks in ((raster.xaxis, 10), (raster.yaxis, 9)):
        axis.set_major_locator(MaxNLocator(n_ticks, steps=TICK_STEPS))
    # An offset such as "+1.2e3" cannot be read at a glance.
    raster.ticklabel_format(useOffset=False, style="plain")
    if drawing.marks is None:
        low, high = colour_limits(picture, request.limits)
        colours = palette(request.cmap or AGGREGATES[picture.kind].palette)
        image = raster.imshow(picture.values, cmap=colours, vmin=low, vmax=high, **extent(picture))
        draw_bar(
            figure, axes(layout.bar), image, bar_title(picture), is_whole=is_whole(picture),
            extend=_extend(picture, (low, high)), n_ticks=6, pad_pt=6,
        )  # fmt: skip
    else:
        size_pt = MARK_PT if len(drawing.marks[0]) > MANY_MARKS else 1.5 * MARK_PT
        raster.plot(*drawing.marks, "o", color="black", markersize=size_pt, markeredgewidth=0)
        left, bottom, _, _ = layout.bar
        write(left, bottom, "one mark per spike", fontsize=8, rotation=90, va="bottom")
    strip = axes(layout.strip)
    low, high = raster.get_ylim()
    draw_regions(
        strip, region_spans(sorting.channels, request.level), shank_numbers(sorting.channels), (low, high),
        LABEL_PT * layout.dpi / 72 / layout.strip[3] * (high - low),
        paper="white", dim="#777777", edge_pt=0.8, absent_pt=8, label_pt=lambda name: 7.5,
    )  # fmt: skip
    is_final = sorting.histology in (Histology.NONE, Histology.UNKNOWN) or sorting.histology.is_final
    state = "" if is_final else "\nnot final"
    strip.set_title(f"histology\n{sorting.histology}{state}", fontsize=8, pad=5)

    left, top = layout.raster[0], request.height
    write(left, top - 26 * scale, sorting.title, fontsize=12, fontweight="bold", va="top")
    write(left, top - 58 * scale, what_is_shown(drawing), fontsize=9, color="#444444", va="top")
    stamp = f"spike-dashboard {__version__}"
    if sorting.ref.insertion.pid:
        stamp = f"pid {sorting.ref.insertion.pid} · {stamp}"
    if sorting.incomplete:
        stamp = f"without {', '.join(sorting.incomplete)}, which could not be fetched · {stamp}"
    write(request.width - 16 * scale, 12 * scale, stamp, fontsize=6.5, color="#777777", ha="right", va="bottom")
    return figure


def _extend(picture: Aggregate, limits: tuple[float, float]) -> str:
    """Return which ends of the colour bar are pointed: those that values lie beyond."""
    finite = picture.values[np.isfinite(picture.values)]
    if not finite.size:
        return "neither"
    beyond = (bool(finite.min() < limits[0]), bool(finite.max() > limits[1]))
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]


def _span(low: float, high: float, unit: str) -> str:
    """Write a window to a thousandth of its length, which is about a pixel."""
    decimals = max(0, 3 - math.ceil(math.log10(high - low)))
    return f"{low:,.{decimals}f} – {high:,.{decimals}f} {unit}"


def what_is_shown(drawing: Drawing) -> str:
    """Return the window, the filters and how many spikes of how many, in one line."""
    sorting, picture = drawing.sorting, drawing.picture
    times, depths = picture.time_edges_s, picture.depth_edges_um
    dropped = f" ({sorting.n_dropped:,} dropped: {sorting.drop_reason})" if sorting.n_dropped else ""
    parts = (
        _span(float(times[0]), float(times[-1]), "s"),
        _span(float(depths[0]), float(depths[-1]), "µm"),
        "good units (label 1)" if drawing.request.good_units else "all units",
        *([] if drawing.request.shank is None else [f"shank {drawing.request.shank}"]),
        f"histology {sorting.histology}",
        f"{picture.n_spikes:,} of {drawing.columns.n_spikes:,} spikes{dropped}",
    )
    return "  ·  ".join(parts)
