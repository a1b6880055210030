"""Where tooltips stand: beside what they explain, in lines, on the screen."""

from __future__ import annotations

from itertools import product

from playwright.sync_api import Page, TimeoutError

MAX_WIDTH_PX = 400
"""Longer texts go on in another line."""

SHARES = (0.03, 0.5, 0.97)
"""Where the mouse goes in a figure, across and down."""

PLACED = """(element) => new Promise((done) => {
  let before = "", same = 0
  const look = () => {
    const { x, y, width, height } = element.getBoundingClientRect(), { opacity } = getComputedStyle(element)
    const now = `${[x, y, width, height, opacity]}`
    same = now === before && opacity > 0.5 ? same + 1 : 0
    before = now
    if (same >= 5 || !element.isConnected) done({ x, y, width, height })
    else requestAnimationFrame(look)
  }
  look()
})"""
"""The box of a tooltip once it has been the same for some frames: it comes first, and then finds its place."""

SHOWN = """() => new Promise((done) => {
  const all = function* (root) {
    for (const element of root.querySelectorAll("*")) {
      yield element
      if (element.shadowRoot) yield* all(element.shadowRoot)
    }
  }
  const text = (part) => (part.tagName === "STYLE" ? "" : part.innerText ?? "")
  const words = (tip) => [...tip.shadowRoot.children].map(text)
  let before = "", same = 0
  const look = () => {
    const tips = [...all(document)].filter((one) => one.matches(".bk-Tooltip") && one.checkVisibility())
    const found = tips.map((tip) => {
      const { x, y, width, height } = tip.getBoundingClientRect()
      return { words: words(tip).join(" ").trim(), x, y, width, height }
    })
    const now = JSON.stringify(found)
    same = now === before ? same + 1 : 0
    before = now
    if (same >= 3) done(found)
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})"""
"""What stands at the mouse, and its box, once that has been the same for some frames."""

FIGURE = """(at) => {
  const found = []
  const look = (view) => {
    if (view.model.type === "Figure" && view.is_displayed && view.frame.bbox.width > 20) found.push(view)
    for (const child of view.child_views ?? []) look(child)
  }
  for (const root of Bokeh.index.roots) look(root)
  if (at >= found.length) return null
  const { el, frame, model } = found[at]
  el.scrollIntoView({ block: "center" })
  const { left, top } = el.getBoundingClientRect(), { bbox } = frame
  const x = Math.max(0, left + bbox.left), y = Math.max(0, top + bbox.top)
  const right = Math.min(left + bbox.right, innerWidth), bottom = Math.min(top + bbox.bottom, innerHeight)
  return { name: model.name ?? "", x, y, width: right - x, height: bottom - y }
}"""
"""Name and frame of the figure of this number, in sight; null where there are fewer."""

Box = dict[str, float]


def titles(page: Page, seen: set[str], within: str = "html") -> list[str]:
    """Look at the tooltips of what stands in sight; the browser itself places those that are no element.

    Parameters
    ----------
    page : Page
    seen : set of str
        Words of tooltips that were looked at already; gains those of now.
    within : str
        A selector.

    Returns
    -------
    list of str
        What is wrong with where they stand.
    """
    wrong = []
    for element in page.locator(f"{within} [title]:visible").element_handles():
        words = element.get_attribute("title") or ""
        is_ours = element.evaluate("(element) => Boolean(element.closest('[class*=Mui]'))")
        if not words or words in seen or not is_ours:
            continue
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None
        element.hover(force=True)
        tip = page.locator(".MuiTooltip-tooltip:visible", has_text=words)
        try:
            tip.wait_for(timeout=2_000)
        except TimeoutError:
            continue  # a title of the browser's own
        seen.add(words)
        wrong += _misplaced(page, tip.evaluate(PLACED), {name: float(value) for name, value in box.items()}, words)
        page.mouse.move(2, 2)
        tip.wait_for(state="hidden")
    return wrong


def figures(page: Page, seen: set[str], shares: tuple[float, ...] = SHARES) -> list[str]:
    """Look at what stands at the mouse in each figure on the page; see `titles`."""
    wrong = []
    at = 0
    while frame := page.evaluate(FIGURE, at):
        at += 1
        page.evaluate(SHOWN)
        for across, down in product(shares, shares):
            x, y = frame["x"] + across * frame["width"], frame["y"] + down * frame["height"]
            page.mouse.move(x, y)
            for tip in page.evaluate(SHOWN):
                words = f"{frame['name']}: {tip['words']}"
                seen.add(f"figure {words}")
                wrong += _misplaced(page, tip, {"x": x, "y": y, "width": 1.0, "height": 1.0}, words)
        page.mouse.move(2, 2)
    return wrong


def _misplaced(page: Page, box: Box, explained: Box, words: str) -> list[str]:
    """Return what is wrong with where a tooltip stands."""
    size = page.viewport_size
    assert size is not None
    right, bottom = box["x"] + box["width"], box["y"] + box["height"]
    wrong = []
    if min(_overlap(box, explained, "x", "width"), _overlap(box, explained, "y", "height")) >= 1:
        wrong.append(f"covers what it explains: {words}")
    if box["width"] > MAX_WIDTH_PX:
        wrong.append(f"is {box['width']:.0f} px wide: {words}")
    if min(box["x"], box["y"]) < 0 or right > size["width"] or bottom > size["height"]:
        wrong.append(f"reaches over the screen, {box}: {words}")
    return wrong


def _overlap(one: Box, other: Box, start: str, length: str) -> float:
    return min(one[start] + one[length], other[start] + other[length]) - max(one[start], other[start])
