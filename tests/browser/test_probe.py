"""The Probe tab: from the map to a unit, through a filter, to all spikes, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.model.sorting import SpikeSorting
from tests.browser.conftest import DEMO_SPIKES, REAL
from tests.browser.driver import Visit, open_panel
from tests.browser.test_page import frame_of, wait_until
from tests.browser.test_units import data, selected

HAS_OVERLAY = """() => Bokeh.documents[0].get_model_by_name('raster-overlay').data.image[0].some((v) => v != 0)"""


def drawn(visit: Visit) -> list[int]:
    """Return the units that have a mark."""
    return sorted(data(visit, "probe-units", "id"))


def place(visit: Visit, figure: str, x: float, y: float) -> tuple[float, float]:
    """Return where a point of a figure's axes is on the page."""
    left, top, width, height = frame_of(visit, figure)
    ends: list[float] = visit.page.evaluate(
        """name => { const plot = Bokeh.documents[0].get_model_by_name(name)
                     return [plot.x_range.start, plot.x_range.end, plot.y_range.start, plot.y_range.end] }""",
        figure,
    )
    return (
        left + width * (x - ends[0]) / (ends[1] - ends[0]),
        top + height * (1 - (y - ends[2]) / (ends[3] - ends[2])),
    )


def lone_unit(sorting: SpikeSorting) -> Any:
    """Return the row of a good unit that shares its place with no other."""
    clusters = sorting.clusters
    alone = ~clusters.duplicated(["lateral_um", "depths"], keep=False) & (clusters["label"] == 1)
    gaps = clusters["depths"].map(lambda depth: np.sort(np.abs(clusters["depths"] - depth))[1])
    return clusters[alone].iloc[int(gaps[alone].to_numpy().argmax())]


def test_from_the_map_to_a_unit_through_a_filter_to_all_spikes(site: str, visit: Visit, sorting: SpikeSorting) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=demo")
    visit.wait_for_spikes()
    page.get_by_role("tab", name="Probe").click()
    wait_until(visit, lambda: drawn(visit) == sorting.clusters.index.tolist())
    assert "tab=Probe" in page.url
    assert len(data(visit, "probe-sites", "x")) == len(sorting.channels)
    expect(page.get_by_text(f"{sorting.n_clusters} of {sorting.n_clusters} units", exact=True)).to_be_visible()
    wait_until(visit, lambda: len(data(visit, "probe-correlation", "image")) == 1)

    # What is pointed at is named before it is clicked.
    unit = lone_unit(sorting)
    at = place(visit, "probe-map", unit["lateral_um"], unit["depths"])
    page.mouse.move(*at)
    expect(page.get_by_text(re.compile(rf"click: unit {unit.name} · {unit['acronym']}"))).to_be_visible()
    wait_until(visit, lambda: data(visit, "probe-ring", "depth") == [unit["depths"]])
    page.mouse.click(*at)
    wait_until(visit, lambda: selected(visit) == [unit.name])
    wait_until(visit, lambda: bool(page.evaluate(HAS_OVERLAY)))
    wait_until(visit, lambda: data(visit, "probe-units", "line")[-1] == "#d55e00")

    # In the other plot, a unit more.
    k = drawn(visit).index(int(sorting.clusters["depths"].idxmax()))
    order = data(visit, "probe-units", "id")
    other = order.index(drawn(visit)[k])
    amplitude, depth = data(visit, "probe-units", "amplitude")[other], data(visit, "probe-units", "depth")[other]
    page.keyboard.down("Shift")
    page.mouse.click(*place(visit, "probe-amplitudes", amplitude, depth))
    page.keyboard.up("Shift")
    wait_until(visit, lambda: len(selected(visit)) == 2 and selected(visit)[0] == unit.name)

    # Filters act here, too; what is selected stays.
    open_panel(page, "Filters")
    page.get_by_role("button", name="Good units").click()
    good = sorting.clusters.index[sorting.clusters["label"] == 1].tolist()
    wait_until(visit, lambda: drawn(visit) == sorted({*good, *selected(visit)}))
    hidden = f"{len(good)} of {sorting.n_clusters} units ({sorting.n_clusters - len(good)} hidden by filters)"
    expect(page.get_by_text(hidden)).to_be_visible()

    # Profiles by depth, in the tab and beside the heatmap.
    page.get_by_label("By depth, beside the map").select_option("mean amplitude")
    expect(page.get_by_text("blank: bins of fewer than 50 spikes")).to_be_visible()
    wait_until(visit, lambda: len(data(visit, "probe-profile", "value")) > 0 and "beside=amplitude" in page.url)
    beside = "Array.from(Bokeh.documents[0].get_model_by_name('amplitude-profile-line').data.value)"
    assert np.allclose(data(visit, "probe-profile", "value"), page.evaluate(beside), equal_nan=True)

    # All spikes that pass.
    page.get_by_label("By depth, beside the map").select_option("all spikes")
    n_good = int(np.isin(sorting.spikes.clusters, good).sum())
    expect(page.get_by_text(f"{n_good:,} of {DEMO_SPIKES:,} spikes").last).to_be_visible()
    wait_until(visit, lambda: len(data(visit, "probe-spikes", "image")[0]) > 1000)

    # And back.
    page.get_by_role("button", name=re.compile("label 1 ✕")).click()
    x, y, _, _ = frame_of(visit, "raster")
    page.mouse.move(x + 5, y + 5)
    page.keyboard.press("Escape")
    wait_until(visit, lambda: drawn(visit) == sorting.clusters.index.tolist() and selected(visit) == [])
    expect(page.get_by_text(re.compile(rf"{DEMO_SPIKES:,} of {DEMO_SPIKES:,} spikes · .* beyond"))).to_be_visible()
    page.get_by_role("tab", name="Clusters").click()
    expect(page.locator(".tabulator-row").first).to_be_visible()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sorting is not there")
def test_what_the_real_sorting_lacks_says_why(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=ZFM-02370/2021-04-28/001/probe00&tab=Probe&show=raster")
    visit.wait_for_spikes()
    wait_until(visit, lambda: len(drawn(visit)) == 403)
    expect(page.get_by_text("all hollow: no IBL labels; grey shank: no brain locations")).to_be_visible()
    expect(page.get_by_text("arbitrary units: the values in the file cannot be volts")).to_be_visible()
    page.get_by_label("Colour of units").select_option("peak-to-trough")
    expect(page.get_by_text("peak-to-trough is not available: no templates.waveforms")).to_be_visible()
