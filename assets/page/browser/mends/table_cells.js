// Other values of some cells have Panel make all rows of a table anew, of which none is selected then. Here the rows take
// them whose values are others.
mend(view_of("panel.models.tabulator.DataTabulator"), "updateOrAddData", () => function () {
  const rows = this.tabulator.rowManager
  const is_other = (row) => {
    const shown = rows.findRow(row._index)?.data
    return shown != null && Object.keys(row).some((name) => !Object.is(row[name], shown[name]))
  }
  const others = this.getData().filter(is_other)
  if (others.length) this.tabulator.updateData(others)
})
