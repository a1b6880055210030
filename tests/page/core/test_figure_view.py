"""A figure on the page is built once, and then takes new numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dashboard.figures.figure import Axis, Bands, Bars, Figure, Levels, Lines, Matrix, Words
from dashboard.page.core.figure_view import INKS, FigureView

FIGURE = Figure(
    "trial",
    "A trial",
    Axis("Lag", "ms", (-5.0, 5.0)),
    Axis("Pairs", limits=(0.0, 4.0), is_whole=True),
    (
        Bars(np.array([-5.0, 0.0, 5.0]), np.array([3, 1]), ["bar", "limit"]),
        Levels([], "y"),
        Matrix(np.eye(2), (0.0, 1.0), (0.0, 1.0), "binary", (0.0, 1.0), "Confidence", "%"),
        Lines([np.arange(2.0)], [np.arange(2.0)], ["#123456"]),
        Words([0.0], [0.0], ["1 ms"], [True], "ink"),
    ),
)


def test_new_numbers_reach_the_same_models() -> None:
    view = FigureView("trial", 100)
    view.show(FIGURE)
    models = set(view.figure.references())
    bars, level = FIGURE.marks[:2]
    assert isinstance(bars, Bars) and isinstance(level, Levels)
    marks = (replace(bars, values=np.array([2, 9])), replace(level, values=[1.5]), *FIGURE.marks[2:])
    view.show(replace(FIGURE, y=Axis("Pairs", limits=(0.0, 9.5)), marks=marks))
    assert set(view.figure.references()) == models
    assert view.sources[0].name == "trial-data"
    assert list(view.sources[0].data["top"]) == [2, 9]
    assert view.sources[0].data["colour"] == [INKS["bar"], INKS["limit"]]
    assert view.sources[1].data["at"] == [1.5]
    assert view.figure.y_range.end == 9.5
    assert view.figure.xaxis[0].axis_label == "Lag (ms)"


def test_a_theme_turns_the_ink_of_what_is_shown() -> None:
    view = FigureView("trial", 100, dark=False)
    view.apply_theme(dark=False)  # before there is anything
    view.show(FIGURE)
    mapper = (
        next(iter(view.figure.select({"name": "trial-mapper"})), None) or view.figure.renderers[2].glyph.color_mapper
    )
    light = list(mapper.palette)
    view.apply_theme(dark=True)
    assert mapper.palette[-1] == light[0]
    assert mapper.palette[-1] != light[-1]


def test_what_is_absent_leaves_what_was_drawn() -> None:
    view = FigureView("trial", 100)
    view.show(Figure("trial", "A trial", absent="no spikes"))
    assert not view.sources
    view.show(FIGURE)
    view.show(Figure("trial", "A trial", absent="no spikes"))
    assert list(view.sources[0].data["top"]) == [3, 1]


def test_values_under_the_cursor_are_those_of_the_data_with_units() -> None:
    view = FigureView("trial", 100)
    view.show(FIGURE)
    tips = [tip for tool in view.figure.tools for tip in tool.tooltips]
    assert ("Lag", "@left{0,0.[000]} to @right{0,0.[000]} ms") in tips
    assert ("Pairs", "@top{0,0.[000]}") in tips
    assert ("Confidence", "@image{0,0.[00]} %") in tips


def test_data_are_found_by_the_name_of_the_figure_whatever_lies_under_them() -> None:
    x = np.arange(2.0)
    lines = Lines([x], [x], ["#123456"])
    view = FigureView("trial", 100)
    view.show(replace(FIGURE, marks=(Bands([x], [x], [x + 1], ["#123456"]), lines)))
    assert [source.name for source in view.sources] == ["trial-data-0", "trial-data"]
    assert len(view.sources[1].data["y"][0]) == 2
