"""The search page, triage by keyboard, and the Summary tab, in a browser."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboard.library.userdata import UserData
from dashboard.server.auth.passwords import add_user
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, served

SUBJECTS = ("SWC_1", "SWC_2", "NYU_3", "NYU_4", "CSH_5")
BWM = Path(__file__).resolve().parents[3] / "shared" / "real" / "bwm"

PASTE = """(text) => { const data = new DataTransfer(); data.setData("text", text)
document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true})) }"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> FolderSource:
    """Five insertions of five subjects, the demo's files."""
    root = tmp_path_factory.mktemp("lab")
    demo = DemoSource(tmp_path_factory.mktemp("demo"), n_spikes=20_000)
    insertion = demo.find("demo")
    assert insertion is not None
    files = demo.fetch_files(insertion, demo.datasets(insertion))
    for day, subject in enumerate(SUBJECTS, 1):
        for name, path in files.items():
            target = root / "lab" / "Subjects" / subject / f"2024-01-{day:02d}" / "001" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return FolderSource(root)


@pytest.fixture(scope="module")
def place(lab: FolderSource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served([lab], tmp_path_factory.mktemp("place")) as url:
        yield url


def find(visit: Visit) -> None:
    visit.page.keyboard.press("Control+k")
    visit.page.locator(".finder-panel").wait_for()


def shoot(visit: Visit, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        visit.page.screenshot(path=f"{folder}/{name}.png")


@pytest.mark.timeout(400)
def test_triage_by_keyboard_only(visit: Visit, lab: FolderSource, tmp_path: Path) -> None:
    page, keys = visit.page, visit.page.keyboard
    page.set_viewport_size({"width": 1280, "height": 800})  # of a projector
    with served([lab], tmp_path) as url:
        visit.open(url)
        find(visit)
        expect(page.locator(".finder-panel .count")).to_have_text("5 of 5 insertions", timeout=30_000)
        shoot(visit, "list")
        keys.press("Control+Enter")
        where = page.locator(".triage .where")
        expect(where).to_have_text("1 of 5: CSH_5/2024-01-05/001/probe00", timeout=30_000)
        author = page.locator(".triage .author")
        expect(author).to_be_focused()  # who judges is asked first
        keys.type("pf")  # by one who has not seen that
        keys.press("Enter")
        expect(author).to_have_value("")
        why = page.locator(".triage .why")
        expect(why).to_have_text("These are keys of the triage: write a name")
        shoot(visit, "triage-name")
        field, below = author.bounding_box(), why.bounding_box()
        assert field is not None
        assert below is not None
        assert 0 <= below["y"] - field["y"] - field["height"] < 8
        assert below["x"] + below["width"] <= 1280
        keys.press("p")
        expect(why).to_have_text("Write your name: verdicts wait for it")
        expect(page.locator(".triage .note")).to_contain_text(
            "1 verdict kept until you write your name", timeout=20_000
        )
        expect(where).to_contain_text("2 of 5", timeout=30_000)
        expect(author).not_to_be_focused()
        author.click()
        keys.type("Ada")
        keys.press("Enter")
        expect(why).to_be_hidden()
        expect(page.locator(".triage .note")).to_contain_text("of CSH_5/2024-01-05/001/probe00", timeout=20_000)
        for n, key in enumerate("fppf", 2):
            expect(where).to_contain_text(f"{n} of 5", timeout=30_000)
            expect(page.locator(".triage .away"), f"of {n}").to_have_text("", timeout=120_000)  # it is on the screen
            if n == 2:
                keys.press("c")
                keys.type("drifts")
                keys.press("Enter")
                expect(page.locator(".triage .word")).to_have_text("Ada: comment “drifts”", timeout=20_000)
            if n == 3:  # a reload goes on where one was
                expect(page).to_have_url(re.compile("NYU_3"))  # on a slow machine the link follows late
                visit.open(page.url)
                expect(where).to_have_text("3 of 5: NYU_3/2024-01-03/001/probe00", timeout=30_000)
                visit.wait_for_spikes()
                expect(page.locator(".summary .tests")).to_be_in_viewport(ratio=1)
                expect(page.locator(".summary .regions")).to_be_in_viewport(ratio=1)
                shoot(visit, "triage-1280")
            keys.press(key)
        expect(page.locator(".triage .word")).to_have_text("Ada: fail", timeout=20_000)  # after the last it stays
        expect(page.locator("div.header")).to_contain_text("SWC_1", timeout=60_000)
        shoot(visit, "triage")
        keys.press("k")
        expect(where).to_contain_text("4 of 5", timeout=30_000)
        with page.expect_download() as saved:
            page.locator(".triage button", has_text="CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text())))
        assert [row["verdict"] for row in rows] == ["pass", "comment", "fail", "pass", "pass", "fail"]
        assert [row["sorter"] for row in rows if row["unseen"] == "False"]
        assert {row["author"] for row in rows} == {"Ada"}
        assert all(datetime.fromisoformat(row["time"]).tzinfo for row in rows)
    # a restart: another process would read the same file
    user_data = UserData.in_folder(tmp_path)
    user_data.judge("CSH_5/2024-01-05/001/probe00", "Bob", "fail")
    user_data.close()
    with served([lab], tmp_path) as url:
        visit.open(url)
        find(visit)
        keys.type("CSH")
        expect(page.locator(".finder-panel .count")).to_have_text("1 of 5 insertions", timeout=30_000)
        row = page.locator(".rows .row", has_text="CSH_5")
        expect(row).to_contain_text("Ada: pass, Bob: fail", timeout=20_000)


def test_summary_says_what_the_files_say(shared_visit: Visit, place: str) -> None:
    visit = shared_visit
    visit.open(f"{place}/?insertion=SWC_1/2024-01-01/1/probe00")
    visit.wait_for_spikes()
    visit.page.get_by_role("tab", name="Summary").click()
    page = visit.page
    expect(page.locator(".summary .tests")).to_contain_text("AP RMS, 90th percentile", timeout=60_000)
    expect(page.locator(".summary .regions")).to_be_visible()
    expect(page.locator(".summary", has_text="insertion QC")).to_contain_text("not available")
    expect(page.locator(".summary figure svg")).to_have_count(4)  # noise of AP and LF, LFP power, power by band
    shoot(visit, "summary")
    field = page.get_by_label("AP RMS below (µV)")
    field.press("ControlOrMeta+a")
    page.keyboard.type("1")
    field.press("Enter")
    expect(page.locator(".summary .tests tr").first).to_contain_text("fail", timeout=20_000)
    # the threshold is kept, for who works here
    visit.open(f"{place}/?insertion=SWC_2/2024-01-02/1/probe00")
    visit.wait_for_spikes()
    page.get_by_role("tab", name="Summary").click()
    expect(page.get_by_label("AP RMS below (µV)")).to_have_value("1", timeout=30_000)
    expect(page.locator(".summary .tests tr").first).to_contain_text("fail", timeout=30_000)


def test_the_list_opens_stars_and_takes_pasted_ids(shared_visit: Visit, place: str) -> None:
    visit, page = shared_visit, shared_visit.page
    if not page.url.startswith(place):
        visit.open(place)
    find(visit)
    page.keyboard.type("NYU_3")
    expect(page.locator(".finder-panel .count")).to_have_text("1 of 5 insertions", timeout=30_000)
    page.locator(".rows .star").first.click()
    expect(page.locator(".rows .star").first).to_have_text("★", timeout=20_000)
    page.locator(".rows .row").first.click()
    expect(page.locator("div.header")).to_contain_text("NYU_3", timeout=60_000)
    page.evaluate("document.body.focus(); document.activeElement.blur()")
    page.evaluate(PASTE, "SWC_2/2024-01-02/001/probe00")
    expect(page.locator("div.header")).to_contain_text("SWC_2", timeout=60_000)
    find(visit)  # into the search, too
    page.evaluate(PASTE, "lab/Subjects/CSH_5/2024-01-05/001")
    expect(page.locator("div.header")).to_contain_text("CSH_5", timeout=60_000)
    find(visit)
    # what nobody knows here is off and says why
    for field, why in (("region, e.g. CA1", "--regions"), ("tag", "Alyx"), ("probe model", "not in these lists")):
        expect(page.get_by_label(field)).to_be_disabled()
        expect(page.get_by_label(field)).to_have_attribute("title", re.compile(why))


def test_a_login_is_the_author_whatever_the_browser_says(visit: Visit, lab: FolderSource, tmp_path: Path) -> None:
    add_user(tmp_path / "users.json", "ann", "correct horse")
    page, keys = visit.page, visit.page.keyboard
    with served([lab], tmp_path, users=tmp_path / "users.json") as url:
        page.goto(f"{url}/")
        page.evaluate("localStorage.setItem('spike-dashboard-author', 'Eve')")
        page.locator("input[name=name]").fill("ann")
        page.locator("input[name=password]").fill("correct horse")
        keys.press("Enter")
        page.locator("html[data-ready]").wait_for(state="attached", timeout=60_000)
        find(visit)
        page.get_by_label("subject", exact=True).fill("SWC_2")
        expect(page.locator(".finder-panel .count")).to_have_text("1 of 5 insertions", timeout=30_000)
        page.locator(".rows .star").first.click()
        expect(page.locator(".rows .star").first).to_have_text("★", timeout=20_000)
        keys.press("Control+Enter")
        expect(page.locator(".triage .where")).to_contain_text("1 of 1: SWC_2", timeout=30_000)
        author = page.locator(".triage .author")
        expect(author).to_have_value("ann")
        assert not author.is_editable()
        expect(page.locator(".triage .away")).to_have_text("", timeout=60_000)  # it is on the screen
        keys.press("p")
        expect(page.locator(".triage .word")).to_have_text("ann: pass", timeout=20_000)
        page.goto("about:blank")
        user_data = UserData.in_folder(tmp_path)
        assert [said.author for said in user_data.verdicts()] == ["ann"]
        assert user_data.favourites("ann") == {"SWC_2/2024-01-02/001/probe00"}
        assert user_data.favourites("Eve") == set()
        user_data.close()


def test_the_brain_wide_map_narrows_as_one_types(visit: Visit, tmp_path: Path) -> None:
    if not BWM.is_dir():
        pytest.skip("no lists: shared/real/bwm is absent")
    lists = {"insertions": BWM / "2023_12_bwm_release.csv", "regions": BWM / "bwm_sess_regions.csv"}
    table = pd.read_csv(lists["insertions"])
    regions = pd.read_csv(lists["regions"])
    page = visit.page
    with served([], tmp_path, **lists) as url:
        visit.open(url)
        find(visit)
        count = page.locator(".finder-panel .count")
        expect(count).to_have_text(f"{len(table)} of {len(table)} insertions", timeout=30_000)
        shoot(visit, "bwm")
        page.get_by_label("subject", exact=True).fill("SWC_043")
        expect(count).to_contain_text(f"{int((table.subject == 'SWC_043').sum())} of", timeout=20_000)
        page.get_by_role("button", name="Clear").click()
        offered = page.locator("datalist#finder-region option[value=CA1]").get_attribute("label")
        page.get_by_label("region, e.g. CA1").press_sequentially("CA1")
        n = table.pid.isin(regions.pid[regions.Beryl == "CA1"]).sum()
        expect(count).to_contain_text(f"{n} of", timeout=20_000)
        assert offered == f"{n} insertions"
        page.get_by_role("button", name="Clear").click()
        expect(count).to_contain_text(f"{len(table)} of", timeout=20_000)
        page.locator(".scroller").evaluate("e => { e.scrollTop = e.scrollHeight }")
        expect(page.locator(f".rows .row[data-at='{len(table) - 1}']")).to_be_visible(timeout=20_000)
        if os.environ.get("SCREENSHOTS"):
            for width in (1280, 2560):
                page.set_viewport_size({"width": width, "height": 1000})
                shoot(visit, f"bwm-{width}")
