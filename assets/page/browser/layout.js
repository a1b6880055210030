// What a person has made of the page, which the browser keeps: the panel that is pinned, the dock and its width.
// It reaches every shadow root as custom properties of the document.
const LAYOUT_KEY = "spike-dashboard-layout"
const PANELS = ["open", "filters", "colour", "view"]
const NARROW = "(max-width: 1399px)"  // the dock then lies over the pictures
const MIN_DOCK_PX = 430
const MIN_CENTRE_PX = 420

window.spike_layout ??= new class {
  constructor() {
    this.listeners = new Set()
    this.set_out()
    window.matchMedia(NARROW).addEventListener("change", () => this.apply())
    window.addEventListener("resize", () => this.apply())
    this.apply()
  }

  get is_narrow() { return window.matchMedia(NARROW).matches }

  get dock_px() {
    return Math.max(MIN_DOCK_PX, Math.min(this.width, window.innerWidth - MIN_CENTRE_PX))
  }

  // As the person left it, else as the lab has it, else as it is by default.
  set_out(lab = {}) {
    Object.assign(this, { panel: "", pinned: "", dock: true, width: MIN_DOCK_PX, lab })
    let own = {}
    try { own = JSON.parse(localStorage.getItem(LAYOUT_KEY)) ?? {} } catch { /* storage may be off, or hold something else */ }
    for (const kept of [lab, own]) {
      if (kept.pinned === "" || PANELS.includes(kept.pinned)) this.pinned = this.panel = kept.pinned
      if (typeof kept.dock === "boolean") this.dock = kept.dock
      if (Number.isFinite(kept.width)) this.width = kept.width
    }
  }

  reset() {
    try { localStorage.removeItem(LAYOUT_KEY) } catch { /* as above */ }
    this.set_out(this.lab)
    this.apply()
  }

  // Of what a person did; what opened by itself is not kept.
  keep(change) {
    Object.assign(this, change)
    const { pinned, dock, width } = this
    try { localStorage.setItem(LAYOUT_KEY, JSON.stringify({ pinned, dock, width })) } catch { /* as above */ }
    this.apply()
  }

  show(change) {
    Object.assign(this, change)
    this.apply()
  }

  apply() {
    const root = document.documentElement.style
    for (const name of PANELS) root.setProperty(`--panel-${name}`, this.panel === name ? "flex" : "none")
    root.setProperty("--panel-position", this.pinned ? "relative" : "absolute")
    root.setProperty("--panel-left", this.pinned ? "0" : "44px")
    root.setProperty("--panel-over", this.panel && !this.pinned ? "300px" : "0px")  // what it hides of the rest
    root.setProperty("--dock-display", this.dock ? "flex" : "none")
    root.setProperty("--dock-px", `${this.dock_px}px`)
    root.setProperty("--dock-position", this.is_narrow ? "absolute" : "relative")
    root.setProperty("--dock-over", this.dock && this.is_narrow ? `${this.dock_px}px` : "0px")
    for (const listener of this.listeners) listener()
  }
}()
