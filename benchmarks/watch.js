// What a person at the page sees, and when: pictures that arrive, and the frames that are painted with them.
window.watch = () => {
  const models = [...Bokeh.documents[0]._all_models.values()]
  const with_image = models.filter((m) => m.type == "Figure" && m.renderers.some((r) => r.glyph?.type == "Image"))
  const figure = with_image.find((m) => m.name == "raster") ?? with_image[0]
  const view = Bokeh.index.find_one(figure)
  const canvas = view.canvas_view.primary.canvas

  // A picture of the window that is on the screen; one of an earlier window does not count.
  const fits = (renderer) => {
    if (renderer.glyph.type == "Scatter") return true
    const { x, dw } = renderer.data_source.data, { start, end } = figure.x_range, span = end - start
    return x[0] <= start + span / 100 && x[0] + dw[0] >= end - span / 100 && dw[0] < 1.5 * span
  }
  const seen = { gesture: 0, data: 0, pixels: 0, arrived: 0, images: 0, stale: 0 }
  // Pixels are compared by when they were painted: on the lattice of the live view a new picture may equal the old one.
  let is_new = false, painted = ""
  view.repainted.connect(() => {
    // A picture counts where it holds the whole window in bins of its size: not one that is slid or stretched.
    const { start, end } = figure.x_range, at = `${start} ${end}`
    const is_true = figure.renderers.some((r) => ["Image", "Scatter"].includes(r.glyph.type) && r.visible && fits(r))
    if (is_true && (is_new || at != painted)) seen.images += 1
    painted = at
    if (!is_new) return
    is_new = false
    if (!seen.pixels && seen.data) requestAnimationFrame(() => { seen.pixels ||= performance.now() })
  })
  for (const renderer of figure.renderers) {
    if (renderer.glyph.type != "Image" && renderer.glyph.type != "Scatter") continue
    renderer.data_source.properties.data.change.connect(() => {
      is_new = true
      seen.arrived += 1
      if (!seen.gesture) return
      if (!fits(renderer)) seen.stale += 1
      else if (!seen.data) seen.data = performance.now()
    })
  }
  const first = (event) => { if (!seen.gesture) seen.gesture = event.timeStamp }
  document.addEventListener("wheel", first, { capture: true, passive: true })
  document.addEventListener("pointermove", (event) => { if (event.buttons) first(event) }, { capture: true })
  const box = canvas.getBoundingClientRect()
  const deepest = (x, y) => {
    let found = document.elementFromPoint(x, y)
    for (let inner = found; (inner = inner.shadowRoot?.elementFromPoint(x, y)) && inner != found;) found = inner
    return found
  }
  // Moves of a mouse whose button is down, so many a second and at most one a frame, as a browser passes them on: sent from
  // outside, each would wait until the page has done with the one before.
  const sweep = async (x, y, seconds, per_s) => {
    const target = deepest(x, y), end = performance.now() + 1e3 * seconds
    let n = 0
    while (performance.now() < end) {
      n += 1
      const far = 4 * (n % 100 < 50 ? n % 100 : 100 - n % 100)
      target.dispatchEvent(new PointerEvent("pointermove", {
        bubbles: true, composed: true, cancelable: true, pointerId: 1, pointerType: "mouse", isPrimary: true, button: -1,
        buttons: 1, clientX: x - 100 + far, clientY: y,
      }))
      const due = end - 1e3 * seconds + 1e3 * n / per_s
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())))
      await new Promise((resolve) => requestAnimationFrame(resolve))
    }
    return n
  }
  window.watched = {
    sweep,
    seen,
    reset: () => Object.assign(seen, { gesture: 0, data: 0, pixels: 0, arrived: 0, images: 0, stale: 0 }),
    span: () => figure.x_range.end - figure.x_range.start,
    window: () => [figure.x_range.start, figure.x_range.end],
    size: () => [figure.inner_width, figure.inner_height],
    middle: () => [box.left + box.width / 2, box.top + box.height / 2],
  }
  return true
}
const is_laid_out = (figure) => {
  try {
    return figure.inner_width > 0
  } catch {
    return false  // Bokeh throws where a value is not set yet
  }
}
window.has_picture = () => {
  const documents = window.Bokeh?.documents
  if (!documents?.length) return false
  for (const model of documents[0]._all_models.values()) {
    if (model.type != "Figure" || !is_laid_out(model)) continue
    const wanted = model.name == "raster" || model.name == null
    for (const renderer of wanted ? model.renderers : []) {
      const data = renderer.data_source.data
      if (renderer.glyph.type == "Image" && renderer.visible && data.image?.[0]?.length > 1) return true
      if (renderer.glyph.type == "Scatter" && renderer.visible && data.time?.length > 0) return true
    }
  }
  return false
}
// The first picture is on the screen one frame after the first one that has it.
window.first_picture = new Promise((resolve, reject) => {
  const look = () => {
    if (performance.now() > 120_000) reject(new Error("no picture came"))
    else if (!window.has_picture()) requestAnimationFrame(look)
    else requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())))
  }
  requestAnimationFrame(look)
})
