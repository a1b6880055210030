"""Where everything stands: the shares of the page, what the browser remembers, light and dark."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.sources.demo.source import DemoSource
from tests.browser.conftest import DEMO_SPIKES
from tests.browser.driver import Visit, new_visit, open_panel, served
from tests.browser.test_page import DEMO, N_OF_N, frame_of, in_view, time_window, wait_until

EMPTY_AND_ZERO = """() => {
  const { low_color, palette } = Bokeh.documents[0].get_model_by_name("raster").renderers[0].glyph.color_mapper
  return [low_color, palette[0]]
}"""
"""Colours of an empty pixel of the raster and of the palette's zero."""


def share(visit: Visit, name: str) -> float:
    """Return the share of the window's pixels that a picture's frame has, less what the dock covers of it."""
    x, _, width, height = frame_of(visit, name)
    dock, size = visit.page.locator(".dock").bounding_box(), visit.page.viewport_size
    assert size is not None
    right = min(x + width, dock["x"]) if dock else x + width
    return (right - x) * height / (size["width"] * size["height"])


def dock_width(page: Page) -> float:
    """Return the width of the dock, 0 where it is closed."""
    box = page.locator(".dock").bounding_box()
    return box["width"] if box else 0.0


def depths_of(page: Page) -> float:
    """Return how many um of the probe are in view, by the link."""
    low, high = map(float, parse_qs(urlparse(page.url).query)["depth"][0].split(","))
    return high - low


def test_the_raster_has_its_share_of_the_page(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    for size, heatmap in (((1600, 1000), 0.20), ((1440, 900), 0.0), ((1280, 800), 0.0)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        wait_until(visit, lambda: share(visit, "raster") >= 0.30)
        wait_until(visit, lambda least=heatmap: share(visit, "raster") + share(visit, "heatmap") >= 0.30 + least)  # type: ignore[misc]
        expect(page.locator('.tabulator-row [tabulator-field="cluster_id"]').first).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")  # the dock lies over the pictures here
    expect(page.locator(".dock")).to_be_hidden()
    page.get_by_role("tab", name="Clusters").click()
    page.set_viewport_size({"width": 1600, "height": 1000})
    page.keyboard.press("h")
    wait_until(visit, lambda: share(visit, "raster") >= 0.50)
    page.get_by_role("tab", name="Clusters").click()
    wait_until(visit, lambda: share(visit, "raster") >= 0.68)
    page.set_viewport_size({"width": 1920, "height": 1080})
    for tab in page.get_by_role("tab").all():
        expect(tab).to_be_in_viewport(ratio=1)


@pytest.mark.walk
def test_a_filter_leaves_the_pictures_their_place(site: str, visit: Visit) -> None:
    """Where its chips moved them, all were drawn anew for each filter."""
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    before = frame_of(visit, "raster")
    visit.follow(f"{DEMO}&quality=good&rate=1,50")
    expect(visit.page.get_by_role("button", name="Clear all")).to_be_visible()
    assert frame_of(visit, "raster") == before


def test_the_browser_remembers_the_layout_until_it_is_reset(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    divider = page.get_by_role("separator", name="Width of the dock")
    wait_until(visit, lambda: dock_width(page) == 430)
    box = divider.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 3, 500)
    page.mouse.down()
    page.mouse.move(box["x"] - 97, 500, steps=4)
    page.mouse.up()
    wait_until(visit, lambda: dock_width(page) == 530)
    open_panel(page, "View")
    page.get_by_role("button", name="Pin").click()
    page.reload()
    visit.wait_for_spikes()
    wait_until(visit, lambda: dock_width(page) == 530)
    reset = page.get_by_role("button", name="Reset the layout")
    reset.click()  # the panel is pinned, and has come with the page
    expect(reset).to_be_hidden()
    wait_until(visit, lambda: dock_width(page) == 430)
    page.get_by_role("tab", name="Clusters").click()
    expect(page.locator(".dock")).to_be_hidden()
    page.keyboard.press("j")  # a selection opens it
    wait_until(visit, lambda: dock_width(page) == 430)
    page.get_by_role("button", name="drift ▾").click()
    expect(page.get_by_role("button", name="drift ▴")).to_be_visible()


LIGHT = """{
  window.light_frames = 0
  const look = () => {
    const [x, y] = [innerWidth / 3, innerHeight / 2]
    let at = document.elementFromPoint(x, y)
    while (at?.shadowRoot?.elementFromPoint(x, y) && at.shadowRoot.elementFromPoint(x, y) !== at) {
      at = at.shadowRoot.elementFromPoint(x, y)
    }
    let ground = null
    for (let node = at; node && !ground; node = node.parentNode ?? node.host) {
      const colour = node instanceof Element ? getComputedStyle(node).backgroundColor : ""
      const channels = (colour.match(/[0-9.]+/g) ?? []).map(Number)
      if (channels.length >= 3 && (channels[3] ?? 1) > 0.5) ground = channels
    }
    const is_shown = !document.body || getComputedStyle(document.body).opacity !== "0"
    if (at && is_shown && (!ground || ground[0] > 128)) light_frames += 1
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}"""
"""Counts the frames in which the middle of the page is light, from the first one on."""


def test_the_theme_follows_the_system_and_then_the_choice(site: str, browser: Browser) -> None:
    """A dark page is never light: not on the first visit, and not on a later one."""
    visit = new_visit(browser, dark=True)
    page = visit.page
    page.add_init_script(LIGHT)
    for url in (f"{site}/", f"{site}/?{DEMO}"):
        visit.open(url)
        expect(page.locator("html[data-awaited]")).to_have_count(0)
        assert page.evaluate("light_frames") == 0
    visit.wait_for_spikes()
    wait_until(visit, lambda: page.evaluate(EMPTY_AND_ZERO) == ["#000000"] * 2)
    assert page.evaluate("light_frames") == 0
    page.get_by_role("button", name="Toggle theme").click()
    wait_until(visit, lambda: page.evaluate(EMPTY_AND_ZERO) == ["#ffffff"] * 2)
    wait_until(visit, lambda: page.evaluate("localStorage.getItem('spike-dashboard-theme')") == "light")
    page.reload()
    visit.wait_for_spikes()
    wait_until(visit, lambda: page.evaluate(EMPTY_AND_ZERO) == ["#ffffff"] * 2)
    expect(page.get_by_text(N_OF_N).first).to_be_visible()
    page.context.close()
    assert visit.complaints == []


def test_a_window_is_typed_and_a_pinch_zooms_the_raster_only(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    for name, text in (("t (s)", "100 +- 1"), ("depth (µm)", "400-600")):
        field = page.get_by_role("textbox", name=name)
        field.fill(text)
        field.press("Enter")
    wait_until(visit, lambda: time_window(visit) == (99.0, 101.0))
    wait_until(visit, lambda: parse_qs(urlparse(page.url).query)["depth"] == ["400,600"])
    field.fill("soon")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    why, box = (
        page.get_by_role("alert").filter(has_text="No window. Window in depth").bounding_box(),
        field.bounding_box(),
    )
    assert why is not None and box is not None and 0 <= why["y"] - box["y"] - box["height"] < 10
    page.keyboard.press("Escape")
    x, y, width, height = frame_of(visit, "raster")
    page.mouse.move(x + width / 2, y + height / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    wait_until(visit, lambda: time_window(visit)[1] - time_window(visit)[0] < 2)
    wait_until(visit, lambda: depths_of(page) < 200)
    assert page.evaluate("window.visualViewport.scale") == 1
    page.get_by_role("button", name="All", exact=True).click()
    wait_until(visit, lambda: in_view(visit) == DEMO_SPIKES)


def test_two_fingers_zoom_the_raster_and_not_the_page(site: str, browser: Browser) -> None:
    visit = new_visit(browser, has_touch=True)
    page = visit.page
    visit.open(f"{site}/?{DEMO}&t=100,102&depth=400,600")
    visit.wait_for_spikes()
    x, y, width, height = frame_of(visit, "raster")
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *offsets: float) -> None:
        points = [{"x": x + width / 2 + offset, "y": y + height / 2, "id": n} for n, offset in enumerate(offsets)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -50, 50)
    for offset in (60, 80, 100):
        touch("touchMove", -offset, offset)
    touch("touchEnd")
    wait_until(visit, lambda: abs(time_window(visit)[1] - time_window(visit)[0] - 1) < 0.02)
    wait_until(visit, lambda: depths_of(page) < 110)
    assert page.evaluate("window.visualViewport.scale") == 1
    page.context.close()
    assert visit.complaints == []


@pytest.mark.walk
def test_the_layout_of_a_lab_is_what_a_page_begins_with(tmp_path: Path, visit: Visit) -> None:
    page = visit.page
    with served([DemoSource(tmp_path, n_spikes=DEMO_SPIKES)], tmp_path, layout="width=600, pinned=view") as url:
        visit.open(f"{url}/?{DEMO}")
        visit.wait_for_spikes()
        wait_until(visit, lambda: dock_width(page) == 600)
        page.get_by_role("separator", name="Width of the dock").dblclick()
        wait_until(visit, lambda: dock_width(page) == 430)
        page.reload()
        visit.wait_for_spikes()
        wait_until(visit, lambda: dock_width(page) == 430)  # a person's own goes before
        page.get_by_role("button", name="Reset the layout").click()  # of the pinned panel
        wait_until(visit, lambda: dock_width(page) == 600)
