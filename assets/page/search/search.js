// The list of insertions and the triage bar. Rows come from Python a window at a time; nothing is filtered here.
// They are here before anybody asks for the list, which is therefore shown without asking the server.
const ROW = 26
const SPARE = 15  // rows beyond the edges that are drawn, too
const AHEAD = 150  // rows beyond the edges that should have come
const MANY = 600  // rows that are asked for at a time
const LOST_MS = 3000  // a question that is not answered so long is asked again
const AUTHOR = "spike-dashboard-author"
const EDITABLE = "input, textarea, select, [contenteditable], [role=combobox], [role=listbox]"
const FIELDS = [
  ["text", "pid, eid, subject, date …", 190], ["subject", "subject", 110], ["lab", "lab", 120, "select"],
  ["first", "from", 136, "date"], ["last", "to", 136, "date"], ["region", "region, e.g. CA1", 132],
  ["level", "", 78, "level"], ["project", "project", 100], ["task", "task protocol", 106],
  ["probe", "probe", 110, "select"], ["model", "probe model", 112, "select"],
  ["histology", "histology", 126, "select"], ["tag", "tag", 100], ["verdict", "verdict", 114, "select"],
  ["opens", "opens from a place", 116, "select"],
]

const ONLY_KEYS = /^[pfjkc]+$/  // typed for verdicts while the field for the name had the focus

const SAID = { none: "not judged", mixed: "people differ" }  // other verdicts say themselves

// Fields that offer what there is as one types, and what Python calls them.
const HINTED = { subject: "subject", region: "region", project: "projects", task: "task", tag: "tag" }

function focused() {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  return element
}

function make(tag, properties = {}, children = []) {
  const { dataset, ...rest } = properties
  const node = Object.assign(document.createElement(tag), rest)
  Object.assign(node.dataset, dataset ?? {})
  node.append(...children)
  return node
}

// A field under which stands why what was typed cannot be taken.
function refusable(input) {
  const why = make("span", { className: "why", hidden: true })
  why.setAttribute("role", "alert")
  const refuse = (words) => {
    why.textContent = words
    why.hidden = !words
    input.setAttribute("aria-invalid", String(Boolean(words)))
  }
  return { field: make("span", { className: "field" }, [input, why]), refuse }
}

export function render({ model, el }) {
  const listeners = new AbortController()
  const listen = (target, type, run, options = {}) =>
    target.addEventListener(type, run, { signal: listeners.signal, ...options })
  const act = (kind, more = {}) => model.send_msg({ kind, ...more })
  const show = (on) => { model.shown = on }
  const open = (key) => { show(false); act("open", { key }) }
  let author = ""
  try { author = localStorage.getItem(AUTHOR) ?? "" } catch { /* storage may be off */ }
  if (model.login) author = model.login
  else if (author) act("author", { author })

  // -- the list ---------------------------------------------------------------------------------
  const facets = {}
  const inputs = {}
  const hints = {}
  const bar = make("div", { className: "facets" })
  let refuse_region
  let timer = 0
  const ask = (wait = 60) => {
    clearTimeout(timer)
    timer = setTimeout(() => { cursor = 0; scroller.scrollTop = 0; act("narrow", { facets: { ...facets } }) }, wait)
  }
  for (const [name, hint, width, kind] of FIELDS) {
    const is_select = kind === "select" || kind === "level"
    const input = make(is_select ? "select" : "input", { className: `facet facet-${name}`, title: hint || "level of the region names" })
    input.setAttribute("aria-label", hint || "level of the region names")
    input.style.width = `${width}px`
    if (!is_select) { input.placeholder = hint; input.type = kind === "date" ? "date" : "text"; input.spellcheck = false }
    if (kind === "level") input.append(make("option", { value: "allen", textContent: "Allen" }), make("option", { value: "beryl", textContent: "Beryl" }))
    listen(input, is_select ? "change" : "input", () => { facets[name] = input.value; ask(name === "tag" ? 500 : 60) })  // servers know tags
    inputs[name] = input
    if (HINTED[name]) {
      hints[name] = make("datalist", { id: `finder-${name}` })
      input.setAttribute("list", hints[name].id)
      bar.append(hints[name])
    }
    if (name === "region") {  // the one field of which a text can be wrong
      const { field, refuse } = refusable(input)
      refuse_region = refuse
      bar.append(field)
    } else bar.append(kind === "date" ? make("label", { textContent: hint }, [input]) : input)
  }
  const starred = make("button", { className: "toggle", textContent: "★ favourites" })
  listen(starred, "click", () => {
    facets.favourites = !facets.favourites
    starred.classList.toggle("on", facets.favourites); starred.setAttribute("aria-pressed", facets.favourites); ask()
  })
  const fill = (asked = {}) => {
    for (const [name, input] of Object.entries(inputs)) {
      input.value = asked[name] || (name === "level" ? "allen" : "")
      if (asked[name]) facets[name] = asked[name]; else delete facets[name]
    }
    facets.favourites = Boolean(asked.favourites)
    starred.classList.toggle("on", facets.favourites); starred.setAttribute("aria-pressed", facets.favourites)
  }
  const clear = make("button", { textContent: "Clear" })
  listen(clear, "click", () => { fill(); ask(); inputs.text.focus() })
  bar.append(starred, clear)
  const count = make("b", { className: "count" })
  const note = make("span", { className: "note" })
  note.setAttribute("role", "status")
  const retry = make("button", { textContent: "Try again", hidden: true })
  listen(retry, "click", () => act("retry"))
  const start = make("button", { className: "primary start", textContent: "Triage these", title: "Go through these insertions and judge each (Ctrl+Enter, or T in the list)" })
  listen(start, "click", () => begin())
  const save = make("button", { textContent: "Verdicts as CSV" })
  listen(save, "click", () => act("export"))
  const close = make("button", { textContent: "Close", title: "Esc" })
  listen(close, "click", () => show(false))
  const recent = make("div", { className: "recent" })
  const head = make("div", { className: "row head" })
  const rows = make("div", { className: "rows" })
  const scroller = make("div", { className: "scroller", tabIndex: 0 }, [head, rows])
  scroller.setAttribute("aria-label", "Insertions: arrows or J and K move, Enter opens, S stars, T starts triage")
  const panel = make("div", { className: "finder-panel", hidden: true }, [
    make("div", { className: "top" }, [make("h2", { textContent: "Find an insertion" }), count, note, retry, save, start, close]),
    bar, recent, scroller,
  ])
  panel.setAttribute("role", "dialog")
  panel.setAttribute("aria-label", "Find an insertion")
  let cursor = 0
  const begin = () => { if (model.view?.n) { show(false); act("triage", { at: cursor }) } }

  const nothing = (total) => {
    if (model.failed) return model.note
    if (model.note) return model.note.endsWith("…") ? `Nothing yet: ${model.note}` : model.note
    return total ? "No insertion meets all of this. Clear a field." : "No insertions known yet."
  }
  const draw = () => {
    const { n: many = 0, total = 0, columns = [], widths = [] } = model.view ?? {}
    count.textContent = `${many.toLocaleString("en-US")} of ${total.toLocaleString("en-US")} insertions`
    start.disabled = many === 0
    start.textContent = many ? `Triage these ${many.toLocaleString("en-US")}` : "Triage: no insertions"
    scroller.style.setProperty("--columns", ["28px", ...widths].join(" "))
    // every row as wide as the head, whatever its texts are
    scroller.style.setProperty("--least", `${widths.reduce((sum, width) => sum + Number(/\d+/.exec(width)[0]), 28)}px`)
    head.replaceChildren(make("span"), ...columns.map((title) => make("span", { textContent: title })))
    rows.style.height = `${many * ROW}px`
    rows.querySelector(".none")?.remove()
    if (many === 0) rows.append(make("div", { className: "none", textContent: nothing(total) }))
    draw_rows()
  }
  // Rows that have come stay known, those in sight stand in the page, and those around are asked for before their turn.
  let known = new Map(), drawn = new Map(), list = -1, asked_at = -Infinity
  const line_of = (at) => {
    const row = known.get(at)
    const star = make("button", { className: "star", textContent: row.star ? "★" : "☆", title: row.star ? "Remove from favourites" : "Add to favourites" })
    star.addEventListener("click", (event) => { event.stopPropagation(); act("star", { key: row.key, on: !row.star }) })
    const line = make("div", { className: "row", dataset: { key: row.key, at } },
      [star, ...row.cells.map((text) => make("span", { textContent: text, title: text }))])
    line.style.top = `${at * ROW}px`
    line.addEventListener("click", () => { cursor = at; open(row.key) })
    return line
  }
  const mark = () => {
    for (const [at, line] of drawn) {
      line.classList.toggle("cursor", at === cursor)
      line.classList.toggle("open", line.dataset.key === model.open_key)
    }
  }
  const draw_rows = () => {
    if (!model.shown) return
    const many = model.view?.n ?? 0
    const top = Math.min(Math.floor(scroller.scrollTop / ROW), Math.max(0, many - 1))
    const page = Math.ceil(scroller.clientHeight / ROW)
    const from = Math.max(0, top - SPARE), to = Math.min(many, top + page + SPARE)
    for (const [at, line] of drawn) if (at < from || at >= to) { line.remove(); drawn.delete(at) }
    const lines = []
    for (let at = from; at < to; at++) {
      if (drawn.has(at) || !known.has(at)) continue
      drawn.set(at, line_of(at))
      lines.push(drawn.get(at))
    }
    const is_above = lines.length && rows.firstChild && Number(lines[0].dataset.at) < Number(rows.firstChild.dataset?.at)
    if (is_above) rows.prepend(...lines); else rows.append(...lines)
    mark()
    if (!many || performance.now() - asked_at < LOST_MS) return
    const missing = (at, stop, step) => { for (; at !== stop; at += step) if (!known.has(at)) return at; return -1 }
    const below = missing(top, Math.min(many, top + page + AHEAD), 1)
    const above = missing(top, Math.max(0, top - AHEAD) - 1, -1)
    if (below < 0 && above < 0) return
    asked_at = performance.now()
    act("window", { first: Math.max(0, below === top ? top - AHEAD : below >= 0 ? below : above - MANY + 1), many: MANY })
  }
  const take = () => {
    const { list: which = 0, first = 0, rows: data = [] } = model.view ?? {}
    if (which !== list) {
      list = which; known = new Map()
      for (const line of drawn.values()) line.remove()
      drawn = new Map()
    }
    data.forEach((row, i) => known.set(first + i, row))
    asked_at = -Infinity
    draw()
  }
  listen(scroller, "scroll", () => { cancelAnimationFrame(draw_rows.frame); draw_rows.frame = requestAnimationFrame(draw_rows) })
  const move = (step) => {
    cursor = Math.max(0, Math.min((model.view?.n ?? 1) - 1, cursor + step))
    const top = cursor * ROW
    if (top < scroller.scrollTop) scroller.scrollTop = top
    if (top + 3 * ROW > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + 3 * ROW - scroller.clientHeight
    draw_rows()
  }
  const at_cursor = () => known.get(cursor)

  const options = () => {
    for (const [name, hint, , kind] of FIELDS) {
      if (kind !== "select") {
        inputs[name].disabled = false; inputs[name].title = hint || "level of the region names"
        continue
      }
      const select = inputs[name]
      const counts = model.options?.[name === "project" ? "projects" : name] ?? {}
      select.replaceChildren(make("option", { value: "", textContent: `any ${hint.split(" ").at(-1)}` }),
        ...Object.entries(counts).map(([value, many]) => make("option", { value, textContent: `${SAID[value] ?? value} (${many})` })))
      select.value = facets[name] ?? ""
      select.disabled = Object.keys(counts).length === 0
      select.title = select.disabled ? `${hint}: not in these lists` : hint
    }
    for (const [name, list] of Object.entries(hints)) {
      list.replaceChildren(...Object.entries(model.options?.[HINTED[name]] ?? {}).map(([value, many]) =>
        make("option", many ? { value, label: `${many.toLocaleString("en-US")} insertion${many === 1 ? "" : "s"}` } : { value })))
    }
    for (const [name, why] of Object.entries(model.cannot ?? {})) {
      for (const input of name === "region" ? [inputs.region, inputs.level] : [inputs[name]]) {
        input.disabled = true; input.title = why
      }
    }
  }
  const asked = () => {
    if (!model.asked?.facets) return
    clearTimeout(timer); cursor = 0; scroller.scrollTop = 0
    options(); fill(model.asked.facets)
  }
  const draw_recent = () => {
    recent.replaceChildren(...(model.recent?.length ? [make("span", { textContent: "Opened lately" })] : []),
      ...(model.recent ?? []).slice(0, 8).map((key) => {
        const button = make("button", { className: "chip", textContent: key })
        button.addEventListener("click", () => open(key))
        return button
      }))
  }
  const draw_note = () => {
    note.textContent = note.title = model.note
    const none = rows.querySelector(".none")
    if (none) none.textContent = nothing(model.view?.total ?? 0)
    retry.hidden = !model.failed; strip_note.textContent = model.message
  }

  // -- triage -----------------------------------------------------------------------------------
  const where = make("b", { className: "where" })
  const away = make("span", { className: "away" })
  const said = make("span", { className: "said" })
  const by = make("input", { className: "author", placeholder: "your name, Enter", value: author, title: "Author of the verdicts; kept in this browser" })
  by.setAttribute("aria-label", "Author")
  if (model.login) { by.readOnly = true; by.title = "Author of the verdicts: your login" }
  const { field: signed, refuse: refuse_name } = refusable(by)
  const comment = make("input", { className: "comment", placeholder: "C: comment, Enter keeps it" })
  comment.setAttribute("aria-label", "Comment")
  const strip_note = make("span", { className: "note" })
  strip_note.setAttribute("role", "status")
  const key_button = (text, title, run, name) => { const b = make("button", { textContent: text, title, className: name }); listen(b, "click", run); return b }
  // A verdict without a name waits for it; a key that gives one never moves the focus to where it would be typed.
  const miss_name = () => refuse_name(author ? "" : "Write your name: verdicts wait for it")
  const keep = (verdict, text = "") => {
    miss_name()
    act("judge", { verdict, comment: text, author, goes_on: verdict !== "comment" })
  }
  const strip = make("div", { className: "triage", hidden: true }, [
    key_button("‹ K", "Previous insertion", () => act("step", { by: -1 })), key_button("J ›", "Next insertion", () => act("step", { by: 1 })),
    where, away, key_button("P pass", "Keep: pass, and go on to the next", () => keep("pass"), "pass"),
    key_button("F fail", "Keep: fail, and go on to the next", () => keep("fail"), "fail"),
    comment, signed, said, strip_note, make("i", { className: "gap" }), key_button("CSV", "All verdicts as CSV", () => act("export")),
    key_button("Find", "Back to the list", () => show(true)), key_button("End", "End the triage (Esc)", () => act("end")),
  ])
  const remember = () => {
    const name = by.value.trim()
    if (ONLY_KEYS.test(name)) { by.value = author; return refuse_name("These are keys of the triage: write a name") }
    author = name; miss_name()
    try { localStorage.setItem(AUTHOR, author) } catch { /* storage may be off */ }
    act("author", { author })
  }
  listen(by, "change", remember)
  model.on("author", () => { if (!model.login && model.author && model.author !== author) { by.value = model.author; remember() } })
  listen(by, "keydown", (event) => { if (event.key === "Enter" || event.key === "Escape") { by.blur(); event.stopPropagation() } })
  listen(comment, "keydown", (event) => {
    if (event.key === "Enter" && comment.value.trim()) { keep("comment", comment.value); comment.value = ""; if (author) comment.blur() }
    if (event.key === "Escape") comment.blur()
    event.stopPropagation()
  })
  const draw_triage = () => {
    const { on = false, text = "", aside = "", said: words = [] } = model.triage ?? {}
    const appears = strip.hidden && on && !model.shown
    strip.hidden = !on || model.shown
    if (appears && !author) by.focus()  // who judges is asked first
    // The Summary has to be in sight: in a narrow window the dock then lies over the overview's row, too.
    document.documentElement.style.setProperty("--dock-top", on ? "0px" : "40px")
    where.textContent = text
    away.textContent = aside
    const first = [...words].sort((one, other) => (one.verdict === "comment") - (other.verdict === "comment"))
    said.replaceChildren(...first.map(({ author: who, verdict, comment: what, time, unseen }) =>
      make("span", { className: `word ${verdict}`, textContent: `${who}: ${verdict}${unseen ? " (unseen)" : ""}${what ? " “" + what + "”" : ""}`, title: time })))
  }

  // -- the page ---------------------------------------------------------------------------------
  el.append(make("style", { textContent: CSS }), panel, strip)
  const host = el.getRootNode().host ?? el
  const place = () => {
    // over what the page's main column shows, whatever the rail beside it does
    const { left } = host.getBoundingClientRect()
    strip.classList.toggle("narrow", innerWidth - left < 1200)  // words then have a line of their own, from the start
    Object.assign(panel.style, { left: `${left}px`, top: "40px", width: `${innerWidth - left}px`, height: `${innerHeight - 40}px` })
  }
  listen(window, "resize", place)
  const watcher = new ResizeObserver(place)
  watcher.observe(host)
  const theme = () => { panel.classList.toggle("dark", model.dark); strip.classList.toggle("dark", model.dark) }
  const shown = () => {
    panel.hidden = !model.shown; draw_triage()
    if (model.shown) {
      for (const [at, row] of known) if (row.key === model.open_key) cursor = at  // a triage begins where one is
      place(); draw(); inputs.text.focus(); inputs.text.select()
    }
    else if (panel.contains(focused())) focused().blur()
  }

  listen(window, "keydown", (event) => {
    const focus = focused()
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const typing = focus?.closest?.(EDITABLE)
    const take = (run) => { event.preventDefault(); event.stopImmediatePropagation(); run() }
    if (event.ctrlKey || event.metaKey) {
      if (key === "k") take(() => show(!model.shown))
      else if (key === "Enter" && model.shown) take(begin)
      return
    }
    if (event.altKey) return
    if (model.shown) {
      const inside = panel.contains(focus)
      if (key === "Escape") return take(() => show(false))
      if (key === "ArrowDown" || key === "ArrowUp") {
        if (focus?.tagName === "SELECT" || focus?.type === "date") return
        return take(() => move(key === "ArrowDown" ? 1 : -1))
      }
      if (key === "PageDown" || key === "PageUp") return take(() => move(key === "PageDown" ? 15 : -15))
      if (key === "Enter" && !focus?.matches?.("button, select")) return take(() => { const row = at_cursor(); if (row) open(row.key) })
      if (typing && inside) return event.stopPropagation()
      if (!typing) {
        if (key === "j" || key === "k") return take(() => move(key === "j" ? 1 : -1))
        if (key === "s") return take(() => { const row = at_cursor(); if (row) act("star", { key: row.key, on: !row.star }) })
        if (key === "t") return take(begin)
        if (key === "/") return take(() => inputs.text.focus())
      }
      return
    }
    if (typing) return
    if (key === "/") return take(() => show(true))
    if (!model.triage?.on) return
    if (key === "j" || key === "k") take(() => act("step", { by: key === "j" ? 1 : -1 }))
    else if (key === "p" || key === "f") take(() => keep(key === "p" ? "pass" : "fail"))
    else if (key === "c") take(() => comment.focus())
    else if (key === "Escape") take(() => act("end"))
  }, { capture: true })

  // Text pasted outside of fields, or into the search, may name an insertion.
  listen(document, "paste", (event) => {
    if (focused() !== inputs.text && focused()?.closest?.(EDITABLE)) return
    const text = event.clipboardData?.getData("text")?.trim().slice(0, 500)
    if (text) act("paste", { text })
  })

  model.on("view", take)
  model.on("open_key", mark)
  model.on("wrong", () => refuse_region(model.wrong))
  model.on("options", options); model.on("cannot", options)
  model.on("recent", draw_recent)
  model.on("note", draw_note); model.on("failed", draw_note); model.on("message", draw_note)
  model.on("triage", draw_triage)
  model.on("shown", shown)
  model.on("dark", theme)
  model.on("asked", asked)
  model.on("download", () => {
    if (!model.download?.text) return
    const url = URL.createObjectURL(new Blob([model.download.text], { type: "text/csv" }))
    make("a", { href: url, download: model.download.name }).click()
    setTimeout(() => URL.revokeObjectURL(url), 1000)
  })
  model.on("remove", () => { listeners.abort(); watcher.disconnect() })
  theme(); options(); asked(); take(); draw_recent(); draw_note(); draw_triage(); shown()
}

const CSS = `
.finder-panel, .triage { --fg: #1c1c1e; --bg: #fafafa; --line: #d5d5dc; --field: #fff; --dim: #5c5c66; --accent: #3949ab; --on: #e8eaf6; color: var(--fg); font: 13px system-ui, sans-serif; }
.finder-panel, .triage { color-scheme: light; }
.dark { --fg: #e8e8ec; --bg: #151518; --line: #3a3a42; --field: #222227; --dim: #a5a5b0; --accent: #9fa8da; --on: #2b2f4a; color-scheme: dark; }
[hidden] { display: none !important; }
.finder-panel { position: fixed; z-index: 30; background: var(--bg); display: flex; flex-direction: column; gap: 6px; padding: 10px 14px; box-sizing: border-box; }
.top, .facets, .recent, .triage { display: flex; align-items: center; gap: 6px; flex-wrap: wrap; }
h2 { font-size: 16px; font-weight: 600; margin: 0 6px 0 0; }
.top { flex-wrap: nowrap; white-space: nowrap; }
.top .note { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.count { font-variant-numeric: tabular-nums; }
.note { color: var(--dim); font-size: 12px; }
.gap { flex: 1; }
input, select, button { font: inherit; color: inherit; background: var(--field); border: 1px solid var(--line); border-radius: 4px; height: 28px; padding: 0 7px; box-sizing: border-box; }
select { padding: 0 3px; }
input:disabled, select:disabled, button:disabled { opacity: .5; }
button { cursor: pointer; }
button:disabled { cursor: default; }
input:focus-visible, select:focus-visible, button:focus-visible, .scroller:focus-visible { outline: 2px solid var(--accent); outline-offset: 0; }
input[aria-invalid=true] { border-color: #d55e00; }
.field { position: relative; }
.why { position: absolute; top: 100%; left: 0; z-index: 2; padding: 2px 8px; border-radius: 4px; background: var(--field); color: light-dark(#b3261e, #ffb4ab); box-shadow: 0 1px 6px rgba(0, 0, 0, .3); white-space: nowrap; }
input[list]::-webkit-calendar-picker-indicator { display: none !important; }
input::placeholder { color: var(--dim); opacity: 1; }
.facets label { color: var(--dim); font-size: 12px; display: flex; align-items: center; gap: 4px; }
.primary { background: var(--accent); color: var(--bg); border-color: var(--accent); }
.toggle.on { background: var(--on); border-color: var(--accent); }
.recent { font-size: 12px; color: var(--dim); }
.recent .chip { height: 22px; font-size: 12px; border-radius: 11px; }
.scroller { flex: 1; min-height: 0; overflow: auto; border: 1px solid var(--line); border-radius: 4px; background: var(--field); }
.rows { position: relative; min-width: var(--least); }
.row { display: grid; grid-template-columns: var(--columns); height: 26px; line-height: 26px; min-width: var(--least); width: 100%; cursor: pointer; box-sizing: border-box; border-bottom: 1px solid color-mix(in srgb, var(--line) 50%, transparent); }
.rows .row { position: absolute; left: 0; }
.row span { padding: 0 8px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-variant-numeric: tabular-nums; }
.head { position: sticky; top: 0; z-index: 1; background: var(--bg); font-weight: 600; cursor: default; }
.rows .row:hover, .row.cursor { background: var(--on); }
.row.cursor { box-shadow: inset 3px 0 var(--accent); }
.row.open { color: var(--accent); }
.star { border: 0; background: none; padding: 0; height: 25px; color: var(--dim); }
.none { padding: 24px; color: var(--dim); }
.triage { padding: 4px 8px; background: var(--on); border-bottom: 1px solid var(--line); min-height: 36px; }
.triage .pass { border-color: #0072b2; } .triage .fail { border-color: #d55e00; }
.triage input.comment { flex: 0 1 200px; min-width: 90px; } .triage .author { width: 110px; }
.away { color: light-dark(#b34700, #ff9a56); }
.triage { flex-wrap: nowrap; }
.triage .where, .triage .away { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.triage button { flex: none; }
.said { flex: 1 1 0; min-width: 160px; display: flex; overflow-x: auto; scrollbar-width: thin; }
.said .word { flex: none; }
.triage .gap { flex: none; }
.narrow.triage { flex-wrap: wrap; row-gap: 2px; } .narrow.triage .author { width: 90px; } .narrow .said { order: 9; flex: 1 0 100%; min-height: 22px; } .narrow .gap { flex: 1; }
.word { font-size: 12px; padding: 1px 8px; border-radius: 10px; border: 1px solid var(--line); margin-right: 4px; white-space: nowrap; }
.word.pass { border-color: #0072b2; } .word.fail { border-color: #d55e00; }
`
