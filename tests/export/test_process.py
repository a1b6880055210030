"""Exports in a process of their own: what comes back, what does not go there, and that it never stays."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.export.process import MAX_BYTES, NICE, ExportFailed, ExportProcess, pickled
from dashboard.model.errors import BadRequest, Cancelled, DashboardError
from dashboard.model.sorting import SpikeSorting
from tests.replay.downloading import until


@pytest.fixture(autouse=True)
def _exports_do_not_give_way() -> None:
    """Here they do, as in a server."""


@pytest.fixture(scope="module")
def process() -> Iterator[ExportProcess]:
    process = ExportProcess()
    yield process
    process.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def refuse() -> None:
    raise BadRequest("No unit is selected", "unit 3", "Click one")


def test_it_is_another_process_which_gives_way_to_the_server(process: ExportProcess) -> None:
    spent: list[float] = []
    assert process.run(os.getpid, spend=spent.append) == process.pid != os.getpid()
    assert spent[0] > 0
    assert process.run(partial(os.nice, 0)) >= min(os.nice(0) + NICE, 19)
    assert process.run(partial(print, "no answer")) is None


def test_errors_come_back_as_one_line_and_the_process_stays(process: ExportProcess) -> None:
    pid = process.run(os.getpid)
    with pytest.raises(DashboardError, match=r"No unit is selected: unit 3\. Click one"):
        process.run(refuse)
    with pytest.raises(ExportFailed, match="ZeroDivisionError"):
        process.run(lambda: 1 // 0)
    with pytest.raises(DashboardError, match="more memory than it may"):
        process.run(partial(bytearray, MAX_BYTES + 1))
    assert process.run(os.getpid) == pid


def test_a_process_that_dies_is_one_line_and_the_next_export_has_another(process: ExportProcess) -> None:
    with pytest.raises(DashboardError, match=r"has ended\. Export again"):
        process.run(partial(os._exit, 3))
    assert process.run(os.getpid) == process.pid


def test_what_nobody_wants_any_longer_is_ended_and_counted(process: ExportProcess) -> None:
    begun, spent, pid = threading.Event(), list[float](), process.run(os.getpid)

    def is_off() -> bool:
        was_begun = begun.is_set()
        begun.set()
        return was_begun

    with pytest.raises(Cancelled):
        process.run(partial(time.sleep, 300), is_off, spent.append)
    assert not is_alive(pid)
    assert len(spent) == 1


def test_what_takes_too_long_is_ended() -> None:
    process = ExportProcess(timeout_s=0.2)
    with pytest.raises(DashboardError, match=r"longer than it may: 0\.2 s"):
        process.run(partial(time.sleep, 300))
    assert process.pid is None


def test_a_process_without_work_ends_and_a_closed_one_takes_none() -> None:
    process = ExportProcess(idle_s=0.05)
    pid = process.run(os.getpid)
    until(lambda: process.pid is None, 30)
    assert not is_alive(pid)
    process.close()
    with pytest.raises(Cancelled):
        process.run(os.getpid)


def test_it_ends_with_the_server_however_that_ends() -> None:
    script = (
        "import os, signal\nfrom dashboard.export.process import ExportProcess\n"
        "print(ExportProcess().run(os.getpid), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    server = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    until(lambda: not is_alive(int(server.stdout)), 30)


def test_no_module_of_the_working_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cloudpickle", "matplotlib", "pickle"):
        (tmp_path / f"{name}.py").write_text("open('bitten', 'w')\n")
    monkeypatch.chdir(tmp_path)
    process = ExportProcess()
    assert process.run(os.getcwd) == str(tmp_path)
    process.close()
    assert not (tmp_path / "bitten").exists()


def test_spikes_are_not_handed_over(small_demo: SpikeSorting, small_columns: SpikeColumns) -> None:
    def work(*given: Any) -> tuple[Any, ...]:
        return given

    data = pickled(partial(work, small_demo, small_columns))
    assert len(data) < small_columns.times_s.nbytes
    sorting, columns = pickle.loads(data)()
    assert columns is None
    assert sorting.title == small_demo.title
    assert sorting.clusters.equals(small_demo.clusters)
    with pytest.raises(AttributeError):
        sorting.spikes  # noqa: B018
