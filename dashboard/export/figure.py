"""The raster of an insertion on paper, as a command asks for it: what to draw, and the sheet that shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dashboard.analysis.anatomy.probe import depth_limits
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.levels import STANDARD_DEVIATIONS, value_limits
from dashboard.engine.count.raster import default_window
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.kinds.raster import lay_out, raster_parts, raster_sheet
from dashboard.export.kinds.shanks import count_shanks, rows_of, shank_sheet
from dashboard.export.origin import Subject
from dashboard.export.sheet import Preset, Sheet, SheetStyle
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting, units_on_shank

BASE_SIZE = (1600, 1000)
BASE_DPI = 125.0
"""Text is laid out for a slide of 1600 x 1000 pixels and grows with the figure."""

SHRINK = 0.7
"""Text shrinks less than a small figure does, to stay readable."""

FONT_PT = 10.0
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
        Only units on one shank of a probe that has several; None is all, each on axes of its own.
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


def style_of(width: int, height: int) -> SheetStyle:
    """Return the style of a figure of `width` x `height` pixels.

    Raises
    ------
    BadRequest
        There is no room for the axes.
    """
    if width < MIN_SIZE[0] or height < MIN_SIZE[1]:
        raise BadRequest(f"{width} x {height} pixels are too few", "", f"A figure has {MIN_SIZE[0]} x {MIN_SIZE[1]}")
    scale = min(width / BASE_SIZE[0], height / BASE_SIZE[1])
    return SheetStyle(Preset("figure", width, height, BASE_DPI * (scale**SHRINK if scale < 1 else scale), FONT_PT))


def figure_sheet(sorting: SpikeSorting, columns: SpikeColumns, request: FigureRequest) -> Sheet:
    """Compute the sheet of a figure: one bin of the raster is a pixel.

    Several shanks are drawn one above the other, each with its own depths, where they have room and none is asked for.

    Raises
    ------
    BadRequest
        There is no room for the axes; the aggregate, or the label that a filter needs, does not exist.
    """
    style, subject = style_of(request.width, request.height), subject_of(sorting, columns, request)
    if request.shank is None and (rows := rows_of(subject, style)):
        rasters = count_shanks(subject, style, rows)
        first = rasters[0].parts.raster
        values = np.concatenate([each.parts.raster.values.ravel() for each in rasters])
        limits = densities(first, colour_limits(replace(first, values=values), request.limits))
        return shank_sheet(replace(subject, limits=limits), style, rasters)
    box = lay_out(style.preset, ("raster",), style.room).rows["raster"]
    picture = raster_parts(subject, box).raster
    limits = densities(picture, colour_limits(picture, request.limits))
    return raster_sheet(replace(subject, limits=limits), "raster", style)


def subject_of(sorting: SpikeSorting, columns: SpikeColumns, request: FigureRequest) -> Subject:
    """Return what a figure shows of a sorting, with limits of its colours still to come.

    Raises
    ------
    BadRequest
        The label or shank that a filter needs does not exist.
    """
    units: npt.NDArray[np.bool_] = np.ones(sorting.n_clusters, dtype=np.bool_)
    filters: dict[str, str] = {}
    if request.shank is not None:
        units &= units_on_shank(sorting, request.shank)
        filters["shank"] = str(request.shank)
    if request.good_units:
        if sorting.why_no_labels:
            reason = f"{sorting.ref.collection} ({sorting.why_no_labels})"
            raise BadRequest("There are no labels to select good units by", reason, "Draw all units")
        units &= sorting.labels == 1
        filters["good units"] = "(label 1)"
    return Subject(
        sorting,
        columns,
        request.time_range or default_window(columns.time_range_s),
        request.depth_range or depth_limits(sorting.channels, columns.depth_range_um),
        np.isin(np.arange(columns.n_clusters), np.flatnonzero(units)) if filters else None,
        filters,
        request.level,
        request.aggregate,
        cmap=request.cmap or AGGREGATES[request.aggregate].palette,
    )


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


def densities(picture: Aggregate, limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits per bin as `Subject.limits` has them: per s and um for counts, per um for rates."""
    grows_with = AGGREGATES[picture.kind].grows_with
    microns = float(np.ptp(picture.depth_edges_um)) / picture.values.shape[0]
    seconds = float(np.ptp(picture.time_edges_s)) / picture.values.shape[1]
    size = {"area": seconds * microns, "height": microns}.get(grows_with, 1.0)
    return limits[0] / size, limits[1] / size
