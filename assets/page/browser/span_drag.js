// Shift and a drag over the overview mark a span of the session, first before, then after; then the nearer one is drawn anew.
// The window stays where it is: the drag is taken before Bokeh hears of it.
const SPANS = { before: "#009e73", after: "#d55e00" }
const LEAST_PX = 3  // a shorter drag is a click

class SpanDrag {
  constructor(cursor, listen, is_covered, mark) {
    Object.assign(this, { cursor, is_covered, mark })
    listen(document, "pointerdown", (event) => this.begin(event), { capture: true })
    listen(document, "pointermove", (event) => this.pull(event), { capture: true })
    listen(document, "pointerup", (event) => this.end(event), { capture: true })
    listen(document, "pointercancel", () => this.drop(), { capture: true })
    listen(document, "keydown", (event) => { if (event.key === "Escape") this.drop() }, { capture: true })
    listen(window, "blur", () => this.drop())
  }

  begin(event) {
    if (!event.shiftKey || event.button !== 0 || this.is_covered()) return
    const { clientX: x, clientY: y } = event
    const frame = this.cursor.frames().find(({ view, left, top, width, height }) =>
      view.model.name === "overview" && x >= left && x <= left + width && y >= top && y <= top + height)
    if (frame == null) return
    event.preventDefault()
    event.stopImmediatePropagation()
    const name = this.name_at(frame.view.frame.x_scale.invert(x - frame.from))
    const band = document.createElement("div")
    band.className = "span-drag"
    band.textContent = name
    const colour = SPANS[name]
    band.style.cssText = `top: ${frame.top}px; height: ${frame.height}px; color: ${colour}; border-color: ${colour}`
    document.body.append(band)
    this.now = { frame, name, band, from: x, to: x }
    this.draw()
  }

  // Which span a drag marks that begins at a time.
  name_at(time) {
    const { name: names, start, end } = Bokeh.documents[0].get_model_by_name("spans").data
    const missing = Object.keys(SPANS).find((name) => !names.includes(name))
    if (missing != null) return missing
    const away = (k) => Math.max(start[k] - time, time - end[k], 0)
    return names[away(0) <= away(1) ? 0 : 1]
  }

  pull(event) {
    if (this.now == null) return
    event.stopImmediatePropagation()
    const { left, width } = this.now.frame
    this.now.to = Math.min(Math.max(event.clientX, left), left + width)
    this.draw()
  }

  draw() {
    const { band, from, to } = this.now
    band.style.left = `${Math.min(from, to)}px`
    band.style.width = `${Math.abs(to - from)}px`
  }

  end(event) {
    if (this.now == null) return
    event.stopImmediatePropagation()
    const { frame, name, from, to } = this.now
    this.drop()
    if (Math.abs(to - from) < LEAST_PX) return
    const [start, end] = [from, to].sort((a, b) => a - b).map((x) => frame.view.frame.x_scale.invert(x - frame.from))
    this.n = (this.n ?? 0) + 1
    this.mark({ span: name, start, end, n: this.n })
  }

  drop() {
    this.now?.band.remove()
    this.now = null
  }
}
