"""The raster with a row for each unit, on paper and as numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.unit_raster import leaders, together, unit_raster
from dashboard.export.drawing import TICK_STEPS, draw_bar, extent, ink_on, palette
from dashboard.export.kinds.legend import name_selected
from dashboard.export.kinds.raster import colour_scale, coloured, draw_legend, lay_out, time_axis
from dashboard.export.origin import Subject, provenance
from dashboard.export.sheet import Sheet, SheetStyle, place
from dashboard.export.spikes import AGGREGATE_SIZE, write_arrays
from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Units to draw, from the tip upwards.

    Attributes
    ----------
    ids : ndarray, shape (n_units,), int64
        Indexes.
    first : int
        Row of the first of them, among all that pass the filters.
    n_passing : int
        Units that pass.
    limits : (float, float)
        Of the colours, in spikes per s and unit.
    regions : tuple of str
        Acronym of each unit; empty where it is not known.
    region_colours : ndarray, shape (n_units, 3), uint8
    """

    ids: npt.NDArray[np.int64]
    first: int
    n_passing: int
    limits: tuple[float, float]
    regions: tuple[str, ...]
    region_colours: npt.NDArray[np.uint8]


def count_rows(subject: Subject, rows: Rows, width: int) -> Aggregate:
    """Count the spikes of each unit in each pixel of the window in time, whatever their depth.

    Raises
    ------
    BadRequest
        No unit is in view.
    """
    if not len(rows.ids):
        raise BadRequest("No unit passes the filters", "", "Clear one of them")
    return unit_raster(subject.columns, rows.ids, subject.time_range, width, kept=subject.kept)


def row_words(subject: Subject, rows: Rows, drawn: Aggregate) -> dict[str, str]:
    """Return the origin of what has a row for each unit."""
    width = float(np.diff(drawn.time_edges_s[:2])[0])
    words = provenance(
        subject, bins=f"a row for each unit x {width:.4g} s", units=f"{len(rows.ids):,} of {rows.n_passing:,} that pass"
    )
    spikes = f"{drawn.n_spikes:,} of {counted(subject.columns.n_spikes, 'spike')}, units whole"
    return words | {"depth": "units in order of depth", "spikes": spikes}


def row_sheet(subject: Subject, style: SheetStyle, rows: Rows) -> Sheet:
    """Compute a sheet of the raster with a row for each unit, and their regions beside it.

    Raises
    ------
    BadRequest
        No unit is in view, or there is no room.
    """
    places = lay_out(style.preset, ("raster",), style.room)
    box = places.rows["raster"]
    drawn = count_rows(subject, rows, box[2])
    n_together = max(1, -(-len(rows.ids) // box[3]))
    shown = together(drawn, n_together, rows.first)

    def draw(figure: Figure) -> None:
        name_selected(figure, style, subject, box)
        axes = place(figure, style.preset, box)
        time_axis(axes, subject, is_last=True)
        axes.set_ylim(rows.first, rows.first + len(rows.ids))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=TICK_STEPS, integer=True))
        axes.set_ylabel("units in order of depth (row, from the tip)")
        bar = place(figure, style.preset, places.bars["raster"])
        _draw_rows(figure, axes, bar, style, subject, rows, drawn, shown, n_together)
        strip = place(figure, style.preset, places.strips["raster"])
        _draw_regions(strip, style, rows, box[3])
        strip.set_title(f"histology {subject.sorting.histology}", fontsize=0.75 * style.preset.font_pt, pad=2)

    return Sheet(subject.sorting.title, row_words(subject, rows, drawn), style, draw)


def _draw_rows(
    figure: Figure, axes: Axes, bar: Axes, style: SheetStyle, subject: Subject, rows: Rows, drawn: Aggregate,
    shown: Aggregate, n_together: int,
) -> None:  # fmt: skip
    width = float(np.ptp(shown.time_edges_s)) / shown.values.shape[1]
    units = "unit" if n_together == 1 else counted(n_together, "unit")
    if subject.categories is not None:
        found = leaders(drawn.values, n_together)
        own = subject.categories.of_cluster[rows.ids]
        axes.imshow(coloured(np.where(found >= 0, own[found], -1), subject), **extent(shown))
        draw_legend(bar, subject, f"{subject.kind} of the unit, in {width:.3g} s")
    else:
        is_rate = subject.kind == "rate"
        picture = replace(shown, kind="rate", values=shown.values / width) if is_rate else replace(shown, kind="count")
        asked = replace(subject, limits=rows.limits)
        values, norm = colour_scale(asked, picture)
        image = axes.imshow(values, cmap=palette(subject.cmap, style.theme), norm=norm, **extent(shown))
        words = f"Hz of a row of {units}, in {width:.3g} s" if is_rate else f"spikes per {width:.3g} s and {units}"
        if subject.scale == "eq":
            words += "\nequalised: not quantitative"
        draw_bar(figure, bar, image, words, is_whole=not is_rate and subject.scale == "linear")
        if subject.scale == "eq":
            bar.set_yticks([])
    if subject.selected:
        axes.imshow(_selected(subject, rows, drawn, shown, n_together), **extent(shown))


def _selected(
    subject: Subject, rows: Rows, drawn: Aggregate, shown: Aggregate, n_together: int
) -> npt.NDArray[np.uint8]:
    """Return the rows of the selected units in their colours."""
    image = np.zeros((*shown.values.shape, 4), np.uint8)
    for unit, colour in zip(subject.selected, subject.selection_colours, strict=False):
        for row in np.flatnonzero(rows.ids == unit):
            image[row // n_together][drawn.values[row] > 0] = (*colour, 255)
    return image


def _draw_regions(strip: Axes, style: SheetStyle, rows: Rows, high_px: int) -> None:
    """Draw the regions of the units: a box for neighbours in one region."""
    n = len(rows.ids)
    strip.set_xlim(0, 1)
    strip.set_ylim(0, n)
    strip.set_axis_off()
    if not any(rows.regions):
        strip.text(
            0.5, 0.5, "brain locations not known", transform=strip.transAxes, rotation=90, ha="center", va="center",
            fontsize="small", color=style.colours.dim,
        )  # fmt: skip
        return
    least = 1.1 * style.preset.em / high_px * n
    for name, group in groupby(range(n), key=lambda row: rows.regions[row]):
        members = list(group)
        bottom, top = members[0], members[-1] + 1
        if not name:
            continue
        colour = tuple(float(channel) / 255 for channel in rows.region_colours[bottom])
        strip.add_patch(
            Rectangle((0, bottom), 1, top - bottom, facecolor=colour, edgecolor=style.colours.paper, linewidth=0.5)
        )
        if top - bottom >= least and name not in ("void", "root"):
            strip.text(
                0.5, (bottom + top) / 2, name, ha="center", va="center_baseline", color=ink_on(colour),
                fontsize=min(0.8 * style.preset.font_pt, 4.2 * style.preset.font_pt / (0.75 * len(name))),
            )  # fmt: skip


def write_rows(path: Path, subject: Subject, rows: Rows) -> int:
    """Write the counts of each unit by time with the edges of the pixels, and return the spikes inside.

    ``values`` (n_units, n_bins), ``cluster_id`` (n_units,), from the tip upwards, ``time_edges_s`` (n_bins + 1,).

    Raises
    ------
    BadRequest
        No unit is in view, or the file cannot be written.
    """
    drawn = count_rows(subject, rows, AGGREGATE_SIZE[0])
    words: dict[str, Any] = row_words(subject, rows, drawn)
    arrays = {
        "values": drawn.values,
        "cluster_id": subject.sorting.units.at(rows.ids),
        "time_edges_s": drawn.time_edges_s,
    }
    write_arrays(path, subject, arrays, **{name: words[name] for name in ("bins", "units", "depth", "spikes")})
    return drawn.n_spikes
