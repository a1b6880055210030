"""From a pid on an Alyx server to the page: progress, a raster on the way, faults, and without the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.page.opening import watch
from dashboard.sources.alyx import cache
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import transfer
from tests.browser.driver import Visit, open_panel, served
from tests.replay.server import Replay

WAIT_MS = 30_000
N_SPIKES = "210,000 of 210,000 spikes"


@pytest.fixture(scope="session")
def recordings(alyx_folder: Path) -> Path:
    return alyx_folder


@pytest.fixture(scope="session")
def pid() -> str:
    return "983a6668-5d02-4273-8f0d-1f59989c80c2"


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def replay(recordings: Path) -> Iterator[Replay]:
    with Replay(recordings) as server:
        yield server


def source(replay: Replay, cache: Path) -> AlyxSource:
    return AlyxSource(replay.url, cache=cache, user="alice", password="alicepass")


@pytest.fixture
def site(replay: Replay, tmp_path: Path) -> Iterator[str]:
    with served([source(replay, tmp_path)], tmp_path) as url:
        yield url


def test_a_pid_opens_and_says_where_it_came_from(site: str, pid: str, visit: Visit) -> None:
    visit.open(f"{site}/?insertion={pid}")
    assert N_SPIKES in visit.wait_for_spikes()
    header = visit.page.locator("div.header")
    expect(header).to_contain_text("KM_001")
    expect(header).to_contain_text(pid)
    expect(header).to_contain_text("iblsorter")
    expect(header).to_contain_text("original")
    expect(header).to_contain_text("histology: alf, final")


def test_the_raster_fills_while_the_files_come(site: str, replay: Replay, pid: str, visit: Visit) -> None:
    replay.faults.add("*spikes.*", "throttle", times=None, after=80_000, delay=0.5)
    visit.open(f"{site}/?insertion={pid}")
    words = visit.page.locator(".arriving")
    expect(words).to_contain_text("Incomplete", timeout=WAIT_MS)
    expect(words).to_contain_text("of 210,000 spikes so far")
    rows = visit.page.locator(".stage table.files")
    expect(rows).to_contain_text("all files")
    expect(rows).to_contain_text("spikes.times")
    expect(rows).to_contain_text("MB/s")
    expect(rows).to_contain_text("s left")
    first = words.inner_text()
    expect(words).not_to_have_text(first)
    assert N_SPIKES in visit.wait_for_spikes()
    expect(words).to_be_hidden()


def test_cancel_keeps_what_was_whole(site: str, replay: Replay, pid: str, visit: Visit) -> None:
    replay.faults.add("*spikes.amps*", "throttle", times=None, after=2_000, delay=0.2)
    visit.open(f"{site}/?insertion={pid}")
    expect(visit.page.locator(".stage")).to_contain_text("spikes.amps", timeout=WAIT_MS)
    visit.page.get_by_role("button", name="Cancel").click()
    expect(visit.page.locator(".stage-title")).to_be_hidden()
    expect(visit.page.get_by_text("Open an insertion").first).to_be_visible()
    replay.faults.clear()
    visit.open(f"{site}/?insertion={pid}")
    assert N_SPIKES in visit.wait_for_spikes()
    counts = {
        path: n for path, n in replay.data_counts().items() if "spikes.times" in path or "clusters.metrics" in path
    }
    assert counts
    assert max(counts.values()) == 1


def test_a_dataset_that_does_not_come_is_named_and_can_come_later(
    site: str, replay: Replay, pid: str, visit: Visit
) -> None:
    replay.faults.add("*drift.um*", "status", times=None, code=404)
    visit.open(f"{site}/?insertion={pid}&t=10,40")
    assert N_SPIKES in visit.wait_for_spikes()
    open_panel(visit.page, "Open")
    notes = visit.page.locator(".notes").first
    expect(notes).to_contain_text("drift.um")
    expect(notes).to_contain_text("404")
    replay.faults.clear()
    visit.page.get_by_role("button", name="Try again").click()
    expect(notes).not_to_contain_text("drift.um", timeout=WAIT_MS)
    assert "t=10,40" in visit.page.url.replace("%2C", ",")


def test_a_passing_failure_is_said_over_the_pictures_and_passes(
    site: str, replay: Replay, pid: str, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BACK_OFF_S", 0.0)
    replay.faults.add("*spikes.depths*", "status", times=None, code=503)
    visit.open(f"{site}/?insertion={pid}&t=10,40")
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("spikes.depths", timeout=WAIT_MS)
    expect(alert).to_contain_text("503")
    assert "without spikes.depths, which could not be fetched" in visit.wait_for_spikes()
    replay.faults.clear()
    visit.page.get_by_role("button", name="Try again").first.click()
    expect(visit.page.get_by_text(N_SPIKES).first).to_be_visible(timeout=WAIT_MS)
    expect(alert).to_be_hidden()
    assert "t=10,40" in visit.page.url.replace("%2C", ",")


def test_unknown_histology_is_asked_for_again_by_itself(
    site: str, replay: Replay, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RETRY_S", 0.5)
    monkeypatch.setattr(cache, "RETRY_S", 0.1)
    replay.faults.add("/trajectories", "status", times=None, code=503)
    visit.open(f"{site}/?insertion=6b4fe251-a7c7-4792-af80-4931c5129c8e")
    header = visit.page.locator("div.header")
    expect(header).to_contain_text("histology: unknown", timeout=WAIT_MS)
    replay.faults.clear()
    expect(header).to_contain_text("histology: aligned, not final", timeout=WAIT_MS)
    expect(visit.page.get_by_role("alert")).to_be_hidden()


def test_what_changed_under_an_open_page_is_offered(site: str, replay: Replay, visit: Visit) -> None:
    pid = "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2"
    visit.open(f"{site}/?insertion={pid}&t=10,40")
    header = visit.page.locator("div.header")
    expect(header).to_contain_text("histology: traced", timeout=WAIT_MS)
    replay.insertion(pid)["json"] = {"extended_qc": {}}
    open_panel(visit.page, "Open")
    visit.page.get_by_role("button", name="Look for new data").click()
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("histology is none in the database, and was traced", timeout=WAIT_MS)
    expect(header).to_contain_text("histology: traced")
    visit.page.get_by_role("button", name="Load the new data").click()
    expect(header).to_contain_text("histology: none", timeout=WAIT_MS)
    assert "t=10,40" in visit.page.url.replace("%2C", ",")


def test_without_the_times_there_is_an_error_and_a_second_try(
    site: str, replay: Replay, pid: str, visit: Visit
) -> None:
    replay.faults.add("*spikes.times*", "status", times=None, code=404)
    visit.open(f"{site}/?insertion={pid}")
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("spikes.times", timeout=WAIT_MS)
    replay.faults.clear()
    visit.page.get_by_role("button", name="Try again").click()
    assert N_SPIKES in visit.wait_for_spikes()
    expect(alert).to_be_hidden()


def test_without_the_server_what_was_fetched_opens_and_says_so(
    replay: Replay, pid: str, visit: Visit, tmp_path: Path
) -> None:
    with served([source(replay, tmp_path)], tmp_path) as url:
        visit.open(f"{url}/?insertion={pid}")
        visit.wait_for_spikes()
        visit.page.goto("about:blank")
    replay.down = True
    with served([source(replay, tmp_path)], tmp_path) as url:
        visit.open(f"{url}/?insertion={pid}")
        assert N_SPIKES in visit.wait_for_spikes()
        open_panel(visit.page, "Open")
        expect(visit.page.locator(".notice")).to_contain_text("Offline")
        visit.page.goto("about:blank")
