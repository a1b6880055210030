"""Several processes on neighbouring ports: what cannot work is refused; at work they are in test_deployment.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.cli import main
from dashboard.config.settings import Settings
from dashboard.server.workers import share


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "0"), "Several processes need ports that a proxy knows"),
        (("--port", "65535"), "There are not as many ports: 2 from 65535"),
        (("--max-sessions", "1"), "There are fewer sessions than processes"),
        (("--processes", "0"), "--processes"),
    ],
)
def test_what_cannot_work_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main.main(["serve", "--offline", "--data", str(tmp_path), "--processes", "2", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_limits_are_those_of_all_together() -> None:
    parts = share(Settings(processes=4, port=6000, memory=8 << 30, max_sessions=10))
    assert [part.port for part in parts] == [6000, 6001, 6002, 6003]
    assert {part.memory for part in parts} == {2 << 30}
    assert {part.max_sessions for part in parts} == {3}
    assert {part.processes for part in parts} == {1}


def test_a_taken_port_ends_them_all(tmp_path: Path, cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        serve = [
            sys.executable, "-m", "dashboard", "serve", "--offline", "--no-browser", "--data", str(tmp_path),
            "--port", str(port - 1), "--processes", "2",
        ]  # fmt: skip
        environment = os.environ | {"SPIKE_DASHBOARD_CACHE": str(cache)}
        ended = subprocess.run(serve, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "Cannot listen there" in ended.stderr
    assert "Traceback" not in ended.stderr
