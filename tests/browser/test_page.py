"""The page as a scientist meets it, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, expect

from browser.conftest import DEMO_SPIKES, REAL
from browser.driver import Visit, new_visit

DEMO = "insertion=demo"
N_OF_N = f"{DEMO_SPIKES:,} of {DEMO_SPIKES:,} spikes"


def in_view(visit: Visit) -> int:
    found = re.search(r"([\d,]+) in view", visit.page.locator(".status-line").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def wait_until(visit: Visit, holds: Callable[[], bool], timeout_ms: int = 10_000) -> None:
    """Poll a condition; the assertion at the end says what did not come true."""
    for _ in range(timeout_ms // 50):
        if holds():
            return
        visit.page.wait_for_timeout(50)
    assert holds()


def frame_of(visit: Visit, name: str) -> tuple[float, float, float, float]:
    """Return x, y, width, height of a figure's frame on the page."""
    box = visit.page.evaluate(
        """name => {
            for (const view of Bokeh.index) for (const plot of view.owner?.query ? view.owner.query(
                (v) => v.model?.name === name) : []) {
                const outer = plot.el.getBoundingClientRect(), inner = plot.frame.bbox
                return [outer.x + inner.x, outer.y + inner.y, inner.width, inner.height]
            }
        }""",
        name,
    )
    assert box, f"no figure {name}"
    x, y, width, height = box
    return x, y, width, height


def time_window(visit: Visit) -> tuple[float, float]:
    visit.page.wait_for_url("**t=**")
    start, end = parse_qs(urlparse(visit.page.url).query)["t"][0].split(",")
    return float(start), float(end)


def test_without_an_insertion_the_page_offers_one(site: str, visit: Visit) -> None:
    visit.page.goto(site)
    visit.page.get_by_role("button", name="Open the demo insertion").click()
    assert N_OF_N in visit.wait_for_spikes()


def test_single_spikes_tell_their_values(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?{DEMO}&t=10,10.5")
    visit.wait_for_spikes()
    assert 0 < in_view(visit) < 4000
    expect(visit.page.get_by_text("each mark is one spike")).to_be_visible()


def test_the_real_sorting_draws_all_its_spikes(site: str, visit: Visit) -> None:
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there")
    visit.open(f"{site}/?insertion=ZFM-02370/2021-04-28/001/probe00")
    assert "290,360 of 290,360 spikes" in visit.wait_for_spikes()
    expect(visit.page.get_by_text("arbitrary units").first).to_be_visible()
    expect(visit.page.get_by_text("histology: none")).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (2560, 1300)])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_the_screen(site: str, browser: Browser, width: int, height: int, dark: bool) -> None:
    visit = new_visit(browser, width, height, dark=dark)
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.context.close()
    assert visit.complaints == []


def test_no_path_of_the_server_opens(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion=../../../../etc")
    expect(visit.page.get_by_text("No insertion answers to")).to_be_visible()
