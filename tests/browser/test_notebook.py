"""The views outside the page: as a notebook's cell that is looked at without a kernel, and in an app of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import pytest
from bokeh.resources import INLINE
from panel.io.notebook import mimebundle_to_html
from panel.io.server import get_server
from playwright.sync_api import Browser

import dashboard
from dashboard.model.sorting import SpikeSorting
from tests.browser.driver import Visit, new_visit
from tests.serving import running

INK = """() => {
  const image = Bokeh.documents[0].get_model_by_name("raster-image").data.image[0];
  return Array.from(image.buffer ? new Uint8Array(image.buffer) : image).filter((value) => value > 0).length;
}"""
WINDOW = """() => {
  const range = Bokeh.documents[0].get_model_by_name("raster").x_range;
  return range.end - range.start;
}"""


def test_a_saved_cell_shows_the_picture_without_a_kernel_or_network(
    browser: Browser, small_demo: SpikeSorting, cache: Path, tmp_path: Path
) -> None:
    bundle = dashboard.view(small_demo, cache=cache)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    dist = Path(pn.__file__).parent / "dist"
    scripts = [*INLINE.js_raw, (dist / "panel.min.js").read_text(encoding="utf-8")]
    scripts.append(next(dist.rglob("tabulator.min.js")).read_text(encoding="utf-8"))
    cell = tmp_path / "cell.html"
    loaded = "".join(f"<script>{script}</script>" for script in scripts)
    cell.write_text(f'<meta charset="utf-8">{loaded}{mimebundle_to_html(data)}', encoding="utf-8")
    visit = new_visit(browser)
    page = visit.page
    page.goto(cell.as_uri())
    page.get_by_text("50,000 of 50,000 spikes").wait_for()
    page.locator(".tabulator-row").first.wait_for()
    assert page.evaluate(INK) > 1000
    page.context.close()
    assert [url for url in visit.foreign if not url.startswith(("file:", "data:", "blob:"))] == []
    assert [line for line in visit.complaints if "comm manager" not in line] == []


def test_the_views_work_in_an_app(visit: Visit, small_demo: SpikeSorting, cache: Path) -> None:
    page = visit.page

    def make() -> Any:
        pn.extension("tabulator")
        apps = {"/": lambda: dashboard.view(small_demo, cache=cache, time_range=(10, 60), show="raster")}
        return get_server(apps, address="127.0.0.1", port=0, show=False, start=False)

    with running(make) as server:
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.get_by_text("50,000 of 50,000 spikes").wait_for()
        page.locator(".tabulator-row").first.wait_for()
        assert page.evaluate(WINDOW) == pytest.approx(50)
        page.mouse.move(500, 300)
        page.mouse.wheel(0, -400)
        page.wait_for_function(f"() => ({WINDOW})() < 45")
        page.locator(".tabulator-row").nth(2).click()
        page.wait_for_function(
            "() => Bokeh.documents[0].get_model_by_name('raster-overlay').data.image[0].some((value) => value > 0)"
        )
        page.goto("about:blank")
