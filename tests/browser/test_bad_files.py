"""Bad files in the page: one clear line, and what is open stays; odd files open and say what is odd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, open_panel, served
from tests.library.alf_folder import N_SPIKES, write_session
from tests.library.bad_folders import KINDS, SESSION

GOOD = "good/2024-01-02/001/probe00"
REFUSED = [name for name, kind in KINDS.items() if kind.is_refused]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard with a good sorting among bad ones."""
    root: Path = tmp_path_factory.mktemp("shelf")
    write_session(root / "data", session=SESSION.format("good"))
    write_session(root / "data", session=SESSION.format("odd"))
    write_session(root / "data", session=SESSION.format("revised"), revision="2024-05-06")
    (root / "data" / SESSION.format("nothing") / "alf" / "probe00" / "pykilosort").mkdir(parents=True)
    for name, kind in KINDS.items():
        kind.write(root / "data", name)
    with served([FolderSource(root / "data")], root / "cache") as url:
        yield url


def paste(visit: Visit, text: str) -> None:
    open_panel(visit.page, "Open")
    box = visit.page.get_by_role("combobox", name="Insertion")
    box.fill(text)
    box.press("Enter")


def go(visit: Visit, site: str, query: str) -> str:
    """Open an insertion on the page that tests share; return the status line."""
    visit.show(site, query)
    name = query.removeprefix("insertion=").partition("/")[0]
    expect(visit.page.locator("div.header")).to_contain_text(f"{name} 2024-01-02/001", timeout=WAIT_MS)
    return visit.wait_for_spikes()


def test_what_is_open_survives_every_kind_of_bad_file(site: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion={GOOD}&t=10,40&selected=3")
    before = visit.wait_for_spikes()
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in before
    for name in REFUSED:
        paste(visit, f"{name}/2024-01-02/001/probe00")
        alert = visit.page.get_by_role("alert")
        for words in KINDS[name].says:
            expect(alert).to_contain_text(words, timeout=WAIT_MS)
        expect(alert).not_to_contain_text("Traceback")
        assert visit.page.locator(".status-line").inner_text().split(" · ")[:3] == before.split(" · ")[:3]
        assert "good/2024-01-02" in visit.page.url
        assert "t=10,40" in visit.page.url.replace("%2C", ",")
        assert "selected=3" in visit.page.url
    expect(visit.page.locator(".tabulator-row.tabulator-selected")).to_have_count(1)
    paste(visit, "nothing/2024-01-02/001/probe00")  # whose folder holds no sorting
    expect(visit.page.get_by_role("alert")).to_contain_text("No insertion is found for", timeout=WAIT_MS)
    paste(visit, "odd/2024-01-02/001/probe00")
    expect(visit.page.locator(".status-line")).to_contain_text(f"{N_SPIKES:,} of {N_SPIKES:,} spikes")
    visit.page.wait_for_url("**odd/2024-01-02**", timeout=WAIT_MS)
    expect(visit.page.get_by_role("alert")).to_be_hidden()


def test_a_revision_before_the_first_lists_those_that_exist(site: str, shared_visit: Visit) -> None:
    shared_visit.open(f"{site}/?insertion=revised/2024-01-02/001/probe00&revision=2023-01-01")
    expect(shared_visit.page.get_by_role("alert")).to_contain_text("2024-05-06", timeout=WAIT_MS)


def test_a_sorter_that_does_not_exist_lists_those_that_do_and_loses_nothing(site: str, shared_visit: Visit) -> None:
    go(shared_visit, site, f"insertion={GOOD}&sorter=kilosort9")
    alert = shared_visit.page.get_by_role("alert")
    expect(alert).to_contain_text("'kilosort9'", timeout=WAIT_MS)
    expect(alert).to_contain_text("Available sorters: pykilosort")
    expect(alert).to_contain_text("The default sorting is shown instead")
    shared_visit.page.wait_for_url(lambda url: "kilosort9" not in url)


def test_what_was_chosen_and_why_is_on_the_page(site: str, shared_visit: Visit) -> None:
    go(shared_visit, site, "insertion=revised/2024-01-02/001/probe00&revision=2024-06-01")
    open_panel(shared_visit.page, "Open")
    words = shared_visit.page.locator(".notes").first
    expect(words).to_contain_text("sorter pykilosort: the only sorting")
    expect(words).to_contain_text("revision 2024-05-06: the greatest not after '2024-06-01' that was asked for")
    expect(words).to_contain_text("histology unknown: Brain locations are not in the files")


def test_kilosorts_labels_are_not_good_units_until_the_tests_are_made(site: str, shared_visit: Visit) -> None:
    page = shared_visit.page
    line = go(shared_visit, site, "insertion=kilosorts_no_volts/2024-01-02/001/probe00&quality=good")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in line
    assert "hidden" not in line
    page.wait_for_url(lambda url: "quality=good" not in url)
    open_panel(page, "Filters")
    expect(page.get_by_role("button", name="Good units")).to_be_disabled()
    expect(page.get_by_text("Good units are not known")).to_contain_text("Kilosort's own opinion")
    paste(shared_visit, "kilosorts/2024-01-02/001/probe00")
    page.wait_for_url("**kilosorts/2024-01-02**", timeout=WAIT_MS)
    open_panel(page, "Open")
    expect(page.locator(".notes").first).to_contain_text("recomputed from the spikes", timeout=WAIT_MS)
    open_panel(page, "Filters")
    expect(page.get_by_role("button", name="Good units")).to_be_enabled()
    expect(page.locator('.tabulator-col[tabulator-field="max_confidence"]')).to_be_attached()


def test_spikes_without_any_depth_say_so_and_another_opens(site: str, shared_visit: Visit) -> None:
    page = shared_visit.page
    line = go(shared_visit, site, "insertion=nowhere/2024-01-02/001/probe00")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in line, "rows of units need no depth"
    open_panel(page, "Open")
    expect(page.locator(".notes").first).to_contain_text("no spike can be placed")
    paste(shared_visit, GOOD)
    page.wait_for_url("**good/2024-01-02**", timeout=WAIT_MS)
    expect(page.locator(".status-line")).to_contain_text(f"{N_SPIKES:,} of {N_SPIKES:,}", timeout=WAIT_MS)


@pytest.mark.parametrize("name", ["no_depths", "no_amps", "no_volts", "unsorted", "nan", "templates", "no_sites"])
def test_what_is_odd_is_shown_and_said(name: str, site: str, shared_visit: Visit) -> None:
    page, key = shared_visit.page, f"{name}/2024-01-02/001/probe00"
    if site in page.url:
        paste(shared_visit, key)
    else:
        shared_visit.open(f"{site}/?insertion={key}")
    page.wait_for_url(lambda url: key in url, timeout=WAIT_MS)
    expect(page.locator(".status-line")).to_contain_text(f"{N_SPIKES:,} of {N_SPIKES:,} spikes", timeout=WAIT_MS)
    open_panel(page, "Open")
    for said in KINDS[name].says:
        expect(page.locator(".notes").first).to_contain_text(said)


def test_missing_metrics_are_computed_while_the_raster_is_there(site: str, shared_visit: Visit) -> None:
    page = shared_visit.page
    go(shared_visit, site, "insertion=no_metrics/2024-01-02/001/probe00")
    expect(page.get_by_role("columnheader", name="label")).to_be_visible(timeout=WAIT_MS)
    open_panel(page, "Filters")
    expect(page.get_by_role("button", name="Good units")).to_be_enabled()
    page.wait_for_url("**t=**")


def test_amplitude_views_are_off_without_amplitudes(site: str, shared_visit: Visit) -> None:
    page = shared_visit.page
    line = go(shared_visit, site, "insertion=no_amps/2024-01-02/001/probe00&color=amp_mean")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in line
    open_panel(page, "Colour")
    expect(page.get_by_text("Mean amplitude, Largest amplitude: off, no file spikes.amps")).to_be_visible()
    page.wait_for_url(lambda url: "amp_mean" not in url)
    page.locator("[role=combobox]", has_text="Spike count").click()
    for name in ("Mean amplitude", "Largest amplitude", "Brain region"):
        expect(page.get_by_role("option", name=name)).to_be_disabled()
    expect(page.get_by_role("option", name="Firing rate", exact=True)).to_be_enabled()
    page.keyboard.press("Escape")


def test_the_kinds_differ() -> None:
    """The kinds are what they are called: a test of the test's own material."""
    shuffled = KINDS["unsorted"].changed()["spikes.times"]
    assert (np.diff(shuffled) < 0).any()
