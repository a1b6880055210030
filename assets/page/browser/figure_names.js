// A figure is a canvas, which says nothing to who cannot see it. Each has a name that says what it shows and over which
// ranges, anew whenever it has stood still after a change; one of few numbers has a button, seen when keys reach it, that
// lays them over it as a table. Titles come with the figures' models (dashboard/page/core/bokeh_figures.py).
const FIGURE_RESTS_MS = 300, MAX_TABLE_ROWS = 1500
const NUMBERS_CSS = `
  .numbers { position: absolute; left: 2px; top: 2px; z-index: 20; padding: 2px 8px; font: 12px Roboto, sans-serif; border: 1px solid #3949ab;
    border-radius: 3px; background: light-dark(#ffffff, #1b1b1f); color: light-dark(#1a237e, #c5cae9); cursor: pointer; }
  .numbers:not(:focus-visible, [aria-expanded=true]) { opacity: 0; pointer-events: none; }
  .numbers:focus-visible, .numbers-table:focus-visible { outline: 2px solid light-dark(#3949ab, #9fa8da); outline-offset: -2px; }
  .numbers-table { position: absolute; inset: 0; z-index: 19; overflow: auto; padding: 28px 8px 4px; background: light-dark(#ffffff, #1b1b1f); color: light-dark(#000000, #ececec); }
  .numbers-table table { border-collapse: collapse; font: 12px Roboto, sans-serif; font-variant-numeric: tabular-nums; }
  .numbers-table th, .numbers-table td { padding: 1px 12px 1px 0; text-align: right; white-space: nowrap; }`

const written = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 7 })
const write_value = (value) => (typeof value == "number" ? (Number.isFinite(value) ? written.format(value) : "–") : `${value ?? ""}`)

const axis_label = ({ model }, sides, otherwise) => {
  const axes = sides.flatMap((side) => model[side]).filter(({ type }) => /Axis$/.test(type))
  return axes.map(({ axis_label }) => axis_label).find((label) => typeof label == "string" && label) ?? otherwise
}
const labels_of = (view) => [axis_label(view, ["below", "above"], "across"), axis_label(view, ["left", "right"], "up")]

const title_of = ({ model }) => model.tags[0] || model.name || "Figure"

function name_of(view) {
  const { model } = view, { x_range, y_range } = model
  const between = (range) => `${write_value(range.start)} to ${write_value(range.end)}`
  const [x, y] = labels_of(view)
  return `${title_of(view)}. ${x}: ${between(x_range)}. ${y}: ${between(y_range)}.`
}

// The numbers that glyphs are drawn from, a list of columns for each: bars, lines, and boxes with their words.
function numbers_of(view) {
  const [x, y] = labels_of(view)
  const found = []
  for (const { model } of view.computed_renderer_views) {
    const { glyph, data_source, visible } = model
    if (!glyph || !visible) continue
    const { data } = data_source
    const column = (name) => (data instanceof Map ? data.get(name) : data[name]) ?? null
    const field = (spec) => (typeof spec?.field == "string" ? column(spec.field) : null)
    const take = (columns) => { if (columns[0][1]?.length) found.push(columns.filter(([, values]) => values != null)) }
    if (glyph.type === "Quad") {
      const [left, right, bottom, top] = [glyph.left, glyph.right, glyph.bottom, glyph.top].map(field)
      if (left && top && !bottom) take([[`${x}, from`, left], ["to", right], [y, top]])
      else if (bottom && right && !left) take([[`${y}, from`, bottom], ["to", top], [x, right]])
      else if (bottom && top) take([[`${y}, from`, bottom], ["to", top], ["", column("acronym")]])
    } else if (glyph.type === "Line" || glyph.type === "VArea") {
      take([[x, field(glyph.x)], [y, field(glyph.y ?? glyph.y2)], ["", model.name ? { length: 1e9, of: model.name } : null]])
    } else if (glyph.type === "MultiLine") {
      const xs = field(glyph.xs) ?? [], ys = field(glyph.ys) ?? [], names = column("name") ?? []
      for (let k = 0; k < xs.length; k += 1) take([[x, xs[k]], [y, ys[k]], ["", names[k] ? { length: 1e9, of: names[k] } : null]])
    }
  }
  return found
}

function make_table(view) {
  const table = document.createElement("table")
  table.createCaption().textContent = title_of(view)
  for (const columns of numbers_of(view)) {
    const head = table.insertRow()
    for (const [title] of columns) head.appendChild(Object.assign(document.createElement("th"), { scope: "col", textContent: title }))
    for (let k = 0; k < columns[0][1].length; k += 1) {
      const row = table.insertRow()
      for (const [, values] of columns) row.insertCell().textContent = write_value(values.of ?? values[k])
    }
  }
  return table
}

function offer_numbers(view, words) {
  const n = numbers_of(view).reduce((sum, columns) => sum + columns[0][1].length, 0)
  const has_numbers = n > 0 && n <= MAX_TABLE_ROWS
  if (!has_numbers || view.numbers) {
    if (view.numbers) view.numbers.hidden = !has_numbers
    if (view.numbers?.over) view.numbers.over.replaceChildren(make_table(view))
    return view.numbers?.setAttribute("aria-label", `Numbers: ${words}`)
  }
  const button = (view.numbers = document.createElement("button"))
  Object.assign(button, { type: "button", className: "numbers", textContent: "Numbers" })
  button.setAttribute("aria-label", `Numbers: ${words}`)
  const turn = (on) => {
    button.setAttribute("aria-expanded", `${on}`)
    button.over?.remove()
    button.over = null
    if (!on) return
    const over = (button.over = document.createElement("div"))
    over.className = "numbers-table"
    over.tabIndex = 0
    over.setAttribute("role", "region")
    over.setAttribute("aria-label", `Numbers of ${words}`)
    over.append(make_table(view))
    over.addEventListener("keydown", leave)
    button.after(over)
  }
  const leave = (event) => {
    if (event.key !== "Escape" || !button.over) return
    event.stopPropagation()
    turn(false)
    button.focus()
  }
  button.addEventListener("click", () => turn(button.over == null))
  button.addEventListener("keydown", leave)
  turn(false)
  const style = document.createElement("style")
  style.textContent = NUMBERS_CSS
  view.shadow_el.append(style, button)
}

function name_figure(view) {
  const { canvas_view } = view
  if (!canvas_view?.primary?.el || !view.is_displayed) return
  const words = name_of(view)
  canvas_view.primary.el.setAttribute("role", "img")
  canvas_view.primary.el.setAttribute("aria-label", words)
  canvas_view.overlays.el.setAttribute("aria-hidden", "true")
  canvas_view.events_el.tabIndex = -1  // keys act on the page, whichever figure was clicked
  offer_numbers(view, title_of(view))
}

mend(view_of("Plot"), "paint", (original) => function (...args) {
  original.apply(this, args)
  clearTimeout(this.naming)
  this.naming = setTimeout(() => name_figure(this), FIGURE_RESTS_MS)
})
for (const root of Bokeh.index.roots) {
  const look = (view) => {
    if (view.canvas_view) name_figure(view)
    for (const child of view.child_views ?? []) look(child)
  }
  look(root)
}
