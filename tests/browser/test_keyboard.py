"""The page by keys alone: from the start to an export, with the focus in sight at every stop, in the light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driver import Visit

MAX_STOPS = 90

FOCUS = """() => {
  let at = document.activeElement
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  if (!at || at === document.body) return ["", true]
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const read = (colour) => {
    pen.clearRect(0, 0, 1, 1)
    pen.fillStyle = colour
    pen.fillRect(0, 0, 1, 1)
    return [...pen.getImageData(0, 0, 1, 1).data]
  }
  const luminance = (channels) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const share = channels[k] / 255
    return sum + weight * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4)
  }, 0)
  const ground = (element) => {
    for (let node = element; node; node = node.assignedSlot ?? node.parentNode ?? node.host) {
      const found = node instanceof Element ? read(getComputedStyle(node).backgroundColor) : [0, 0, 0, 0]
      if (found[3] > 200) return found
    }
    return [255, 255, 255, 255]
  }
  const is_seen = (colour, on) => {
    const ink = read(colour)
    if (ink[3] < 128) return false
    const [low, high] = [luminance(ink), luminance(ground(on))].sort((a, b) => a - b)
    return (high + 0.05) / (low + 0.05) >= 3
  }
  const has_ring = (element) => {
    if (!element) return false
    const style = getComputedStyle(element)
    const is_inside = parseFloat(style.outlineOffset) < 0
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1
    if (ring && is_seen(style.outlineColor, is_inside ? element : element.parentNode)) return true
    return element.tagName === "FIELDSET" && parseFloat(style.borderTopWidth) >= 2
      && is_seen(style.borderTopColor, element.parentNode)
  }
  const frame = at.closest(".MuiInputBase-root")?.querySelector("fieldset")
  const { width, height, top, left } = at.getBoundingClientRect()
  const is_there = at.type === "checkbox" || (width > 0 && height > 0 && top < innerHeight && left < innerWidth)
  const said = ["aria-label", "placeholder"].map((name) => at.getAttribute(name)).find(Boolean)
  const name = said ?? (at.innerText || at.labels?.[0]?.innerText || at.className)
  const role = at.getAttribute("role") ?? at.tagName.toLowerCase()
  const rings = [at, frame, at.closest(".MuiButtonBase-root")]
  return [`${role} ${name}`.trim().slice(0, 80), is_there && rings.some(has_ring)]
}"""
"""What has the focus, and whether one sees that: a ring around it, or the thicker frame of a field, on the screen.

Its contrast with what is behind it has to be 3 to 1, as WCAG asks of what is no text."""


def walk_to(page: Page, wanted: str, key: str = "Tab") -> list[str]:
    """Press a key until the focus is on what has this role and name; return the stops at which it is not seen."""
    unseen: list[str] = []
    stops: list[str] = []
    for _ in range(MAX_STOPS):
        page.keyboard.press(key)
        name, is_seen = page.evaluate(FOCUS)
        stops.append(name)
        if not is_seen:
            unseen.append(name)
        if re.search(wanted, name):
            return unseen
    raise AssertionError(f"{wanted} was not reached: {stops}")


@pytest.mark.timeout(300)
def test_from_the_start_to_an_export_by_keys_alone(site: str, visit: Visit) -> None:
    page, keys = visit.page, visit.page.keyboard
    visit.open(site)
    keys.press("Control+k")
    expect(page.locator(".finder-panel .rows .row").first).to_be_visible(timeout=30_000)
    assert page.evaluate(FOCUS)[1]
    keys.type("demo")
    expect(page.locator(".finder-panel .count")).to_contain_text(re.compile(r"^1 of"), timeout=30_000)
    keys.press("Enter")
    visit.wait_for_spikes()
    expect(page.locator(".tabulator-row").first).to_be_attached(timeout=60_000)

    keys.press("+")
    page.wait_for_url(re.compile(r"[?&]t="), timeout=30_000)
    before = page.url
    keys.press("ArrowRight")
    page.wait_for_url(lambda url: url != before, timeout=30_000)

    unseen = walk_to(page, r"^div \d+\n")  # the table, whose text begins with the number of a unit
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(page.locator(".tabulator-row").nth(1)).to_be_focused()
    assert page.evaluate(FOCUS)[1]
    keys.press("Enter")
    page.wait_for_url(re.compile(r"[?&]selected=\d+"), timeout=30_000)

    unseen += walk_to(page, "^tab Clusters")
    keys.press("ArrowDown")
    expect(page.get_by_role("tab", name="Unit", exact=True)).to_be_focused()
    page.emulate_media(color_scheme="dark")  # all that follows
    expect(page.locator("html[data-dark]")).to_be_attached()
    keys.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(r"^Unit \d+"))).to_be_visible(timeout=60_000)

    numbers = page.get_by_role("button", name=re.compile(r"^Numbers: Autocorrelogram"))
    expect(numbers).to_be_attached(timeout=30_000)
    unseen += walk_to(page, "^button Numbers: Autocorrelogram", "Shift+Tab")
    keys.press("Enter")
    table = page.get_by_role("region", name=re.compile(r"^Numbers of Autocorrelogram")).get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Lag (ms), from", "to", "Rate (Hz)"])
    keys.press("Escape")
    expect(table).to_have_count(0)

    unseen += walk_to(page, "^tab Unit")
    unseen += walk_to(page, "^button Export", "Shift+Tab")

    keys.press("Control+Shift+E")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("PNG, ")).to_be_visible(timeout=60_000)
    unseen += walk_to(page, "^button Download")
    with page.expect_download(timeout=120_000) as saved:
        keys.press("Enter")
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")
    assert saved.value.suggested_filename.endswith("_unit.png")
    assert unseen == []
