"""From nothing to a figure on paper, as somebody goes who comes for the first time."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.driver import Visit

N_ACTIONS = 8

PLACE_OF = """(region) => {
  const figures = []
  const look = (view) => {
    if (view.model.name === "strip" && view.is_displayed) figures.push(view)
    for (const child of view.child_views ?? []) look(child)
  }
  for (const root of Bokeh.index.roots) look(root)
  for (const { el, frame, model: { renderers, y_range: { start, end } } } of figures) {
    const column = ({ data }, name) => Array.from((data instanceof Map ? data.get(name) : data[name]) ?? [])
    const source = renderers.map(({ data_source }) => data_source).find((one) => column(one, "acronym").length)
    const at = source ? column(source, "acronym").indexOf(region) : -1
    if (at < 0) continue
    const share = ((column(source, "bottom")[at] + column(source, "top")[at]) / 2 - start) / (end - start)
    const { left, top } = el.getBoundingClientRect(), { bbox } = frame
    const x = left + bbox.left + bbox.width / 2, y = top + bbox.top + bbox.height * (1 - share)
    let there = document.elementFromPoint(x, y)
    for (let depth = 0; depth < 20 && there?.shadowRoot; depth += 1) there = there.shadowRoot.elementFromPoint(x, y)
    for (let node = there; node; node = node.parentNode ?? node.host) if (node === el) return [x, y]
  }
  return null
}"""
"""Where a click finds a region of the strip; null until it lies there, with nothing over it."""


class Hand:
    """Clicks, and counts them."""

    def __init__(self, visit: Visit) -> None:
        self.page, self.n_actions = visit.page, 0

    def click(self, what: Locator) -> None:
        what.click(timeout=60_000)
        self.n_actions += 1

    def click_at(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)
        self.n_actions += 1


@pytest.mark.timeout(400)
@pytest.mark.parametrize("width", [1600, pytest.param(1280, marks=pytest.mark.walk)])
def test_the_strongest_response_of_a_region_is_on_paper_in_eight_actions(site: str, visit: Visit, width: int) -> None:
    """The PSTH of the unit of CA1 whose rate changes most after stimOn, as a PDF; below 1400 px, too."""
    page, hand = visit.page, Hand(visit)
    page.set_viewport_size({"width": width, "height": 800 if width < 1400 else 1000})
    visit.open(site)
    hand.click(page.get_by_role("button", name="Open the demo insertion"))
    visit.wait_for_spikes()
    expect(page.locator(".tabulator-row").first).to_be_attached(timeout=60_000)  # what comes last has come
    page.wait_for_function(PLACE_OF, arg="CA1", timeout=60_000)
    hand.click_at(*page.evaluate(PLACE_OF, "CA1"))
    page.wait_for_url("**regions=CA1**", timeout=60_000)
    hand.click(page.get_by_role("tab", name="Events", exact=True))
    hand.click(page.get_by_role("button", name="Test response", exact=True))
    top = page.get_by_role("group", name="Units that change most").get_by_role("button")
    expect(top.first).to_contain_text(" CA1: ", timeout=120_000)
    hand.click(top.first)
    unit = top.first.inner_text().split()[0]
    expect(page.get_by_text(f"unit {unit}, ").first).to_be_visible(timeout=60_000)
    hand.click(page.get_by_role("button", name="Export", exact=True))
    hand.click(page.get_by_role("button", name="PDF", exact=True))
    download = page.get_by_role("dialog").get_by_role("button", name="Download").first
    expect(page.get_by_text("PDF, ")).to_be_visible(timeout=60_000)
    with page.expect_download(timeout=120_000) as saved:
        hand.click(download)
    assert Path(saved.value.path()).read_bytes().startswith(b"%PDF")
    assert saved.value.suggested_filename.endswith("_event.pdf")
    assert hand.n_actions == N_ACTIONS
    assert visit.complaints == []
