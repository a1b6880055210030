"""From the raster to the voltage under a click, the next spike, destriped, many at once, on paper, by link."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, expect

from dashboard.model.sorting import SpikeSorting
from tests.browser.driver import Visit, new_visit
from tests.browser.test_page import wait_until
from tests.browser.test_probe import place
from tests.browser.test_units import data, selected

SLOW_MS = 90_000
"""For what reads and filters on a busy machine."""


def in_address(visit: Visit, word: str) -> str:
    return parse_qs(urlparse(visit.page.url).query).get(word, [""])[0]


def npz_of(visit: Visit, words: re.Pattern[str]) -> Locator:
    """Return the button of an entry of the export dialog, by what it says: the one that is nearest in height."""
    said = visit.page.get_by_text(words)
    expect(said).to_be_visible(timeout=SLOW_MS)
    said.scroll_into_view_if_needed()
    box = said.bounding_box()
    assert box is not None
    buttons = visit.page.get_by_role("button", name="NPZ", exact=True).all()
    places = [button.bounding_box() for button in buttons]
    apart = [abs(place["y"] + place["height"] / 2 - box["y"]) if place else np.inf for place in places]
    return buttons[int(np.argmin(apart))]


@pytest.mark.walk
def test_from_the_raster_to_the_voltage_and_away_with_it(
    site: str, visit: Visit, browser: Browser, sorting: SpikeSorting, tmp_path: Path
) -> None:
    page = visit.page
    rows = np.flatnonzero((sorting.spikes.times_s > 20.1) & (sorting.spikes.times_s < 20.3))
    assert sorting.spikes.depths_um is not None
    row = rows[np.isfinite(sorting.spikes.depths_um[rows])][0]
    time_s, depth_um = float(sorting.spikes.times_s[row]), float(sorting.spikes.depths_um[row])
    visit.open(f"{site}/?insertion=demo&t=20,20.4&heatof=rms_ap")
    visit.wait_for_spikes()
    expect(page.get_by_text(re.compile("RMS of AP"))).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("r")
    wait_until(visit, lambda: len(data(visit, "raw-snippet", "image")) == 1, SLOW_MS)
    expect(page.get_by_text("Synthetic voltage of the demo.")).to_be_visible()

    page.mouse.click(*place(visit, "raster", time_s, depth_um))
    wait_until(visit, lambda: len(selected(visit)) == 1)
    wait_until(visit, lambda: in_address(visit, "rawat") != "")
    clicked = float(in_address(visit, "rawat"))
    assert clicked == pytest.approx(time_s, abs=0.005)
    expect(page.get_by_text(f"AP at {clicked:,.5f} s")).to_be_visible(timeout=SLOW_MS)
    assert len(data(visit, "raw-marks", "x")) > 0

    page.keyboard.press(".")
    wait_until(visit, lambda: float(in_address(visit, "rawat")) > clicked)
    spike = float(in_address(visit, "rawat"))
    unit_times = sorting.spikes.times_s[sorting.unit_indexes() == sorting.units.find(selected(visit))[0]]
    assert np.abs(unit_times - spike).min() < 1e-4
    expect(page.get_by_text(f"AP at {spike:,.5f} s")).to_be_visible(timeout=SLOW_MS)

    page.get_by_label("Spikes", exact=True).select_option("20")
    expect(page.get_by_text(re.compile(r"spikes of unit \d+, chosen at random"))).to_be_visible(timeout=SLOW_MS)
    page.get_by_label("Voltage").select_option("destriped")
    expect(page.get_by_text(re.compile("bad channels replaced")).first).to_be_visible(timeout=SLOW_MS)
    wait_until(visit, lambda: in_address(visit, "rawstep") == "destriped")
    link = page.url
    page.screenshot(path=tmp_path / "raw.png")

    page.keyboard.press("Control+Shift+E")
    expect(page.get_by_alt_text("Preview of the figure")).to_be_visible(timeout=SLOW_MS)
    with page.expect_download() as figure:
        page.get_by_role("button", name="Download").first.click()
    assert figure.value.suggested_filename.endswith("_raw.png")
    page.get_by_role("tab", name="Data").click()
    with page.expect_download(timeout=SLOW_MS) as file:
        npz_of(visit, re.compile("384 channels × ")).click()
    file.value.save_as(tmp_path / "raw.npz")
    with np.load(tmp_path / "raw.npz") as found:
        assert found["voltage"].shape[0] == 384
        assert found["time_s"][0] < spike < found["time_s"][-1]
        assert "bad channels replaced" in json.loads(str(found["provenance"]))["raw"]

    other = new_visit(browser)
    other.open(link)
    expect(other.page.get_by_text(f"AP at {spike:,.5f} s")).to_be_visible(timeout=SLOW_MS)
    expect(other.page.get_by_text(re.compile("bad channels replaced")).first).to_be_visible(timeout=SLOW_MS)
    assert data(other, "raw-marks", "y") == data(visit, "raw-marks", "y")
    other.page.context.close()
    assert other.complaints == []
