// Bokeh clears the layer of a figure's overlays at each of its paints, mostly to paint nothing on it, and every layer that
// was touched is a picture of the whole figure that the browser has to put together anew.
mend(Bokeh.require("core/util/canvas").CanvasLayer.prototype, "clear", (original) => function () {
  if (!this.is_blank) original.call(this)
})
mend(view_of("Plot"), "_paint_overlays", (original) => function (ctx) {
  const is_drawn = (view) => view.model.level == "overlay" && view.model.visible
  this.canvas_view.overlays.is_blank = !this.computed_renderer_views.some(is_drawn)
  original.call(this, ctx)
})
