// The tabs of the dock, upright along the edge of the page, and the divider between dock and pictures.
export function render({ model, el }) {
  const layout = window.spike_layout
  const listeners = new AbortController()
  const listen = (target, type, run, options = {}) =>
    target.addEventListener(type, run, { signal: listeners.signal, ...options })
  const bar = document.createElement("div")
  bar.className = "tabs"
  bar.setAttribute("role", "tablist")
  bar.setAttribute("aria-orientation", "vertical")
  bar.setAttribute("aria-label", "Dock")
  const tabs = model.titles.map((title) => {
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: title })
    tab.setAttribute("role", "tab")
    listen(tab, "click", () => {
      const is_open = layout.dock && model.active === title
      if (!is_open && model.active !== title) model.send_msg({ tab: title })
      layout.keep({ dock: !is_open })
    })
    return tab
  })
  listen(bar, "keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const at = tabs.indexOf(event.target)
    if (step && at >= 0) tabs[(at + step + tabs.length) % tabs.length].focus()
  })
  bar.append(...tabs)

  const divider = document.createElement("div")
  divider.className = "divider"
  divider.tabIndex = 0
  divider.title = "Drag: width of the dock; double click: as at first"
  for (const [name, value] of Object.entries({ role: "separator", "aria-orientation": "vertical", "aria-label": "Width of the dock" })) {
    divider.setAttribute(name, value)
  }
  let from = null
  listen(divider, "pointerdown", (event) => {
    from = event.clientX
    divider.setPointerCapture(event.pointerId)
    divider.classList.add("dragged")
  })
  listen(divider, "pointermove", (event) => {
    if (from != null) divider.style.transform = `translateX(${event.clientX - from}px)`
  })
  // The pictures are laid out once, at the end: at each step they would be counted anew.
  const drop = (event) => {
    if (from == null) return
    const moved = event.clientX - from
    from = null
    divider.style.transform = ""
    divider.classList.remove("dragged")
    if (event.type === "pointerup") set_width(layout.dock_px - moved)
  }
  const set_width = (width) => {
    layout.keep({ width })
    layout.keep({ width: layout.dock_px })  // as wide as it can be
  }
  listen(divider, "pointerup", drop)
  listen(divider, "pointercancel", drop)
  listen(divider, "dblclick", () => set_width(0))
  listen(divider, "keydown", (event) => {
    const step = { ArrowLeft: 20, ArrowRight: -20 }[event.key]
    if (step) set_width(layout.dock_px + step)
  })

  const draw = () => {
    tabs.forEach((tab) => {
      const is_active = tab.textContent === model.active
      tab.setAttribute("aria-selected", String(is_active && layout.dock))
      tab.tabIndex = is_active ? 0 : -1
    })
    divider.setAttribute("aria-valuenow", String(Math.round(layout.dock_px)))
    divider.hidden = !layout.dock
  }
  model.on("active", draw)
  model.on("calls", () => layout.show({ dock: true }))
  if (model.calls) layout.show({ dock: true })
  layout.listeners.add(draw)
  model.on("remove", () => { listeners.abort(); layout.listeners.delete(draw) })
  draw()
  el.append(bar, divider)
}
