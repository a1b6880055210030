// The axes of a figure that is folded away need more room than they have, and Bokeh would measure the whole page at
// each of its paints.
mend(Bokeh.require("core/layout/side_panel").SideLayout.prototype, "has_size_changed", (original) => function () {
  const { width, height } = this.bbox
  return (width > 0 || height > 0) && original.call(this)
})
