"""What fails in passing, or changes, through each door: with it and after it the code, the word and what is written.

The doors are the commands, a batch, another process on the same cache, and the page. The page's own tests are named in
`PAGE`; they hold the same points from the session, without a browser.
"""

from __future__ import annotations

import ast
import hashlib
import io
import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboard.cli import main
from dashboard.library.open import open_insertion
from dashboard.library.store import InsertionStore
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alyx import cache as alyx_cache
from dashboard.sources.alyx import client
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import meter, transfer
from dashboard.sources.download.downloader import Downloader
from tests.outputs import Ended, Fresh, hold_nothing_false, hold_right
from tests.replay.downloading import until
from tests.replay.recordings import Record
from tests.replay.server import Replay
from tests.second_process import SecondProcess, second_process

PID, OTHER = "6b4fe251-a7c7-4792-af80-4931c5129c8e", "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2"
EID = "f0cf55b9-f908-41f6-a933-2362c62944ec"
#: How long is waited, in s: for a server that hangs, where something is known from before and where nothing is; until a
#: download that stands still is called so, and until it is given up.
AS_EVER, HANGS, STALLS = (60.0, 60.0, 5.0, 30.0), (0.2, 0.6, 5.0, 30.0), (60.0, 60.0, 0.3, 2.5)
LOGIN = {"alyx_user": "alice", "alyx_password": "alicepass"}


@dataclass(frozen=True)
class Point:
    """One thing that goes wrong.

    Attributes
    ----------
    begin : callable
        Has it go wrong on a server.
    known : bool
        Whether another process has opened the insertion before.
    code : int
        Of a command for one insertion, while it is wrong.
    said : str
        What is said then, as a pattern; of a batch, too.
    batch : int
        Code of a batch then.
    end : callable
        Has it go right again, beyond that no fault is on.
    """

    begin: Callable[[Replay], object]
    known: bool = False
    code: int = 0
    said: str = ""
    batch: int = 1
    end: Callable[[Replay], object] = lambda replay: None

    @property
    def waits(self) -> tuple[float, float, float, float]:
        return HANGS if self.said in (HUNG, DATE) else STALLS if self.said == STOOD_STILL else AS_EVER


def fault(pattern: str, kind: str, times: int | None = None, **options: object) -> Callable[[Replay], object]:
    return lambda replay: replay.faults.add(pattern, kind, times=times, **options)


def replace(replay: Replay, name: str, factor: float) -> None:
    """Put a multiple of the values into a file of equal size."""
    record = replay.dataset(EID, f"alf/probe00/pykilosort/{name}.npy")
    content = replay.content(replay.data_path(record))
    assert content is not None
    file = io.BytesIO()
    values = np.load(io.BytesIO(content))
    np.save(file, (values * factor).astype(values.dtype))
    replay.put(record, file.getvalue())
    record["hash"] = hashlib.md5(file.getvalue()).hexdigest()


def replace_data(replay: Replay) -> None:
    """Replace what pictures, tables and folders hold; amplitudes and depths of clusters and spikes."""
    for name, factor in (("spikes.amps", 1.25), ("spikes.depths", 0.75), ("clusters.depths", 0.75)):
        replace(replay, name, factor)


_GONE: dict[int, tuple[Record, Record]] = {}


def unregister(replay: Replay) -> None:
    tables = replay.recordings
    _GONE[id(replay)] = (tables.insertion_details.pop(PID), tables.tables["insertions"].pop(PID))


def register(replay: Replay) -> None:
    tables = replay.recordings
    tables.insertion_details[PID], tables.tables["insertions"][PID] = _GONE.pop(id(replay))


def stand_still(replay: Replay) -> None:
    """Have a server accept, send some, and then nothing any more."""
    replay.faults.add("*probe00*spikes.times*", "stall", after=10_000)
    replay.faults.add("*probe00*spikes.times*", "stall", times=None)


def go_down(replay: Replay) -> None:
    replay.down = True


def come_up(replay: Replay) -> None:
    replay.down = False


DATE, HUNG = r"what is known is of 20\d\d-\d\d-\d\d", "has not answered for"
STALLED = r"(spikes\.times|all files): stalled for \d+ s"
STOOD_STILL = rf"(?s){STALLED}.*the data server stopped sending"
POINTS = {
    "data replaced": Point(replace_data, known=True, batch=0),
    "dataset refused": Point(fault("*spikes.depths*", "status", code=503), code=1, said=r"spikes\.depths"),
    "dataset damaged": Point(fault("*spikes.amps*", "corrupt", after=500), code=1, said=r"spikes\.amps"),
    "dataset cut short": Point(fault("*clusters.metrics*", "truncate", after=0), code=1, said=r"clusters\.metrics"),
    "spikes refused": Point(fault("*spikes.times*", "status", code=503), code=2, said=r"spikes\.times"),
    "trajectory refused": Point(fault("/trajectories", "status", code=503), code=1, said="histology"),
    "channels a proxy's": Point(fault("/channels", "not_json"), code=1, said="histology"),
    "record refused": Point(fault("/insertions/*", "status", code=503), code=2, said="answered 503"),
    "session a proxy's": Point(fault("/sessions/*", "not_json"), code=2, said="not Alyx's"),
    "not registered": Point(unregister, code=2, said="No such folder or insertion", end=register),
    "removed": Point(unregister, known=True, code=2, said="No such folder or insertion", end=register),
    "down, opened before": Point(go_down, known=True, said=DATE, end=come_up),
    "down": Point(go_down, code=2, said="cannot be reached", end=come_up),
    "hangs, opened before": Point(fault("*", "stall_headers"), known=True, said=DATE),
    "hangs": Point(fault("*", "stall_headers"), code=2, said=HUNG),
    "login refused": Point(fault("/auth-token", "status", code=400), code=2, said="refused the password"),
    "download stands still": Point(stand_still, code=2, said=STOOD_STILL),
    "asks to wait": Point(fault("/insertions/*", "status", times=1, code=429, retry_after="1"), batch=0),
}

#: The same from the page: by file, the tests.
_PAGE = "page/test_world.py"
_NAMED = (_PAGE, "test_what_could_not_be_had_is_named_and_comes_with_try_again")
PAGE = {
    "data replaced": (_PAGE, "test_a_replaced_dataset_is_offered_and_taken_when_asked_for"),
    "dataset refused": _NAMED,
    "dataset damaged": _NAMED,
    "dataset cut short": _NAMED,
    "spikes refused": ("browser/test_alyx.py", "test_without_the_times_there_is_an_error_and_a_second_try"),
    "trajectory refused": _NAMED,
    "channels a proxy's": _NAMED,
    "record refused": _NAMED,
    "session a proxy's": _NAMED,
    "not registered": (_PAGE, "test_an_insertion_is_registered_and_removed_under_an_open_page"),
    "removed": (_PAGE, "test_an_insertion_is_registered_and_removed_under_an_open_page"),
    "down, opened before": (_PAGE, "test_what_is_known_opens_without_the_server_and_says_its_date"),
    "down": (_PAGE, "test_a_server_that_is_not_there_is_named_and_asked_again"),
    "hangs, opened before": (_PAGE, "test_what_is_known_opens_without_the_server_and_says_its_date"),
    "hangs": (_PAGE, "test_who_is_waited_for_is_named_and_for_how_long_at_most"),
    "login refused": (_PAGE, "test_a_server_that_is_not_there_is_named_and_asked_again"),
    "asks to wait": (_PAGE, "test_a_server_that_asks_to_wait_long_is_named_with_how_long"),
    "download stands still": (_PAGE, "test_a_download_that_stands_still_is_named"),
}

COMMANDS = ("check", "fetch", "render", "convert", "units", "prefetch")
BATCHES = ("units", "prefetch", "batch")
DOORS = (*COMMANDS, "batch", "second process")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondProcess]:
    home = str(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch, second_process(**LOGIN) as process:
        patch.setenv("HOME", home)
        yield process


class Doors:
    """The ways to an insertion, on one server and one cache."""

    def __init__(
        self, replay: Replay, folder: Path, another: SecondProcess, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.replay, self.cache = replay, folder / "cache"
        self._folder, self._another, self._capsys = folder, another, capsys
        self._n = 0
        self._fresh: dict[object, Fresh] = {}
        (folder / "written").mkdir()

    def go(self, door: str, waits: tuple[float, float, float, float] = AS_EVER) -> Ended:
        """Go through a door, and return how that ended; a door writes into the same place each time."""
        self._n += 1
        command = COMMANDS[self._n % 3] if door == "second process" else door
        out = self._folder / "written" / f"{command}{self._ending(command)}"
        ends = {
            "check": ["--json"], "render": ["--out", str(out)], "units": ["--out", str(out)],
            "convert": [str(out), "--to", "alf"], "batch": [OTHER, "--workers", "1", "--out", str(out)],
        }  # fmt: skip
        typed = "render" if command == "batch" else command
        line = [typed, PID, *ends.get(command, ()), "--alyx", self.replay.url, "--cache", str(self.cache)]
        if door == "second process":
            return Ended(command, PID, *self._another.run(line, *waits), out)
        self._capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alyx_cache, "PATIENCE_S", waits[0])
            patch.setattr(alyx_cache, "MAX_ANSWER_S", waits[1])
            patch.setattr(meter, "STALLED_S", waits[2])
            patch.setitem(Downloader.__init__.__kwdefaults__, "read_s", waits[3])
            code = main.main(line)
        answer, said = self._capsys.readouterr()
        return Ended(command, PID, code, said, answer, out)

    def _ending(self, command: str) -> str:
        table = (".parquet", ".csv")[sum(self._folder.name.encode()) % 2]
        return {"render": ".png", "units": table, "convert": str(self._n)}.get(command, "")

    @property
    def fresh(self) -> Fresh:
        """What a new cache reads of the server as it is."""
        state = tuple(sorted((path, hashlib.md5(content).hexdigest()) for path, content in self.replay.files.items()))
        if state not in self._fresh:
            root = self._folder / f"fresh{len(self._fresh)}"
            self._fresh[state] = Fresh(lambda pid: self.read(root, pid))
        return self._fresh[state]

    def read(self, cache: Path, pid: str = PID) -> SpikeSorting:
        source = AlyxSource(self.replay.url, cache=cache, user="alice", password="alicepass")
        return open_insertion(pid, source=source, cache=cache)


@pytest.fixture
def doors(
    written_alyx: Path,
    tmp_path: Path,
    another: SecondProcess,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Doors]:
    (tmp_path / "home").mkdir()
    for name, value in {**LOGIN, "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name if name == "HOME" else f"SPIKE_DASHBOARD_{name.upper()}", value)
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(transfer, "BACK_OFF_S", 0.0)
    monkeypatch.setitem(Downloader.__init__.__kwdefaults__, "attempts", 2)
    assert logging.lastResort is not None
    logging.getLogger().addHandler(logging.lastResort)  # warnings go to whatever is standard error then
    with Replay(written_alyx) as replay:
        yield Doors(replay, tmp_path, another, capsys)
    logging.getLogger().removeHandler(logging.lastResort)


def with_it(point: Point, doors: Doors, door: str) -> None:
    """Have it go wrong, go through a door, and hold code, words and what was written."""
    begun = point.begin(doors.replay)
    try:
        ended = doors.go(door, point.waits)
    finally:
        doors.replay.faults.clear()
        if released := getattr(begun, "released", None):
            released.set()
        point.end(doors.replay)
    assert ended.code == (point.batch if door in BATCHES else point.code), (door, ended.said)
    assert re.search(point.said, ended.said), (door, ended.said)
    (hold_nothing_false if ended.code else hold_right)(ended, doors.fresh)


def after_it(doors: Doors, door: str) -> None:
    """Go through a door, which finds nothing wrong any more, and hold what it leaves against a fresh reading."""
    ended = doors.go(door)
    assert ended.code == 0, (door, ended.said)
    assert "could not be fetched" not in ended.said and "what is known is of" not in ended.said, (door, ended.said)
    hold_right(ended, doors.fresh)


def same_as_fresh(doors: Doors) -> None:
    here, fresh = doors.read(doors.cache), doors.fresh.sorting(PID)
    assert not here.incomplete and here.histology is fresh.histology and not here.records_of
    assert here.clusters.equals(fresh.clusters) and here.channels.equals(fresh.channels)
    for name in ("times_s", "depths_um", "amps_v", "clusters"):
        np.testing.assert_array_equal(getattr(here.spikes, name), getattr(fresh.spikes, name))


def gone_through(name: str, doors: Doors, chosen: tuple[str, ...]) -> None:
    point = POINTS[name]
    if point.known:
        doors.read(doors.cache)
    for door in chosen:
        with_it(point, doors, door)
    for door in chosen:
        after_it(doors, door)
    same_as_fresh(doors)


#: What waits long.
SLOW = ("hangs, opened before", "download stands still")
#: Two doors for each point, so that each kind of door is gone through for some: the walk goes through all.
SOME = {
    name: (COMMANDS[k % len(COMMANDS)], ("second process", "batch")[k % 2]) for k, name in enumerate(POINTS)
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in POINTS if name not in SLOW])
def test_with_it_and_after_it(name: str, doors: Doors) -> None:
    gone_through(name, doors, SOME[name])


@pytest.mark.walk
@pytest.mark.parametrize("name", POINTS)
def test_with_it_and_after_it_through_every_door(name: str, doors: Doors) -> None:
    gone_through(name, doors, DOORS)


def walked(doors: tuple[str, ...]) -> list[Any]:
    return [pytest.param(door, marks=pytest.mark.walk) for door in doors]


@pytest.mark.parametrize("door", ["check", "batch", *walked(COMMANDS[1:])])
def test_a_download_that_stands_still_is_named_in_the_log_and_goes_on(
    door: str, doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    standing = doors.replay.faults.add("*probe00*spikes.times*", "pause", after=100_000, delay=600.0)
    gone = threading.Thread(target=lambda: (until(lambda: "stalled for" in caplog.text, 60), standing.released.set()))
    gone.start()
    ended = doors.go(door, (*AS_EVER[:2], STALLS[2], AS_EVER[3]))
    gone.join()
    went_on(ended, doors)


@pytest.mark.walk
def test_another_process_names_a_download_that_stands_still_and_asks_again(doors: Doors) -> None:
    doors.replay.faults.add("*probe00*spikes.times*", "stall", after=100_000)
    went_on(doors.go("second process", STALLS), doors)


def went_on(ended: Ended, doors: Doors) -> None:
    assert ended.code == 0, ended.said
    assert re.search(STALLED, ended.said)
    hold_right(ended, doors.fresh)
    same_as_fresh(doors)


def test_what_another_process_fetches_is_taken_here_and_what_is_open_stays(
    doors: Doors, another: SecondProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
    source = AlyxSource(doors.replay.url, cache=doors.cache, user="alice", password="alicepass")
    store = InsertionStore([source], doors.cache, refresh_s=1e-9)
    first = store.open(PID)
    assert first.sorting.spikes.amps_v is not None
    was = first.sorting.spikes.amps_v.copy()
    replace(doors.replay, "spikes.amps", 1.25)
    assert another.run(["fetch", PID, "--alyx", doors.replay.url, "--cache", str(doors.cache)])[0] == 0
    n_fetched = sum(doors.replay.data_counts().values())
    np.testing.assert_array_equal(first.sorting.spikes.amps_v, was)
    assert store.changes(first) == "replaced: spikes.amps"
    second = store.open(PID)
    assert second.sorting.spikes.amps_v is not None and not second.sorting.incomplete
    np.testing.assert_allclose(second.sorting.spikes.amps_v, 1.25 * was)
    assert sum(doors.replay.data_counts().values()) == n_fetched, "it was fetched once for both"
    store.close()


def test_each_point_is_held_from_the_page(repository: Path) -> None:
    assert PAGE.keys() == POINTS.keys()
    for file, name in PAGE.values():
        tree = ast.parse((repository / "tests" / file).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name
