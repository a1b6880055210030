// Bokeh lays out what stands in a row in a row, but stops at the third of them: figures in a widget of another kind below,
// as in the tabs of the dock, keep a frame of no size.
mend(Bokeh.require("models/layouts/layout_dom").LayoutDOMView.prototype, "_propagate_layout", () => function () {
  for (const child of this.layoutable_views) {
    if (child.layout == null) child._compute_layout()
    else child._propagate_layout()
  }
})
