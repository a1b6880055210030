"""The world moves: what was replaced is fetched again, and what failed in passing is neither kept nor hidden."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from dashboard.cli import main
from dashboard.config.settings import Settings
from dashboard.engine.build import build_columns
from dashboard.library import targets
from dashboard.library.catalogue import Catalogue
from dashboard.library.insertion_table import insertion_table, narrow
from dashboard.library.open import open_insertion
from dashboard.library.store import InsertionStore
from dashboard.model.errors import BadRequest, Cancelled, DownloadFailed, SourceUnavailable
from dashboard.model.facets import Facets, read_query
from dashboard.model.progress import Progress, progress_text, telling
from dashboard.model.references import DatasetRef, Histology
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alyx import cache as alyx_cache
from dashboard.sources.alyx import client
from dashboard.sources.alyx.source import AlyxSource
from dashboard.sources.download import checksums, transfer
from dashboard.sources.download.meter import ALL_FILES, Meter
from dashboard.sources.folder import FolderSource
from dashboard.sources.locate import find
from tests.library.alf_folder import write_session
from tests.replay.downloading import until
from tests.replay.server import Replay

OTHER_PID = "707cdac8-3ab2-4b3c-8d3e-6358c027c3e2"
RICH_PID = "983a6668-5d02-4273-8f0d-1f59989c80c2"
PID = "6b4fe251-a7c7-4792-af80-4931c5129c8e"
EID = "f0cf55b9-f908-41f6-a933-2362c62944ec"
#: Path, kind and options of a fault, and what is missing then.
FAULTS = {
    "depths 503": ("*spikes.depths*", "status", {"code": 503}, "spikes.depths"),
    "amps stop": ("*spikes.amps*", "truncate", {"after": 0}, "spikes.amps"),
    "metrics 500": ("*clusters.metrics*", "status", {"code": 500}, "clusters.metrics"),
    "channels wrong": ("*channels.localCoordinates*", "corrupt", {"after": 500}, "channels.localCoordinates"),
    "trajectory 503": ("/trajectories", "status", {"code": 503}, "histology"),
    "locations 429": ("/channels", "status", {"code": 429, "retry_after": "0"}, "histology"),
}
AMPS = "alf/probe00/pykilosort/spikes.amps.npy"


@pytest.fixture
def replay(written_alyx: Path) -> Iterator[Replay]:
    with Replay(written_alyx) as server:
        yield server


@pytest.fixture(autouse=True)
def _home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def source(replay: Replay, tmp_path: Path) -> Callable[..., AlyxSource]:
    """Make a source as a process of its own would have it; all share one cache."""

    def make(**options: object) -> AlyxSource:
        given = {"cache": tmp_path / "cache", "user": "alice", "password": "alicepass", **options}
        return AlyxSource(replay.url, **given)  # type: ignore[arg-type]

    return make


def opened(source: AlyxSource, cache: Path, pid: str = PID) -> SpikeSorting:
    return open_insertion(pid, source=source, cache=cache)


def replace_amps(replay: Replay, factor: float) -> None:
    """Put amplitudes of another size into a file of equal size."""
    record = replay.dataset(EID, AMPS)
    content = replay.content(replay.data_path(record))
    assert content is not None
    file = io.BytesIO()
    np.save(file, np.load(io.BytesIO(content)) * factor)
    replay.put(record, file.getvalue())
    record["hash"] = hashlib.md5(file.getvalue()).hexdigest()
    assert record["file_size"] == len(file.getvalue())


def amps(sorting: SpikeSorting) -> float:
    assert sorting.spikes.amps_v is not None
    return float(np.median(sorting.spikes.amps_v))


class TestReplacedByOneOfEqualSize:
    def test_is_fetched_again(self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path) -> None:
        before = opened(source(), tmp_path / "cache")
        was = amps(before)
        replace_amps(replay, 4)
        after = opened(source(), tmp_path / "cache")
        assert amps(after) == pytest.approx(4 * was)
        assert amps(before) == was, "who has the file open keeps what was read"

    def test_is_fetched_by_a_cache_that_remembers_no_checksums(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        was = amps(opened(source(), tmp_path / "cache"))
        for record in (tmp_path / "cache").rglob(f"*{checksums.SUFFIX}"):
            record.unlink()
        n_fetched = sum(replay.data_counts().values())
        assert amps(opened(source(), tmp_path / "cache")) == was
        assert sum(replay.data_counts().values()) == n_fetched
        replace_amps(replay, 4)
        assert amps(opened(source(), tmp_path / "cache")) == pytest.approx(4 * was)

    def test_is_fetched_beside_a_cache_that_is_only_read(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        first = source()
        was = amps(opened(first, tmp_path / "cache"))
        theirs = tmp_path / "theirs"
        shutil.copytree(first.data_root, theirs)
        state = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
        replace_amps(replay, 4)
        sorting = opened(source(cache=tmp_path / "own", one_cache=theirs), tmp_path / "own")
        assert amps(sorting) == pytest.approx(4 * was)
        assert [note for note in sorting.notes if "another version" in note and "spikes.amps.npy" in note]
        assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == state

    def test_is_not_taken_for_the_one_on_record_where_it_cannot_be_fetched(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        first = source()
        opened(first, tmp_path / "cache")
        replace_amps(replay, 4)
        first.records._held.clear()
        insertion = first.find(PID)
        assert insertion is not None
        wanted = [d for d in first.datasets(insertion) if d.relative_path == AMPS]
        offline = source(offline=True)
        with pytest.raises(DownloadFailed, match="older version"):
            offline.fetch_files(insertion, wanted)
        replay.faults.add("/public/*", "status", code=404, times=None)
        with pytest.raises(DownloadFailed, match="does not have it"):
            source().fetch_files(insertion, wanted)

    def test_no_file_is_read_twice_for_its_checksum(
        self, source: Callable[..., AlyxSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(source(), tmp_path / "cache")

        def read_again(*args: object, **kwargs: object) -> None:
            raise AssertionError("a file was read for its MD5")

        monkeypatch.setattr(checksums.hashlib, "md5", read_again)
        assert opened(source(), tmp_path / "cache").n_spikes == 60_000

    def test_a_file_that_was_touched_is_read_again(self, source: Callable[..., AlyxSource], tmp_path: Path) -> None:
        sorting = opened(source(), tmp_path / "cache")
        path = sorting.ref.datasets["spikes.amps"].path
        assert path is not None
        was = amps(sorting)
        with path.open("r+b") as file:
            file.seek(-8 * 1000, 2)
            file.write(b"\xff" * 8)
        assert amps(opened(source(), tmp_path / "cache")) == was


class TestPassingFailure:
    """What could not be fetched is not what does not exist: it is said, nothing is made of it, and it comes later."""

    @pytest.fixture(autouse=True)
    def _settings(self, replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        given = {
            "ALYX_URL": replay.url,
            "ALYX_USER": "alice",
            "ALYX_PASSWORD": "alicepass",
            "CACHE": str(tmp_path / "cache"),
        }
        for name, value in given.items():
            monkeypatch.setenv(f"SPIKE_DASHBOARD_{name}", value)
        monkeypatch.setattr(transfer, "BACK_OFF_S", 0.0)
        monkeypatch.setattr(client, "ATTEMPTS", 1)

    @pytest.fixture(params=FAULTS)
    def fault(self, request: pytest.FixtureRequest, replay: Replay) -> str:
        """Have one thing fail; returns its name among what is missing."""
        pattern, kind, options, name = FAULTS[request.param]
        replay.faults.add(pattern, kind, times=None, **options)
        return name

    def test_it_opens_and_says_what_is_missing(
        self, fault: str, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        sorting = opened(source(), cache)
        assert fault in sorting.incomplete
        if fault == "histology":
            assert sorting.histology is Histology.UNKNOWN
        if fault == "clusters.metrics":
            assert not sorting.metrics_stale and "could not be fetched" in sorting.why_no_labels
        replay.faults.clear()
        after, fresh = opened(source(), cache), opened(source(cache=tmp_path / "fresh"), tmp_path / "fresh")
        assert not after.incomplete
        assert after.histology is fresh.histology is Histology.ALIGNED
        assert after.clusters.equals(fresh.clusters) and after.channels.equals(fresh.channels)
        for name in ("depths_um", "amps_v"):
            np.testing.assert_array_equal(getattr(after.spikes, name), getattr(fresh.spikes, name))

    def test_nothing_made_of_a_stand_in_is_kept(
        self, fault: str, source: Callable[..., AlyxSource], tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        sorting = opened(source(), cache)
        build_columns(sorting, cache)
        if sorting.has_stand_ins:
            assert not list(cache.glob("columns/*")) and not list(cache.glob("metrics/*"))

    def test_every_dataset_is_named_while_it_does_not_come(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Of a sorting with templates, brain locations, drift and trials: `check` names each, with its code."""
        assert main.main(["check", RICH_PID]) == 0
        files = [path for path in (tmp_path / "cache" / "one").rglob("*.*.*") if path.is_file() and path.name[0] != "."]
        assert len(files) > 15
        for path in files:
            path.unlink()
            name = ".".join(path.name.removeprefix("_ibl_").split(".")[:2])
            replay.faults.clear()
            replay.faults.add(f"*/{path.name.rpartition('.')[0]}.*", "status", code=503, times=None)
            capsys.readouterr()
            code = main.main(["check", RICH_PID])
            assert code == (2 if name in ("spikes.times", "spikes.clusters") else 1), name
            assert name in capsys.readouterr().err
        replay.faults.clear()
        assert main.main(["check", RICH_PID]) == 0
        here = opened(source(), tmp_path / "cache", RICH_PID)
        fresh = opened(source(cache=tmp_path / "fresh"), tmp_path / "fresh", RICH_PID)
        assert here.missing == fresh.missing and here.clusters.equals(fresh.clusters)

    def test_a_batch_tries_again_in_the_next_run(self, replay: Replay, tmp_path: Path) -> None:
        arguments = ["render", PID, OTHER_PID, "--out", str(tmp_path / "out"), "--workers", "1"]
        replay.faults.add("*probe00*spikes.depths*", "status", code=503, times=None)
        assert main.main(arguments) == 1
        report = (tmp_path / "out" / "report.csv").read_text()
        assert f"{PID},incomplete," in report and "spikes.depths" in report and f"{OTHER_PID},done," in report
        replay.faults.clear()
        assert main.main(arguments) == 0
        assert f"{PID},done," in (tmp_path / "out" / "report.csv").read_text()

    def test_a_batch_that_is_done_is_done_again_where_what_is_on_record_has_changed(
        self, replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A file, also where it does not come at first; an alignment that leaves the state of histology as it was."""
        parts = tmp_path / "a.parquet.parts"
        arguments = ["units", PID, OTHER_PID, "--out", str(tmp_path / "a.parquet"), "--workers", "1"]
        assert main.main(arguments) == 0
        made = {path.name: path.stat().st_mtime_ns for path in parts.glob("*probe0*")}
        n_asked = sum(replay.data_counts().values())
        capsys.readouterr()
        assert main.main(arguments) == 0
        assert capsys.readouterr().err == "2 of 2: done before\n"
        assert sum(replay.data_counts().values()) == n_asked, "no file was fetched to compare"

        replace_amps(replay, 4)
        replay.faults.add("*spikes.amps*", "status", code=503, times=None)
        assert main.main(arguments) == 1
        assert f"{PID},incomplete," in (parts / "report.csv").read_text()
        replay.faults.clear()
        capsys.readouterr()
        assert main.main(arguments) == 0
        assert "1 of 2: done before" in capsys.readouterr().err
        again = {path.name: path.stat().st_mtime_ns for path in parts.glob("*probe0*")}
        assert again.keys() == made.keys()
        assert [name for name in made if made[name] != again[name]] == [name for name in made if "probe00" in name]

        replace_amps(replay, 4)
        assert main.main(arguments) == 0
        assert f"{PID}: made anew: replaced: spikes.amps\n" in capsys.readouterr().err
        assert f"{PID},done,made anew: replaced: spikes.amps," in (parts / "report.csv").read_text()

        detail = replay.recordings.insertion_details[PID]
        aligned = {"extended_qc": {**detail["json"]["extended_qc"], "alignment_count": 2}}
        replay.recordings.insertion_details[PID] = {**detail, "json": {**detail["json"], **aligned}}
        assert main.main(arguments) == 0
        assert f"{PID}: made anew: replaced: alignment\n" in capsys.readouterr().err

    def test_a_batch_that_is_done_is_not_done_again_for_what_cannot_be_compared(
        self, replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is kept and said, with a code that is not 0; once the database answers, it is compared."""
        out = tmp_path / "a.parquet"
        arguments = ["units", PID, OTHER_PID, "--out", str(out), "--workers", "1"]
        assert main.main(arguments) == 0
        made = {path: path.stat().st_mtime_ns for path in Path(f"{out}.parts").glob("*.parquet")}
        table = out.read_bytes()
        replay.down = True
        capsys.readouterr()
        assert main.main(arguments) == 1
        said = capsys.readouterr()
        assert f"{PID}: kept as it is, and not compared with the data on record now: the database did not" in said.err
        assert "what is known is of 20" in said.err and "0 of 2 insertions done" in said.out
        assert out.read_bytes() == table
        replay.down = False
        assert main.main(arguments) == 0
        assert len(made) == 2 and {path: path.stat().st_mtime_ns for path in made} == made

    def test_a_fault_that_passes_during_a_batch_costs_nothing(self, replay: Replay, tmp_path: Path) -> None:
        replay.faults.add("*probe00*spikes.depths*", "status", code=503, times=transfer.ATTEMPTS)
        out = tmp_path / "out"
        assert main.main(["render", PID, OTHER_PID, "--out", str(out), "--workers", "1"]) == 0
        assert f"{PID},done," in (out / "report.csv").read_text()

    def test_a_batch_on_remembered_records_is_incomplete(
        self, replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It says of which date they are and tries again; who wants them as they are says so."""
        assert main.main(["prefetch", PID, "--workers", "1"]) == 0
        out = tmp_path / "out"
        arguments = ["render", PID, OTHER_PID, "--out", str(out), "--workers", "1"]
        replay.down = True
        assert main.main(arguments) == 1
        report = (out / "report.csv").read_text()
        assert f"{PID},incomplete," in report and "what is known is of 20" in report
        assert not list(out.glob("*.png"))
        assert main.main([*arguments, "--offline"]) == 1, "the other one was never fetched"
        assert f"{PID},done," in (out / "report.csv").read_text() and len(list(out.glob("*.png"))) == 1
        replay.down = False
        capsys.readouterr()
        assert main.main(arguments) == 0
        assert "done before" not in capsys.readouterr().err, "what was made offline is made anew"
        assert f"{OTHER_PID},done," in (out / "report.csv").read_text() and len(list(out.glob("*.png"))) == 2

    def test_a_batch_beside_a_server_that_hangs_is_incomplete_and_ends(
        self, replay: Replay, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is known opens, and is not taken for final; what is not known is not waited for without end."""
        monkeypatch.setattr(alyx_cache, "PATIENCE_S", 0.1)
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 0.5)
        arguments = ["prefetch", PID, OTHER_PID, "--workers", "1"]
        assert main.main(arguments[:2]) == 0
        monkeypatch.setenv("SPIKE_DASHBOARD_ALYX_TOKEN", next(iter(replay.tokens)))
        replay.faults.add("*", "stall_headers", times=None)
        assert main.main(arguments) == 1
        said = capsys.readouterr().err
        assert f"{PID}: " in said and "what is known is of 20" in said
        assert f"{OTHER_PID}: The Alyx server has not answered" in said
        replay.faults.clear()
        assert main.main(arguments) == 0

    def test_a_batch_finds_what_was_registered_a_moment_ago(self, replay: Replay, tmp_path: Path) -> None:
        login = {"alyx_url": replay.url, "alyx_user": "alice", "alyx_password": "alicepass"}
        settings, wanted = Settings(cache=tmp_path, **login), read_query("probe=probe07")  # type: ignore[arg-type]
        with pytest.raises(BadRequest, match="No insertion meets"):
            targets.found(wanted, settings)
        detail = {**replay.insertion(PID), "id": str(uuid.uuid4()), "name": "probe07"}
        replay.add_insertion(detail)
        assert targets.found(wanted, settings) == [detail["id"]]

    def test_a_command_says_whom_it_waits_for(
        self,
        replay: Replay,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 1.0)
        replay.faults.add("/insertions/*", "stall_headers", times=None)
        assert main.main(["check", PID]) == 2
        assert f"waiting for 127.0.0.1:{replay.port}, 1 s at most" in caplog.text
        assert "has not answered for 1 s" in capsys.readouterr().err.splitlines()[-1]

    def test_what_the_server_does_not_have_does_not_exist(self, replay: Replay, tmp_path: Path) -> None:
        """A file that is gone for good keeps nobody from drawing the rest."""
        replay.faults.add("*spikes.depths*", "status", code=404, times=None)
        assert main.main(["render", PID, "--out", str(tmp_path / "a.png")]) == 0

    def test_the_store_asks_again(
        self, fault: str, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        store = InsertionStore([source()], tmp_path / "cache")
        first = store.open(PID)
        assert fault in first.sorting.incomplete
        replay.faults.clear()
        store.look_again()
        second = store.open(PID)
        assert not second.sorting.incomplete
        assert store.open(PID) is second
        store.close()

    def test_unknown_histology_is_known_once_the_database_answers(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path
    ) -> None:
        """The page asks `recovered` again and again, and then opens anew."""
        known = source()
        store = InsertionStore([known], tmp_path / "cache")
        replay.faults.add("/trajectories", "status", code=503, times=None)
        first = store.open(PID)
        assert first.sorting.histology is Histology.UNKNOWN
        known.look_again()
        assert not store.recovered(first)
        replay.faults.clear()
        known.look_again()
        assert store.recovered(first)
        store.forget(first)
        assert store.open(PID).sorting.histology is Histology.ALIGNED
        store.close()


class TestServerThatHangs:
    """What is cached opens while the question stands; what is not says whom it waits for, and for how long at most."""

    @pytest.fixture
    def known(self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path) -> AlyxSource:
        """A source whose insertion was opened before, and whose server accepts and never answers."""
        opened(source(), tmp_path / "cache")
        replay.faults.add("*", "stall_headers", times=None)
        return source()

    def test_what_is_cached_opens_before_the_server_answers(self, known: AlyxSource, tmp_path: Path) -> None:
        said: list[str] = []
        sorting = open_insertion(
            PID, source=known, cache=tmp_path / "cache", progress=lambda progress: said.append(progress.stage)
        )
        assert known.records._asking, "the first question still stands"
        assert sorting.n_spikes == 60_000 and sorting.histology is Histology.ALIGNED and not sorting.incomplete
        assert f"waiting for {known.name}, 2 s at most" in said
        assert "has not answered for 2 s" in known.notice and "what is known is of" in known.notice

    def test_a_second_insertion_is_not_refused_for_it(
        self,
        known: AlyxSource,
        source: Callable[..., AlyxSource],
        replay: Replay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(alyx_cache, "PATIENCE_S", 0.1)
        logged_in = source(token=next(iter(replay.tokens)))
        assert logged_in.find(PID) is not None
        replay.faults.clear()
        assert logged_in.find(OTHER_PID) is not None

    def test_what_is_not_cached_ends_with_a_line(self, known: AlyxSource, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 0.1)
        said: list[str] = []
        with telling(lambda progress: said.append(progress.stage)), pytest.raises(SourceUnavailable, match="answered"):
            known.find(OTHER_PID)

    def test_opening_it_can_be_cancelled(self, known: AlyxSource, tmp_path: Path) -> None:
        store, cancel = InsertionStore([known], tmp_path / "cache"), threading.Event()
        with pytest.raises(Cancelled):
            store.open(OTHER_PID, progress=lambda progress: cancel.set(), cancel=cancel)

    def test_a_list_that_is_known_is_shown_before_the_server_answers(
        self, source: Callable[..., AlyxSource], replay: Replay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = {insertion.pid for insertion in source().insertions()}
        replay.faults.add("*", "stall_headers", times=None)
        monkeypatch.setattr(alyx_cache, "PATIENCE_S", 0.1)
        known = source()
        assert {insertion.pid for insertion in known.insertions()} == listed
        assert known.records._asking, "the question still stands"

    def test_without_a_list_what_is_known_is_shown_once_the_wait_is_over(
        self, known: AlyxSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 0.1)
        assert [insertion.pid for insertion in known.insertions()] == [PID]

    @pytest.mark.parametrize("is_other_answered", [True, False])
    def test_a_question_that_ends_in_vain_spares_no_other_one_the_question(
        self, is_other_answered: bool, source: Callable[..., AlyxSource], replay: Replay
    ) -> None:
        """A server that hangs for one question may answer others, and is not down once it has."""
        slow = source()
        hanging = replay.faults.add(f"/insertions/{OTHER_PID}", "stall_headers")
        ended: list[BaseException] = []

        def ask() -> None:
            try:
                slow.find(OTHER_PID)
            except SourceUnavailable as error:
                ended.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: replay.count(f"/insertions/{OTHER_PID}") == 1)
        if is_other_answered:
            assert slow.find(PID) is not None
        hanging.released.set()
        asking.join()
        assert ended and "cannot be reached" in str(ended[0])
        assert (slow.notice == "") is is_other_answered
        assert slow.find(RICH_PID) is not None and slow.notice == ""

    @pytest.mark.parametrize("path", [f"/insertions/{PID}", "/auth-token"])
    def test_who_tries_again_does_not_wait_for_the_question_that_hangs(
        self, path: str, source: Callable[..., AlyxSource], replay: Replay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 0.2)
        hung = source()
        replay.faults.add(path, "stall_headers", times=1)
        with pytest.raises(SourceUnavailable, match="not answered"):
            hung.find(PID)
        monkeypatch.setattr(alyx_cache, "MAX_ANSWER_S", 60.0)
        hung.look_again()
        assert hung.find(PID) is not None and hung.notice == ""

    def test_each_server_that_does_not_answer_is_named(
        self, source: Callable[..., AlyxSource], written_alyx: Path, tmp_path: Path, replay: Replay
    ) -> None:
        with Replay(written_alyx) as other:
            replay.down = True
            other.faults.add("/insertions/*", "status", code=429, retry_after="60", times=None)
            second = AlyxSource(other.url, cache=tmp_path / "cache", user="alice", password="alicepass")
            with pytest.raises(SourceUnavailable) as caught:
                find(PID, [source(), second])
            assert "cannot be reached" in str(caught.value) and "asks to wait 60 s" in str(caught.value)

    def test_a_late_answer_is_taken_when_it_comes(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened(source(), tmp_path / "cache")
        monkeypatch.setattr(alyx_cache, "PATIENCE_S", 0.1)
        slow = source()
        replay.faults.add("/insertions/*", "delay", times=1, delay=0.6)
        assert slow.find(PID) is not None and "has not answered" in slow.notice
        until(lambda: not slow.records._asking)
        assert slow.notice == ""


class TestARunningServer:
    """What is registered, copied or replaced while it runs is seen: by itself after a while, or when asked for."""

    def new_insertion(self, replay: Replay) -> str:
        detail = {**replay.insertion(PID), "id": str(uuid.uuid4()), "name": "probe07"}
        replay.add_insertion(detail)
        return str(detail["id"])

    def test_a_new_insertion_of_a_server_is_listed(self, source: Callable[..., AlyxSource], replay: Replay) -> None:
        catalogue = Catalogue([source()])
        catalogue.start()
        until(lambda: not catalogue.note, 20)
        n, pid = len(catalogue.table), self.new_insertion(replay)
        catalogue.look_again()
        until(lambda: pid in set(catalogue.table["pid"]), 20)
        assert len(catalogue.table) == n + 1

    def test_a_list_that_is_being_read_when_it_is_asked_for_is_read_once_more(
        self, source: Callable[..., AlyxSource], replay: Replay
    ) -> None:
        catalogue = Catalogue([source()])
        reading = replay.faults.add("/tags", "stall_headers")
        catalogue.start()
        until(lambda: replay.count("/tags") == 1, 20)
        pid = self.new_insertion(replay)
        catalogue.look_again()
        reading.released.set()
        until(lambda: pid in set(catalogue.table["pid"]), 20)

    def test_folders_are_looked_through_by_themselves(self, tmp_path: Path) -> None:
        first = write_session(tmp_path / "data")
        catalogue = Catalogue([FolderSource(tmp_path / "data")], refresh_s=0.05)
        catalogue.listen(lambda: None)
        catalogue.start()
        until(lambda: len(catalogue.table) == 1)
        write_session(tmp_path / "data", session="labx/Subjects/MOUSE_2/2024-01-02/001")
        until(lambda: len(catalogue.table) == 2)
        shutil.rmtree(first.parents[3])
        until(lambda: list(catalogue.table["subject"]) == ["MOUSE_2"])
        catalogue.close()

    def test_a_list_that_nobody_looks_at_is_not_read_again(self, tmp_path: Path) -> None:
        write_session(tmp_path / "data")
        catalogue = Catalogue([FolderSource(tmp_path / "data")], refresh_s=3600)
        catalogue.start()
        until(lambda: len(catalogue.table) == 1)
        until(lambda: not catalogue._reading)
        ended = dict(catalogue._ended)
        catalogue.look_again(now=False)
        assert catalogue._ended == ended and not catalogue._reading

    def test_a_state_that_changed_is_listed(self, source: Callable[..., AlyxSource], replay: Replay) -> None:
        catalogue = Catalogue([source()])
        catalogue.start()
        until(lambda: not catalogue.note, 20)
        row = replay.recordings.tables["insertions"][PID]
        resolved = {"extended_qc": {"tracing_exists": True, "alignment_resolved": True, "alignment_count": 1}}
        replay.recordings.tables["insertions"][PID] = {**row, "json": resolved}
        catalogue.look_again()
        table = lambda: catalogue.table.set_index("pid")["histology"]  # noqa: E731
        until(lambda: table()[PID] == "resolved", 20)

    def test_a_replaced_file_is_read_when_the_insertion_is_opened_again(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
        store = InsertionStore([source()], tmp_path / "cache", refresh_s=1e-9)
        first = store.open(PID)
        was = amps(first.sorting)
        assert store.open(PID) is first, "nothing has changed"
        replace_amps(replay, 4)
        assert store.changes(first) == "replaced: spikes.amps"
        second = store.open(PID)
        assert amps(second.sorting) == pytest.approx(4 * was)
        assert store.changes(second) == ""
        store.close()

    def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken_for_the_one_that_was_read(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
        store, left = InsertionStore([source()], tmp_path / "cache", refresh_s=1e-9), [4]

        def meanwhile(progress: Progress) -> None:
            if progress.stage == "checking spikes" and left:
                replace_amps(replay, left.pop())

        first = store.open(PID, progress=meanwhile)
        assert not left
        assert store.changes(first) == "replaced: spikes.amps"
        assert amps(store.open(PID).sorting) == pytest.approx(4 * amps(first.sorting))
        store.close()

    def test_a_file_of_which_the_database_knows_no_checksum_is_not_new_for_having_been_fetched(
        self, source: Callable[..., AlyxSource], replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(alyx_cache, "FRESH_S", 0.0)
        record = replay.dataset(EID, AMPS)
        record["hash"] = None
        store = InsertionStore([source()], tmp_path / "cache", refresh_s=1e-9)
        first = store.open(PID)
        assert store.changes(first) == ""
        record["file_size"] += 8
        assert store.changes(first) == "replaced: spikes.amps"
        store.close()

    def test_a_replaced_file_of_a_folder_is_read_when_the_insertion_is_opened_again(self, tmp_path: Path) -> None:
        folder = write_session(tmp_path / "data")
        store = InsertionStore([FolderSource(tmp_path / "data")], tmp_path / "cache", refresh_s=1e-9)
        first = store.open("MOUSE_1/2024-01-02/001/probe00")
        was = amps(first.sorting)
        np.save(tmp_path / "new.npy", np.load(folder / "spikes.amps.npy") * 4)
        (tmp_path / "new.npy").replace(folder / "spikes.amps.npy")
        assert store.changes(first) == "replaced: spikes.amps"
        assert amps(store.open("MOUSE_1/2024-01-02/001/probe00").sorting) == pytest.approx(4 * was)
        store.close()


#: Queries that find something, and those that find nothing: names are exact, a part of subject, project and task does.
FINDING = (
    "KM_003", "lab=labrig", "subject=km_00", "first=2024-04-01 last=2024-04-30", "project=BRAINWIDE", "task=ephysC",
    "region=ca1", "region=CA1 level=beryl", "probe=probe01", "model=3B2", "histology=resolved", "histology=traced",
    "histology=none", "tag=2024_Q2_rig", "model=3B2 subject=KM_00 first=2024-04-11", "tag=2024_Q2_rig probe=probe01",
)  # fmt: skip
FINDING_NOTHING = (
    "KM_9", "lab=LABRIG", "subject=KM_,00", "first=2099-01-01", "project=none", "task=none", "region=VISp5", "probe=p",
    "model=NP2.4", "histology=alf", "tag=2024_Q2", "tag=2024_q2_RIG",
)  # fmt: skip


def test_each_facet_is_among_the_queries() -> None:
    words = {part.partition("=")[0] for query in FINDING for part in query.split() if "=" in part}
    assert words | {"text", "favourites", "verdict", "opens"} == {item.name for item in fields(Facets)}


@pytest.mark.parametrize("query", [*FINDING, *FINDING_NOTHING])
def test_a_search_finds_the_same_here_and_on_the_server(
    query: str, source: Callable[..., AlyxSource], replay: Replay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asked of the server and narrowed, or everything listed and narrowed here; only the server knows tags, regions."""
    known = source()
    facets = read_query(query)
    everything = [row for page in known.search(Facets()) for row in page]
    answers = replay.recordings.answers
    tags = {"2024_Q2_rig": answers["insertions", frozenset({("tag", "2024_Q2_rig")})]}
    regions = {"CA1": answers["insertions", frozenset({("atlas_acronym", "CA1")})]}
    here = set(narrow(insertion_table(everything), facets, None, tags, regions)["pid"])
    assert bool(here) is (query in FINDING)
    monkeypatch.setattr(targets, "configured_sources", lambda settings, default: [known])
    settings = Settings(alyx_url=replay.url, cache=tmp_path)
    if here:
        assert set(targets.found(facets, settings)) == here
    else:
        with pytest.raises(BadRequest, match="No insertion meets"):
            targets.found(facets, settings)


def test_a_region_is_asked_for_at_the_level_of_beryl(
    source: Callable[..., AlyxSource], replay: Replay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whose insertions reach into another layer of VISp meets "VISp5 at the level of Beryl", too."""
    monkeypatch.setattr(targets, "configured_sources", lambda settings, default: [source()])
    with pytest.raises(BadRequest, match="No insertion meets"):
        targets.found(read_query("region=visp5 level=beryl"), Settings(cache=tmp_path))
    assert [seen.query for seen in replay.seen if "atlas" in seen.query] == ["limit=250&atlas_acronym=VISp"]


@pytest.mark.parametrize(
    ("query", "said"),
    [("first=2024-13-01", "Not a date"), ("region=CA11", "No such region"), ("verdict=pass", "known to the page only")],
)
def test_what_is_none_is_said_before_a_server_is_asked(query: str, said: str, replay: Replay, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=said):
        targets.found(read_query(query), Settings(alyx_url=replay.url, cache=tmp_path))
    assert not replay.seen


@pytest.mark.parametrize("query", ["histology=resloved", "level=cosmos", "verdict=good", "lab=", "sex=f"])
def test_a_value_that_is_none_does_not_find_everything(query: str) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        read_query(query)


class TestThrottled:
    """A batch waits as long as the servers ask, with one login, and goes on; a page gives up and says so."""

    @pytest.fixture(autouse=True)
    def _settings(self, replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        login = {"ALYX_USER": "alice", "ALYX_PASSWORD": "alicepass"}
        for name, value in {"ALYX_URL": replay.url, **login, "CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(f"SPIKE_DASHBOARD_{name}", value)
        monkeypatch.setattr(client, "MAX_WAIT_S", 0.5)
        monkeypatch.setattr(transfer, "MAX_RETRY_AFTER_S", 0.5)
        monkeypatch.setattr(transfer, "BACK_OFF_S", 0.0)

    def test_a_batch_waits_and_logs_in_once(self, replay: Replay) -> None:
        replay.faults.add("/insertions/*", "status", code=429, retry_after="1", times=4)
        replay.faults.add("*spikes.times*", "status", code=503, retry_after="1", times=transfer.ATTEMPTS + 1)
        assert main.main(["prefetch", PID, OTHER_PID, "--workers", "1"]) == 0
        assert replay.count("/auth-token", "POST") == 1

    def test_processes_share_one_login(self, replay: Replay) -> None:
        assert main.main(["prefetch", PID, OTHER_PID, "--workers", "2"]) == 0
        assert replay.count("/auth-token", "POST") == 1
        assert "SPIKE_DASHBOARD_ALYX_TOKEN" not in os.environ

    def test_a_page_gives_up(self, source: Callable[..., AlyxSource], replay: Replay) -> None:
        replay.faults.add("/insertions/*", "status", code=429, retry_after="1", times=None)
        with pytest.raises(SourceUnavailable, match="asks to wait 1 s"):
            source().find(PID)


def test_a_stalled_download_is_named_as_stalled() -> None:
    """With the rate and the time left of before it looked as if it went on."""
    now, told = [0.0], list[Progress]()
    (times, depths) = (DatasetRef("spikes", name, "npy", "alf/probe00", size=1000) for name in ("times", "depths"))
    meter = Meter([times, depths], told.append, lambda: now[0])
    meter.begin(times)
    meter.begin(depths)
    for second in range(4):
        now[0] = second
        meter.update(times, 100 * second)
    now[0] = 7.0
    meter.update(depths, 500)
    meter.tick()
    assert not any(progress.stalled_s for progress in told)
    now[0] = 8.0
    meter.tick()
    assert progress_text(told[-1]) == "0.0 of 0.0 MB, stalled for 5 s" and told[-1].stage == "spikes.times"
    meter.finish(depths, 1000)
    now[0] = 20.0
    meter.tick()
    assert {progress.stage: progress.stalled_s for progress in told[-2:]} == {"spikes.times": 17.0, ALL_FILES: 17.0}
    meter.end(times)
    n_told = len(told)
    now[0] = 30.0
    meter.tick()
    assert len(told) == n_told
