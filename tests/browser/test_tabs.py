"""Every tab of the dock shows its figures as large as their places, and tooltips stand beside what they explain."""

from __future__ import annotations

from tests.browser.driver import Visit
from tests.browser.tooltips import figures, titles

FRAMES = """() => {
  const found = [], seen = new Set()
  const look = (view) => {
    if (seen.has(view)) return
    seen.add(view)
    if (view.model.type === "Figure" && view.is_displayed && view.bbox.width > 0) {
      found.push([view.model.name, view.bbox.width, view.frame.bbox.width, view.frame.bbox.height])
    }
    for (const child of view.child_views ?? []) look(child)
  }
  for (const root of Bokeh.index.roots) look(root)
  return found
}"""
LEAST = {"Unit": 8, "Probe": 1, "Events": 1, "Change": 0, "Raw": 1}
"""Figures of each tab at least; Change asks for two spans first."""


def test_each_figure_of_each_tab_fills_its_place(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion=demo&selected=12&t=10,60")
    visit.wait_for_spikes()
    page = visit.page
    before = len(page.evaluate(FRAMES))
    for title in LEAST:
        page.get_by_role("tab", name=title).click()
        page.wait_for_function(f"(n) => ({FRAMES})().length >= n", arg=before + LEAST[title])
        page.wait_for_function(
            f"() => ({FRAMES})().every(([name, width, inner, height]) => inner > width / 3 && height > 10)"
        )
    seen: set[str] = set()
    assert titles(page, seen) + figures(page, seen, (0.1,)) == []
    assert any(words.startswith("figure strip: ") for words in seen)
    assert any(words.startswith("Export figures") for words in seen)
