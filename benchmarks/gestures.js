// From a gesture to what it brings: the data that change, and the figures that are painted with them.
window.await_gesture = (source_name, figure_names) => {
  const document_ = Bokeh.documents[0]
  const found = { gesture: 0, arrived: 0, painted: 0 }
  const first = (event) => { found.gesture ||= event.timeStamp }
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, first, { capture: true, once: true })
  const view_of = (name) => {
    const figure = document_.get_model_by_name(name)
    return figure == null ? null : Bokeh.index.find_one(figure)
  }
  const source = document_.get_model_by_name(source_name)
  const before = source?.data
  const repainted = new Map()
  const follow = (name) => {
    const view = view_of(name)
    if (view == null || repainted.has(name)) return
    repainted.set(name, 0)
    view.repainted.connect(() => repainted.set(name, performance.now()))
  }
  figure_names.forEach(follow)
  source?.properties.data.change.connect(() => { if (found.gesture) found.arrived ||= performance.now() })
  const is_filled = (data) => Object.values(data ?? {}).every((column) => column.length > 0)
  const look = () => {
    if (found.gesture && !found.arrived) {  // of a figure that came with the gesture
      const now = document_.get_model_by_name(source_name)
      if (now != null && now.data !== before && is_filled(now.data)) found.arrived = performance.now()
    }
    figure_names.forEach(follow)
    const is_painted = (name) => repainted.get(name) >= found.arrived
    if (found.arrived && figure_names.every(is_painted)) {
      requestAnimationFrame(() => { found.painted = performance.now() })
    } else {
      requestAnimationFrame(look)
    }
  }
  requestAnimationFrame(look)
  window.gestured = found
}

// From each key to the table that has the next row selected: the times in ms, one for each key in order.
window.await_rows = () => {
  const is_shown = (model) => model.type == "panel.models.tabulator.DataTabulator" && Bokeh.index.find_one(model) != null
  const table = [...Bokeh.documents[0]._all_models.values()].find(is_shown)
  const found = window.judged = { keys: [], rows: [] }
  document.addEventListener("keydown", ({ timeStamp, altKey, key }) => {
    if (altKey && key != "Alt") found.keys.push(timeStamp)
  }, { capture: true })
  const shown = () => JSON.stringify(table.source.selected.indices)
  let before = shown()
  const look = () => {
    if (shown() == before) return
    before = shown()
    const at = found.rows.push(0) - 1
    requestAnimationFrame(() => { found.rows[at] = performance.now() })
  }
  table.source.selected.properties.indices.change.connect(look)
}
