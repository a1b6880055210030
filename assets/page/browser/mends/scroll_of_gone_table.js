// Panel scrolls a table back a frame after its rows have changed, when the table may have left the page: an error in the
// browser's console.
mend(view_of("panel.models.tabulator.DataTabulator"), "restore_scroll", () => function (horizontal = true, vertical = true) {
  if (!horizontal && !vertical) return
  const place = { behavior: "instant" }
  if (vertical) place.top = this._lastVerticalScrollbarTopPosition
  if (horizontal) place.left = this._lastHorizontalScrollbarLeftPosition
  requestAnimationFrame(() => {
    const rows = this.tabulator?.rowManager?.element
    if (rows == null) return
    this._updating_scroll = true
    rows.scrollTo(place)
    this._updating_scroll = false
  })
})
