// What Bokeh's script does wrong, or too often, on a page like ours. Each part says how it shows.

// A figure that is built but not laid out yet has no layout. Bokeh measures it all the same when anything around it
// changes size, throws, and takes the tab that the figure stands in with it. Its turn comes once it is laid out.
const figures = Bokeh.Models.get("Plot").prototype.default_view.prototype
for (const name of ["_measure_layout", "_after_layout"]) {
  const original = figures[name]
  figures[name] = function () { if (this.layout != null) original.call(this) }
}

// Bokeh lays out what stands in a row in a row, but stops at the third of them: figures in a widget of another kind below,
// as in the tabs of the dock, keep a frame of no size.
Bokeh.require("models/layouts/layout_dom").LayoutDOMView.prototype._propagate_layout = function () {
  for (const child of this.layoutable_views) {
    if (child.layout == null) child._compute_layout()
    else child._propagate_layout()
  }
}

// What a figure takes from mouse and wheel it takes even where its element is to take nothing: a profile that lies over
// the raster's edge would keep clicks and wheel from the raster.
const { initialize: initialize_canvas } = Bokeh.Models.get("Canvas").prototype.default_view.prototype
Bokeh.Models.get("Canvas").prototype.default_view.prototype.initialize = function () {
  initialize_canvas.call(this)
  if (this.parent?.model?.css_classes?.includes?.("over-edge")) this.events_el.style.pointerEvents = "none"
}

// Bokeh asks the browser for a style of every colour, width and alpha at each of their uses, which is a sixth of the
// time of a drag; style sheets may set them (as --bk-...), and none here does.
Bokeh.require("core/visuals/visual").VisualProperties.prototype._get_css_value = () => ""

// The axes of a figure that is folded away need more room than they have, and Bokeh would measure the whole page at
// each of its paints.
const { SideLayout } = Bokeh.require("core/layout/side_panel")
const { has_size_changed } = SideLayout.prototype
SideLayout.prototype.has_size_changed = function () {
  const { width, height } = this.bbox
  return (width > 0 || height > 0) && has_size_changed.call(this)
}

// Every part of a figure writes its place into a style sheet whenever it is painted, mostly the one that stands there;
// and every change of a style sheet makes the browser work out the styles anew before the next letter is drawn.
const { InlineStyleSheet } = Bokeh.require("core/dom")
const { _update: write_sheet } = InlineStyleSheet.prototype
InlineStyleSheet.prototype._update = function (css) { if (this.el.textContent !== css) write_sheet.call(this, css) }

// What is painted on a canvas has an empty element besides, which is moved along with what is painted: the browser lays
// out the page and puts its layers together anew at each step of a zoom, to show nothing.
for (const name of ["GlyphRenderer", "BoxAnnotation"]) {
  Bokeh.Models.get(name).prototype.default_view.prototype.update_position = function () {
    this.position.replace(":host { display: none; }")
  }
}

// Bokeh takes models that come from the server for new ones of the browser until the browser has sent anything, tells
// the server all about them when one is clicked in that time, and the server refuses the click. Ids tell them apart.
const { Document } = Bokeh.require("document")
const { apply_json_patch } = Document.prototype
Document.prototype.apply_json_patch = function (...args) {
  this._new_models.add = function (model) { return /^p\d+$/.test(model.id) ? this : Set.prototype.add.call(this, model) }
  apply_json_patch.apply(this, args)
}


// Bokeh clears the layer of a figure's overlays at each of its paints, mostly to paint nothing on it, and every layer that
// was touched is a picture of the whole figure that the browser has to put together anew.
const { CanvasLayer } = Bokeh.require("core/util/canvas")
const { clear } = CanvasLayer.prototype
CanvasLayer.prototype.clear = function () { if (!this.is_blank) clear.call(this) }
const { _paint_overlays } = figures
figures._paint_overlays = function (ctx) {
  const is_drawn = (view) => view.model.level == "overlay" && view.model.visible
  this.canvas_view.overlays.is_blank = !this.computed_renderer_views.some(is_drawn)
  _paint_overlays.call(this, ctx)
}

// The frame of a figure is stroked together with the path that was left on its canvas, mostly the last line that was drawn
// there: where frames show, as in the dark theme, the line of the data before stayed behind the new one in grey.
const { _paint_outline } = figures
figures._paint_outline = function (ctx, frame_box) {
  ctx.beginPath()
  _paint_outline.call(this, ctx, frame_box)
}

// A figure's size of letters is asked of the browser at each paint, and is the same all the time.
const font_sizes = new WeakMap()
const asked = Object.getOwnPropertyDescriptor(figures, "base_font_size")
Object.defineProperty(figures, "base_font_size", {
  get() {
    const known = font_sizes.get(this)
    if (known != null) return known
    const size = asked.get.call(this)
    if (size != null && this.is_displayed) font_sizes.set(this, size)
    return size
  },
})

// The script of an axis's numbers is compiled at each paint: a tenth of what the browser does until the first picture.
const formatters = Bokeh.Models.get("CustomJSTickFormatter").prototype
const { _make_func: compile } = formatters
const scripts = new WeakMap()
formatters._make_func = function () {
  const { code, args } = this
  const known = scripts.get(this)
  if (known?.code === code && known.args === args) return known.made
  const made = compile.call(this)
  scripts.set(this, { code, args, made })
  return made
}

// Levels of 8 bits are coloured one by one, with two comparisons and three copies each; here they are looked up.
const images = Bokeh.require("models/glyphs/image").ImageView.prototype
const { Uint8NDArray } = Bokeh.require("core/util/ndarray")
const EVERY_LEVEL = new Uint8NDArray(Uint8Array.from({ length: 256 }, (_, level) => level))
const tables = new WeakMap()
const table_of = (mapper) => {
  const { palette, low, high, low_color, high_color, nan_color } = mapper
  const state = [palette, low, high, low_color, high_color, nan_color]
  const known = tables.get(mapper)
  if (known?.state.every((value, i) => value === state[i])) return known.table
  const table = new Uint32Array(mapper.rgba_mapper.v_compute(EVERY_LEVEL).buffer)
  tables.set(mapper, { state, table })
  return table
}
const { _flat_img_to_buf8 } = images
images._flat_img_to_buf8 = function (img) {
  const mapper = this.model.color_mapper
  if (!(img instanceof Uint8Array) || mapper.type != "LinearColorMapper" || mapper.low == null || mapper.high == null) {
    return _flat_img_to_buf8.call(this, img)
  }
  const table = table_of(mapper)
  if (this._colours?.length != img.length) this._colours = new Uint32Array(img.length)
  const colours = this._colours  // the same for every picture of this size: it is copied at once
  for (let i = 0; i < colours.length; i++) colours[i] = table[img[i]]
  return new Uint8ClampedArray(colours.buffer)
}
const pictures = Bokeh.require("models/glyphs/image_base").ImageBaseView.prototype
pictures._set_image_data_from_buffer = function (i, buf8) {
  const canvas = this._get_or_create_canvas(i)
  const colours = new Uint8ClampedArray(buf8.buffer, buf8.byteOffset, buf8.length)
  const context = canvas.getContext("2d", { willReadFrequently: true })
  context.putImageData(new ImageData(colours, canvas.width, canvas.height), 0, 0)
  this.image_data[i] = canvas
}

// Panel scrolls the table to each of the selected rows at once, and Tabulator ends at none of them: to the last one only.
const tables_of_rows = Bokeh.Models.get("panel.models.tabulator.DataTabulator").prototype.default_view.prototype
const { setSelection } = tables_of_rows
tables_of_rows.setSelection = function () {
  const { tabulator } = this
  if (tabulator == null) return setSelection.call(this)
  let last = null
  tabulator.scrollToRow = (...args) => { last = args; return Promise.resolve() }
  try {
    setSelection.call(this)
  } finally {
    delete tabulator.scrollToRow
  }
  if (last != null) tabulator.scrollToRow(...last).catch(() => {})
}

// A table that opens at another page than the first has the first one's button down.
const { tableBuilt } = tables_of_rows
tables_of_rows.tableBuilt = function () {
  tableBuilt.call(this)
  const { page } = this.tabulator.modules
  if (page.pagesElement) page._setPageButtons()
}
