// Tabulator's whole element is the grid, its buttons of pages included, which no grid may have; its rows take no keys.
// Here the grid owns titles and rows alone; arrows walk the rows, Enter opens one, Space adds it to the selection.
// Its cells take the focus to be edited and, as nothing is, drop it: Tab went no further than the table, either way.
const make_grid = (table) => {
  const { element, columnManager, rowManager } = table
  const head = columnManager.getElement(), holder = rowManager.getElement()
  head.id = "tabulator-head"
  element.removeAttribute("role")
  element.removeAttribute("aria-owns")
  const grid = document.createElement("span")
  for (const [name, value] of Object.entries({
    role: "grid", "aria-label": "Units", "aria-multiselectable": "true", "aria-owns": "tabulator-head tabulator-table-body",
  })) grid.setAttribute(name, value)
  element.append(grid)
  const pass_by = (cell) => cell.removeAttribute("tabindex")
  table.eventBus?.subscribe("cell-init", (cell) => pass_by(cell.getElement(true)), 1e6)
  holder.querySelectorAll(".tabulator-cell").forEach(pass_by)
  const mark = (row) => row.getElement().setAttribute("aria-selected", `${row.isSelected()}`)
  table.on("rowSelected", mark)
  table.on("rowDeselected", mark)
  holder.addEventListener("keydown", (event) => {
    const rows = [...holder.querySelectorAll(".tabulator-row")]
    const at = rows.indexOf(holder.getRootNode().activeElement)
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -rows.length, End: rows.length }
    if (event.key in steps && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const selected = rows.findIndex((row) => row.classList.contains("tabulator-selected"))
      const to = at >= 0 ? Math.max(0, Math.min(rows.length - 1, at + steps[event.key])) : Math.max(0, selected)
      if (!rows[to]) return
      rows[to].tabIndex = -1
      rows[to].focus()
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      const init = { bubbles: true, composed: true, ctrlKey: event.key === " ", shiftKey: event.shiftKey }
      rows[at].dispatchEvent(new MouseEvent("click", init))
    } else return
    event.preventDefault()
    event.stopPropagation()
  })
}
// The field of a search that cannot be read is marked, and why stands under it, wherever the columns are scrolled to.
const say_refused = (view) => {
  const { model, tabulator: { element, columnManager } } = view
  const head = columnManager.getElement()
  const say = () => {
    element.querySelectorAll(":scope > .why").forEach((why) => why.remove())
    const refused = new Map(model.tags)
    for (const column of head.querySelectorAll(".tabulator-col[tabulator-field]")) {
      const field = column.querySelector(".tabulator-header-filter input")
      const words = refused.get(column.getAttribute("tabulator-field"))
      field?.setAttribute("aria-invalid", `${Boolean(words)}`)
      if (!field || !words || !field.checkVisibility()) continue
      const [{ left, right }, { left: edge, width }] = [field, element].map((each) => each.getBoundingClientRect())
      if (right < edge || left > edge + width) continue
      const why = Object.assign(document.createElement("div"), { className: "why", role: "alert", textContent: words })
      element.append(why)
      why.style.top = `${head.offsetTop + head.offsetHeight}px`
      why.style.left = `${Math.max(0, Math.min(left - edge, width - why.offsetWidth))}px`
    }
  }
  head.addEventListener("scroll", say)
  view.connect(model.properties.tags.change, say)
  say()
}
mend(view_of("panel.models.tabulator.DataTabulator"), "tableBuilt", (original) => function () {
  original.call(this)
  make_grid(this.tabulator)
  say_refused(this)
})
