// One moment in every picture: a line at the mouse's time through all figures that have the time of the session.
class TimeCursor {
  constructor() {
    this.lines = []
    this.found_at = -Infinity
    this.waits = false
  }

  // The raster, those that move with it, and the overview, which shows the whole session.
  views() {
    if (performance.now() - this.found_at < 2000) return this.found
    const found = []
    const walk = (view) => {
      if (view.model?.type === "Figure") found.push(view)
      for (const child of view.child_views ?? []) walk(child)
    }
    for (const root of Bokeh.index) walk(root)
    const raster = found.find((view) => view.model.name === "raster")
    this.found = found.filter((view) => view.model.x_range === raster?.model.x_range || view.model.name === "overview")
    this.found_at = performance.now()
    return this.found
  }

  // Places of the frames that are on the screen, in pixels of the page.
  frames() {
    const frames = []
    for (const view of this.views()) {
      const { left, top, width } = view.canvas.el.getBoundingClientRect()
      const { bbox } = view.frame
      if (width === 0 || bbox.width < 2 || bbox.height < 2) continue
      frames.push({ view, left: left + bbox.left, top: top + bbox.top, width: bbox.width, height: bbox.height, from: left })
    }
    return frames
  }

  move(x, y) {
    this.at = [x, y]
    if (this.waits) return
    this.waits = true
    requestAnimationFrame(() => { this.waits = false; this.draw(...this.at) })
  }

  draw(x, y) {
    const frames = this.frames()
    const over = frames.find((frame) =>
      x >= frame.left && x <= frame.left + frame.width && y >= frame.top && y <= frame.top + frame.height)
    const places = []
    if (over != null) {
      const time = over.view.frame.x_scale.invert(x - over.from)
      for (const frame of frames) {
        const place = frame.from + frame.view.frame.x_scale.compute(time)
        if (place >= frame.left && place <= frame.left + frame.width) places.push({ ...frame, place })
      }
    }
    while (this.lines.length < places.length) {
      const line = document.createElement("div")
      line.className = "time-cursor"
      document.body.append(line)
      this.lines.push(line)
    }
    this.lines.forEach((line, k) => {
      const at = places[k]
      line.style.display = at == null ? "none" : "block"
      if (at == null) return
      line.style.transform = `translate(${Math.round(at.place)}px, ${Math.round(at.top)}px)`
      line.style.height = `${Math.round(at.height)}px`
    })
  }
}

