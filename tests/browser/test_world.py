"""Servers that hang, throttle and stall, and a file that is replaced, as a person sees them; one site for all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.library.open import open_insertion
from dashboard.sources.alyx import cache as alyx_cache
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import meter
from dashboard.sources.folder import FolderSource
from tests.browser.driver import Visit, open_panel, served
from tests.library.alf_folder import write_session
from tests.replay.server import Replay

WAIT_MS = 60_000
PID, EID = "6b4fe251-a7c7-4792-af80-4931c5129c8e", "f0cf55b9-f908-41f6-a933-2362c62944ec"
STALLED, HANGING = "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2", "266820b1-21f0-4a0b-88c7-5ba8aa19cb1a"
NOWHERE = "00000000-0000-4000-8000-000000000000"


FOLDER = "MOUSE_1/2024-01-02/001/probe00"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one insertion."""
    folder = tmp_path_factory.mktemp("world") / "data"
    write_session(folder)
    return folder


@pytest.fixture(scope="module")
def world(
    written_alyx: Path, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Replay, Replay, str]]:
    """A database, another that is asked for what the first does not have, a folder, and the address of the page.

    An earlier process has opened one insertion of the database.
    """
    cache = tmp_path_factory.mktemp("cache")
    with Replay(written_alyx) as replay, Replay(written_alyx) as other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        login = {"user": "alice", "password": "alicepass"}
        open_insertion(PID, source=AlyxSource(replay.url, cache=cache, **login), cache=cache)
        sources = [AlyxSource(r.url, cache=cache, **login) for r in (replay, other)]
        with served([FolderSource(data), *sources], cache) as url:
            yield replay, other, url


def press(visit: Visit, name: str) -> None:
    visit.page.get_by_role("button", name=name).click()


@pytest.fixture(autouse=True)
def _no_faults_left(world: tuple[Replay, Replay, str]) -> Iterator[None]:
    yield
    for replay in world[:2]:
        replay.faults.clear()


def test_what_is_cached_opens_while_the_server_hangs(world: tuple[Replay, Replay, str], visit: Visit) -> None:
    """No question of the page is answered; it stands all the same, and says of which date its records are."""
    replay, _, url = world
    hanging = replay.faults.add("*", "stall_headers", times=None, delay=600.0)
    try:
        n_asked = len(replay.seen)
        visit.open(f"{url}/?insertion={PID}")
        assert "60,000 of 60,000 spikes" in visit.wait_for_spikes()
        assert len(replay.seen) > n_asked, "the server was asked"
        open_panel(visit.page, "Open")
        expect(visit.page.get_by_text("has not answered for 2 s").first).to_contain_text("what is known is of 20")
    finally:
        hanging.released.set()


def test_who_hangs_is_named_and_need_not_be_waited_for(world: tuple[Replay, Replay, str], visit: Visit) -> None:
    replay, _, url = world
    replay.faults.add(f"/insertions/{HANGING}", "stall_headers", times=None)
    visit.open(f"{url}/?insertion={HANGING}")
    stage = visit.page.locator(".stage")
    expect(stage).to_contain_text(f"waiting for 127.0.0.1:{replay.port}, 60 s at most", timeout=WAIT_MS)
    press(visit, "Cancel")
    expect(visit.page.get_by_text("Open an insertion").first).to_be_visible(timeout=WAIT_MS)


@pytest.mark.walk
def test_a_short_wait_is_waited_and_a_long_one_is_named(world: tuple[Replay, Replay, str], visit: Visit) -> None:
    replay, other, url = world
    replay.faults.add(f"/insertions/{PID}", "status", times=1, code=429, retry_after="1")
    visit.open(f"{url}/?insertion={PID}")
    assert "60,000 of 60,000 spikes" in visit.wait_for_spikes()
    other.faults.add(f"/insertions/{NOWHERE}", "status", times=None, code=429, retry_after="60")
    visit.open(f"{url}/?insertion={NOWHERE}")
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("asks to wait 60 s", timeout=WAIT_MS)
    expect(visit.page.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.walk
def test_a_download_that_stands_still_says_so(
    world: tuple[Replay, Replay, str], visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, _, url = world
    monkeypatch.setattr(meter, "STALLED_S", 1.0)
    replay.faults.add("*probe01*spikes.times*", "stall", times=None, after=100_000)
    visit.open(f"{url}/?insertion={STALLED}")
    row = visit.page.locator(".stage tr", has_text="spikes.times")
    expect(row).to_contain_text("stalled for", timeout=WAIT_MS)
    expect(row).not_to_contain_text("s left")
    press(visit, "Cancel")
    expect(visit.page.locator(".stage-title")).to_be_hidden(timeout=WAIT_MS)


def test_a_replaced_file_is_offered_under_an_open_page(
    world: tuple[Replay, Replay, str], visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay, _, url = world
    monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
    visit.open(f"{url}/?insertion={PID}&t=10,40")
    visit.wait_for_spikes()
    record = replay.dataset(EID, "alf/probe00/pykilosort/spikes.amps.npy")
    content = replay.content(replay.data_path(record))
    assert content is not None
    file = io.BytesIO()
    np.save(file, np.load(io.BytesIO(content)) * 4)
    replay.put(record, file.getvalue())
    record["hash"] = hashlib.md5(file.getvalue()).hexdigest()
    open_panel(visit.page, "Open")
    press(visit, "Look for new data")
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("The data have changed: replaced: spikes.amps", timeout=WAIT_MS)
    press(visit, "Load the new data")
    expect(alert).to_be_hidden(timeout=WAIT_MS)
    assert "spikes" in visit.wait_for_spikes()
    assert "t=10,40" in visit.page.url.replace("%2C", ",")


@pytest.mark.walk
def test_a_folder_is_looked_at_again(world: tuple[Replay, Replay, str], data: Path, visit: Visit) -> None:
    """A file is replaced, an insertion copied, the disk taken away and brought back."""
    url = world[2]
    visit.open(f"{url}/?insertion={FOLDER}")
    visit.wait_for_spikes()
    alert = visit.page.get_by_role("alert")
    file = next(data.rglob("spikes.amps.npy"))
    np.save(file.with_name("new.npy"), np.load(file) * 4)
    file.with_name("new.npy").replace(file)
    write_session(data, session="labx/Subjects/MOUSE_2/2024-01-02/001")
    open_panel(visit.page, "Open")
    press(visit, "Look for new data")
    expect(alert).to_contain_text("The data have changed: replaced: spikes.amps", timeout=WAIT_MS)
    press(visit, "Load the new data")
    expect(alert).to_be_hidden(timeout=WAIT_MS)
    visit.wait_for_spikes()
    visit.open(f"{url}/?insertion=MOUSE_2/2024-01-02/001/probe00")
    visit.wait_for_spikes()
    away = data.with_name("away")
    data.rename(away)
    visit.open(f"{url}/?insertion={FOLDER}&sorter=base")
    expect(alert).to_contain_text("not there any more", timeout=WAIT_MS)
    away.rename(data)
    press(visit, "Try again")
    visit.wait_for_spikes()
