"""Units judged in a real browser: by keys, undone, after a reload, in another browser, merged, brought in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.library.open import open_insertion
from dashboard.library.userdata import UserData
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.demo.units import Size
from tests.browser.driver import Visit, new_visit, served
from tests.browser.test_page import frame_of, wait_until

LATE_MS = 60_000


def say_name(page: Page, name: str) -> None:
    field = page.get_by_label("Your name, which the browser remembers")
    field.fill(name)
    field.press("Enter")
    field.blur()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[str]:
    """Address of a server whose decisions no other test sees."""
    with served([DemoSource(tmp_path, n_spikes=20_000)], tmp_path) as url:
        yield url


@pytest.mark.walk
def test_a_hundred_units_are_judged_by_a_key_every_60_ms(
    tmp_path: Path, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.sources.demo.source.size_for", lambda n: Size(n, 150, 300.0))
    source, page = DemoSource(tmp_path, n_spikes=20_000), visit.page
    depths = open_insertion("demo", source=source, cache=tmp_path).clusters["depths"]
    order = depths.sort_values(ascending=False, kind="stable").index.tolist()
    with served([source], tmp_path) as url:
        visit.open(f"{url}/?insertion=demo&tab=Curation&unjudged=on")
        visit.wait_for_spikes()
        say_name(page, "Ada")
        page.get_by_role("tab", name="Clusters").click()
        page.locator("body").press("j")
        selected = page.locator(".tabulator-row.tabulator-selected .tabulator-cell[tabulator-field=cluster_id]")
        expect(selected).to_have_text(str(order[0]))
        for k in range(100):
            page.keyboard.press(("Alt+g", "Alt+m", "Alt+n")[k % 3])
            page.wait_for_timeout(60)
        expect(selected).to_have_text(str(order[100]))  # the next one that is not judged, on the next page of the table
        decisions = UserData.in_folder(tmp_path).decisions
        wait_until(visit, lambda: len(decisions.read()) >= 100)
        kept = [(int(one.unit), one.value) for one in decisions.read()]
        assert kept == [(unit, ("good", "mua", "noise")[k % 3]) for k, unit in enumerate(order[:100])]
        visit.follow("insertion=demo&tab=Clusters&selected=" + str(order[0]))
        labels = page.locator(".tabulator-cell[tabulator-field=my_label]")
        expect(labels.nth(4)).to_have_text("mua", timeout=LATE_MS)
        shown = labels.all_inner_texts()  # of the rows that the browser has made
        assert shown == [("good", "mua", "noise")[k % 3] for k in range(len(shown))]
        page.locator("body").press("Alt+n")  # of a row in sight: its cells change, and it stays selected
        expect(labels.first).to_have_text("noise")
        expect(labels.nth(1)).to_have_text("mua")


@pytest.mark.walk
def test_units_are_judged_and_what_is_decided_goes_its_ways(
    own_site: str, visit: Visit, browser: Browser, tmp_path: Path
) -> None:
    page = visit.page
    visit.open(f"{own_site}/?insertion=demo&tab=Curation&selected=12")
    visit.wait_for_spikes()
    say_name(page, "Ada")
    page.locator("body").press("Alt+g")
    about = page.locator(".unit", has_text="units judged by Ada")
    expect(about).to_contain_text("quality, Ada")
    expect(about).to_contain_text("1 of ")
    page.locator("body").press("Control+z")
    expect(about).to_contain_text("Nobody has decided")
    page.locator("body").press("Control+Shift+Z")
    expect(about).to_contain_text("good")
    page.reload(wait_until="domcontentloaded")
    visit.wait_for_spikes()
    expect(about).to_contain_text("good", timeout=LATE_MS)

    # Somebody else, in another browser, sees it, and is seen.
    other = new_visit(browser)
    other.open(f"{own_site}/?insertion=demo&tab=Curation&selected=12")
    other.wait_for_spikes()
    say_name(other.page, "Bob")
    of_bob = other.page.locator(".unit", has_text="units judged by Bob")
    expect(of_bob).to_contain_text("quality, Ada")
    other.page.get_by_role("button", name="noise · Alt+N").click()
    expect(about).to_contain_text("quality, Bob")
    assert other.complaints == []
    other.page.context.close()

    # Two units are one, which counts once it is applied.
    visit.open(f"{own_site}/?insertion=demo&tab=Curation&selected=12,14")
    before = visit.wait_for_spikes()
    page.get_by_role("button", name="Same unit").click()
    expect(page.get_by_text("2 units to be merged into 1")).to_be_visible()
    page.get_by_label("Show units merged and split").check()
    expect(page.locator(".status-line")).to_contain_text("curation of Ada applied: 2 units are merged into 1")
    n_units = int(before.split(" units")[0].rsplit(" ", 1)[1].replace(",", ""))
    expect(page.locator(".status-line")).to_contain_text(f"{n_units - 1} of {n_units - 1} units")
    expect(page.locator("div.header")).to_contain_text("curation applied")
    wait_until(visit, lambda: "applied=on" in page.url)

    # What is shown leaves as a file that SpikeInterface takes.
    page.get_by_role("button", name="Export").first.click()
    page.get_by_role("tab", name="Data").click()
    expect(page.get_by_text("0 notes, 1 merge, 0 splits")).to_be_visible()
    with page.expect_download() as data:
        page.get_by_role("button", name="JSON").click()
    data.value.save_as(tmp_path / "curation.json")
    assert json.loads((tmp_path / "curation.json").read_text())["merges"] == [{"unit_ids": [12, 14]}]
    page.keyboard.press("Escape")

    # An outline in amplitude over time splits a unit; the status line says it once it is applied.
    visit.open(f"{own_site}/?insertion=demo&tab=Unit&selected=17")
    visit.wait_for_spikes()
    page.get_by_text("Drag an outline in amplitude").scroll_into_view_if_needed()
    x, y, width, height = frame_of(visit, "unit-amplitude")
    page.mouse.move(x + 0.05 * width, y + 0.02 * height)
    page.mouse.down()
    for right, down in ((0.5, 0.02), (0.95, 0.02), (0.95, 0.4), (0.5, 0.4), (0.05, 0.4)):
        page.mouse.move(x + right * width, y + down * height, steps=4)
    page.mouse.up()
    expect(page.get_by_text("spikes of unit 17 are inside")).to_be_visible()
    page.get_by_role("button", name="Inside and outside are two units").click()
    expect(page.get_by_text("17 is 2 units of")).to_be_visible()
    visit.follow("insertion=demo&tab=Curation&selected=17&applied=on")
    expect(page.locator(".status-line")).to_contain_text("1 unit split into 2", timeout=LATE_MS)

    # A file of another person's comes in on another revision, with what did not match.
    (tmp_path / "decisions.csv").write_text("unit,quality\n12,good\n99999,mua\n")
    visit.open(f"{own_site}/?insertion=demo&sorter=pykilosort&revision=2024-05-06&tab=Curation&selected=12")
    visit.wait_for_spikes()
    page.get_by_label("Author of the decisions in a file").fill("Cleo")
    page.get_by_label("Author of the decisions in a file").blur()
    page.get_by_role("button", name="Import a file").set_input_files(tmp_path / "decisions.csv")
    expect(page.get_by_text("1 decision of Cleo, brought in by Ada")).to_be_visible()
    expect(page.get_by_text("1 of 2 units are not in this sorting")).to_be_visible()
    expect(page.locator(".unit", has_text="units judged by Ada")).to_contain_text("quality, Cleo")
