// A table that is not built yet takes its number of pages when it is; told before, Tabulator warns in the console.
mend(view_of("panel.models.tabulator.DataTabulator"), "setMaxPage", (original) => function () {
  if (this.tabulator?.initialized) original.call(this)
})
