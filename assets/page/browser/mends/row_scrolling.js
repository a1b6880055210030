// Panel scrolls the table to each of the selected rows at once, and Tabulator ends at none of them: to the last one only.
mend(view_of("panel.models.tabulator.DataTabulator"), "setSelection", (original) => function () {
  const { tabulator } = this
  if (tabulator == null) return original.call(this)
  let last = null
  tabulator.scrollToRow = (...args) => { last = args; return Promise.resolve() }
  try {
    original.call(this)
  } finally {
    delete tabulator.scrollToRow
  }
  if (last != null) tabulator.scrollToRow(...last).catch(() => {})
})
