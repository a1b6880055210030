"""The world moves under a page: what it says while something fails, and after; from the session, without a browser."""

from __future__ import annotations

import hashlib
import io
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.library.open import open_insertion
from dashboard.page.opening import watch
from dashboard.sources.alyx import cache as alyx_cache
from dashboard.sources.alyx import client
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import meter, transfer
from tests.library.alf_folder import write_session
from tests.page.driving import DrivenPage, driven_page
from tests.replay.server import Replay

PID, EID = "6b4fe251-a7c7-4792-af80-4931c5129c8e", "f0cf55b9-f908-41f6-a933-2362c62944ec"
KEY, OTHER = "MOUSE_1/2024-01-02/001/probe00", "MOUSE_2/2024-01-02/001/probe00"
#: A record, its trajectory and channels, a dataset of each object: path, fault, and what the page calls it.
FAULTS = {
    "insertion's record": ("/insertions/*", {"kind": "status", "code": 503}, "503"),
    "session's record": ("/sessions/*", {"kind": "not_json"}, "not Alyx's"),
    "trajectory": ("/trajectories", {"kind": "not_json"}, "histology"),
    "channels": ("/channels", {"kind": "status", "code": 429, "retry_after": "0"}, "histology"),
    "spikes": ("*spikes.depths*", {"kind": "status", "code": 503}, "spikes.depths"),
    "clusters": ("*clusters.metrics*", {"kind": "corrupt", "after": 500}, "clusters.metrics"),
    "clusters cut short": ("*clusters.metrics*", {"kind": "truncate", "after": 0}, "clusters.metrics"),
    "trials": ("*trials.table*", {"kind": "status", "code": 500}, "trials.table"),
}


@pytest.fixture(autouse=True)
def _impatient(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(transfer, "BACK_OFF_S", 0.0)
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(watch, "RETRY_S", 3600.0)


@pytest.fixture
def replay(written_alyx: Path) -> Iterator[Replay]:
    with Replay(written_alyx) as server:
        yield server


@pytest.fixture
def page(replay: Replay, tmp_path: Path) -> Iterator[DrivenPage]:
    with driven_page(AlyxSource(replay.url, cache=tmp_path, user="alice", password="alicepass"), tmp_path) as driven:
        yield driven


def said(page: DrivenPage) -> str:
    """Return what the page's alert says; empty while it is hidden."""
    alert = page.session.card.alert
    return str(alert.object) if alert.visible else ""


def press(page: DrivenPage) -> None:
    """Press the button of the alert."""
    retry = page.session.card.retry
    page.do(lambda: retry.param.update(clicks=retry.clicks + 1))


@pytest.mark.parametrize("kind", FAULTS)
def test_what_could_not_be_had_is_named_and_comes_with_try_again(kind: str, page: DrivenPage, replay: Replay) -> None:
    pattern, options, name = FAULTS[kind]
    replay.faults.add(pattern, times=None, **options)
    page.open(PID)
    page.wait(lambda: name in said(page), "the alert")
    assert page.do(lambda: page.session.card.retry.visible)
    replay.faults.clear()
    press(page)
    page.wait(lambda: page.session._opened and not page.session._opened.sorting.incomplete, "what was missing")
    assert page.do(lambda: str(page.session._opened.sorting.histology)) == "aligned"  # type: ignore[union-attr]
    assert not page.do(lambda: said(page))


def test_who_is_waited_for_is_named_and_for_how_long_at_most(page: DrivenPage, replay: Replay) -> None:
    replay.faults.add("/insertions/*", "stall_headers", times=None)
    page.do(lambda: page.session.open(PID))
    stage = page.session.card.stage
    page.wait(lambda: f"waiting for 127.0.0.1:{replay.port}, 60 s at most" in str(stage.object), "the name")
    page.do(page.session.opener.cancel)
    page.wait(lambda: not page.session.card.loading.visible)


@pytest.mark.parametrize("how", ["hangs", "is down"])
def test_what_is_known_opens_without_the_server_and_says_its_date(
    how: str, replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alyx_cache, "PATIENCE_S", 0.2)
    login = {"user": "alice", "password": "alicepass"}
    open_insertion(PID, source=AlyxSource(replay.url, cache=tmp_path, **login), cache=tmp_path)
    if how == "hangs":
        replay.faults.add("*", "stall_headers", times=None)
    replay.down = how == "is down"
    with driven_page(AlyxSource(replay.url, cache=tmp_path, **login), tmp_path) as page:
        page.open(PID)
        opened = page.do(lambda: page.session._opened)
        assert opened is not None and opened.sorting.n_spikes == 60_000
        assert str(opened.sorting.histology) == "aligned" and not opened.sorting.incomplete
        assert "what is known is of 20" in page.do(lambda: str(page.session.rail.notes.object))


def test_a_server_that_asks_to_wait_long_is_named_with_how_long(
    page: DrivenPage, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    replay.faults.add("/insertions/*", "status", code=429, retry_after="60", times=None)
    page.open(PID)
    assert "asks to wait 60 s" in page.do(lambda: said(page))
    assert page.do(lambda: page.session.card.retry.visible)


def test_an_insertion_is_registered_and_removed_under_an_open_page(
    page: DrivenPage, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
    new = {**replay.insertion(PID), "id": str(uuid.uuid4()), "name": "probe07"}
    page.open(new["id"])
    assert "No insertion is found for" in page.do(lambda: said(page))
    start = page.do(lambda: [*page.session.page.main[0][-1]])
    card = page.session.card
    assert card.alert in start[start.index(card.empty) + 1], "under the field of the start page"
    page.do(lambda: setattr(page.session.rail.search, "value", new["id"]))
    page.wait(lambda: "No insertion is found for" in page.session.rail.search.helper_text, "the word under the picker")
    key, new_key = (f"KM_002/2024-04-10/001/{name}" for name in ("probe00", "probe07"))
    offered = lambda: set(page.session.rail.search.options)  # noqa: E731
    page.wait(lambda: key in offered(), "the picker")
    replay.add_insertion(new)
    page.do(page.session._look_again)
    page.wait(lambda: new_key in offered(), "the picker to offer the new one")
    page.open(PID)
    tables = replay.recordings
    del tables.insertion_details[PID], tables.tables["insertions"][PID]
    page.do(page.session._look_again)
    page.wait(lambda: "no longer there" in said(page), "the word")
    page.wait(lambda: key not in offered(), "the picker to drop it")
    assert page.do(lambda: page.session.raster.picture) is not None, "what is shown stays"


def test_the_picker_has_what_the_lists_know_whatever_failed_as_the_page_came(page: DrivenPage, replay: Replay) -> None:
    replay.faults.add("/insertions", "status", code=503, times=None)
    page.do(page.session._look_again)
    page.wait(lambda: page.session._catalogue.has_failed, "the failure")
    replay.faults.clear()
    page.do(page.session._look_again)
    page.wait(lambda: "KM_002/2024-04-10/001/probe00" in set(page.session.rail.search.options), "the picker")


@pytest.mark.parametrize("why", ["cannot be reached", "refused the password"])
def test_a_server_that_is_not_there_is_named_and_asked_again(why: str, replay: Replay, tmp_path: Path) -> None:
    replay.down = why == "cannot be reached"
    replay.faults.add("/auth-token", "status", code=400, times=None)
    source = AlyxSource(replay.url, cache=tmp_path, user="alice", password="alicepass")
    with driven_page(source, tmp_path) as page:
        page.open(PID)
        assert why in page.do(lambda: said(page)) and page.do(lambda: page.session.card.retry.visible)
        replay.down = False
        replay.faults.clear()
        press(page)
        page.wait(lambda: page.session.raster.picture is not None, "the raster")


def test_a_download_that_stands_still_is_named(
    page: DrivenPage, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its seconds are counted in tests/library/test_world.py."""
    monkeypatch.setattr(meter, "STALLED_S", 0.5)
    replay.faults.add("*spikes.times*", "stall", after=100_000, times=None)
    page.do(lambda: page.session.open(PID))
    stage = page.session.card.stage
    page.wait(lambda: "stalled for" in str(stage.object), "the word")
    assert "s left" not in page.do(lambda: str(stage.object).partition("spikes.times")[2].partition("</tr>")[0])
    page.do(page.session.opener.cancel)


def replace_amps(replay: Replay, factor: float) -> None:
    record = replay.dataset(EID, "alf/probe00/pykilosort/spikes.amps.npy")
    content = replay.content(replay.data_path(record))
    assert content is not None
    file = io.BytesIO()
    np.save(file, np.load(io.BytesIO(content)) * factor)
    replay.put(record, file.getvalue())
    record["hash"] = hashlib.md5(file.getvalue()).hexdigest()


def median_amp(page: DrivenPage) -> float:
    opened = page.session._opened
    assert opened is not None and opened.sorting.spikes.amps_v is not None
    amps = opened.sorting.spikes.amps_v
    return float(np.median(amps))


def test_a_replaced_dataset_is_offered_and_taken_when_asked_for(
    page: DrivenPage, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
    page.open(PID)
    was = page.do(lambda: median_amp(page))
    replace_amps(replay, 4)
    page.do(page.session._look_again)
    page.wait(lambda: "replaced: spikes.amps" in said(page), "the offer")
    assert page.do(lambda: median_amp(page)) == was, "it is offered, not forced"
    press(page)
    page.wait(lambda: median_amp(page) == pytest.approx(4 * was), "the new amplitudes")
    assert not page.do(lambda: said(page))


def replace(path: Path, factor: float) -> None:
    """Put another file in the place of one, as programs do that write whole files."""
    np.save(path.with_name("new.npy"), np.load(path) * factor)
    path.with_name("new.npy").replace(path)


class TestFolder:
    """A folder is looked at again as a server is."""

    def test_a_replaced_file_is_offered_by_itself(self, tmp_path: Path) -> None:
        folder = write_session(tmp_path / "data")
        with driven_page(tmp_path / "data", tmp_path / "cache", refresh_s=0.05) as page:
            page.open(KEY)
            was = page.do(lambda: median_amp(page))
            replace(folder / "spikes.amps.npy", 4)
            page.wait(lambda: "replaced: spikes.amps" in said(page), "the offer")
            press(page)
            page.wait(lambda: median_amp(page) == pytest.approx(4 * was), "the new amplitudes")

    def test_an_insertion_that_goes_is_said_and_what_is_shown_stays(self, tmp_path: Path) -> None:
        folder = write_session(tmp_path / "data")
        write_session(tmp_path / "data", session=f"labx/Subjects/{OTHER.rpartition('/')[0]}")
        with driven_page(tmp_path / "data", tmp_path / "cache", refresh_s=0.05) as page:
            offered = lambda: list(page.session.rail.search.options)  # noqa: E731
            page.open(KEY)
            page.wait(lambda: offered() == [KEY, OTHER], "the picker")
            shutil.rmtree(folder.parents[4])
            page.wait(lambda: "no longer there" in said(page), "the word")
            page.do(page.session._look_again)
            page.wait(lambda: offered() == [OTHER], "the picker to drop it")
            assert page.do(lambda: page.session.raster.picture) is not None

    def test_a_disk_that_is_gone_is_said_and_its_list_stays_until_it_is_back(self, tmp_path: Path) -> None:
        data, away = tmp_path / "data", tmp_path / "away"
        write_session(data)
        with driven_page(data, tmp_path / "cache") as page:
            offered = lambda: list(page.session.rail.search.options)  # noqa: E731
            page.wait(lambda: offered() == [KEY], "the picker")
            data.rename(away)
            page.do(page.session._look_again)
            page.wait(lambda: "not there any more" in page.session._catalogue.note, "the note of the list")
            page.open(KEY)
            assert "not there any more" in page.do(lambda: said(page)) and page.do(offered) == [KEY]
            away.rename(data)
            press(page)
            page.wait(lambda: page.session.raster.picture is not None, "the raster")

    @pytest.mark.parametrize("name", ["spikes.clusters", "spikes.depths"])
    def test_a_file_that_cannot_be_read_is_read_once_it_can(self, name: str, tmp_path: Path) -> None:
        """What nothing is shown without can be tried again; what is shown without is offered."""
        path = write_session(tmp_path / "data") / f"{name}.npy"
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        with driven_page(tmp_path / "data", tmp_path / "cache", refresh_s=0.05) as page:
            page.open(KEY)
            if name == "spikes.clusters":
                assert name in page.do(lambda: said(page))
                assert page.do(lambda: page.session.card.retry.visible)
            path.write_bytes(whole)
            page.wait(lambda: name in said(page), "the words")
            press(page)
            page.wait(lambda: complete(page, name), "the file to be read")


def complete(page: DrivenPage, name: str) -> bool:
    opened = page.session._opened
    return opened is not None and opened.sorting.missing_reason(name) is None
