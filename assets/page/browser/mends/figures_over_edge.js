// What a figure takes from mouse and wheel it takes even where its element is to take nothing: a profile that lies over
// the raster's edge would keep clicks and wheel from the raster.
mend(view_of("Canvas"), "initialize", (original) => function () {
  original.call(this)
  if (this.parent?.model?.css_classes?.includes?.("over-edge")) this.events_el.style.pointerEvents = "none"
})
