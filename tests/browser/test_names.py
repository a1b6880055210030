"""HTML and scripts in names that come from files, links and fields are shown as text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from dashboard.library.userdata import UserData
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, open_panel, served
from tests.hostile import NAMES
from tests.library.alf_folder import N_CLUSTERS, N_SPIKES, sorting_arrays, write_session

EVIL = "<img src=x onerror=window.pwned=1><script>window.pwned=2<"
"""No slash, which no name of a file can hold."""

LISTED = tuple(name for name in NAMES if name.isprintable())
"""Of subjects in a list, each with its own; a field of CSV is one line."""

KEY = f"{EVIL}/2024-01-02/001/probe00"
PWNED = "() => window.pwned"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a dashboard whose only sorting has such names wherever a name can be."""
    root: Path = tmp_path_factory.mktemp("names")
    metrics = sorting_arrays()["clusters.metrics"].assign(**{EVIL: EVIL, "KSLabel": EVIL})
    assert len(metrics) == N_CLUSTERS
    session, changed = f"labx/Subjects/{EVIL}/2024-01-02/001", {"clusters.metrics": metrics}
    write_session(root / "data", session=session, sorter=EVIL, changed=changed)
    broken = write_session(root / "data", session=session, sorter=EVIL, probe="probe01")
    (broken / "spikes.times.npy").write_bytes(b"broken")
    with served([FolderSource(root / "data")], root / "cache") as url:
        yield url


def test_names_are_text(site: str, visit: Visit) -> None:
    """In header, rail, picker and table; in the message of what is broken; in what is wrong with a link."""
    page = visit.page
    visit.open(f"{site}/?insertion={quote(KEY)}")
    assert f"{N_SPIKES:,} of {N_SPIKES:,} spikes" in visit.wait_for_spikes()
    page.locator(".tabulator-row").first.wait_for()
    assert page.get_by_text(EVIL).count() > 1
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(PWNED) is None
    open_panel(page, "Open")
    box = page.get_by_role("combobox", name="Insertion")
    for text in (KEY.replace("probe00", "probe01"), EVIL):
        box.fill(text)
        box.press("Enter")
        page.get_by_role("alert").get_by_text("onerror").wait_for()
        assert page.locator("img[src='x']").count() == 0
        assert page.evaluate(PWNED) is None
    visit.open(f"{site}/?{quote(EVIL)}=1&color={quote(EVIL)}&where={quote(EVIL)}")
    page.wait_for_timeout(1000)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate(PWNED) is None


def test_names_and_comments_of_a_list_are_text(visit: Visit, tmp_path: Path) -> None:
    """In the list of the search, its facets, what was opened lately, and the comments of others."""
    path, page = tmp_path / "list.csv", visit.page
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "date", "probe_name", "lab"))
        writer.writerows((name, "2024-01-02", "probe00", name) for name in LISTED)
    keys = [f"{name}/2024-01-02/001/probe00" for name in LISTED]
    user_data = UserData.in_folder(tmp_path)
    for key in keys:
        user_data.judge(key, LISTED[0], "comment", " ".join(LISTED))
        user_data.remember("", key)
    user_data.close()
    with served([], tmp_path, insertions=path) as url:
        visit.open(url)
        page.keyboard.press("Control+k")
        page.locator(".finder-panel").wait_for()
        expect(page.locator(".finder-panel .count")).to_contain_text(f"{len(LISTED)} of {len(LISTED)}", timeout=30_000)
        for name in (LISTED[0], LISTED[1], LISTED[-1]):
            expect(page.locator(".finder-panel").get_by_text(name).first).to_be_attached(timeout=30_000)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".triage .where")).to_contain_text("1 of", timeout=30_000)
        assert page.locator("img[src='x'], svg[onload]").count() == 0
        assert page.evaluate("() => typeof BITTEN") == "undefined"
