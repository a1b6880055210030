"""The views in a notebook: a bundle that holds the picture, values checked, what kernel and cell do to each other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import panel as pn
import pytest
from bokeh.models import ImportedStyleSheet
from panel.models import HTML

import dashboard
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.page.notebook import _unless_there


def test_a_bundle_holds_the_picture(small_demo: SpikeSorting, cache: Path) -> None:
    """Without IPython, too: what front ends ask for is there, and the first picture is in it."""
    view = dashboard.view(small_demo, cache=cache, time_range=(5, 20), selected=[3])
    bundle = view._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "text/html" in data
    assert "raster-image" in data["text/html"]
    assert "cdn.holoviz.org" not in data["text/html"]
    assert view._views is not None
    picture = view._views.raster.picture
    assert picture is not None
    assert picture.n_in_view > 0
    assert (view.state.time_range, view.selected) == ((5.0, 20.0), [3])
    assert view._views.heatmap.picture is not None
    assert view._views.table.widget.selection == [3]


def test_the_package_says_what_shows_sortings(repository: Path) -> None:
    """Whoever imports the loader alone gets one line; `open_insertion` of the package brings the views along."""
    program = (
        "import sys, dashboard\nfrom dashboard.model import sorting\nassert not sorting._viewers\n"
        "dashboard.open_insertion\nassert sorting._viewers\nassert 'panel' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=repository, check=True)


def test_nothing_to_show_with_is_one_line(small_demo: SpikeSorting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.model.sorting._viewers", [])
    with pytest.raises(BadRequest, match=r"Use dashboard\.view"):
        small_demo.view()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "red"}, "no such value: colour"),
        ({"color": "red"}, "cannot be used"),
        ({"time_range": (20, 5)}, "cannot be used"),
        ({"filters": {"where": "nosuch > 1"}}, "No column nosuch"),
        ({"filters": {"rate": "a,b"}}, "rate"),
    ],
)
def test_values_are_checked_before_anything_is_shown(
    small_demo: SpikeSorting, cache: Path, values: dict[str, object], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        dashboard.view(small_demo, cache=cache, **values)


def test_the_kernel_moves_the_views_and_a_second_cell_takes_them_over(small_demo: SpikeSorting, cache: Path) -> None:
    async def session() -> None:
        view = dashboard.view(small_demo, cache=cache, show="raster")
        view._repr_mimebundle_()
        first = view._views
        assert first is not None
        view.state.time_range = (2.0, 4.0)
        for _ in range(500):
            picture = first.raster.picture
            if picture is not None and picture.aggregate.time_edges_s[-1] < 5:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the raster did not follow")
        root = next(iter(first.layout._models.values()))[0]
        panes = list(root.select({"type": HTML}))
        assert any("spikes" in pane.text for pane in panes)
        sheets = [sheet for pane in panes for sheet in pane.stylesheets]
        assert not any(isinstance(sheet, ImportedStyleSheet) for sheet in sheets), "the cell asks another host"
        view.state.quality = "good"
        await asyncio.sleep(0.1)
        assert len(first.table.ids()) < small_demo.n_clusters
        view._repr_mimebundle_()
        second = view._views
        assert second is not first
        assert view.state.time_range == (2.0, 4.0), "a second cell starts anew"

    with ThreadPoolExecutor(1) as thread:  # the browser's driver runs a loop in this one
        thread.submit(asyncio.run, session()).result(120)


def test_scripts_run_only_where_they_are_missing() -> None:
    """A cell that is run again brings them, as the page may have been loaded anew since."""
    script = _unless_there("(function(root) { root._bokeh_is_initializing = true }(window))")
    assert script.startswith("if (!(window.Bokeh &&")
    assert _unless_there("window.PyViz = {}") == "window.PyViz = {}"


def test_the_views_fit_into_a_layout(small_demo: SpikeSorting, cache: Path) -> None:
    row = pn.Row("beside", dashboard.view(small_demo, cache=cache))
    assert len(list(row.get_root().select({"name": "raster"}))) == 1
