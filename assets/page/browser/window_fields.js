// The window as it can be typed, and buttons. What a text means is read by the session.
const FIELDS = { time: ["t", "s", "Window in time, in s: 1000-1002, 1000 +- 1, or 1000"], depth: ["depth", "µm", "Window in depth, in µm: 400-900, 500 +- 100, or 500"] }
const BUTTONS = [["-", "−", "Zoom out in time (−)"], ["+", "+", "Zoom in in time (+)"], ["Home", "All", "Show everything (Home)"]]

export function render({ model, el }) {
  const row = document.createElement("div")
  row.className = "window"
  for (const [name, [label, unit, title]] of Object.entries(FIELDS)) {
    const input = Object.assign(document.createElement("input"), { type: "text", title, spellcheck: false })
    input.setAttribute("aria-label", `${label} (${unit})`)
    input.className = name
    const why = Object.assign(document.createElement("span"), { className: "why", hidden: true, textContent: `No window. ${title}` })
    why.setAttribute("role", "alert")
    const draw = () => { if (input.getRootNode().activeElement !== input) input.value = model[name] }
    const send = () => { if (input.value !== model[name]) model.send_msg({ field: name, text: input.value }) }
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { send(); input.select() }
      if (event.key === "Escape") { input.value = model[name]; input.blur() }
      event.stopPropagation()
    })
    input.addEventListener("focus", () => input.select())
    input.addEventListener("blur", () => { send(); draw(); why.hidden = true })
    model.on(name, () => { if (input.getRootNode().activeElement === input) { input.value = model[name]; input.select() } else draw() })
    model.on("refused", () => {
      const is_refused = model.refused === name
      input.setAttribute("aria-invalid", String(is_refused))
      why.hidden = !is_refused
    })
    draw()
    const field = document.createElement("label")
    field.append(label, input, unit, why)
    row.append(field)
  }
  for (const [key, text, title] of BUTTONS) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, title })
    button.addEventListener("click", () => model.send_msg({ key }))
    row.append(button)
  }
  el.append(row)
}
