"""Folders as people have them, gone through with the console open: every tab and the exports, without an error."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from dashboard.page.tabs.registry import TABS
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit
from tests.page.test_failures import is_idle
from tests.page.test_shared_cases import CASES
from tests.serving import serving

WAIT_MS = 120_000
WAITING = re.compile(r"aligning spikes|computing …|[Rr]eading …|comparing …")
QUICK = ("c13c",)
"""Of every kind of trouble one; the others are gone through by `make walks`."""

TWINS = ("c03a2", "c05")
"""Cases whose insertions have the name of another one's."""


@pytest.fixture(scope="module")
def server(shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A dashboard that has the cases."""
    folders = [folder for folder in sorted(shared_cases.iterdir()) if folder.is_dir() and folder.name not in TWINS]
    with serving([FolderSource(folder) for folder in folders], tmp_path_factory.mktemp("cache")) as made:
        yield made


def until_at_rest(visit: Visit, server: Any, title: str, where: str) -> None:
    """Wait as long as the server computes something for a tab of the page, however loaded the machine is.

    A spinner may be there while its work goes on; one that is there after that stays for good.
    """
    session = list(server.process.sessions)[-1]
    slot = next(slot for slot in session.dock.slots.values() if slot.title == title)
    deadline = time.monotonic() + WAIT_MS / 1e3
    while slot.made is None or not is_idle(slot.made):
        assert time.monotonic() < deadline, f"{where}: the server still computes"
        visit.page.wait_for_timeout(50)


def go_through(visit: Visit, server: Any, shared_cases: Path, case: str) -> None:
    """Open a case with a unit selected, go to every tab, then to each dialog; nothing is left computing."""
    page = visit.page
    (insertion, *_) = FolderSource(shared_cases / case).insertions()
    unit = 5 if CASES[case].n_units > 5 and case != "c18a" else 0
    visit.open(f"http://127.0.0.1:{server.port}/?insertion={quote(insertion.key)}&selected={unit}&tab=Unit")
    expect(page.locator(".status-line"), case).to_contain_text("in view", timeout=WAIT_MS)
    for tab in (entry.title for entry in TABS):
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        until_at_rest(visit, server, tab, f"{case}, {tab}")
        expect(page.locator(".unit.busy"), f"{case}, {tab}").to_have_count(0)
        expect(
            page.get_by_text(re.compile(r"aligning spikes|computing …|[Rr]eading …|comparing …")), tab
        ).to_have_count(0)
    page.keyboard.press("Control+Shift+E")
    expect(page.get_by_alt_text("Preview of the figure"), case).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog").first, case).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("back to the previous view"), case).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog").first, case).to_be_hidden()
    assert visit.complaints == [], case


@pytest.mark.walk
@pytest.mark.timeout(900)
def test_cases_are_gone_through_without_an_error(server: Any, visit: Visit, shared_cases: Path) -> None:
    for case in QUICK:
        go_through(visit, server, shared_cases, case)


@pytest.mark.walk
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", [case for case in CASES if case not in (*QUICK, *TWINS)])
def test_a_case_is_gone_through_without_an_error(case: str, server: Any, visit: Visit, shared_cases: Path) -> None:
    go_through(visit, server, shared_cases, case)
