"""Each mend of the scripts of Bokeh and Panel is needed, mends its fault, and refuses a library without its method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bokeh
import panel
import pytest
from bokeh.embed import json_item
from bokeh.plotting import figure
from playwright.sync_api import Browser, Page

from dashboard.page.core.assets import assets_folder

SCRIPTS = assets_folder() / "page" / "browser"
LIBRARIES = (
    *(Path(bokeh.__file__).parent / "server/static/js" / f"bokeh{part}.min.js" for part in ("", "-widgets", "-tables")),
    Path(panel.__file__).parent / "dist/panel.min.js",
)

FAULTS = {
    "unlaid_figures": """
        try { view_of("Plot")._measure_layout.call({ model: {}, layout: null }) } catch { return true }
        return false""",
    "nested_layout": """
        let laid = 0
        const { LayoutDOMView } = Bokeh.require("models/layouts/layout_dom")
        const within = { layout: null, _compute_layout() { laid += 1 } }
        const child = Object.assign(Object.create(LayoutDOMView.prototype), { layout: {} })
        Object.defineProperty(child, "layoutable_views", { value: [within] })
        LayoutDOMView.prototype._propagate_layout.call({ layoutable_views: [child] })
        return laid == 0""",
    "figures_over_edge": """
        const place = document.body.appendChild(document.createElement("div"))
        const views = await Bokeh.embed.embed_item(FIGURE, place)
        const view = (views.roots ?? [...views])[0]
        const found = getComputedStyle(view.canvas_view.events_el).pointerEvents != "none"
        place.remove()
        return found""",
    "css_values": """
        const { VisualProperties } = Bokeh.require("core/visuals/visual")
        const visual = { obj: { el: document.body } }
        return asks(() => VisualProperties.prototype._get_css_value.call(visual, "color")) > 0""",
    "folded_axes": """
        const folded = { bbox: { width: 0, height: 0 }, panel: { is_horizontal: true } }
        folded._content_size = () => ({ width: 5, height: 5 })
        return Bokeh.require("core/layout/side_panel").SideLayout.prototype.has_size_changed.call(folded)""",
    "style_sheets": """
        let written = 0
        const el = { get textContent() { return "a" }, set textContent(css) { written += 1 } }
        Bokeh.require("core/dom").InlineStyleSheet.prototype._update.call({ el }, "a")
        return written > 0""",
    "empty_elements": """
        const bbox = { is_valid: true, left: 1, top: 1, width: 1, height: 1 }
        return ["GlyphRenderer", "BoxAnnotation"].every((name) => {
          let moved = ""
          const position = { replace(css) { moved = css } }
          view_of(name).update_position.call(Object.create(view_of(name), { bbox: { value: bbox },
                                                                            position: { value: position } }))
          return moved.includes("left")
        })""",
    "late_models": """
        const { Document } = Bokeh.require("document")
        const page = new Document()
        const model = { type: "object", name: "Range1d", id: "p987654" }
        page.apply_json_patch({ events: [{ kind: "RootAdded", model }] })
        return [...page._new_models].some(({ id }) => id == model.id)""",
    "overlay_layer": """
        let cleared = 0
        const { CanvasLayer } = Bokeh.require("core/util/canvas")
        const overlays = Object.assign(Object.create(CanvasLayer.prototype), { bbox: {} })
        Object.defineProperty(overlays, "ctx", { value: { clearRect() { cleared += 1 } } })
        const plot = { frame: {}, canvas_view: { overlays }, computed_renderer_views: [], _paint_levels() {} }
        view_of("Plot")._paint_overlays.call(plot, {})
        overlays.clear()
        return cleared > 0""",
    "outline_path": """
        const said = []
        const ctx = { beginPath() { said.push("begin") }, rect_bbox() { said.push("frame") } }
        const visuals = { outline_line: { doit: true, apply() { said.push("stroke") } } }
        view_of("Plot")._paint_outline.call({ visuals, _shrink_to_canvas() {} }, ctx, {})
        return said[0] == "frame" """,
    "font_size": """
        const plot = Object.create(view_of("Plot"), { el: { value: document.body }, is_displayed: { value: true } })
        return asks(() => [plot.base_font_size, plot.base_font_size]) > 1""",
    "label_font": """
        const letters = Bokeh.require("core/visuals/text")
        const asked = {}
        for (const [key, value] of Object.entries({ font_style: "normal", font_size: "11px", font: "helvetica" })) {
          asked[`get_text_${key}`] = () => value
          asked[`text_${key}`] = { value, get: () => value }
        }
        return ["Text", "TextScalar", "TextVector"].some((name) => {
          const visual = Object.create(letters[name].prototype)
          for (const [key, value] of Object.entries(asked)) Object.defineProperty(visual, key, { value })
          return !visual.font_value(0).endsWith("sans-serif")
        })""",
    "tick_scripts": """
        const { prototype } = Bokeh.Models.get("CustomJSTickFormatter")
        const formatter = Object.create(prototype, { code: { value: "return 1" }, args: { value: {} },
                                                     names: { value: [] } })
        return formatter._make_func() != formatter._make_func()""",
    "level_colours": """
        let coloured = 0
        const v_compute = (levels) => { coloured += 1; return new Uint8ClampedArray(4 * levels.length) }
        const color_mapper = { type: "LinearColorMapper", low: 0, high: 255, palette: [], rgba_mapper: { v_compute } }
        const { prototype } = Bokeh.require("models/glyphs/image").ImageView
        const image = Object.create(prototype, { model: { value: { color_mapper } } })
        for (const level of [1, 2]) image._flat_img_to_buf8(Uint8Array.of(level))
        return coloured > 1""",
    "image_canvas": """
        let read = 0
        const data = { set() {} }
        const ctx = { getImageData() { read += 1; return { data } }, putImageData() {} }
        const canvas = { width: 1, height: 1, getContext: () => ctx }
        const image = { image_data: [], image_width: [1], image_height: [1], _get_or_create_canvas: () => canvas }
        const { prototype } = Bokeh.require("models/glyphs/image_base").ImageBaseView
        prototype._set_image_data_from_buffer.call(image, 0, new Uint8ClampedArray(4))
        return read > 0""",
    "scroll_of_gone_table": """
        const view = Object.create(view_of("panel.models.tabulator.DataTabulator"), { tabulator: { value: undefined } })
        let thrown = null
        const before = window.requestAnimationFrame
        window.requestAnimationFrame = (frame) => { try { frame() } catch (error) { thrown = error } }
        try { view.restore_scroll() } finally { window.requestAnimationFrame = before }
        return thrown != null""",
    "scroll_of_turned_page": """
        const element = { scrollTop: 0, scrollLeft: 0, scrollTo({ top }) { this.scrollTop = top ?? this.scrollTop } }
        element.clientHeight = 500
        const tabulator = { rowManager: { element, findRow: () => ({}) } }
        tabulator.scrollToRow = async () => { element.scrollTop = 300 }
        const model = { page: 1, source: { selected: { indices: [7] } } }
        const table = Object.create(view_of("panel.models.tabulator.DataTabulator"),
                                    { tabulator: { value: tabulator }, model: { value: model } })
        const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
        model.page = 4
        element.scrollTop = 300  // to the selected row
        table.restore_scroll()
        await frame()
        const is_undone = element.scrollTop != 300
        element.scrollTop = 0  // new rows of the same page
        table.restore_scroll()
        await frame()
        return is_undone || element.scrollTop != 300""",
    "row_scrolling": """
        let scrolled = 0
        const tabulator = Object.create({ scrollToRow() { scrolled += 1; return Promise.resolve() } })
        Object.assign(tabulator, { initialized: true, rowManager: { findRow: () => ({}) } })
        Object.assign(tabulator, { getSelectedData: () => [], deselectRow() {}, selectRow() {} })
        const model = { source: { selected: { indices: [1, 2, 3] } } }
        view_of("panel.models.tabulator.DataTabulator").setSelection.call({ tabulator, model })
        return scrolled > 1""",
    "table_cells": """
        let made = 0
        const tabulator = { element: { style: {} }, setData: async () => { made += 1 }, updateData: async () => {} }
        tabulator.rowManager = { findRow: (index) => ({ data: { _index: index, note: "before" } }) }
        const source = new (Bokeh.Models.get("ColumnDataSource"))({ data: { note: ["before", "after"] } })
        const table = { tabulator, model: { source }, getData: () => [{ _index: 1, note: "after" }] }
        view_of("panel.models.tabulator.DataTabulator").updateOrAddData.call(table)
        return made > 0""",
    "page_buttons": """
        let drawn = 0
        const page = { pagesElement: {}, _setPageButtons() { drawn += 1 } }
        const table = { tabulator: { setPage() {}, modules: { page } }, model: { pagination: "remote", page: 8 } }
        for (const name of ["setSelection", "renderChildren", "setStyles", "setMaxPage", "_request_resize_redraw"]) {
          table[name] = () => {}
        }
        view_of("panel.models.tabulator.DataTabulator").tableBuilt.call({ ...table, shadow_el: document })
        return drawn == 0""",
    "page_count": """
        let asked = 0
        const tabulator = { initialized: false, modules: { page: {} }, setMaxPage() { asked += 1 } }
        view_of("panel.models.tabulator.DataTabulator").setMaxPage.call({ tabulator, model: { max_page: 3 } })
        return asked > 0""",
    "table_grid": """
        const [element, head, rows] = [0, 0, 0].map(() => document.createElement("div"))
        element.setAttribute("role", "grid")
        const managers = { columnManager: { getElement: () => head }, rowManager: { getElement: () => rows } }
        const tabulator = { element, ...managers, setPage() {}, on() {}, modules: { page: {} } }
        const model = { pagination: "remote", page: 1, tags: [], properties: { tags: {} } }
        const table = { tabulator, model, shadow_el: document, connect() {} }
        for (const name of ["setSelection", "renderChildren", "setStyles", "setMaxPage", "_request_resize_redraw"]) {
          table[name] = () => {}
        }
        view_of("panel.models.tabulator.DataTabulator").tableBuilt.call(table)
        return "grid" == element.getAttribute("role")""",
}
"""Scripts that tell whether the libraries have a fault, by the name of the file that mends it."""

PRELUDE = """
const asks = (work) => {
  const original = window.getComputedStyle
  let asked = 0
  window.getComputedStyle = (...args) => { asked += 1; return original(...args) }
  try { work() } finally { window.getComputedStyle = original }
  return asked
}
"""


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A page with the scripts of the libraries as they are."""
    page = browser.new_page()
    for library in LIBRARIES:
        page.add_script_tag(path=library)
    yield page
    page.close()


def mend_script(name: str) -> str:
    return (SCRIPTS / "mends" / f"{name}.js").read_text(encoding="utf-8")


def test_each_fault_is_there_and_is_mended(plain: Page) -> None:
    """Where the first check fails, the library has mended the fault, and the file of that name can go."""
    assert {path.stem for path in (SCRIPTS / "mends").glob("*.js")} == set(FAULTS)
    over_edge = figure(width=100, height=100, css_classes=["over-edge"], styles={"pointer-events": "none"})
    over_edge.line([0, 1], [0, 1])
    start = f"{PRELUDE}\n{(SCRIPTS / 'mend.js').read_text(encoding='utf-8')}"
    for name, fault in FAULTS.items():
        check = f"async (FIGURE) => {{ {start}\n{fault} }}"
        assert plain.evaluate(check, json_item(over_edge)), f"{name} is needed no longer"
        plain.evaluate(f"() => {{ {start}\n{mend_script(name)} }}")
        assert not plain.evaluate(check, json_item(over_edge)), f"{name} mends nothing"


def test_a_library_without_what_is_mended_is_refused(plain: Page) -> None:
    helper = (SCRIPTS / "mend.js").read_text(encoding="utf-8")
    recorder = helper.replace("const original = owner?.[name]", "window.mended.push([owner, name]); return")
    for name in FAULTS:
        n_mended = plain.evaluate(
            f"() => {{ window.mended = []; {recorder}\n{mend_script(name)}\nreturn mended.length }}"
        )
        assert n_mended
        for k in range(n_mended):
            said = plain.evaluate(
                f"""(k) => {{
                  const [owner, name] = name_of_getter(window.mended[k])
                  const before = Object.getOwnPropertyDescriptor(owner, name)
                  if (name == "base_font_size") delete owner[name]
                  else owner[name] = undefined
                  try {{ {helper}\n{mend_script(name)} }} catch (error) {{ return error.message }}
                  finally {{
                    delete owner[name]
                    if (before != null) Object.defineProperty(owner, name, before)
                  }}
                  function name_of_getter([owner, name]) {{
                    return name == "get" ? [view_of("Plot"), "base_font_size"] : [owner, name]
                  }}
                  function view_of(model) {{ return Bokeh.Models.get(model).prototype.default_view.prototype }}
                }}""",
                k,
            )
            assert said is not None and "to mend" in said, f"{name} acts on nothing and does not say so"
