"""What explains something stands beside it, in lines, on the screen: tooltips of every tab, by place."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from dashboard.page.tabs.registry import TABS
from tests.browser.driver import Visit, close_panel, open_panel
from tests.browser.tooltips import figures, titles


@pytest.mark.walk
@pytest.mark.timeout(900)
@pytest.mark.parametrize("width", [1280, 1600])
def test_no_tooltip_covers_what_it_explains(site: str, visit: Visit, width: int) -> None:
    page, seen, wrong = visit.page, set[str](), list[str]()
    page.set_viewport_size({"width": width, "height": 800})
    visit.open(f"{site}/?insertion=demo&selected=12,21&t=10,10.5")
    visit.wait_for_spikes()
    for entry in TABS:
        tab = page.get_by_role("tab", name=entry.title, exact=True)
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(page.locator(".busy:visible")).to_have_count(0, timeout=60_000)
        wrong += titles(page, seen) + figures(page, seen)
    page.get_by_role("tab", name="Clusters", exact=True).click()
    for panel in ("Open", "Filters", "Colour", "View"):
        open_panel(page, panel)
        wrong += titles(page, seen)
    close_panel(page)
    assert sorted(set(wrong)) == []
    of_figures = {words for words in seen if words.startswith("figure ")}
    assert len(of_figures) > 20
    assert len(seen - of_figures) >= 5
