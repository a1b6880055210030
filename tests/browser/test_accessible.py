"""What a screen reader is told, and what keys reach: axe finds nothing serious in any tab, panel or dialog."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, TimeoutError, expect

from dashboard.page.tabs.registry import TABS
from tests.browser.driver import Visit, close_panel, open_panel

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES_OF_ORDER = ("heading-order", "page-has-heading-one", "empty-heading")
"""Of less impact than the page has to be free of, and held all the same."""

FIND = """async (element, [rules, contrast]) => {
  const of_contrast = { "color-contrast": { enabled: contrast } }
  const quick = { resultTypes: ["violations"], preload: false }  // what it loads is of sounds and films: there are none
  const options = { runOnly: ["wcag2a", "wcag2aa"], ...quick, rules: of_contrast }
  for (const rule of rules) options.rules[rule] = { enabled: true }
  const { violations } = await axe.run(element, options)
  const matters = ({ id, impact }) => impact === "serious" || impact === "critical" || rules.includes(id)
  return violations.filter(matters).flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))
}"""
"""What axe finds in an element that matters, an entry for each place; it looks into shadow roots."""

NAMELESS = """() => {
  const found = []
  const look = (view) => {
    const canvas = view.canvas_view?.primary.el
    const frame = view.model.frame_width !== 0 && canvas?.checkVisibility() && canvas.getBoundingClientRect().width > 0
    const name = canvas?.getAttribute("aria-label") ?? ""
    if (frame && (canvas.getAttribute("role") !== "img" || !/^.{10,}\\. .*: \\S+ to \\S+\\./.test(name))) {
      found.push(`${view.model.name}: ${name}`)
    }
    for (const child of view.child_views ?? []) look(child)
  }
  for (const root of Bokeh.index.roots) look(root)
  return found
}"""
"""Figures on the screen whose canvas does not say what it shows, and from where to where."""

HEADINGS = """() => {
  const found = []
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (/^H1$/.test(element.tagName) && element.checkVisibility()) found.push(element.innerText)
      if (element.shadowRoot) look(element.shadowRoot)
    }
  }
  look(document)
  return found
}"""


def _found(page: Page, where: str, element: str = "html", *, contrast: bool = False) -> list[str]:
    """Return what axe finds; contrast, which takes as long as all the rest, is always looked at in the whole page."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    rules = [RULES_OF_ORDER, contrast or element == "html"]
    return [f"{where}: {line}" for line in page.locator(element).evaluate(FIND, rules)]


def unfold(page: Page) -> None:
    """Open what is folded away in the dock, and wait until it is there."""
    folded = page.locator(".dock .MuiAccordionSummary-root[aria-expanded=false]:visible")
    for _ in range(folded.count()):
        folded.first.click()
    for opened in page.locator(".dock .MuiAccordionDetails-root").all():
        if opened.is_visible():
            expect(opened.locator("input").first).to_be_visible(timeout=30_000)
    page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true })")


def at_rest(page: Page) -> None:
    """Wait until nothing on the page says that it is being computed."""
    expect(page.locator(".busy:visible")).to_have_count(0, timeout=60_000)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("contrast", "dark"),
    [
        (False, False),
        pytest.param(True, False, marks=pytest.mark.walk),
        pytest.param(True, True, marks=pytest.mark.walk),
    ],
)
def test_axe_finds_nothing_that_matters_anywhere(site: str, visit: Visit, *, contrast: bool, dark: bool) -> None:
    page = visit.page
    found = partial(_found, contrast=contrast)
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": 1280, "height": 800})
    visit.open(site)
    page.get_by_role("button", name="Open the demo insertion").wait_for()
    bad = found(page, "start")
    assert page.evaluate(HEADINGS) == ["Spike dashboard"]
    page.keyboard.press("Control+k")
    expect(page.locator(".finder-panel .rows .row").first).to_be_visible(timeout=30_000)
    bad += found(page, "finder")
    page.keyboard.press("Control+Enter")
    page.locator(".triage").wait_for()
    bad += found(page, "triage", ".triage")
    visit.open(f"{site}/?insertion=demo&selected=12&t=10,60")
    visit.wait_for_spikes()
    bad += found(page, "open")
    for entry in TABS:
        page.get_by_role("tab", name=entry.title, exact=True).click()
        expect(page.get_by_role("tab", name=entry.title, exact=True)).to_have_attribute("aria-selected", "true")
        at_rest(page)
        unfold(page)
        if entry.title == "Clusters":
            for name in ("Columns", "Search rows"):
                page.get_by_role("button", name=name, exact=True).click()
            page.locator(".tabulator-header-filter input").first.wait_for()
            page.get_by_label("rate over time").wait_for()
        if entry.title == "Unit":
            page.get_by_role("button", name=re.compile("^Numbers: Autocorrelogram")).press("Enter")
            page.get_by_role("region", name=re.compile("^Numbers of ")).wait_for()
        bad += found(page, entry.title, ".dock")
        try:
            page.wait_for_function(f"() => !({NAMELESS})().length", timeout=10_000)
        except TimeoutError:
            bad += [f"{entry.title}, no name: {line}" for line in page.evaluate(NAMELESS)]
    page.get_by_role("tab", name="Clusters", exact=True).click()
    for panel in ("Open", "Filters", "Colour", "View"):
        open_panel(page, panel)
        bad += found(page, f"panel {panel}", f".panel-{panel.lower()}")
        if panel == "Filters":
            page.get_by_role("combobox", name="Regions").click()
            bad += found(page, "list of regions", "[role=listbox]:visible")
            page.keyboard.press("Escape")
    close_panel(page)
    for name in ("Export", "Help"):
        page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("dialog").wait_for()
        bad += found(page, f"dialog {name}", "[role=dialog]:visible")
        if name == "Export":
            dialog = page.get_by_role("dialog")
            dialog.get_by_role("combobox").first.click()
            bad += found(page, "list of figures", "[role=listbox]:visible")
            page.keyboard.press("Escape")
            for inner, there in (("Data", "CSV"), ("Code", "Copy code")):
                dialog.get_by_role("tab", name=inner, exact=True).click()
                dialog.get_by_role("button", name=there, exact=True).first.wait_for()
                bad += found(page, f"dialog {name}, {inner}", "[role=dialog]:visible")
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="hidden")
    assert bad == []
    assert page.locator("audio, video").count() == 0
    assert page.evaluate(HEADINGS) == ["Spike dashboard"]
    assert visit.complaints == []


def test_the_table_is_read_and_walked_by_keys(site: str, visit: Visit) -> None:
    """Arrows move the focus from row to row, Enter selects one, Space adds one."""
    visit.open(f"{site}/?insertion=demo&tab=Clusters")
    visit.wait_for_spikes()
    page = visit.page
    grid = page.get_by_role("grid", name="Units")
    expect(grid).to_have_count(1)
    rows = page.locator(".tabulator-row")
    rows.first.wait_for()
    page.locator(".tabulator-tableholder").focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true", timeout=30_000)
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    expect(rows.nth(2)).to_have_attribute("aria-selected", "true", timeout=30_000)
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
