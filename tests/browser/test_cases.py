"""Folders as people have them, gone through with the console open: every tab, figure and dialog, without an error."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.page.core.state import SHOW
from dashboard.page.tabs.registry import TABS
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit
from tests.page.driving import is_idle
from tests.page.test_shared_cases import CASES, REFUSED, Files
from tests.serving import serving

pytestmark = [pytest.mark.walk, pytest.mark.timeout(900)]

WAIT_MS = 120_000
WAITING = re.compile(r"aligning spikes|computing …|[Rr]eading …|comparing …")
SEVERAL = ("c02", "c23")
"""Cases of several insertions, the first of which is gone through."""

APART = ("c03a2", "c05", "c31")
"""Cases for a second server: insertions with the name of another one's, and a link to a folder that is not given."""


@pytest.fixture(scope="module")
def servers(shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Returns a dashboard that has a case."""
    names = sorted(folder.name for folder in shared_cases.iterdir() if folder.is_dir())
    first, second = (
        [FolderSource(shared_cases / name) for name in names if (name in APART) == is_apart]
        for is_apart in (False, True)
    )
    make = tmp_path_factory.mktemp
    with serving(first, make("cache")) as most, serving(second, make("cache")) as others:
        yield lambda case: others if case in APART else most


def until(visit: Visit, condition: Callable[[], object], where: str) -> None:
    """Wait as long as the server computes something for the page, however loaded the machine is.

    A spinner may be there while its work goes on; one that is there after that stays for good.
    """
    deadline = time.monotonic() + WAIT_MS / 1e3
    while not condition():
        assert time.monotonic() < deadline, f"{where}: the server still computes"
        visit.page.wait_for_timeout(50)


def address(server: Any, shared_cases: Path, case: str) -> str:
    """Return the link to a case, with a unit selected, spans before and after, and the good units beside all."""
    (insertion, *_) = FolderSource(shared_cases / case).insertions()
    files = Files(shared_cases / case)
    times, ids = files["spikes.times"], np.unique(files["spikes.clusters"])
    start, width = np.min(times), max(np.ptp(times), 1.0)
    look = {
        "insertion": insertion.key,
        "selected": 5 if 5 in ids else ids[0],
        "tab": "Unit",
        "before": f"{start:.3f},{start + 0.4 * width:.3f}",
        "after": f"{start + 0.6 * width:.3f},{start + width:.3f}",
        "compare": "filter:quality=good",
    }
    return f"http://127.0.0.1:{server.port}/?{urlencode(look)}"


@pytest.mark.parametrize("case", [*CASES, *SEVERAL])
def test_a_case_is_gone_through_without_an_error(
    case: str, servers: Callable[[str], Any], visit: Visit, shared_cases: Path
) -> None:
    """Every tab and every picture of the plot is shown until it rests, then each dialog; nothing stays computing."""
    page, server = visit.page, servers(case)
    visit.open(address(server, shared_cases, case))
    expect(page.locator(".status-line"), case).to_contain_text("in view", timeout=WAIT_MS)
    session = list(server.process.sessions)[-1]
    for slot in session.dock.slots.values():
        page.get_by_role("tab", name=slot.title, exact=True).click()
        expect(page.get_by_role("tab", name=slot.title, exact=True)).to_have_attribute("aria-selected", "true")
        until(visit, lambda slot=slot: slot.made is not None and is_idle(slot.made), f"{case}, {slot.title}")
        expect(page.locator(".unit.busy"), f"{case}, {slot.title}").to_have_count(0)
        expect(page.get_by_text(WAITING), f"{case}, {slot.title}").to_have_count(0)
    assert len(session.dock.slots) == len(TABS)
    pictures = (session.raster, session.heatmap, session.units)
    for _ in SHOW:
        before = session.state.show
        page.keyboard.press("h")
        until(visit, lambda before=before: session.state.show != before, f"{case}, after {before}")
        until(visit, lambda: all(each._loop.is_idle for each in pictures), f"{case}, {session.state.show}")
    page.keyboard.press("Control+Shift+E")
    expect(page.get_by_alt_text("Preview of the figure"), case).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog").first, case).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("back to the previous view"), case).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog").first, case).to_be_hidden()
    assert not session.card.alert.visible or session.card.alert.severity != "error", session.card.alert.object
    assert visit.complaints == [], case


@pytest.mark.parametrize(
    ("case", "key"), [("c31", "LINKED/2024-05-01/001/probe00"), ("c32e", "C32E/2024-05-01/001/probe00")]
)
def test_a_case_that_is_refused_says_so_without_an_error(
    case: str, key: str, servers: Callable[[str], Any], visit: Visit
) -> None:
    visit.open(f"http://127.0.0.1:{servers(case).port}/?{urlencode({'insertion': key})}")
    expect(visit.page.get_by_role("alert").filter(has_text=REFUSED[case])).to_be_visible(timeout=WAIT_MS)
    assert visit.complaints == []
