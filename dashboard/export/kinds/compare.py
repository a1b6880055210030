"""Two sides of a comparison on paper: both rasters with the same limits, their difference, what was matched."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dashboard.analysis.compare.difference import COARSER, count_both, difference_limit, subtract
from dashboard.analysis.compare.tables import KINDS
from dashboard.engine.count.aggregate import Aggregate
from dashboard.export.drawing import bin_text, draw_bar, extent
from dashboard.export.kinds.raster import (
    Places,
    RasterParts,
    depth_axis,
    draw_raster,
    draw_strip,
    lay_out,
    raster_parts,
    time_axis,
)
from dashboard.export.origin import Subject, provenance
from dashboard.export.sheet import Sheet, SheetStyle, place

WORDS_SHARE = 0.8
"""Size of the letters of the matched counts, of those of the axes."""

LABEL_SHARE = 0.68
"""The same for colour bars."""


@dataclass(frozen=True, slots=True, eq=False)
class BothSides:
    """Two sides of a comparison, in one window and with the same colours.

    Attributes
    ----------
    a, b : Subject
    names : (str, str)
        What A and B are, in words.
    has_difference : bool
        Whether one place on both depth axes is one place in the brain.
    density : float
        Limit of the difference, in spikes per s and um.
    table : DataFrame or None
        Groups of units that belong together, as `dashboard.analysis.compare.tables` has them; None where there are
        none (yet).
    note : str
        What a reader should know of the comparison: within what spikes coincide, or why nothing is matched.
    """

    a: Subject
    b: Subject
    names: tuple[str, str]
    has_difference: bool
    density: float
    table: pd.DataFrame | None
    note: str = ""

    def pictures(self, width: int, height: int) -> tuple[Aggregate, Aggregate]:
        """Return the spikes per bin of A and of B in the window of A."""
        a, b = ((side.columns, side.kept) for side in (self.a, self.b))
        return count_both(a, b, self.a.time_range, self.a.depth_range, width, height)

    @property
    def counts(self) -> str:
        """What became of the units, in one line."""
        if self.table is None:
            return self.note or "units are not matched"
        found = self.table["kind"].value_counts()
        units = "units: " + " · ".join(f"{kind} {int(found.get(kind, 0)):,}" for kind in KINDS)
        return f"{units} ({self.note})" if self.note else units


def compare_sheet(sides: BothSides, style: SheetStyle) -> Sheet:
    """Compute a sheet of both rasters, their difference where there is one, and what was matched.

    Raises
    ------
    BadRequest
        The sheet has no room.
    """
    rows = ("a", "b", "difference") if sides.has_difference else ("a", "b")
    preset, counts = style.preset, sides.counts
    letters = int((preset.width / preset.em - 6.5) / (0.55 * WORDS_SHARE))
    lines = textwrap.wrap(counts, letters)
    places = lay_out(preset, rows, style.room, round(1.3 * WORDS_SHARE * preset.em * len(lines)))
    # The same limits: what looks alike is alike.
    subjects = {"a": sides.a, "b": replace(sides.b, limits=sides.a.limits, scale=sides.a.scale, cmap=sides.a.cmap)}
    parts = {row: raster_parts(subject, places.rows[row]) for row, subject in subjects.items()}
    found = None
    if sides.has_difference:
        _, _, wide, high = places.rows["difference"]
        found = subtract(*sides.pictures(max(wide // COARSER, 1), max(high // COARSER, 1)))
    bins = f"raster {bin_text(parts['a'].raster)}".replace("×", "x").replace("µ", "u")
    spikes_b = provenance(sides.b)["spikes"]
    words = provenance(sides.a, bins=bins, compared=f"B: {sides.names[1]}, {spikes_b}", matched=counts)

    def draw(figure: Figure) -> None:
        figure.text(
            5.6 * preset.em / preset.width, 1 - 2.1 * preset.em / preset.height, "\n".join(lines), va="top",
            fontsize=WORDS_SHARE * preset.font_pt, color=style.colours.dim, linespacing=1.2,
        )  # fmt: skip
        for row, name in zip(("a", "b"), sides.names, strict=True):
            _draw_side(figure, style, places, row, subjects[row], parts[row], f"{row.upper()}  {name}", rows[-1])
        if found is not None:
            _draw_difference(figure, style, places, sides, found)

    return Sheet(f"{sides.a.sorting.title} | {sides.names[1]}", words, style, draw)


def _draw_side(
    figure: Figure,
    style: SheetStyle,
    places: Places,
    row: str,
    subject: Subject,
    parts: RasterParts,
    name: str,
    last: str,
) -> None:
    preset = style.preset
    axes, bar = place(figure, preset, places.rows[row]), place(figure, preset, places.bars[row])
    time_axis(axes, subject, is_last=row == last)
    depth_axis(axes, subject, "depth (µm)")
    draw_raster(figure, axes, bar, style, subject, parts)
    _shrink(bar, style)
    strip = place(figure, preset, places.strips[row])
    draw_strip(strip, style, subject, places.strips[row][3])
    _name(axes, style, name)


def _draw_difference(figure: Figure, style: SheetStyle, places: Places, sides: BothSides, found: Aggregate) -> None:
    preset, box = style.preset, places.rows["difference"]
    axes, bar = place(figure, preset, box), place(figure, preset, places.bars["difference"])
    time_axis(axes, sides.a, is_last=True)
    depth_axis(axes, sides.a, "depth (µm)")
    limit = difference_limit(found, sides.density)
    image = axes.imshow(
        found.values, cmap="berlin" if style.theme == "dark" else "RdBu_r", vmin=-limit, vmax=limit, **extent(found)
    )
    draw_bar(figure, bar, image, f"A − B, spikes per\n{bin_text(found)}", is_whole=True, extend="both")
    _shrink(bar, style)
    draw_strip(place(figure, preset, places.strips["difference"]), style, sides.a, box[3])
    _name(axes, style, "A − B")


def _shrink(bar: Axes, style: SheetStyle) -> None:
    """Write a colour bar's title smaller: rows are lower than those of other sheets."""
    bar.yaxis.label.set_fontsize(LABEL_SHARE * style.preset.font_pt)
    bar.yaxis.labelpad = 0.3 * style.preset.font_pt
    bar.tick_params(labelsize=LABEL_SHARE * style.preset.font_pt)


def _name(axes: Axes, style: SheetStyle, name: str) -> None:
    axes.text(
        0.006, 0.98, name, transform=axes.transAxes, ha="left", va="top", fontweight="bold",
        fontsize=0.85 * style.preset.font_pt,
        bbox={"facecolor": style.colours.paper, "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
    )  # fmt: skip
