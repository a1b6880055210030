"""Whatever a browser says of clicks, boxes, the cursor and axes, nothing raises, and the view stays one of numbers."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import panel as pn
import pytest
from bokeh.events import SelectionGeometry, Tap
from bokeh.models import ColumnDataSource, Plot, Range1d

from dashboard.page.tabs.registry import TABS
from dashboard.sources.demo.source import DemoSource
from tests.page.driving import DrivenPage, driven_page

BAD: tuple[Any, ...] = (math.nan, math.inf, -math.inf, 1e308, -1e308, 10**400, "abc", None, [], {"a": 1})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenPage]:
    cache: Path = tmp_path_factory.mktemp("cache")
    with driven_page(DemoSource(cache, n_spikes=20_000), cache) as page:
        page.open("demo")
        for tab in TABS:
            page.select(tab.title, 5)
        page.do(lambda: page.session.state.param.update(show="clusters"))
        page.wait(lambda: page.session.units.picture is not None)
        yield page


def models(page: DrivenPage, kind: type) -> list[Any]:
    """Return the models of a kind that the page has; to be called in its thread."""
    found: dict[str, Any] = {}
    for pane in page.session.page.select(pn.pane.Bokeh):
        found |= {model.id: model for model in pane.object.references() if isinstance(model, kind)}
    return list(found.values())


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:9])
def test_no_message_of_a_figure_raises(page: DrivenPage, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    def send() -> int:
        plots = models(page, Plot)
        for plot in plots:
            for x, y in ((value, 50.0), (50.0, value), (value, value)):
                plot._trigger_event(Tap(plot, sx=1, sy=1, x=x, y=y))
                box = {"type": "rect", "x0": x, "x1": 60.0, "y0": y, "y1": value}
                plot._trigger_event(SelectionGeometry(plot, geometry=box, final=True))
        for source in models(page, ColumnDataSource):
            if source.name and source.name.endswith("cursor"):
                for on in ("raster", "lateral", "amplitude", value):
                    source.data = {"x": [value], "y": [value], "on": [on]}
        return len(plots)

    assert page.do(send) > 10
    view = page.session.state
    assert all(map(math.isfinite, (*view.time_range, *view.depth_range)))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "value", [value for value in BAD if isinstance(value, float)], ids=lambda value: repr(value)[:9]
)
def test_no_axis_that_is_sent_raises(page: DrivenPage, value: float) -> None:
    def send() -> None:
        for axis in models(page, Range1d):
            before = axis.start, axis.end
            axis.start = value
            axis.end = value
            axis.update(start=before[0], end=before[1])

    page.do(send)
    view = page.session.state
    assert all(map(math.isfinite, (*view.time_range, *view.depth_range)))
