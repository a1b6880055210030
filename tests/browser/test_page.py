"""The page as a scientist meets it, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DEMO_SPIKES, REAL
from tests.browser.driver import Visit, frame_of, in_view, open_panel, time_window, wait_until

DEMO = "insertion=demo"
N_OF_N = f"{DEMO_SPIKES:,} of {DEMO_SPIKES:,} spikes"


# Writes down which elements of a figure are moved: what is painted on a canvas needs none to move.
FOLLOW_MOVES = """() => {
    window.moved = []
    const follow = (root) => {
        const host = root.host?.className ?? ""
        if (/bk-(GlyphRenderer|BoxAnnotation)/.test(host)) {
            const options = {subtree: true, childList: true, characterData: true}
            new MutationObserver(() => window.moved.push(host)).observe(root, options)
            window.n_followed = (window.n_followed ?? 0) + 1
        }
        for (const element of root.querySelectorAll("*")) if (element.shadowRoot != null) follow(element.shadowRoot)
    }
    follow(document)
    return window.n_followed
}"""


def test_the_demo_shows_every_spike(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?{DEMO}")
    assert N_OF_N in visit.wait_for_spikes()
    assert in_view(visit) == DEMO_SPIKES
    expect(visit.page.locator(".tabulator-row").first).to_be_visible()
    expect(visit.page.get_by_text("histology: alf, final")).to_be_visible()


def test_pixels_have_the_colours_that_bokeh_gives_them(demo: Visit) -> None:
    n_pixels, n_unlike, n_shown = demo.page.evaluate(
        """() => {
            const figure = Bokeh.documents[0].get_model_by_name("raster")
            const renderer = figure.renderers.find((renderer) => renderer.glyph.type == "Image")
            const glyph = Bokeh.index.find_one(figure).renderer_views.get(renderer).glyph
            const levels = renderer.data_source.data.image[0]
            const theirs = glyph.model.color_mapper.rgba_mapper.v_compute(levels)
            const ours = glyph._flat_img_to_buf8(levels)
            const {width, height} = glyph.image_data[0]
            const drawn = glyph.image_data[0].getContext("2d").getImageData(0, 0, width, height).data
            const unlike = (pixels) => pixels.filter((value, i) => value != theirs[i]).length
            // What is transparent has no colour of its own on a canvas.
            const is_seen = (value, i) => theirs[i | 3] > 0
            return [levels.length, unlike(ours), drawn.filter((v, i) => is_seen(v, i) && v != theirs[i]).length]
        }"""
    )
    assert n_pixels > 10_000
    assert (n_unlike, n_shown) == (0, 0)
    numbers, is_kept = demo.page.evaluate(
        """() => {
            const axis_of = (name) => Bokeh.documents[0].get_model_by_name(name).below[0].formatter
            const time = axis_of("raster")
            return [time.doFormat([0, 1234.5, 0.0000125], {loc: 0}), time._make_func() === time._make_func()]
        }"""
    )
    assert numbers == ["0 s", "1,234.5 s", "0.000013 s"]
    assert is_kept, "compiled at each paint"


def test_without_an_insertion_the_page_offers_one(site: str, visit: Visit) -> None:
    visit.page.goto(site)
    visit.page.get_by_role("button", name="Open the demo insertion").click()
    assert N_OF_N in visit.wait_for_spikes()


def test_of_two_values_soon_after_each_other_a_widget_keeps_the_newer(site: str, visit: Visit) -> None:
    """A widget of React must not write back the older one, which the server would take for a choice."""
    visit.open(f"{site}/")
    written_back = visit.page.evaluate(
        """async () => {
          const models = Bokeh.documents.flatMap((one) => [...one._all_models.values()])
          const { data } = models.find((model) => model.class_name == "TextInput")
          const wrong = []
          for (let k = 0; k < 48; k++) {
            data.setv({ label: `older ${k}` })
            await new Promise((go) => setTimeout(go, k % 12))
            data.setv({ label: `newer ${k}` })
            await new Promise((go) => requestAnimationFrame(() => setTimeout(go, 20)))
            if (data.label != `newer ${k}`) wrong.push(data.label)
          }
          return wrong
        }"""
    )
    assert written_back == []


def test_components_are_loaded_by_the_browser_itself_and_may_bring_import_maps(demo: Visit) -> None:
    loaded, found = demo.page.evaluate(
        """async () => {
          const of = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
          const maps = () => [...document.querySelectorAll("script[type=importmap]")].map((map) => map.textContent)
          importShim.addImportMap({})
          importShim.addImportMap({ imports: { elsewhere: "https://example.org/a.js" } })
          if (maps().length) throw new Error(`scripts of other hosts are named: ${maps()}`)
          importShim.addImportMap({ imports: { "from-a-map": of("export const found = 7") } })
          const { found } = await importShim(of("export { found } from 'from-a-map'"))
          return [performance.getEntriesByType("resource").map(({ name }) => name), found]
        }"""
    )
    assert found == 7
    assert any("panel-material-ui.bundle.js" in name for name in loaded)
    assert not any("es-module-shims" in name for name in loaded)


def test_the_wheel_zooms_time_and_a_double_click_resets(demo: Visit) -> None:
    x, y, width, height = frame_of(demo, "raster")
    before = time_window(demo)
    demo.page.mouse.move(x + width / 2, y + height / 2)
    moment = demo.page.locator(".time-cursor:visible")
    expect(moment).to_have_count(4)  # overview, drift, raster, heatmap
    places = sorted(box["x"] for box in (line.bounding_box() for line in moment.all()) if box is not None)
    left, _, wide, _ = frame_of(demo, "overview")
    middles = sorted([left + wide / 2, *[x + width / 2] * 3])
    assert places == pytest.approx(middles, abs=2), "the whole session is in view everywhere"
    assert demo.page.evaluate(FOLLOW_MOVES) > 5
    demo.page.mouse.wheel(0, -400)
    wait_until(demo, lambda: 0 < in_view(demo) < DEMO_SPIKES)
    assert demo.page.evaluate("window.moved") == [], "each makes the browser lay out the page at every step"
    after = time_window(demo)
    assert after[1] - after[0] < before[1] - before[0]
    assert sum(after) == pytest.approx(sum(before), abs=(before[1] - before[0]) * 0.01)
    demo.page.mouse.dblclick(x + width / 2, y + height / 2)
    wait_until(demo, lambda: in_view(demo) == DEMO_SPIKES)
    assert time_window(demo) == before


def test_alt_wheel_and_the_depth_axis_zoom_depth(demo: Visit) -> None:
    x, y, width, height = frame_of(demo, "raster")
    whole = time_window(demo)
    demo.page.mouse.move(x + width / 2, y + height / 2)
    demo.page.keyboard.down("Alt")
    demo.page.mouse.wheel(0, -400)
    demo.page.keyboard.up("Alt")
    wait_until(demo, lambda: in_view(demo) < DEMO_SPIKES)
    first = in_view(demo)
    assert time_window(demo) == whole
    demo.page.mouse.move(x - 30, y + height / 2)
    demo.page.mouse.wheel(0, -400)
    wait_until(demo, lambda: in_view(demo) < first)
    assert time_window(demo) == whole


def test_a_drag_pans_and_the_link_follows(demo: Visit, whole: str) -> None:
    demo.follow(re.sub("t=[^&]*", "t=10,20", whole, count=1))
    wait_until(demo, lambda: in_view(demo) < DEMO_SPIKES)
    x, y, width, height = frame_of(demo, "raster")
    demo.page.mouse.move(x + width / 2, y + height / 2)
    demo.page.mouse.down()
    demo.page.mouse.move(x + width / 2 - width / 10, y + height / 2, steps=5)
    demo.page.mouse.up()
    wait_until(demo, lambda: time_window(demo)[0] > 10.5)
    start, end = time_window(demo)
    assert end - start == pytest.approx(10, rel=1e-6)


def test_single_spikes_tell_their_values(demo: Visit, whole: str) -> None:
    demo.follow(re.sub("t=[^&]*", "t=10,10.5", whole, count=1))
    expect(demo.page.get_by_text("each mark is one spike")).to_be_visible()
    wait_until(demo, lambda: 0 < in_view(demo) < 4000)


def test_a_link_opens_the_view_it_names(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?{DEMO}&t=5,25&depth=500,1500&show=raster&color=region&quality=good&sorter=pykilosort")
    visit.wait_for_spikes()
    assert time_window(visit) == (5.0, 25.0)
    query = parse_qs(urlparse(visit.page.url).query)
    assert query["depth"] == ["500,1500"]
    assert query["show"] == ["raster"]
    assert query["sorter"] == ["pykilosort"]
    expect(visit.page.locator(".status-line")).to_contain_text("hidden by filters")


def test_a_link_with_a_mistake_says_so_and_opens_the_rest(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?{DEMO}&t=9,1&color=pink")
    assert N_OF_N in visit.wait_for_spikes()
    expect(visit.page.get_by_text("color=pink cannot be used")).to_be_visible()


def test_good_units_by_key_but_not_while_typing(demo: Visit) -> None:
    open_panel(demo.page, "Open")
    box = demo.page.get_by_role("combobox", name="Insertion")
    box.click()
    box.press("g")
    demo.page.wait_for_timeout(300)
    assert N_OF_N in demo.page.locator(".status-line").inner_text()
    box.press("Escape")
    x, y, width, _ = frame_of(demo, "raster")
    demo.page.mouse.click(x + width - 5, y + 5)
    demo.page.keyboard.press("g")
    expect(demo.page.locator(".status-line")).to_contain_text("hidden by filters")


def test_an_unknown_insertion_is_one_line_and_loses_nothing(demo: Visit) -> None:
    open_panel(demo.page, "Open")
    box = demo.page.get_by_role("combobox", name="Insertion")
    box.fill("nobody/2020-01-01/001/probe09")
    box.press("Enter")
    under = demo.page.locator(".MuiFormHelperText-root", has_text="No insertion is found for")
    expect(under).to_be_visible()
    assert (under.bounding_box() or {})["y"] >= (box.bounding_box() or {})["y"] + (box.bounding_box() or {})["height"]
    expect(demo.page.get_by_role("alert").filter(has_text="No insertion is found for")).to_be_visible()
    assert N_OF_N in demo.page.locator(".status-line").inner_text()
    assert "Traceback" not in demo.page.content()


def test_j_selects_a_unit_and_the_link_names_it(demo: Visit) -> None:
    demo.page.keyboard.press("j")
    wait_until(demo, lambda: "selected=" in demo.page.url)
    first = demo.page.locator(".tabulator-row").first
    expect(first).to_have_class(re.compile("tabulator-selected"))
    unit = first.locator('[tabulator-field="cluster_id"]').inner_text()
    assert parse_qs(urlparse(demo.page.url).query)["selected"] == [unit]


def test_a_click_picks_a_unit_and_escape_lets_it_go(demo: Visit) -> None:
    x, y, width, height = frame_of(demo, "raster")
    demo.page.mouse.click(x + width * 0.4, y + height * 0.85)
    wait_until(demo, lambda: "selected=" in demo.page.url)
    demo.page.keyboard.press("Escape")
    wait_until(demo, lambda: "selected=" not in demo.page.url)


def figures_shown(visit: Visit) -> list[str]:
    """Return which of raster and heatmap stand on the page."""
    found: list[str] = visit.page.evaluate(
        """() => ["raster", "heatmap"].filter(name => {
            for (const view of Bokeh.index) for (const plot of view.owner?.query ? view.owner.query(
                (v) => v.model?.name === name) : []) if (plot.el.getBoundingClientRect().height > 0) return true
            return false
        })"""
    )
    return found


def test_h_steps_through_both_raster_heatmap_and_units(demo: Visit) -> None:
    both = ["raster", "heatmap"]
    for word, shown in (("", both), ("raster", ["raster"]), ("heatmap", ["heatmap"]), ("clusters", []), ("", both)):
        wait_until(demo, lambda shown=shown: figures_shown(demo) == shown)  # type: ignore[misc]
        wait_until(demo, lambda word=word: parse_qs(urlparse(demo.page.url).query).get("show", [""]) == [word])  # type: ignore[misc]
        demo.page.keyboard.press("h")


def test_the_real_sorting_draws_all_its_spikes(site: str, visit: Visit) -> None:
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there")
    visit.open(f"{site}/?insertion=ZFM-02370/2021-04-28/001/probe00&selected=21")
    assert "290,360 of 290,360 spikes" in visit.wait_for_spikes()
    open_panel(visit.page, "Open")
    expect(visit.page.get_by_text("arbitrary units").first).to_be_visible()
    expect(visit.page.get_by_text("histology: unknown")).to_be_visible()
    # The table, which is sorted by depth, has turned to the page of the unit, and its pager says so.
    expect(visit.page.locator(".tabulator-row.tabulator-selected")).to_contain_text("21")
    expect(visit.page.locator(".tabulator-page.active")).to_have_text("4")


FRAME_CALLS = """() => {
  const calls = []
  const context = { beginPath: () => calls.push("beginPath"), rect_bbox: () => calls.push("rect") }
  const visuals = { outline_line: { doit: true, apply: () => calls.push("stroke") } }
  const figure = Bokeh.Models.get("Plot").prototype.default_view.prototype
  figure._paint_outline.call({ visuals, _shrink_to_canvas: (box) => box }, context, {})
  return calls
}"""
"""What is done to draw a figure's frame: without a path of its own, the last line of the data before shows in grey."""


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 800, False), (2560, 1300, True)])
def test_the_page_fits_the_screen(site: str, visit: Visit, width: int, height: int, dark: bool) -> None:
    visit.page.set_viewport_size({"width": width, "height": height})
    visit.page.emulate_media(color_scheme="dark" if dark else "light")
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.evaluate(FRAME_CALLS) == ["beginPath", "rect", "stroke"]


def test_no_path_of_the_server_opens(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion=../../../../etc")
    expect(visit.page.get_by_text("No insertion is found for")).to_be_visible()
