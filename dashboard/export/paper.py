"""Declared figures on paper: drawn into axes of matplotlib, in the colours of the sheet."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboard.analysis.events.picture import theme_ink
from dashboard.export.drawing import ends_beyond
from dashboard.export.sheet import NARROW_EM, SheetStyle
from dashboard.figures.figure import PALETTES, Bands, Bars, Figure, Ink, Levels, Lines, Matrix, Pictures, Points

MANY_MARKS = 2_000
"""Spikes from which their marks are a picture in files of vectors."""


def draw_figure(axes: Axes, figure: Figure, style: SheetStyle, *, legend_above: bool = False) -> None:
    """Draw a figure, or say why there is nothing to draw; its legend is inside, or above."""
    if figure.absent:
        absent(axes, figure.absent)
        return
    for mark in figure.marks:
        _draw(axes, mark, style)
    axes.set(xlabel=figure.x.title, ylabel=figure.y.title, xlim=figure.x.limits, ylim=figure.y.limits)
    axes.set_title(figure.title)
    for axis, given in ((axes.xaxis, figure.x), (axes.yaxis, figure.y)):
        if given.is_whole:
            axis.set_major_locator(MaxNLocator("auto", integer=True))
        if given.is_session_time:
            axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:,.12g}"))
    if figure.legend:
        _legend(axes, figure, style, is_above=legend_above)


def absent(axes: Axes, reason: str) -> None:
    """Say why there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes, wrap=True)


def colour(ink: Ink, style: SheetStyle) -> str:
    """Return what a colour of a figure is on the sheet."""
    colours = style.colours
    inks = {
        "bar": colours.accent, "high": "#0072B2", "limit": "#D55E00", "mean": "#e69f00", "quiet": colours.dim,
        "ink": colours.ink,
    }  # fmt: skip
    return inks.get(ink) or theme_ink(ink, dark=style.theme == "dark")


def _draw(axes: Axes, mark: Any, style: SheetStyle) -> None:
    size = style.preset.font_pt
    thin = 0.06 * size
    if isinstance(mark, Bars):
        _draw_bars(axes, mark, style)
    elif isinstance(mark, Lines):
        for x, y, ink in zip(mark.x, mark.y, mark.inks, strict=True):
            axes.plot(x, y, color=colour(ink, style), lw=0.07 * size * mark.width)
    elif isinstance(mark, Bands):
        for x, low, high, ink in zip(mark.x, mark.low, mark.high, mark.inks, strict=True):
            axes.fill_between(x, low, high, color=colour(ink, style), alpha=0.22, lw=0)
    elif isinstance(mark, Levels):
        line = axes.axhline if mark.of == "y" else axes.axvline
        for value in mark.values:
            line(value, color=colour(mark.ink, style), lw=thin, ls="--" if mark.is_dashed else "-")
    elif isinstance(mark, Matrix):
        image = axes.imshow(
            np.ma.masked_invalid(mark.values), cmap=PALETTES[mark.palette][style.theme == "dark"],
            vmin=mark.limits[0], vmax=mark.limits[1], **_place(mark.x, mark.y),
        )  # fmt: skip
        axes.set_facecolor("#80808040")
        label = f"{mark.label} ({mark.unit})" if mark.unit else mark.label
        extend = ends_beyond(mark.values, *mark.limits)
        axes.figure.colorbar(image, ax=axes, pad=0.02, extend=extend).set_label(label)
    elif isinstance(mark, Points):
        _draw_points(axes, mark, style)
    elif isinstance(mark, Pictures):
        for x, y, ink in mark.spikes:
            width = (0.08 if len(x) > 5000 else 0.13) * size
            axes.plot(x, y, "o", ms=width, mew=0, color=colour(ink, style), rasterized=len(x) > MANY_MARKS)
        images = () if mark.spikes else mark.painted(lambda ink: colour(ink, style))
        for picture, across, up in zip(images, mark.x, mark.y, strict=False):
            axes.imshow(_rgba(picture), **_place(across, up))
    else:
        share = 0.55 if style.preset.width < NARROW_EM * style.preset.em else 0.8
        for x, y, text, is_turned in zip(mark.x, mark.y, mark.texts, mark.is_turned, strict=True):
            axes.text(
                x, y, text, color=colour(mark.ink, style), fontsize=share * size, rotation=90 if is_turned else 0,
                va="bottom" if is_turned else "top",
            )  # fmt: skip


def _draw_bars(axes: Axes, mark: Bars, style: SheetStyle) -> None:
    inks = np.array([mark.inks] * len(mark.values) if isinstance(mark.inks, str) else mark.inks)
    turned: Any = {"orientation": "horizontal" if mark.along == "y" else "vertical"}
    for ink in dict.fromkeys(inks.tolist()):
        values = np.where(inks == ink, mark.values, 0)
        axes.stairs(values, mark.edges, fill=True, color=colour(ink, style), **turned)


SHAPES = {"circle": "o", "diamond": "D", "triangle": "^", "x": "x"}


def _draw_points(axes: Axes, mark: Points, style: SheetStyle) -> None:
    px = 0.07 * style.preset.font_pt
    inks = np.array([colour(ink, style) for ink in mark.inks], dtype=object)
    edges = np.array(
        [colour(edge or ink, style) for edge, ink in zip(mark.edges, mark.inks, strict=True)], dtype=object
    )
    axes.hlines(mark.y, mark.low, mark.high, colors=inks.tolist(), alpha=0.45, lw=px)
    shapes = np.asarray(mark.shapes, dtype=object)
    for shape in dict.fromkeys(shapes.tolist()):
        own = shapes == shape
        look = {"c": edges[own]} if shape == "x" else {"facecolors": inks[own], "edgecolors": edges[own]}
        size = (px * mark.sizes[own]) ** 2
        axes.scatter(mark.x[own], mark.y[own], s=size, marker=SHAPES[shape], alpha=0.8, linewidths=1.6 * px, **look)


def _place(x: tuple[float, float], y: tuple[float, float]) -> dict[str, Any]:
    return {"origin": "lower", "aspect": "auto", "interpolation": "none", "extent": (*x, *y)}


def _rgba(image: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)


def _legend(axes: Axes, figure: Figure, style: SheetStyle, *, is_above: bool) -> None:
    """Name the lines above the axes, or inside them, above what is drawn."""
    patches: list[Any] = []
    size = 0.55 * style.preset.font_pt
    for mark in figure.marks:
        if isinstance(mark, Lines):
            inks = zip(mark.inks, mark.names, strict=bool(mark.names))
            patches += [Patch(color=colour(ink, style), label=name) for ink, name in inks]
        elif isinstance(mark, Points):
            patches += [
                Line2D([], [], color=colour(ink, style), marker=SHAPES[shape], ms=size, ls="", label=name)
                for name, ink, shape in mark.legend
            ]
    is_narrow = style.preset.width < NARROW_EM * style.preset.em
    if is_above:
        axes.legend(
            handles=patches, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2 if is_narrow else 3, frameon=False,
            borderpad=0.1, handlelength=0.8, columnspacing=1.0, title=figure.legend, title_fontsize="small",
        )  # fmt: skip
        return
    axes.legend(
        handles=patches, loc="upper left", fontsize=0.55 * style.preset.font_pt, ncols=2, facecolor="inherit",
        edgecolor="none", framealpha=1, borderpad=0.1, handlelength=0.7, labelspacing=0.2, columnspacing=0.8,
        handletextpad=0.4, borderaxespad=0.1,
    )  # fmt: skip
    low, high = figure.y.limits
    room = (0.22 if is_narrow else 0.12) * -(-len(patches) // 2)
    axes.set_ylim(low, high + room * (high - low))
