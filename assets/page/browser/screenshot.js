// The page as one PNG, as seen: canvases where they stand, and boxes, text and drawings around them.
const NOT_IN_PICTURES = ".MuiDialog-root, .MuiPopper-root, .MuiPopover-root, #announcement, script, style, template"

async function picture_of_page(words) {
  const ratio = window.devicePixelRatio || 1
  const canvas = document.createElement("canvas")
  canvas.width = Math.round(window.innerWidth * ratio)
  canvas.height = Math.round(window.innerHeight * ratio)
  const context = canvas.getContext("2d")
  context.scale(ratio, ratio)
  context.fillStyle = getComputedStyle(document.body).backgroundColor
  context.fillRect(0, 0, window.innerWidth, window.innerHeight)
  // What is fixed to the window lies over the rest.
  const above = []
  await draw_node(context, document.body, above)
  for (const node of above) await draw_node(context, node, null)
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"))
  return with_words(blob, words)
}

async function draw_node(context, node, above) {
  if (node.nodeType === Node.TEXT_NODE) return draw_text(context, node)
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(NOT_IN_PICTURES)) return
  const style = getComputedStyle(node)
  if (style.display === "none" || style.visibility === "hidden" || Number(style.opacity) === 0) return
  if (style.position === "fixed" && above) {
    above.push(node)
    return
  }
  const box = node.getBoundingClientRect()
  const is_off = box.bottom < 0 || box.right < 0 || box.top > window.innerHeight || box.left > window.innerWidth
  const clips = style.display !== "contents" && (style.overflowX !== "visible" || style.overflowY !== "visible")
  if (clips && (is_off || box.width === 0 || box.height === 0)) return
  context.save()
  if (style.display !== "contents") draw_box(context, node, box, style)
  if (clips) {
    context.beginPath()
    context.rect(box.left, box.top, box.width, box.height)
    context.clip()
  }
  if (node instanceof HTMLCanvasElement || node instanceof HTMLImageElement) {
    if (box.width && box.height) context.drawImage(node, box.left, box.top, box.width, box.height)
  } else if (node instanceof SVGSVGElement) {
    await draw_drawing(context, node, box, style)
  } else if (node instanceof HTMLInputElement || node instanceof HTMLTextAreaElement) {
    if (!["checkbox", "radio", "hidden", "password", "range", "file"].includes(node.type) && node.value) {
      pen(context, style)
      context.fillText(node.value, box.left + parseFloat(style.paddingLeft), (box.top + box.bottom) / 2)
    }
  } else {
    const inside = node.shadowRoot ?? node
    const children = node instanceof HTMLSlotElement && node.assignedNodes().length ? node.assignedNodes() : inside.childNodes
    const is_folded = node instanceof HTMLDetailsElement && !node.open
    for (const child of children) {
      if (!is_folded || child.nodeName === "SUMMARY") await draw_node(context, child, above)
    }
  }
  context.restore()
}

function draw_box(context, node, box, style) {
  if (!box.width || !box.height) return
  if (node.clientWidth === 0 && node.clientHeight === 0 && style.display === "block") return draw_arrow(context, box, style)
  if (style.display === "list-item") draw_marker(context, box, style)
  const gradient = /^linear-gradient\(to right, (.*)\)$/.exec(style.backgroundImage)
  const has_colour = style.backgroundColor !== "rgba(0, 0, 0, 0)" && style.backgroundColor !== "transparent"
  context.globalAlpha *= Number(style.opacity)
  context.beginPath()
  context.roundRect(box.left, box.top, box.width, box.height, Math.min(parseFloat(style.borderTopLeftRadius) || 0, box.height / 2))
  if (has_colour) {
    context.fillStyle = style.backgroundColor
    context.fill()
  }
  if (gradient) {
    const colours = gradient[1].match(/rgba?\([^)]*\)/g) ?? []
    const filling = context.createLinearGradient(box.left, 0, box.right, 0)
    colours.forEach((colour, i) => filling.addColorStop(i / Math.max(colours.length - 1, 1), colour))
    context.fillStyle = filling
    context.fill()
  }
  const notch = node.nodeName === "FIELDSET" ? node.querySelector("legend")?.getBoundingClientRect() : null
  const sides = [
    ["Top", notch?.width ? notch.right : box.left, box.top, box.right, box.top, 0, 0.5], ["Bottom", box.left, box.bottom, box.right, box.bottom, 0, -0.5],
    ["Left", box.left, box.top, box.left, box.bottom, 0.5, 0], ["Right", box.right, box.top, box.right, box.bottom, -0.5, 0],
  ]
  for (const [side, x0, y0, x1, y1, right, down] of sides) {
    const width = parseFloat(style[`border${side}Width`])
    if (!width || style[`border${side}Style`] === "none") continue
    context.strokeStyle = style[`border${side}Color`]
    context.lineWidth = width
    context.beginPath()
    context.moveTo(x0 + right * width, y0 + down * width)
    context.lineTo(x1 + right * width, y1 + down * width)
    context.stroke()
  }
}

function is_clear(colour) {
  return colour === "transparent" || /^rgba\(.*, 0\)$/.test(colour)
}

function fill_corners(context, colour, corners) {
  context.beginPath()
  corners.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)))
  context.fillStyle = colour
  context.fill()
}

// Without an inside it is a triangle made of borders: up, or down.
function draw_arrow(context, box, style) {
  const middle = (box.left + box.right) / 2
  if (parseFloat(style.borderBottomWidth) && !is_clear(style.borderBottomColor)) {
    fill_corners(context, style.borderBottomColor, [[box.left, box.bottom], [box.right, box.bottom], [middle, box.top]])
  } else if (parseFloat(style.borderTopWidth) && !is_clear(style.borderTopColor)) {
    fill_corners(context, style.borderTopColor, [[box.left, box.top], [box.right, box.top], [middle, box.bottom]])
  }
}

// What the browser draws before an item of a list, and before what folds out.
function draw_marker(context, box, style) {
  const size = parseFloat(style.fontSize), line = parseFloat(style.lineHeight) || 1.2 * size
  const y = box.top + parseFloat(style.paddingTop) + line / 2
  if (style.listStyleType === "disc") {
    context.beginPath()
    context.arc(box.left - 0.27 * size - 10, y, 0.18 * size, 0, 2 * Math.PI)
    context.fillStyle = style.color
    context.fill()
  } else if (style.listStyleType.startsWith("disclosure")) {
    const x = box.left + parseFloat(style.paddingLeft), half = 0.3 * size
    const closed = [[x, y - half], [x, y + half], [x + 1.7 * half, y]]
    const open = [[x, y - 0.8 * half], [x + 2 * half, y - 0.8 * half], [x + half, y + 0.9 * half]]
    fill_corners(context, style.color, style.listStyleType === "disclosure-closed" ? closed : open)
  }
}

function pen(context, style, scale = 1) {
  context.font = `${style.fontStyle} ${style.fontWeight} ${parseFloat(style.fontSize) * scale}px ${style.fontFamily}`
  context.letterSpacing = style.letterSpacing === "normal" ? "0px" : style.letterSpacing
  context.fillStyle = style.color
  context.textBaseline = "middle"
  context.textAlign = "left"
}

// Word by word, where the browser has put each.
function draw_text(context, node) {
  const text = node.textContent
  if (!text.trim() || !node.parentElement) return
  const style = getComputedStyle(node.parentElement)
  const parent = node.parentElement
  pen(context, style, parent.offsetWidth ? parent.getBoundingClientRect().width / parent.offsetWidth : 1)
  const range = document.createRange()
  for (const word of text.matchAll(/\S+/g)) {
    range.setStart(node, word.index)
    range.setEnd(node, word.index + word[0].length)
    const box = range.getBoundingClientRect()
    if (!box.width || box.bottom < 0 || box.top > window.innerHeight) continue
    const written = style.textTransform === "uppercase" ? word[0].toUpperCase() : word[0]
    context.fillText(written, box.left, (box.top + box.bottom) / 2 + 0.5)
  }
}

async function draw_drawing(context, node, box, style) {
  if (!box.width || !box.height) return
  const copy = node.cloneNode(true)
  copy.setAttribute("width", box.width)
  copy.setAttribute("height", box.height)
  copy.setAttribute("style", `color: ${style.color}; fill: ${style.fill}`)
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`
  try {
    await image.decode()
    context.drawImage(image, box.left, box.top, box.width, box.height)
  } catch {
    // A drawing that does not stand alone is left out: it is decoration.
  }
}

// PNG text chunks, after the header: a picture that cannot be traced is worth nothing a month later.
async function with_words(blob, words) {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  const header_end = 33
  const parts = [bytes.subarray(0, header_end)]
  for (const [name, text] of Object.entries(words)) {
    const content = new TextEncoder().encode(`iTXt${name}\0\0\0\0\0${text}`)
    const chunk = new Uint8Array(content.length + 8)
    const view = new DataView(chunk.buffer)
    view.setUint32(0, content.length - 4)
    chunk.set(content, 4)
    view.setUint32(content.length + 4, checksum(content))
    parts.push(chunk)
  }
  parts.push(bytes.subarray(header_end))
  return new Blob(parts, { type: "image/png" })
}

// CRC-32 as PNG has it.
function checksum(bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}
