// A table that opens at another page than the first has the first one's button down.
mend(view_of("panel.models.tabulator.DataTabulator"), "tableBuilt", (original) => function () {
  original.call(this)
  const { page } = this.tabulator.modules
  if (page.pagesElement) page._setPageButtons()
})
