// The rail: an icon for each panel, which flies out over the page, and a pin that keeps it beside the pictures.
const ICONS = {
  open: "M3 6a2 2 0 0 1 2-2h4l2 2h8a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
  filters: "M3 5h18l-7 8v6l-4 2v-8z",
  colour: "M12 3a9 9 0 1 0 0 18c1.5 0 2-1 1.6-2-.6-1.6.3-2.6 1.9-2.6H18a3 3 0 0 0 3-3C21 7.500 17 3 12 3zM7.500 12h.01M9.500 7.800h.01M14.500 7.800h.01",
  view: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  pin: "M9 3h6l-1 7 4 4H6l4-4zM12 14v7",
}
const NEEDS_OPEN = ["filters", "colour"]
const WORDS = {
  open: ["Open", "Open: insertion, sorter, revision, notes"],
  filters: ["Filters", "Filters: which units and spikes are shown"],
  colour: ["Colour", "Colour: what it means, scale, palette, limits"],
  view: ["View", "View: bins, region names, theme, layout"],
}

function icon(name) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  drawing.setAttribute("viewBox", "0 0 24 24")
  drawing.setAttribute("aria-hidden", "true")
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path")
  path.setAttribute("d", ICONS[name])
  drawing.append(path)
  return drawing
}

export function render({ model, el }) {
  const layout = window.spike_layout
  if (Object.keys(model.lab).length) {
    layout.set_out(model.lab)
    layout.apply()
  }
  const listeners = new AbortController()
  const listen = (target, type, run, options = {}) =>
    target.addEventListener(type, run, { signal: listeners.signal, ...options })
  const bar = document.createElement("nav")
  bar.className = "icons"
  bar.setAttribute("aria-label", "Panels")
  const buttons = new Map()
  for (const name of PANELS) {
    const [label, title] = WORDS[name]
    const button = Object.assign(document.createElement("button"), { type: "button", title })
    button.append(icon(name), Object.assign(document.createElement("span"), { textContent: label }))
    listen(button, "click", () => {
      const panel = layout.panel === name ? "" : name
      if (layout.pinned) layout.keep({ panel, pinned: panel })
      else layout.show({ panel })
    })
    buttons.set(name, button)
  }
  const pin = Object.assign(document.createElement("button"), { type: "button", title: "Pin: keep the panel beside the pictures" })
  pin.append(icon("pin"), Object.assign(document.createElement("span"), { textContent: "Pin" }))
  listen(pin, "click", () => layout.keep({ pinned: layout.pinned ? "" : layout.panel }))
  bar.append(...buttons.values(), pin)
  const asked = new Set()
  const draw = () => {
    for (const [name, button] of buttons) {
      button.setAttribute("aria-expanded", String(layout.panel === name))
      button.classList.toggle("marked", model.marks.includes(name))
      button.style.display = model.is_open || !NEEDS_OPEN.includes(name) ? "" : "none"
    }
    pin.hidden = !layout.panel
    pin.setAttribute("aria-pressed", String(Boolean(layout.pinned)))
    if (layout.panel && !asked.has(layout.panel)) {
      asked.add(layout.panel)  // what stands in it comes when it is first opened
      model.send_msg({ panel: layout.panel })
    }
  }
  // A press beside it puts the panel away, and Escape does; a list that a field of it has opened lies over the page.
  const close = () => { if (layout.panel && !layout.pinned) layout.show({ panel: "" }) }
  listen(document, "pointerdown", (event) => {
    const path = event.composedPath()
    if (path.some((node) => node.classList?.contains("work"))) close()
  }, { capture: true })
  listen(document, "keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return
    const typed = "input, textarea, select, [role=combobox], [role=listbox], [role=dialog], [role=menu]"
    if (event.composedPath().some((node) => node.matches?.(typed))) return
    if (layout.panel && !layout.pinned) layout.show({ panel: "" })
    else if (layout.dock && layout.is_narrow) layout.show({ dock: false })
    else return
    event.stopImmediatePropagation()
  }, { capture: true })
  model.on("marks", draw)
  model.on("is_open", draw)
  model.on("resets", () => layout.reset())
  layout.listeners.add(draw)
  model.on("remove", () => { listeners.abort(); layout.listeners.delete(draw) })
  draw()
  el.append(bar)
}
