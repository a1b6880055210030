"""The parts of a raster on paper, drawn alike on sheets and by the command ``render``: marks, bars, regions, words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dashboard.analysis.anatomy.probe import RegionSpan
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.columns.filter import Kept
from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.queries import spikes_in
from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.errors import BadRequest

MAX_PAPER_MARKS = 10_000
"""Spikes up to which each is drawn as a mark: single pixels of a sparse raster cannot be seen in a talk."""

TICK_STEPS = (1, 2, 5, 10)

Marks = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Times in s and depths in um of single spikes."""


def find_marks(
    columns: SpikeColumns, picture: Aggregate, times: tuple[float, float], depths: tuple[float, float], kept: Kept
) -> Marks | None:
    """Return the spikes of a picture of counts that are to be drawn as marks; None where they are too many."""
    if picture.kind != "count" or picture.n_spikes > MAX_PAPER_MARKS:
        return None
    rows = spikes_in(columns, times, depths, kept=kept)
    assert rows is not None, "no limit was given"
    return columns.times_s[rows], np.asarray(columns.depths_um[rows], np.float64)


def palette(name: str, theme: str = "light") -> Colormap:
    """Return a colour map whose ``binary`` runs towards the ink."""
    if name not in colormaps:
        raise BadRequest("No such colour map", name, "Use a name that matplotlib knows, such as binary or viridis")
    return colormaps["binary_r" if name == "binary" and theme == "dark" else name]


def draw_bar(
    figure: Figure, bar: Axes, image: Any, title: str, *, is_whole: bool = False, extend: str = "max",
    n_ticks: int = 5, pad_pt: float | None = None,
) -> None:  # fmt: skip
    """Draw a colour bar into axes of its own."""
    drawn = figure.colorbar(image, cax=bar, extend=extend)
    drawn.outline.set_linewidth(0.5)
    drawn.set_label(title, labelpad=pad_pt)
    if isinstance(image.norm, LogNorm):
        # Matplotlib's own words are formulas, which sheets do not read: a dollar sign in a name is no formula.
        drawn.locator, drawn.formatter = (
            LogLocator(subs=(1.0, 2.0, 5.0)),
            FuncFormatter(lambda value, place: f"{value:g}"),
        )
        drawn.minorlocator = NullLocator()
    else:
        drawn.locator = MaxNLocator(n_ticks, integer=is_whole, steps=TICK_STEPS)
    drawn.update_ticks()


def ends_beyond(values: npt.NDArray[Any], low: float, high: float) -> str:
    """Return which ends of a colour bar are pointed: those that values lie beyond."""
    finite = np.ma.compressed(np.ma.masked_invalid(values))
    beyond = bool((finite < low).any()), bool((finite > high).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]


def extent(picture: Aggregate) -> dict[str, Any]:
    """Return how a picture is laid on the axes of time and depth."""
    times, depths = picture.time_edges_s, picture.depth_edges_um
    return {
        "origin": "lower",
        "aspect": "auto",
        "interpolation": "none",
        "extent": (float(times[0]), float(times[-1]), float(depths[0]), float(depths[-1])),
    }


def note(bar: Axes, text: str) -> None:
    """Write in the place of a colour bar what the colours are."""
    bar.set_axis_off()
    bar.text(0.0, 0.0, text, rotation=90, va="bottom", ha="left", transform=bar.transAxes, fontsize="small")


def draw_regions(
    axes: Axes,
    spans: list[RegionSpan],
    shanks: tuple[int, ...],
    depth_range: tuple[float, float],
    least_um: float,
    *,
    paper: str,
    dim: str,
    edge_pt: float = 0.5,
    absent_pt: float | str = "small",
    label_pt: Callable[[str], float],
) -> None:
    """Draw the regions along the probe, a strip for each shank.

    Parameters
    ----------
    axes : Axes
    spans : list of RegionSpan
    shanks : tuple of int
        Numbers of the shanks, from the left.
    depth_range : (float, float)
        In um; what lies beyond is cut off.
    least_um : float
        Height below which a region has no label.
    paper, dim : str
        Colours of the edges, and of the words where no region is known.
    edge_pt : float
    absent_pt : float or str
        Size of these words.
    label_pt : callable (str) -> float
        Size of a label, by its text.
    """
    low, high = depth_range
    axes.set_xlim(0, 1)
    axes.set_ylim(low, high)
    axes.set_axis_off()
    if not spans:
        axes.text(
            0.5, 0.5, "brain locations not known", transform=axes.transAxes, rotation=90, ha="center", va="center",
            fontsize=absent_pt, color=dim,
        )  # fmt: skip
    wide = 1 / len(shanks)
    for place, shank in enumerate(shanks if len(shanks) > 1 else ()):
        axes.text(
            (place + 0.5) * wide, -0.01, str(shank), transform=axes.transAxes, ha="center", va="top",
            fontsize=absent_pt, color=dim,
        )  # fmt: skip
    for span in spans:
        bottom, top = max(span.bottom_um, low), min(span.top_um, high)
        if top <= bottom:
            continue
        colour = tuple(channel / 255 for channel in span.rgb)
        left = shanks.index(span.shank) * wide
        axes.add_patch(
            Rectangle((left, bottom), wide, top - bottom, facecolor=colour, edgecolor=paper, linewidth=edge_pt)
        )
        if span.has_label and top - bottom >= least_um:
            axes.text(
                left + wide / 2, (bottom + top) / 2, span.acronym, ha="center", va="center_baseline",
                fontsize=label_pt(span.acronym), color=ink_on(colour), rotation=0 if len(shanks) == 1 else 90,
            )  # fmt: skip


def ink_on(rgb: tuple[float, ...]) -> str:
    """Return black or white, whichever reads better on a colour (WCAG relative luminance)."""
    channels = np.asarray(rgb)
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.179 else "white"


def bin_text(picture: Aggregate) -> str:
    """Return the size of a bin for people: ``1.9 s x 5 µm``."""
    seconds = float(np.ptp(picture.time_edges_s)) / (len(picture.time_edges_s) - 1)
    microns = float(np.ptp(picture.depth_edges_um)) / (len(picture.depth_edges_um) - 1)
    time = f"{seconds:.2g} s" if seconds >= 0.1 else f"{seconds * 1e3:.2g} ms"
    return f"{time} × {microns:.2g} µm"


def bar_title(picture: Aggregate) -> str:
    """Return what the colours mean, with the size of the bin."""
    entry, unit = AGGREGATES[picture.kind], picture.unit.replace("uV", "µV")
    return (entry.paper or entry.bar).format(bin=bin_text(picture), unit=unit)


def is_whole(picture: Aggregate) -> bool:
    """Whether values are whole numbers."""
    return picture.values.dtype.kind in "iu"
