// What Bokeh's script does wrong, or too often, on a page like ours. Each part says how it shows.

// A figure that is built but not laid out yet has no layout. Bokeh measures it all the same when anything around it
// changes size, throws, and takes the tab that the figure stands in with it. Its turn comes once it is laid out.
const figures = Bokeh.Models.get("Plot").prototype.default_view.prototype
for (const name of ["_measure_layout", "_after_layout"]) {
  const original = figures[name]
  figures[name] = function () { if (this.layout != null) original.call(this) }
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

// Bokeh takes models that come from the server for new ones of the browser until the browser has sent anything, tells
// the server all about them when one is clicked in that time, and the server refuses the click. Ids tell them apart.
const { Document } = Bokeh.require("document")
const { apply_json_patch } = Document.prototype
Document.prototype.apply_json_patch = function (...args) {
  this._new_models.add = function (model) { return /^p\d+$/.test(model.id) ? this : Set.prototype.add.call(this, model) }
  apply_json_patch.apply(this, args)
}

