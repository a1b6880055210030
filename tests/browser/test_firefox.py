"""Six walks in Debian's Firefox: open, zoom, pan, select, filter, export; and the search by Ctrl+K."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser import firefox
from tests.browser.driver import Visit

FOCUSED = """() => {
  let at = document.activeElement
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  return at?.tagName
}"""


CLIPPED = """(inputs) => inputs.flatMap((input) => {
  const given = input.offsetWidth
  input.style.width = "auto"
  const wanted = input.offsetWidth
  input.style.width = `${given}px`
  return wanted > given ? [`${input.ariaLabel}: ${given} of ${wanted} px`] : []
})"""
"""Fields that are narrower than what the browser writes into them."""

SERIFS = """() => {
  const found = []
  const pen = document.createElement("canvas").getContext("2d")
  const width = (font) => { pen.font = font; return pen.measureText("CA1 DG lateral 0123456789").width }
  const look = (view) => {
    for (const { model, glyph } of view.computed_renderer_views ?? []) {
      const font = model.glyph?.type === "Text" ? glyph.visuals.text.font_value(0) : null
      const has_serifs = font && width(font) === width(font.replace(/px .*/, "px serif"))
      if (has_serifs || (font && !font.endsWith("sans-serif"))) found.push(font)
    }
    for (const child of view.child_views ?? []) look(child)
  }
  for (const root of Bokeh.index.roots) look(root)
  return found
}"""
"""Fonts of words in figures that have serifs here."""


@pytest.fixture
def page(playwright: Playwright, tmp_path: Path) -> Iterator[Page]:
    """A page of a Firefox of its own."""
    if shutil.which("firefox-esr") is None:
        pytest.skip("no Firefox: apt-get install firefox-esr")
    program = tmp_path / "firefox"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{firefox.__file__}" "$@"\n')
    program.chmod(0o755)
    opened = playwright.firefox.launch(channel="moz-firefox", executable_path=str(program))
    yield opened.new_context(viewport={"width": 1600, "height": 1000}).new_page()
    opened.close()


@pytest.mark.timeout(300)
def test_six_walks(site: str, page: Page) -> None:
    visit = Visit(page)
    visit.open(f"{site}/?insertion=demo")
    assert "200,000 of 200,000 spikes" in visit.wait_for_spikes()
    expect(page.locator(".tabulator-row").first).to_be_attached(timeout=60_000)
    assert page.evaluate(SERIFS) == []
    x, y = 500, 350  # in the raster

    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_url(re.compile(r"[?&]t="), timeout=30_000)
    zoomed = page.url

    page.mouse.down()
    page.mouse.move(x - 120, y, steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: url != zoomed, timeout=30_000)

    page.locator(".tabulator-row").nth(2).locator(".tabulator-cell:visible").first.click()
    page.wait_for_url(re.compile(r"[?&]selected=\d+"), timeout=30_000)

    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_function(f"({FOCUSED})() === 'INPUT'", timeout=10_000)
    dates = page.locator(".finder-panel input[type=date]")
    assert dates.count() == 2
    assert dates.evaluate_all(CLIPPED) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.keyboard.press("g")
    page.wait_for_url(re.compile(r"[?&]quality=good"), timeout=30_000)

    page.get_by_role("button", name="Export", exact=True).click()
    download = page.get_by_role("dialog").get_by_role("button", name="Download").first
    expect(page.get_by_text("PNG, ")).to_be_visible(timeout=60_000)
    with page.expect_download(timeout=120_000) as saved:
        download.click()
    assert saved.value.suggested_filename.endswith(".png")
    assert [line for line in visit.complaints if line.startswith("uncaught")] == []
    assert visit.foreign == []
