// Keys, address bar and pixel ratio of the page. Nothing here draws.
const EDITABLE = "input, textarea, select, [contenteditable], [role=combobox], [role=listbox]"
const KEYS = new Set([
  "v", "b", "z", "h", "g", "j", "k", "?", "+", "-", "=", "Backspace", "Escape",
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home",
])

function deepest_focus() {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element
}

export function render({ model, el }) {
  el.style.display = "none"
  const listeners = new AbortController()
  const listen = (target, type, run, options = {}) =>
    target.addEventListener(type, run, { signal: listeners.signal, ...options })

  // Keys act on the page, never while somebody types.
  let n = 0
  listen(document, "keydown", (event) => {
    const focus = deepest_focus()
    if (focus?.closest?.(EDITABLE) || event.metaKey) return
    const with_ctrl = event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "e"
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    if (!with_ctrl && (event.ctrlKey || event.altKey || !KEYS.has(key))) return
    if (focus && focus.closest?.("[role=slider], [role=tab], [role=menu]") && key.startsWith("Arrow")) return
    event.preventDefault()
    n += 1
    model.send_msg({ key, shift: event.shiftKey, ctrl: event.ctrlKey, n })
  })

  // The wheel belongs to the figure under it, not to the page's scroll bar.
  listen(document, "wheel", (event) => {
    if (event.composedPath().some((node) => node.classList?.contains("navigable"))) event.preventDefault()
  }, { passive: false })

  // Address bar: replaced while the view moves, pushed once when it has settled.
  const place = () => `${window.location.pathname}${model.query ? "?" + model.query : ""}`
  const rewrite = () => window.history.replaceState(null, "", place())
  model.on("query", rewrite)
  if (model.query) rewrite()  // the session may have opened something before this script ran
  model.on("push", () => window.history.pushState(null, "", place()))
  listen(window, "popstate", () => {
    model.visited = window.location.search.replace(/^\?/, "")
    model.visit = model.visit + 1
  })

  const measure = () => { model.pixel_ratio = window.devicePixelRatio || 1 }
  measure()
  listen(window, "resize", measure)
  model.dark = window.matchMedia("(prefers-color-scheme: dark)").matches

  model.on("copied", async () => {
    if (!model.copied) return
    try {
      await navigator.clipboard.writeText(model.copied)
    } catch {
      const area = document.createElement("textarea")
      area.value = model.copied
      document.body.append(area)
      area.select()
      document.execCommand("copy")
      area.remove()
    }
    model.copied = ""
  })

  model.on("remove", () => listeners.abort())
}
