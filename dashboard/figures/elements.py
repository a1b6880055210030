"""Declared figures, and pictures of the engine that follow the axes, as elements of HoloViews.

HoloViews is imported here and nowhere else: when a notebook or a script asks for a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import RangeXY

from dashboard.engine.count.aggregate import Aggregate
from dashboard.engine.count.registry import AGGREGATES
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
    Range,
    Words,
)

INKS = {
    "bar": "#0072b2",
    "limit": "#d55e00",
    "high": "#0072b2",
    "mean": "#e69f00",
    "quiet": "#808080",
    "ink": "#000000",
}
WIDTH, HEIGHT = 420, 240
TIME, DEPTH = hv.Dimension("time", label="Time", unit="s"), hv.Dimension("depth", label="Depth along probe", unit="µm")
SAME_WORDS = {"bokeh": {"line_width": "line_width", "line_dash": "line_dash"},
              "matplotlib": {"line_width": "linewidth", "line_dash": "linestyle"}}  # fmt: skip


def element(figure: Figure) -> Any:
    """Return a figure as an Overlay, which composes with ``+``, ``*`` and ``.opts``; a Text says why one is absent."""
    _load_backend()
    if figure.absent:
        words = hv.Text(0.5, 0.5, figure.absent)
        return _look(words, xlim=(0, 1), ylim=(0, 1), xaxis=None, yaxis=None, title=figure.title)
    x, y = _dimension(figure.x, "x"), _dimension(figure.y, "y")
    parts = [part for mark in figure.marks for part in _parts(mark, x, y)]
    whole = hv.Overlay(parts, label="")
    named = {"title": figure.title, "xlim": figure.x.limits, "ylim": figure.y.limits}
    return _look(whole, **named, xlabel=figure.x.title, ylabel=figure.y.title, show_legend=bool(figure.legend))


def layout(figures: Iterable[Figure], n_columns: int = 2) -> Any:
    """Return figures beside and below one another."""
    _load_backend()
    return hv.Layout([element(figure) for figure in figures]).cols(n_columns).opts(shared_axes=False)


def live(draw: Callable[[Range | None, Range | None], Aggregate], title: str, *, is_signed: bool = False) -> Any:
    """Return a picture of the engine that is counted anew, exactly, for every window that its axes show.

    Parameters
    ----------
    draw : callable (time_range, depth_range) -> Aggregate
        None: all of it.
    title : str
    is_signed : bool
        Whether zero is the middle of the colours.

    Returns
    -------
    DynamicMap
        Its stream is a RangeXY: ``found.streams[0].event(x_range=(10, 20))`` zooms from a script.
    """
    _load_backend()

    def picture(x_range: Range | None, y_range: Range | None) -> Any:
        found = draw(x_range, y_range)
        made = _look(image(found), title=title)
        if is_signed:
            most = float(np.nanmax(np.abs(found.values), initial=1.0))
            made = _look(made, cmap=PALETTES["diverging"][0], clim=(-most, most))
        return made

    return hv.DynamicMap(picture, streams=[RangeXY()])


def image(found: Aggregate) -> Any:
    """Return numbers per pixel as an Image over time and depth; row 0 of its data is the lowest depth."""
    _load_backend()
    entry = AGGREGATES[found.kind]
    times, depths = found.time_edges_s, found.depth_edges_um
    made = hv.Image(
        np.flipud(found.values), bounds=(times[0], depths[0], times[-1], depths[-1]), kdims=[TIME, DEPTH],
        vdims=[hv.Dimension(found.kind, label=entry.title, unit=found.unit or None)],
    )  # fmt: skip
    return _look(made, cmap=entry.palette, colorbar=True)


def _load_backend() -> None:
    if not hv.Store.loaded_backends():
        hv.extension("bokeh", logo=False)


def _dimension(axis: Axis, name: str) -> Any:
    return hv.Dimension(name, label=axis.label, unit=axis.unit or None)


def _look(made: Any, **options: Any) -> Any:
    """Set options in the words of every backend that is loaded."""
    for backend in hv.Store.loaded_backends():
        words = SAME_WORDS.get(backend, {})
        given = {words.get(name, name): value for name, value in options.items()}
        if isinstance(made, hv.Overlay | hv.Image | hv.Text):
            given.update({"responsive": False, "width": WIDTH, "height": HEIGHT} if backend == "bokeh" else {})
        made = made.opts(backend=backend, **given)
    return made


def _colour(ink: Ink) -> str:
    return INKS.get(ink, ink)


def _parts(mark: Any, x: Any, y: Any) -> list[Any]:
    if isinstance(mark, Bars):
        return _bars(mark, x, y)
    if isinstance(mark, Lines):
        names = mark.names or [""] * len(mark.x)
        return [
            _look(hv.Path([np.column_stack([xs, ys])], [x, y], label=name), color=_colour(ink), line_width=mark.width)
            for xs, ys, ink, name in zip(mark.x, mark.y, mark.inks, names, strict=True)
        ]
    if isinstance(mark, Bands):
        ends = [y, hv.Dimension("high")]
        return [
            _look(hv.Area((xs, low, high), x, ends), color=_colour(ink), alpha=0.22)
            for xs, low, high, ink in zip(mark.x, mark.low, mark.high, mark.inks, strict=True)
        ]
    if isinstance(mark, Levels):
        line = hv.HLine if mark.of == "y" else hv.VLine
        dash = "dashed" if mark.is_dashed else "solid"
        return [_look(line(value), color=_colour(mark.ink), line_width=1.2, line_dash=dash) for value in mark.values]
    if isinstance(mark, Matrix):
        of = hv.Dimension("value", label=mark.label, unit=mark.unit or None)
        made = hv.Image(np.flipud(mark.values), bounds=_bounds(mark.x, mark.y), kdims=[x, y], vdims=[of])
        return [_look(made, cmap=PALETTES[mark.palette][0], clim=mark.limits, colorbar=True)]
    if isinstance(mark, Pictures):
        return [
            hv.RGB(
                np.flipud(np.ascontiguousarray(picture).view(np.uint8).reshape(*picture.shape, 4)),
                bounds=_bounds(across, up), kdims=[x, y], vdims=[*hv.RGB.vdims, hv.RGB.alpha_dimension],
            )
            for picture, across, up in zip(mark.painted(_colour), mark.x, mark.y, strict=True)
        ]  # fmt: skip
    if isinstance(mark, Points):
        ends = hv.Segments((mark.low, mark.y, mark.high, mark.y, [_colour(ink) for ink in mark.inks]), vdims="colour")
        tips = [hv.Dimension(title or "kind") for title in mark.tips]
        values = (mark.x, mark.y, *(list(texts) for texts in mark.tips.values()), [_colour(ink) for ink in mark.inks])
        made = hv.Points(values, [x, y], [*tips, "colour"])
        return [_look(ends, color="colour"), _look(made, color="colour")]
    assert isinstance(mark, Words)
    return [hv.Labels((list(mark.x), list(mark.y), list(mark.texts)), [x, y], "text")]


def _bars(mark: Bars, x: Any, y: Any) -> list[Any]:
    if isinstance(mark.inks, str) and mark.along == "x":
        return [_look(hv.Histogram((mark.edges, mark.values), kdims=[x], vdims=[y]), color=_colour(mark.inks))]
    inks = [mark.inks] * len(mark.values) if isinstance(mark.inks, str) else mark.inks
    zero, low, high = np.zeros(len(mark.values)), mark.edges[:-1], mark.edges[1:]
    sides = (low, zero, high, mark.values) if mark.along == "x" else (zero, low, mark.values, high)
    made = hv.Rectangles((*sides, [_colour(ink) for ink in inks]), vdims="colour")
    return [_look(made, color="colour", line_width=0)]


def _bounds(x: Range, y: Range) -> tuple[float, float, float, float]:
    return x[0], y[0], x[1], y[1]
