"""An aggregate of another package: it acts where the setting names it, everywhere, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import dashboard
from dashboard.cli.main import main
from dashboard.engine.build import SpikeColumns
from dashboard.engine.count.registry import AGGREGATES
from dashboard.export.figure import FigureRequest, figure_sheet
from dashboard.export.process import ExportProcess
from dashboard.export.sheet import save_sheet, write_sheet
from dashboard.model.errors import BadRequest
from dashboard.model.sorting import SpikeSorting
from dashboard.page import link as links
from dashboard.page.tabs.registry import page_state
from dashboard.sources.demo.source import DemoSource
from tests.recipes.installed import installed, recipe

if TYPE_CHECKING:
    from tests.browser.driver import Visit

NAME = "units"
WINDOW, DEPTHS = (10.0, 40.0), (200.0, 3000.0)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    code = recipe("An aggregate")
    with installed(tmp_path / "site", "distinct_units", code, "spike_dashboard.aggregates", NAME) as folder:
        yield folder


@pytest.fixture
def _named(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKE_DASHBOARD_PLUGINS", NAME)


@pytest.mark.usefixtures("package")
def test_a_package_that_no_setting_names_does_not_act(small_demo: SpikeSorting, cache: Path) -> None:
    with pytest.raises(BadRequest, match="No such aggregate: 'units'"):
        dashboard.render(small_demo, aggregate=NAME, cache=cache)


@pytest.mark.usefixtures("_named")
@pytest.mark.parametrize("filtered", [False, True])
def test_render_gives_its_numbers(
    small_demo: SpikeSorting, small_columns: SpikeColumns, cache: Path, filtered: bool
) -> None:
    clusters = np.arange(small_demo.n_clusters) % 3 > 0 if filtered else None
    image = dashboard.render(small_demo, WINDOW, DEPTHS, 40, 30, NAME, clusters, cache=cache)
    times, depths, ids = small_columns.times_s, small_columns.depths_um, small_columns.clusters
    expected = np.zeros((30, 40), int)
    for cluster in np.unique(ids) if clusters is None else np.flatnonzero(clusters):
        own = ids == cluster
        counts, _, _ = np.histogram2d(depths[own], times[own], (image.depth_edges_um, image.time_edges_s))
        expected += counts > 0
    np.testing.assert_array_equal(image.values, expected)
    assert image.values.max() > 1
    assert (image.kind, image.unit) == (NAME, "units")


@pytest.mark.usefixtures("package")
def test_the_command_line_draws_it(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["render", "demo", "--spikes", "50000", "--cache", str(cache), "--t", "10,40", "--out"]
    asked += [str(tmp_path / "figure.png"), "--aggregate", NAME]
    assert main(asked) == 2
    assert "No such aggregate: 'units'. Choose one of count, rate" in capsys.readouterr().err
    assert main([*asked, "--plugin", NAME]) == 0
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.info["colour"] == "distinct units"


@pytest.mark.usefixtures("package")
def test_a_sheet_of_it_is_drawn_in_the_process_of_exports(
    small_demo: SpikeSorting, small_columns: SpikeColumns, tmp_path: Path
) -> None:
    AGGREGATES.add_plugins([NAME])
    sheet = figure_sheet(small_demo, small_columns, FigureRequest(WINDOW, DEPTHS, aggregate=NAME))
    file, process = io.BytesIO(), ExportProcess(plugins=(NAME,))
    process.run(partial(save_sheet, tmp_path / "sheet.png", sheet, "png"))
    process.close()
    write_sheet(file, sheet, "png")
    assert (tmp_path / "sheet.png").read_bytes() == file.getvalue()


def test_a_name_that_nobody_has_is_logged_in_one_line(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["check", "demo", "--spikes", "50000", "--cache", str(cache), "--plugin", "nobody"]) == 0
    assert [line for line in caplog.messages if "nobody" in line] == [
        "plug-in nobody is left out: no installed package has an entry point of that name"
    ]


@pytest.mark.parametrize("fault", ["raise KeyError('no such thing')", "image = image[1:]"])
def test_a_kernel_that_fails_is_one_line(fault: str, tmp_path: Path, small_demo: SpikeSorting, cache: Path) -> None:
    code = recipe("An aggregate").replace("    def draw(", f"    {fault}\n\n    def draw(", 1)
    with installed(tmp_path, "distinct_units", code, "spike_dashboard.aggregates", NAME):
        AGGREGATES.add_plugins([NAME])
        with pytest.raises(BadRequest, match=r"^The plug-in's aggregate units failed: \w+Error: .*Choose another"):
            dashboard.render(small_demo, WINDOW, DEPTHS, 40, 30, NAME, cache=cache)


def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    before = AGGREGATES.names
    monkeypatch.setenv("SPIKE_DASHBOARD_PLUGINS", NAME)
    with installed(tmp_path, "distinct_units", recipe("An aggregate"), "spike_dashboard.aggregates", NAME):
        dashboard.open_insertion("demo", source=DemoSource(cache, n_spikes=50_000), cache=cache)
        assert AGGREGATES.names == (*before, NAME)
        state = page_state(insertion="a/2020-01-01/001/probe00", color=NAME)
        assert links.parse(links.write(state)).values["color"] == NAME
    assert AGGREGATES.names == before
    assert links.parse(f"color={NAME}").values == {}
    with pytest.raises(ValueError, match="is none of count, rate"):
        state.view.color = NAME


@pytest.mark.browser
@pytest.mark.usefixtures("package")
def test_the_page_offers_draws_reads_links_and_exports_it(tmp_path: Path, visit: Visit) -> None:
    from playwright.sync_api import expect

    from tests.browser.driver import close_panel, open_panel, served

    page, cache = visit.page, tmp_path / "cache"
    source = DemoSource(cache, n_spikes=200_000)
    with served([source], cache, plugins=(NAME,)) as site:
        visit.open(f"{site}/?insertion=demo&t=0,600")
        visit.wait_for_spikes()
        open_panel(page, "Colour")
        page.locator("[role=combobox]", has_text="Spike count").click()
        page.get_by_role("option", name="Distinct units").click()
        expect(page.locator(".bar-row", has_text=re.compile(r"units per .* × .* µm"))).to_be_visible()
        page.wait_for_url(re.compile("color=units"))
        close_panel(page)
        figures = [figure.bounding_box() for figure in page.locator(".bk-Figure.navigable").all()]
        box = max((box for box in figures if box), key=lambda box: box["width"] * box["height"])  # the raster
        readout = page.locator(".readout", has_text=re.compile(r"\d+ units? in "))
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        expect(readout).to_be_visible()
        page.get_by_role("button", name="Export").click()
        page.get_by_role("tab", name="Data").click()
        with page.expect_download() as data:
            page.get_by_role("button", name="NPZ", exact=True).nth(1).click()
        with np.load(io.BytesIO(Path(data.value.path()).read_bytes())) as found:
            assert str(found["kind"]) == NAME
            assert found["values"].max() > 1
            assert json.loads(str(found["provenance"]))["link"].endswith("color=units")
        page.goto("about:blank")  # or it would look for a server that is gone
    # Another server, which does not name it.
    AGGREGATES.remove(NAME)
    with served([source], cache) as site:
        visit.open(f"{site}/?insertion=demo&color=units")
        visit.wait_for_spikes()
        expect(page.get_by_text("color=units cannot be used")).to_be_visible()
        open_panel(page, "Colour")
        page.locator("[role=combobox]", has_text="Spike count").click()
        expect(page.get_by_role("option", name="Firing rate", exact=True)).to_be_visible()
        expect(page.get_by_role("option", name="Distinct units")).to_have_count(0)
        page.keyboard.press("Escape")
        page.goto("about:blank")
