// A row of chips; the one that is pressed is named to the page. Nothing here decides what a chip means.
export function render({ model, el }) {
  const row = document.createElement("div")
  row.className = "chips"
  row.setAttribute("role", "group")
  row.setAttribute("aria-label", model.about)
  const draw = () => {
    row.replaceChildren(...model.chips.map(([name, label, title, colour, picture]) => {
      const chip = document.createElement("button")
      chip.type = "button"
      chip.textContent = label
      chip.title = title ?? `Clear: ${label}`
      if (picture) {
        const image = Object.assign(document.createElement("img"), { src: picture, alt: "Spikes of the whole session by time and depth." })
        chip.className = "pictured"
        chip.prepend(image)
      }
      if (colour) chip.style.borderLeft = `6px solid ${colour}`
      chip.addEventListener("click", () => { model.send_msg({ clear: name }) })
      return chip
    }))
  }
  model.on("chips", draw)
  draw()
  el.appendChild(row)
}
