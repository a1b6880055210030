"""The search page on an Alyx server: what is typed is asked for, rows arrive, faults are said; and without it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import expect

from dashboard.sources.alyx.source import AlyxSource
from tests.browser.driver import Visit, served
from tests.replay.server import Replay

pytestmark = pytest.mark.walk

WAIT_MS = 30_000


@pytest.fixture
def recordings(alyx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return alyx_folder


@pytest.fixture
def replay(recordings: Path) -> Iterator[Replay]:
    with Replay(recordings) as server:
        yield server


def source(replay: Replay, cache: Path) -> AlyxSource:
    return AlyxSource(replay.url, cache=cache, user="alice", password="alicepass")


def asked(replay: Replay, name: str) -> list[str]:
    """Return the values that ``/insertions`` was asked with."""
    queries = [dict(parse_qsl(seen.query)) for seen in replay.seen if seen.path == "/insertions"]
    return [query[name] for query in queries if name in query]


def shoot(visit: Visit, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        visit.page.screenshot(path=f"{folder}/{name}.png")


def test_from_what_is_typed_to_the_summary_and_offline(
    replay: Replay, recordings: Path, visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, keys = visit.page, visit.page.keyboard
    panel = page.locator(".finder-panel")
    count, note = panel.locator(".count"), panel.locator(".note")
    clear = panel.get_by_role("button", name="Clear")
    rows = replay.rest.recordings.tables["insertions"]
    n_all = len({pid for pid, row in rows.items() if row["session_info"].get("subject")})
    recorded = json.loads((recordings / "rest" / "GET_insertions__atlas_acronym=CA1__200.json").read_text())
    n_region = len({row["id"] for row in recorded["response"]["body"]["results"]})
    monkeypatch.setattr("dashboard.sources.alyx.search.PAGE", "50")
    replay.faults.add("/insertions", "delay", times=None, delay=3.0)  # the list comes slowly
    with served([source(replay, tmp_path)], tmp_path) as url:
        visit.open(url)
        keys.press("Control+k")
        expect(note).to_contain_text("reading", timeout=WAIT_MS)
        expect(panel.locator(".rows .row").first).to_be_visible(timeout=WAIT_MS)
        panel.get_by_label("subject", exact=True).press_sequentially("KM_001")
        expect(note).to_contain_text("what is searched for", timeout=WAIT_MS)
        expect(count).to_contain_text("2 of", timeout=WAIT_MS)
        expect(note).to_contain_text("reading")
        replay.faults.clear()
        expect(note).to_have_text("", timeout=WAIT_MS)
        expect(count).to_have_text(f"2 of {n_all} insertions")
        assert asked(replay, "django") == ["session__subject__nickname__icontains,KM_001"]
        shoot(visit, "alyx-subject")
        clear.click()
        panel.get_by_label("region, e.g. CA1").press_sequentially("CA1")
        expect(count).to_have_text(f"{n_region} of {n_all} insertions", timeout=WAIT_MS)
        assert "CA1" in asked(replay, "atlas_acronym")
        clear.click()
        panel.get_by_label("histology").select_option("resolved")
        expect(panel.locator(".rows .row").first).to_contain_text("resolved", timeout=WAIT_MS)
        clear.click()
        expect(panel.locator("datalist#finder-tag option")).to_have_attribute("value", "2024_Q2_rig")
        replay.faults.add("/insertions", "status", code=500, times=None)
        panel.get_by_label("tag").fill("2024_Q2_rig")
        expect(note).to_contain_text("2024_Q2_rig on", timeout=WAIT_MS)
        expect(note).to_contain_text("500")
        expect(panel.locator(".none")).to_be_visible()
        shoot(visit, "alyx-500")
        assert len(asked(replay, "tag")) <= 3, "a refusal is asked for ever"
        replay.faults.clear()
        panel.get_by_role("button", name="Try again").click()
        expect(note).to_have_text("", timeout=WAIT_MS)
        expect(panel.locator(".rows .row").first).to_be_visible()
        clear.click()
        panel.get_by_label("pid, eid, subject, date").fill("KM_001 probe00")
        expect(count).to_contain_text("1 of", timeout=WAIT_MS)
        panel.get_by_label("pid, eid, subject, date").press("Enter")
        visit.wait_for_spikes()
        page.get_by_role("tab", name="Summary").click()
        record = page.locator(".summary", has_text="subject")
        expect(record).to_contain_text("_iblrig_tasks_ephysChoiceWorld6.4.2", timeout=WAIT_MS)
        expect(record).to_contain_text("rig_project")
        expect(record).to_contain_text("3B2")
        expect(page.locator(".summary .tests")).to_contain_text("not available")
        shoot(visit, "alyx-summary")
        replay.faults.add("/insertions", "status", code=429, times=None, retry_after="1000")
        keys.press("Control+k")
        clear.click()
        panel.get_by_label("tag").fill("none_such")
        expect(note).to_contain_text("busy and asks to wait", timeout=WAIT_MS)
        shoot(visit, "alyx-429")
        page.goto("about:blank")
    replay.down = True
    with served([source(replay, tmp_path)], tmp_path) as url:
        visit.open(url)
        keys.press("Control+k")
        expect(count).to_have_text(f"{n_all} of {n_all} insertions", timeout=WAIT_MS)
        expect(note).to_contain_text("Offline", timeout=WAIT_MS)
        panel.get_by_label("tag").fill("2024_Q2_rig")
        expect(panel.locator(".rows .row").first).to_be_visible()
        expect(count).not_to_contain_text(f"{n_all} of {n_all}", timeout=WAIT_MS)
        shoot(visit, "alyx-offline")
        clear.click()
        panel.get_by_label("subject", exact=True).fill("KM_001")
        expect(count).to_contain_text("2 of", timeout=WAIT_MS)
        panel.locator(".rows .row", has_text="probe00").click()
        visit.wait_for_spikes()
        page.goto("about:blank")
