"""From the population to one unit, to what it responds to, to a trial in the raster, and back."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboard.analysis.events.align import PSTH_BIN_S, Selection, psth, usable_events
from dashboard.analysis.events.responses import default_windows, paired_events, response_test
from dashboard.analysis.events.trials import brainwide_mask
from dashboard.analysis.units.correlograms import autocorrelogram
from dashboard.model.sorting import SpikeSorting
from tests.browser.conftest import REAL
from tests.browser.driver import Visit, open_panel
from tests.browser.test_linked import numbers
from tests.browser.test_page import frame_of, time_window, wait_until


def data(visit: Visit, name: str, column: str) -> Any:
    """Return a column of a figure's data as the browser has it; its first item where it has several lines."""
    return visit.page.evaluate(
        """([name, column]) => {
            const source = Bokeh.documents[0].get_model_by_name(name + '-data')
            if (source == null) return []
            const values = Array.from(source.data[column])
            return values.map((value) => typeof value == 'object' ? Array.from(value) : value)
        }""",
        [name, column],
    )


def lines_of_the_trial(visit: Visit) -> list[float]:
    """Return where lines are drawn over the raster."""
    return visit.page.evaluate(
        """() => ['stimOn', 'firstMovement', 'feedback']
            .map((name) => Bokeh.documents[0].get_model_by_name('raster-' + name))
            .filter((span) => span.visible).map((span) => span.location)"""
    )


def selected(visit: Visit) -> list[int]:
    """Return the units that the address names."""
    found = parse_qs(urlparse(visit.page.url).query).get("selected", [""])[0]
    return [int(part) for part in found.split(",") if part]


def test_population_unit_event_trial_and_back(site: str, visit: Visit, sorting: SpikeSorting) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=demo&tab=Unit&show=raster")
    visit.wait_for_spikes()
    expect(page.get_by_text("Select a unit")).to_be_visible()

    # From the population to a unit.
    x, y, width, height = frame_of(visit, "raster")
    page.mouse.click(x + width / 2, y + height * 0.88)
    wait_until(visit, lambda: len(selected(visit)) == 1)
    unit = selected(visit)[0]
    spikes = sorting.spikes
    times = np.asarray(spikes.times_s)[np.asarray(spikes.clusters) == unit]
    expect(page.get_by_role("heading", name=f"Unit {unit} ")).to_contain_text(f"all {len(times):,} spikes")
    expect(page.get_by_text("IBL label")).to_be_visible()
    expected = autocorrelogram(times).rate_hz
    wait_until(visit, lambda: np.allclose(data(visit, "unit-acg", "top") or [np.nan], expected))
    assert data(visit, "unit-template", "x")
    x, y, width, height = frame_of(visit, "unit-acg")
    assert width > 100
    assert height > 40

    # Two units: their pair.
    page.keyboard.down("Shift")
    x, y, width, height = frame_of(visit, "raster")
    page.mouse.click(x + width / 2, y + height * 0.6)
    page.keyboard.up("Shift")
    wait_until(visit, lambda: len(selected(visit)) == 2)
    expect(page.get_by_text(f"{selected(visit)[1]} from {unit}")).to_be_visible()

    # From the units to an event.
    page.keyboard.press("Escape")
    expect(page.get_by_text("Select a unit")).to_be_visible()
    page.mouse.click(x + width / 2, y + height * 0.88)
    wait_until(visit, lambda: selected(visit) == [unit])
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_text(re.compile(rf"unit {unit}, {len(times):,} spikes · \d+ of \d+ trials"))).to_be_visible()
    assert sorting.trials is not None
    table = sorting.trials.table
    mask = brainwide_mask(table)
    recording = float(spikes.times_s[0]), float(spikes.times_s[-1])
    events = usable_events(table["stimOn_times"], recording_s=recording, mask=mask)
    rate = psth(Selection.of(times), events, PSTH_BIN_S).mean_hz
    wait_until(visit, lambda: np.allclose((data(visit, "event-psth", "y") or [[np.nan]])[0], rate))
    page.get_by_role("combobox", name="Split by").click()
    page.get_by_role("listbox").get_by_text("outcome", exact=True).click()
    expect(
        page.get_by_text(f"correct ({int((table['feedbackType'][events.trials] == 1).sum())})", exact=True)
    ).to_be_visible()
    wait_until(visit, lambda: len(data(visit, "event-psth", "y")) == 2)
    wait_until(visit, lambda: "split=outcome" in page.url)

    # To a trial in the raster, and back.
    before = time_window(visit)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    onset, end = float(table["stimOn_times"][1]), float(table["feedback_times"][1])
    wait_until(visit, lambda: time_window(visit) == pytest.approx((onset - 1, end + 1.5)))
    wait_until(visit, lambda: lines_of_the_trial(visit)[:1] == pytest.approx([onset]))
    assert len(lines_of_the_trial(visit)) == 3
    expect(page.get_by_text(re.compile("choice (left|right)"))).to_be_visible()
    page.get_by_role("button", name="Back").click()
    wait_until(visit, lambda: time_window(visit) == before)
    wait_until(visit, lambda: lines_of_the_trial(visit) == [])
    check_the_test_of_responses(visit, sorting)


def cells(visit: Visit, column: str) -> list[str]:
    """Return what the rows of the cluster table that are on the screen show in a column."""
    return visit.page.locator(f'.tabulator-row [tabulator-field="{column}"]').all_inner_texts()


def check_the_test_of_responses(visit: Visit, sorting: SpikeSorting) -> None:
    """Test every unit's response to feedback, and filter by a column of the result."""
    page = visit.page
    page.get_by_role("combobox", name="Align to").click()
    page.get_by_role("listbox").get_by_text("feedback", exact=True).click()
    page.get_by_role("combobox", name="Split by").click()
    page.get_by_role("listbox").get_by_text("none", exact=True).click()
    wait_until(visit, lambda: "event=feedback" in page.url and "split" not in page.url)
    page.get_by_role("button", name="Test response", exact=True).click()
    expect(page.get_by_text(re.compile(r"feedback, baseline .* units with q < 0\.05 in \d+ trials"))).to_be_visible()
    page.get_by_role("tab", name="Clusters").click()
    expect(page.get_by_role("columnheader", name="AUC")).to_be_visible()
    assert sorting.trials is not None
    spikes, table = sorting.spikes, sorting.trials.table
    recording = float(spikes.times_s[0]), float(spikes.times_s[-1])
    baseline_s, response_s = default_windows("feedback")
    before, events = paired_events(table, "feedback", baseline_s, response_s, recording, brainwide_mask(table))
    test = response_test(
        spikes.times_s, spikes.clusters, sorting.n_clusters, events,
        baseline_events=before, baseline_s=baseline_s, response_s=response_s,
    )  # fmt: skip
    open_panel(page, "Filters")
    box = page.get_by_label("Expression")
    box.fill("resp_auc > 0.5")
    box.press("Enter")
    n_expected = int((test.auc > 0.5).sum())
    assert 0 < n_expected < sorting.n_clusters
    wait_until(visit, lambda: numbers(visit)[1] == n_expected)
    expect(page.get_by_role("columnheader", name="AUC")).to_be_visible()
    # What is shown of p and q tells 0.049 from 0.051, and neither is 0.
    passing = set(map(str, np.flatnonzero(test.auc > 0.5)))
    wait_until(visit, lambda: set(cells(visit, "cluster_id")) <= passing)
    units = [int(text) for text in cells(visit, "cluster_id")]
    for name, values in (("resp_p", test.p), ("resp_q", test.q)):
        shown = pd.to_numeric(pd.Series(cells(visit, name)), errors="coerce")  # q is empty where spikes are few
        np.testing.assert_allclose(shown, values[units], rtol=1e-3, atol=5e-4)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sorting is not there")
def test_what_the_real_sorting_lacks_says_why(site: str, visit: Visit) -> None:
    page = visit.page
    visit.open(f"{site}/?insertion=ZFM-02370/2021-04-28/001/probe00&tab=Unit&selected=21&show=raster")
    visit.wait_for_spikes()
    expect(page.get_by_role("heading", name="Unit 21 ")).to_contain_text("region not known")
    expect(page.get_by_text("No IBL label: label in the files is Kilosort's own opinion")).to_be_visible()
    expect(page.get_by_text(re.compile("Template.*not available, no templates"))).to_be_visible()
    expect(page.get_by_text("arbitrary units: the values in the file cannot be volts")).to_be_visible()
    assert sum(data(visit, "unit-acg", "top")) > 0
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_text(re.compile("Trials are not available: no trials"))).to_be_visible()
