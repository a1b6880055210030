"""Declared figures on the page: built from Bokeh's models once, then fed with new numbers and never rebuilt."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, LinearColorMapper
from bokeh.plotting import figure

from dashboard.analysis.events.picture import theme_ink
from dashboard.figures.figure import (
    PALETTES,
    Axis,
    Bands,
    Bars,
    Figure,
    Ink,
    Levels,
    Lines,
    Matrix,
    Pictures,
    Points,
    Words,
)
from dashboard.figures.registry import FIGURES
from dashboard.page.core.bokeh_figures import QUIET, entitle, lighten, small, time_ticks
from dashboard.page.core.shading import palette

INKS = {"bar": "#5c6bc0", "limit": "#d55e00", "high": "#0072b2", "mean": "#e69f00", "quiet": QUIET}
NO_VALUE = "#80808040"
THOUSANDTHS = "0,0.[000]"
SIDES = {"x": ("left", "right", "top"), "y": ("bottom", "top", "right")}
"""Columns of bars along an axis: start, end, value."""

AnyMark = TypeVar("AnyMark", contravariant=True)


def colour(ink: Ink, *, dark: bool) -> str:
    """Return what a colour of a figure is on the page."""
    return INKS.get(ink) or theme_ink("#000000" if ink == "ink" else ink, dark=dark)


class FigureView:
    """A place of the page where figures of one name are drawn, one after the other.

    Parameters
    ----------
    name : str
        Of the figures; models of Bokeh are named after it.
    height : int
        In CSS pixels.
    dark : bool
        Theme at first.
    plot : bokeh.plotting.figure or None
        To draw into, where it is not to be a plain one of `height`.
    follows : {'', 'x', 'y'}
        The axis that others move.
    options : Any
        Of `dashboard.page.core.bokeh_figures.small`, such as shared ranges.

    Attributes
    ----------
    figure : bokeh.plotting.figure
    sources : list of ColumnDataSource
        One per mark; that of the first one but bands is named after the figure: ``unit-acg-data``.
    """

    def __init__(
        self, name: str, height: int, *, dark: bool = False, plot: figure | None = None, follows: str = "",
        **options: Any,
    ) -> None:  # fmt: skip
        self.figure: figure = plot or small(height, "", "", name=name, **options)
        self._follows = follows
        self.sources: list[ColumnDataSource] = []
        self._name, self._dark = name, dark
        self._mappers: dict[int, LinearColorMapper] = {}
        self._shown: Figure | None = None

    def show(self, shown: Figure, *, dark: bool | None = None) -> None:
        """Draw a figure, in another theme where that is given.

        One that is absent leaves what was drawn, for whoever hides the place and says why.
        """
        self._dark = self._dark if dark is None else dark
        if shown.absent:
            return
        if not self.sources:
            self._build(shown)
        for k, mark in enumerate(shown.marks):
            data = _columns(mark, dark=self._dark)
            self.sources[k].data = data
            if isinstance(mark, Matrix):
                self._mappers[k].update(
                    palette=list(ramp(mark.palette, dark=self._dark)), low=mark.limits[0], high=mark.limits[1]
                )
        plot = self.figure
        entitle(plot, _title(shown))
        for name, own, given in (("x", plot.xaxis[0], shown.x), ("y", plot.yaxis[0], shown.y)):
            own.axis_label = given.title if own.visible else None
            if name != self._follows:
                getattr(plot, f"{name}_range").update(start=given.limits[0], end=given.limits[1])
        self._shown = shown

    def apply_theme(self, *, dark: bool) -> None:
        """Draw what is shown in the colours of a theme."""
        self._dark = dark
        if self._shown is not None:
            self.show(self._shown)

    def _build(self, shown: Figure) -> None:
        plot, tips = self.figure, []
        for own, axis in ((plot.xaxis[0], shown.x), (plot.yaxis[0], shown.y)):
            if axis.is_session_time:
                own.formatter = time_ticks()
            if axis.is_whole:
                own.ticker = BasicTicker(desired_num_ticks=own.ticker.desired_num_ticks, min_interval=1)
        main = next((k for k, mark in enumerate(shown.marks) if not isinstance(mark, Bands)), 0)
        for k, mark in enumerate(shown.marks):
            source = ColumnDataSource(name=f"{self._name}-data" if k == main else f"{self._name}-data-{k}")
            source.data = {name: [] for name in _columns(mark, dark=self._dark)}
            self.sources.append(source)
            drawn = self._glyph(mark, source, k)
            if words := _tips(mark, shown.x, shown.y):
                tips.append((drawn, words))
        lighten(plot)
        for drawn, words in tips:
            plot.add_tools(HoverTool(renderers=[drawn], tooltips=words, line_policy="nearest"))

    def _glyph(self, mark: Any, source: ColumnDataSource, k: int) -> Any:
        """Add what draws a mark."""
        plot = self.figure
        if isinstance(mark, Bars):
            sides: dict[str, Any] = {name: name for name in SIDES[mark.along]}
            sides["bottom" if mark.along == "x" else "left"] = 0
            ink = "colour" if not isinstance(mark.inks, str) else colour(mark.inks, dark=self._dark)
            return plot.quad(**sides, source=source, fill_color=ink, line_color=None)
        if isinstance(mark, Lines):
            return plot.multi_line("x", "y", source=source, line_color="colour", line_width=mark.width)
        if isinstance(mark, Bands):
            return plot.patches("x", "y", source=source, fill_color="colour", fill_alpha=0.22, line_color=None)
        if isinstance(mark, Levels):
            look = {"line_color": "colour", "line_width": 1.2, "line_dash": "dashed" if mark.is_dashed else "solid"}
            line = plot.hspan if mark.of == "y" else plot.vspan
            return line(**{mark.of: "at"}, source=source, **look)
        if isinstance(mark, Points):
            plot.segment("low", "y", "high", "y", source=source, line_color="colour", line_alpha=0.45)
            return plot.scatter(
                "x", "y", source=source, marker="shape", size="size", fill_color="colour", line_color="edge",
                line_width=1.6, fill_alpha=0.8,
            )  # fmt: skip
        if isinstance(mark, Words):
            return plot.text(
                "x", "y", "text", angle="angle", source=source, text_color=colour(mark.ink, dark=self._dark),
                text_font_size="10px", text_baseline="top",
            )  # fmt: skip
        place = {name: name for name in ("image", "x", "y", "dw", "dh")}
        if isinstance(mark, Pictures):
            return plot.image_rgba(**place, source=source, level="image")
        self._mappers[k] = mapper = LinearColorMapper(palette=["#000000"], low=0, high=1, nan_color=NO_VALUE)
        return plot.image(**place, source=source, color_mapper=mapper, level="image")


def _title(shown: Figure) -> str:
    """Return what a figure shows in one line: the title of its entry, and what is particular to this one."""
    words = shown.title.replace("\n", ", ")
    kind = next((entry.title for entry in FIGURES if entry.name == shown.name), "")
    return words if words.startswith(kind) else f"{kind}: {words}"


def ramp(name: str, *, dark: bool) -> tuple[str, ...]:
    """Return the colours of a palette of figures; ``binary`` runs towards the ink."""
    return palette(name if name == "binary" else PALETTES[name][dark], dark=dark)


def _columns(mark: Any, *, dark: bool) -> dict[str, Any]:
    """Return the data of a mark as Bokeh's glyphs take them."""
    if isinstance(mark, Bars):
        start, end, value = SIDES[mark.along]
        data: dict[str, Any] = {start: mark.edges[:-1], end: mark.edges[1:], value: mark.values}
        if not isinstance(mark.inks, str):
            data["colour"] = [colour(ink, dark=dark) for ink in mark.inks]
        return data
    if isinstance(mark, Lines):
        return {
            "x": list(mark.x),
            "y": list(mark.y),
            "colour": [colour(ink, dark=dark) for ink in mark.inks],
            "name": list(mark.names) or [""] * len(mark.x),
        }
    if isinstance(mark, Bands):
        return {
            "x": [np.concatenate([x, x[::-1]]) for x in mark.x],
            "y": [np.concatenate([high, low[::-1]]) for low, high in zip(mark.low, mark.high, strict=True)],
            "colour": [colour(ink, dark=dark) for ink in mark.inks],
        }
    if isinstance(mark, Levels):
        return {"at": list(mark.values), "colour": [colour(mark.ink, dark=dark)] * len(mark.values)}
    if isinstance(mark, Points):
        # An x has no inside: its edge is what is seen.
        edges = [edge or (ink if shape == "x" else "") for edge, ink, shape in zip(
            mark.edges, mark.inks, mark.shapes, strict=True)]  # fmt: skip
        return {
            **{name: getattr(mark, name) for name in ("x", "y", "low", "high")},
            "colour": [colour(ink, dark=dark) for ink in mark.inks],
            "edge": [colour(ink, dark=dark) if ink else "#00000000" for ink in edges],
            "shape": list(mark.shapes),
            "size": mark.sizes,
            **{f"tip_{k}": list(texts) for k, texts in enumerate(mark.tips.values())},
        }
    if isinstance(mark, Words):
        angles = [np.pi / 2 if is_turned else 0.0 for is_turned in mark.is_turned]
        return {"x": list(mark.x), "y": list(mark.y), "text": list(mark.texts), "angle": angles}
    if isinstance(mark, Matrix):
        middles = [
            start + (end - start) * (np.arange(n) + 0.5) / max(n, 1)
            for (start, end), n in ((mark.x, mark.values.shape[1]), (mark.y, mark.values.shape[0]))
        ]
        x, y = np.meshgrid(*(middle.astype(np.float32) for middle in middles))
        return {**_placed([mark.values.astype(np.float32)], [mark.x], [mark.y]), "x_middle": [x], "y_middle": [y]}
    assert isinstance(mark, Pictures)
    return _placed(mark.painted(lambda ink: colour(ink, dark=dark)), list(mark.x), list(mark.y))


def _placed(images: list[Any], x: list[tuple[float, float]], y: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "image": images,
        "x": [start for start, _ in x],
        "y": [start for start, _ in y],
        "dw": [end - start for start, end in x],
        "dh": [end - start for start, end in y],
    }


def _tips(mark: Any, x: Axis, y: Axis) -> list[tuple[str, str]]:
    """Return what is read under the cursor: the numbers of the data, with their units."""

    def value(column: str, axis: Axis) -> str:
        return f"@{column}{{{THOUSANDTHS}}}{f' {axis.unit}' if axis.unit else ''}"

    if isinstance(mark, Bars):
        ends, along, other = (
            (("left", "right", "top"), x, y) if mark.along == "x" else (("bottom", "top", "right"), y, x)
        )
        spans = f"@{ends[0]}{{{THOUSANDTHS}}} to {value(ends[1], along)}"
        return [(along.label, spans), (other.label, value(ends[2], other))]
    if isinstance(mark, Matrix):
        # Middles of the pixel under the cursor, whose value it is: not the place of the cursor.
        at = [(axis.label, value(f"{name}_middle", axis)) for name, axis in (("x", x), ("y", y))]
        return [*at, (mark.label, f"@image{{0,0.[00]}}{f' {mark.unit}' if mark.unit else ''}")]
    return [(title, f"@tip_{k}") for k, title in enumerate(mark.tips)] if isinstance(mark, Points) else []
