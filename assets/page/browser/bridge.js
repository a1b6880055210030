// Keys, address bar and pixel ratio of the page. Nothing here draws.

const THEME_KEY = "spike-dashboard-theme"
const EDITABLE = "input, textarea, select, [contenteditable], [role=combobox], [role=listbox]"
function deepest_focus() {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element
}

// A short message over the page.
function say(text) {
  document.getElementById("announcement")?.remove()
  const note = document.createElement("div")
  note.id = "announcement"
  note.setAttribute("role", "status")
  note.textContent = text
  document.body.append(note)
  setTimeout(() => note.remove(), 3000)
}

// Every element of the page, also those inside shadow roots.
function* everything(root) {
  for (const element of root.querySelectorAll("*")) {
    yield element
    if (element.shadowRoot) yield* everything(element.shadowRoot)
  }
}

function dialog_is_open() {
  for (const element of everything(document)) {
    if (element.getAttribute("role") === "dialog" && element.checkVisibility({ visibilityProperty: true })) return true
  }
  return false
}

// The server has gone, or has closed the page: what stands there is a picture, and says so.
function say_lost() {
  if (document.getElementById("lost")) return
  const note = document.createElement("div")
  note.id = "lost"
  note.setAttribute("role", "alert")
  const button = document.createElement("button")
  button.textContent = "Reload"
  button.addEventListener("click", () => window.location.reload())
  note.append("No connection to the server: it was stopped, or the login has ended. Reload opens this view again.", button)
  document.body.append(note)
}

export function render({ model, el }) {
  el.style.display = "none"
  const listeners = new AbortController()
  const listen = (target, type, run, options = {}) =>
    target.addEventListener(type, run, { signal: listeners.signal, ...options })

  // Keys act on the page, never while somebody types.
  const keys = new Set(model.keys)
  let n = 0
  listen(document, "keydown", (event) => {
    const focus = deepest_focus()
    if (focus?.closest?.(EDITABLE) || event.metaKey) return
    const with_ctrl = event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "e"
    // With Alt, macOS writes other signs: the key itself is meant. A combination is named as Alt+g, Ctrl+Shift+z.
    const is_sign = event.altKey && /^Key[A-Z]$/.test(event.code) && !/^[a-z]$/i.test(event.key)
    const letter = is_sign ? event.code.slice(3) : event.key
    const plain = letter.length === 1 ? letter.toLowerCase() : letter
    const ctrl = event.ctrlKey && !with_ctrl ? (event.shiftKey ? "Ctrl+Shift+" : "Ctrl+") : ""
    const key = ctrl + (event.altKey ? "Alt+" : "") + plain
    if (!with_ctrl && !keys.has(key)) return
    if (focus && focus.closest?.("[role=slider], [role=tab], [role=menu], [role=separator]") && key.startsWith("Arrow")) return
    if (dialog_is_open() && key !== "?") return
    event.preventDefault()
    if (key === "Backspace") {
      if (step() > 0) window.history.back()
      return
    }
    n += 1
    model.send_msg({ key, shift: event.shiftKey, ctrl: event.ctrlKey, n })
  })

  // The wheel belongs to the figure under it, not to the page's scroll bar; a pinch, which is a wheel with the control
  // key, never enlarges the page with its pictures.
  const OF_PICTURES = ["navigable", "pictures"]
  listen(document, "wheel", (event) => {
    if (event.composedPath().some((node) => OF_PICTURES.some((name) => node.classList?.contains(name)))) event.preventDefault()
  }, { passive: false })

  // Address bar: a view that moves replaces its own entry of the history, one that stood still is left behind there.
  // Entries carry their number, so that Backspace never leaves the page.
  const place = () => `${window.location.pathname}${model.query ? "?" + model.query : ""}`
  let has_settled = false
  let timer = null
  const settle = () => {
    clearTimeout(timer)
    timer = setTimeout(() => { has_settled = true }, model.settled_ms)
  }
  const step = () => window.history.state?.step ?? 0
  let tab = null
  const rewrite = () => {
    const wanted = new URLSearchParams(model.query).get("tab")
    if (wanted !== tab) window.spike_layout?.show({ dock: true })  // a tab that is turned to comes into sight
    tab = wanted
    if (`${window.location.pathname}${window.location.search}` === place()) return
    if (has_settled && window.location.search) window.history.pushState({ step: step() + 1 }, "", place())
    else window.history.replaceState({ step: step() }, "", place())
    has_settled = false
    settle()
  }
  model.on("query", rewrite)
  if (model.query) rewrite()  // the session may have opened something before this script ran
  settle()
  listen(window, "popstate", () => {
    // What comes until the session has answered belongs to this entry, however long it takes.
    clearTimeout(timer)
    has_settled = false
    model.visited = window.location.search.replace(/^\?/, "")
    model.visit = model.visit + 1
  })
  model.on("seen", settle)
  model.address = `${window.location.origin}${window.location.pathname}`

  for (const shown of window.Bokeh?.documents ?? []) shown.on_event("connection_lost", say_lost)

  // A page that comes back whole from the browser's memory has lost its session: its address opens the view again.
  listen(window, "pageshow", (event) => { if (event.persisted) window.location.reload() })

  model.on("is_ready", () => { document.documentElement.dataset.ready = "" })

  const measure = () => { model.pixel_ratio = window.devicePixelRatio || 1 }
  measure()
  listen(window, "resize", measure)
  const cursor = new TimeCursor()
  listen(document, "mousemove", (event) => cursor.move(event.clientX, event.clientY))
  listen(document.documentElement, "mouseleave", () => cursor.move(-1, -1))
  new SpanDrag(cursor, listen, dialog_is_open, (span) => model.send_msg(span))

  // Light or dark: as a person chose, which is remembered; else as the system, and with it.
  const system = window.matchMedia("(prefers-color-scheme: dark)")
  const follow_theme = () => {
    model.dark = model.theme === "system" ? system.matches : model.theme === "dark"
    document.documentElement.toggleAttribute("data-dark", model.dark)
    document.cookie = `spike-dashboard-dark=${Number(model.dark)}; path=/; max-age=31536000; samesite=lax`  // the next page is built so
    show_drawn()
  }
  // The components are drawn anew after what the server says has come: the ground of the page tells when.
  const show_drawn = () => {
    const root = document.documentElement
    if (model.drawn_dark !== model.dark || !root.hasAttribute("data-awaited")) return
    const main = [...everything(document)].find(({ tagName }) => tagName === "MAIN")
    const is_drawn = main && (getComputedStyle(main).backgroundColor.match(/[0-9]+/g)[0] < 128) === model.dark
    const show = () => requestAnimationFrame(() => root.removeAttribute("data-awaited"))
    requestAnimationFrame(is_drawn ? show : show_drawn)
  }
  model.on("drawn_dark", show_drawn)
  try {
    const kept = localStorage.getItem(THEME_KEY)
    if (["light", "dark"].includes(kept)) model.theme = kept
  } catch { /* storage may be off */ }
  model.on("theme", () => {
    try { localStorage.setItem(THEME_KEY, model.theme) } catch { /* as above */ }
    follow_theme()
  })
  listen(system, "change", follow_theme)
  follow_theme()

  const write_text = async (text) => {
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      const area = document.createElement("textarea")
      area.value = text
      document.body.append(area)
      area.select()
      document.execCommand("copy")
      area.remove()
    }
    say("Copied")
  }
  const write_picture = async (blob) => {
    if (!navigator.clipboard?.write || !window.ClipboardItem) {
      say("This browser copies pictures only over https; download it instead")
      return
    }
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })])
      say("Picture copied")
    } catch (error) {
      say(`The browser did not take the picture (${error.message}); download it instead`)
    }
  }
  const save = (address, name) => {
    const anchor = document.createElement("a")
    anchor.href = address
    anchor.download = name
    document.body.append(anchor)
    anchor.click()
    anchor.remove()
  }
  model.on("announce", () => { if (model.announce) { say(model.announce); model.announce = "" } })
  model.on("copied", async () => {
    if (!model.copied) return
    await write_text(model.copied)
    model.copied = ""
  })
  model.on("link", () => write_text(`${window.location.origin}${place()}`))
  model.on("leave", () => {
    const form = document.createElement("form")
    form.method = "post"
    form.action = "logout"
    document.body.append(form)
    form.submit()
  })
  model.on("download", () => {
    if (!model.download) return
    save(model.download, "")
    model.download = ""
  })
  model.on("picture", async () => {
    if (!model.picture) return
    await write_picture(await (await fetch(model.picture)).blob())
    model.picture = ""
  })
  model.on("screenshot", async () => {
    const { name, to } = model.screenshot
    if (!name) return
    const blob = await picture_of_page({ Source: `${window.location.origin}${place()}`, Title: name })
    if (to === "clipboard") {
      await write_picture(blob)
    } else {
      const address = URL.createObjectURL(blob)
      save(address, name)
      setTimeout(() => URL.revokeObjectURL(address), 60000)
    }
  })

  model.on("remove", () => listeners.abort())
}
