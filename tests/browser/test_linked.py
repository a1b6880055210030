"""Filters, selection and links: everything follows from one state, and the numbers are pandas'."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.model.sorting import SpikeSorting
from dashboard.page.tabs.clusters.columns import failed_tests
from tests.browser.conftest import DEMO_SPIKES, REAL
from tests.browser.driver import Visit, open_panel
from tests.browser.test_page import frame_of, in_view, wait_until

DEMO = "insertion=demo"


def numbers(visit: Visit) -> tuple[int, int]:
    """Return the spikes and the units that pass, as the status line has them."""
    line = visit.page.locator(".status-line").inner_text()
    spikes = re.search(r"([\d,]+) of [\d,]+ spikes", line)
    clusters = re.search(r"([\d,]+) of [\d,]+ units", line)
    if not spikes or not clusters:
        return -1, -1
    return int(spikes[1].replace(",", "")), int(clusters[1].replace(",", ""))


def expected(sorting: SpikeSorting, mask: np.ndarray) -> tuple[int, int]:
    ids = sorting.clusters.index[mask]
    return int(np.isin(sorting.spikes.clusters, ids).sum()), len(ids)


def test_an_expression_in_the_link_filters_and_the_chip_clears_it(
    site: str, visit: Visit, sorting: SpikeSorting
) -> None:
    visit.open(f"{site}/?{DEMO}&where=firing_rate > 0.5 and label == 1&amp=60,")
    visit.wait_for_spikes()
    table = sorting.clusters
    amplitude = table["amps" if "amps" in table else "amp_median"] * 1e6
    mask = ((table["firing_rate"] > 0.5) & (table["label"] == 1) & (amplitude >= 60)).to_numpy()
    assert 0 < mask.sum() < len(table)
    wait_until(visit, lambda: numbers(visit) == expected(sorting, mask))
    rows = visit.page.locator(".tabulator-row")
    expect(rows).to_have_count(min(int(mask.sum()), 100))
    visit.page.get_by_role("button", name=re.compile("amplitude.*✕")).click()
    wait_until(visit, lambda: numbers(visit)[1] == int(((table["firing_rate"] > 0.5) & (table["label"] == 1)).sum()))
    visit.page.get_by_role("button", name=re.compile("firing_rate.*✕")).click()
    wait_until(visit, lambda: numbers(visit) == (DEMO_SPIKES, sorting.n_clusters))
    assert "where" not in visit.page.url


def test_filter_select_overlay_clear_and_back(demo: Visit, sorting: SpikeSorting) -> None:
    open_panel(demo.page, "Filters")
    demo.page.get_by_role("button", name="Good units").click()
    good = (sorting.clusters["label"] == 1).to_numpy()
    wait_until(demo, lambda: numbers(demo) == expected(sorting, good))
    demo.page.locator(".tabulator-row").nth(2).click()
    wait_until(demo, lambda: "selected=" in demo.page.url)
    depths = sorting.clusters["depths"][good]
    unit = int(depths.sort_values(ascending=False, kind="stable").index[2])
    assert f"selected={unit}" in demo.page.url
    has_overlay = """() => Bokeh.documents[0].get_model_by_name('raster-overlay').data.image[0].some((v) => v != 0)"""
    wait_until(demo, lambda: bool(demo.page.evaluate(has_overlay)))
    demo.page.wait_for_timeout(1_000)  # a view that stands still becomes a step of the history
    demo.page.keyboard.press("Escape")
    demo.page.get_by_role("button", name=re.compile("label 1 ✕")).click()
    wait_until(demo, lambda: numbers(demo) == (DEMO_SPIKES, sorting.n_clusters))
    demo.page.wait_for_timeout(1_000)
    demo.page.go_back()
    wait_until(demo, lambda: numbers(demo) == expected(sorting, good))
    demo.page.wait_for_timeout(1_000)
    if "selected=" not in demo.page.url:  # on a busy machine Escape became a step of its own
        demo.page.go_back()
    wait_until(demo, lambda: f"selected={unit}" in demo.page.url)


def test_a_region_of_the_strip_filters_with_its_descendants(demo: Visit, sorting: SpikeSorting) -> None:
    x, y, width, height = frame_of(demo, "strip")
    demo.page.mouse.click(x + width / 2, y + height - 15)
    wait_until(demo, lambda: "regions=" in demo.page.url)
    acronym = demo.page.url.split("regions=")[1].split("&")[0]
    mask = (sorting.clusters["acronym"] == acronym).to_numpy()
    wait_until(demo, lambda: numbers(demo) == expected(sorting, mask))
    assert in_view(demo) == expected(sorting, mask)[0]


def test_a_filter_that_cannot_be_read_says_so_and_hides_nothing(demo: Visit, whole: str) -> None:
    demo.follow(f"{whole}&where=no_such_column > 1")
    expect(demo.page.locator(".refused")).to_contain_text("no_such_column")
    assert numbers(demo)[0] == DEMO_SPIKES
    open_panel(demo.page, "Filters")
    box = demo.page.get_by_label("Expression")
    box.fill("__import__('os').system('true')")
    box.press("Enter")
    expect(demo.page.locator(".refused")).not_to_contain_text("no_such_column")
    expect(demo.page.locator(".refused")).to_be_visible()
    assert numbers(demo)[0] == DEMO_SPIKES


def test_rows_can_be_searched_and_columns_hidden_and_a_filter_keeps_both(
    site: str, visit: Visit, sorting: SpikeSorting
) -> None:
    visit.open(f"{site}/?{DEMO}")
    visit.wait_for_spikes()
    page = visit.page
    rows = page.locator(".tabulator-row")
    expect(rows.first).to_be_visible()
    expect(page.locator(".tabulator-row svg").first).to_be_hidden()
    rates = sorting.clusters["firing_rate"]
    slowest = {str(unit) for unit in sorting.clusters.index[rates == rates.min()]}
    is_sorted = lambda: rows.first.locator('[tabulator-field="cluster_id"]').inner_text() in slowest  # noqa: E731
    assert not is_sorted()
    page.locator('.tabulator-col[tabulator-field="firing_rate"]').click()
    wait_until(visit, is_sorted)
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("rate over time").check()
    expect(page.locator(".tabulator-row svg").first).to_be_visible()
    wait_until(visit, is_sorted)
    page.get_by_role("button", name="Search rows").click()
    wait_until(visit, is_sorted)
    words = np.array(failed_tests(sorting))
    noisy = np.char.find(words, "noise") >= 0
    page.locator('.tabulator-col[tabulator-field="failed"] input').press_sequentially("noise", delay=30)
    expect(rows).to_have_count(min(int(noisy.sum()), 100))
    open_panel(page, "Filters")
    page.get_by_role("button", name="Good units").click()
    expect(rows).to_have_count(0)
    open_panel(page, "Filters")
    page.get_by_role("button", name="All units", exact=True).click()
    expect(rows).to_have_count(min(int(noisy.sum()), 100))
    field = page.locator('.tabulator-col[tabulator-field="firing_rate"] input')
    field.press_sequentially("0.5..x", delay=30)
    expect(page.locator(".refused")).to_contain_text("rate (Hz): This is not a search among numbers")
    why = page.locator(".tabulator > .why")
    expect(why).to_contain_text("This is not a search among numbers")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert abs(why.bounding_box()["x"] - field.bounding_box()["x"]) < 10  # type: ignore[index]
    expect(rows).to_have_count(min(int(noisy.sum()), 100))
    field.press("Backspace")
    field.press_sequentially("2", delay=30)
    expect(rows).to_have_count(int((noisy & rates.between(0.5, 2).to_numpy()).sum()))
    expect(page.locator(".refused")).to_have_count(0)
    expect(why).to_have_count(0)
    page.get_by_label("rate over time").uncheck()  # a new table, with the same searches
    expect(page.locator(".tabulator-row svg").first).to_be_hidden()
    expect(rows).to_have_count(int((noisy & rates.between(0.5, 2).to_numpy()).sum()))


def test_where_nothing_passes_the_page_says_what_is_hidden(demo: Visit, whole: str) -> None:
    demo.follow(f"{whole}&rate=1000,")
    expect(demo.page.locator(".status-line")).to_contain_text(f"0 spikes here; {DEMO_SPIKES:,} hidden by filters")
    demo.page.get_by_role("button", name=re.compile("firing rate.*✕")).click()
    wait_until(demo, lambda: numbers(demo)[0] == DEMO_SPIKES)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sorting is not there")
def test_what_the_real_sorting_lacks_hides_nothing_and_is_said(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion=ZFM-02370/2021-04-28/001/probe00&quality=good&regions=CA1")
    visit.wait_for_spikes()
    assert numbers(visit) == (290_360, 403)
    expect(visit.page.locator(".filtered")).to_contain_text("brain locations are not known")
    open_panel(visit.page, "Filters")
    expect(visit.page.get_by_role("button", name="Good units")).to_be_disabled()
    wait_until(visit, lambda: "quality=good" not in visit.page.url)
