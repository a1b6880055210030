// Panel scrolls a table back to where it was after its rows have changed, a frame later: on a page that was turned to, away
// from the selected row that it had scrolled to.
mend(view_of("panel.models.tabulator.DataTabulator"), "restore_scroll", (original) => function (horizontal = true, vertical = true) {
  const { page } = this.model
  const selected = this.model.source.selected.indices.at(-1)
  const is_turned = vertical && this.page_of_place !== page && selected != null
  original.call(this, horizontal, vertical && !is_turned)
  if (is_turned) requestAnimationFrame(() => {
    const rows = this.tabulator?.rowManager
    if (!(rows?.element?.clientHeight > 0) || !rows.findRow(selected)) return
    this.page_of_place = page
    this.tabulator.scrollToRow(selected, "center", false).then(() => this.record_scroll(), () => {})
  })
})
