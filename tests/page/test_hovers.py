"""What stands under the cursor is the data's own, in every figure of the page and of every tab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import panel as pn
import pytest
from bokeh.models import GlyphRenderer, HoverTool, Image, Label, Plot, ScaleBar

from dashboard.library.store import OpenInsertion
from dashboard.page.core.tab import BaseTab
from dashboard.page.tabs.registry import TABS
from tests.page.driving import DrivenPage, driven_page

FIELD = re.compile(r"([@$])(?:\{([^}]+)\}|(\w+))")
SPECIAL = {"name"}
"""What is not a column and yet the data's own: the name that a line was given with its numbers."""

PLACES = {"x", "y", "dw", "dh"}
"""Columns of an image that say where it lies: the same for each of its pixels."""

LOOK = {"before": (10.0, 100.0), "after": (120.0, 220.0), "compare": "filter:quality=good"}


@pytest.fixture(scope="module")
def page(opened: OpenInsertion, cache: Any) -> Iterator[DrivenPage]:
    """One page with everything drawn: each tab was looked at, with units selected and two spans marked."""
    with driven_page(opened.source, cache) as made:
        made.open("demo")
        session = made.session
        made.do(lambda: session.states.update(**LOOK, selected=[3, 5]))
        for entry in TABS:
            made.do(lambda entry=entry: setattr(session.state, "tab", entry.title))
            slot = session.dock.slots[entry.name]
            tab: BaseTab[Any] = made.wait(lambda slot=slot: slot.made, entry.title)
            if hasattr(tab, "_is_laid_out"):
                made.do(lambda tab=tab: (setattr(tab, "_is_laid_out", True), tab._request()))
            made.wait(lambda tab=tab: all(loop.is_idle for loop in tab._loops), entry.title)
        made.do(lambda: session.state.param.update(time_range=(10.0, 10.5)))  # so few spikes that each has a mark
        made.wait(lambda: len(session.raster.marks.data["time"]), "marks of single spikes")
        yield made


def plots(page: DrivenPage) -> list[Plot]:
    """Return every figure of the page, those of tabs included."""
    session = page.session
    roots = [session.centre.column, *(slot.made.panel for slot in session.dock.slots.values() if slot.made)]
    panes = [pane for root in roots for pane in root.select(pn.pane.Bokeh)]
    return list({id(pane.object): pane.object for pane in panes}.values())


def fields(tooltips: Any) -> list[tuple[str, str]]:
    """Return the fields of a tooltip: ``@`` or ``$``, and the name."""
    texts = [tooltips] if isinstance(tooltips, str) else [text for pair in tooltips or () for text in pair]
    return [(sign, braced or plain) for text in texts for sign, braced, plain in FIELD.findall(text)]


def hovers(page: DrivenPage) -> list[tuple[Plot, HoverTool]]:
    return [(plot, tool) for plot in plots(page) for tool in plot.tools if isinstance(tool, HoverTool)]


def test_every_tooltip_names_columns_that_hold_what_is_drawn(page: DrivenPage) -> None:
    """A cursor, a screen, or a point of a line that was snapped to is no source: it is where the mouse is."""
    found = page.do(lambda: hovers(page))
    assert {str(plot.name) for plot, _ in found} >= {"overview", "drift", "raster", "strip", "change", "unit-acg"}
    wrong = []
    for plot, tool in found:
        named = fields(tool.tooltips)
        assert named, f"{plot.name}: a tooltip of no data"
        assert isinstance(tool.renderers, list), f"{plot.name}: a tooltip of everything that is drawn"
        wrong += [f"{plot.name}: ${name}" for sign, name in named if sign == "$" and name not in SPECIAL]
        for renderer in tool.renderers:
            columns = renderer.data_source.data
            wrong += [
                f"{plot.name}: @{name} is no column" for sign, name in named if sign == "@" and name not in columns
            ]
            wrong += [f"{plot.name}: @{name} is the place of an image" for sign, name in named
                      if sign == "@" and name in PLACES and isinstance(renderer.glyph, Image)]  # fmt: skip
            if any(sign == "$" and name == "name" for sign, name in named):
                assert renderer.name, plot.name
    assert wrong == []


def test_every_figure_that_can_tell_a_value_has_data_under_its_tooltip(page: DrivenPage) -> None:
    """As many values as there are marks; images have one for each pixel."""
    for plot, tool in page.do(lambda: hovers(page)):
        for renderer in tool.renderers:
            columns = {name: renderer.data_source.data[name] for sign, name in fields(tool.tooltips) if sign == "@"}
            if isinstance(renderer.glyph, Image):
                shapes = {np.shape(column[0]) for column in columns.values() if len(column)}
            else:
                shapes = {np.shape(column)[:1] for column in columns.values()}
            assert len(shapes) <= 1, f"{plot.name}: {shapes}"


def test_what_is_written_over_pictures_reads_in_either_theme(page: DrivenPage) -> None:
    shown = [plot for plot in plots(page) if plot.name != "beside"]  # which takes over the theme when it is opened
    written = [part for plot in shown for kind in (Label, ScaleBar) for part in plot.select({"type": kind})]
    assert {type(part) for part in written} == {Label, ScaleBar}
    for dark in (True, False):
        page.do(lambda dark=dark: setattr(page.session.state, "dark", dark))
        for part in written:
            if part.background_fill_color is not None:
                assert (luminance(part.background_fill_color) < 0.1) == dark, part


def luminance(colour: str) -> float:
    """Return the mean of the channels of ``#rrggbb``, 1 for white."""
    return sum(int(colour[k : k + 2], 16) for k in (1, 3, 5)) / 765


def value(renderer: GlyphRenderer, name: str) -> Any:
    return renderer.data_source.data[name]


def test_values_are_right_where_they_were_wrong(page: DrivenPage, opened: OpenInsertion) -> None:
    tools = {str(plot.name): tool for plot, tool in page.do(lambda: hovers(page))}
    drift = opened.sorting.drift
    assert drift is not None
    for column, line in enumerate(tools["drift"].renderers):
        np.testing.assert_array_equal(value(line, "um"), drift.um[:, column].astype(np.float32))
        np.testing.assert_array_equal(value(line, "time"), drift.times_s.astype(np.float32))
    (correlation,) = tools["probe-correlation"].renderers
    names = ("image", "x_middle", "y_middle")
    image, across, along = (value(correlation, name)[0] for name in names)
    low, wide = value(correlation, "x")[0], value(correlation, "dw")[0]
    n = image.shape[0]
    middles = low + wide * (np.arange(n) + 0.5) / n
    np.testing.assert_allclose(across[n // 2], middles, rtol=1e-5)
    np.testing.assert_allclose(along[:, n // 2], middles, rtol=1e-5)
    (marks,) = tools["raster"].renderers
    times, depths = value(marks, "time"), value(marks, "depth")
    columns = opened.columns
    inside = (columns.times_s >= 10.0) & (columns.times_s <= 10.5)
    assert len(times) == np.count_nonzero(inside)
    np.testing.assert_allclose(np.sort(times), columns.times_s[inside], atol=1e-6)
    np.testing.assert_allclose(np.sort(depths), np.sort(columns.depths_um[inside]), atol=1.0)
