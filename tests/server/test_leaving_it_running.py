"""A server that nobody watches: stopped in mid-download, logins that end, its log, its cache by command."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from dashboard.cli import main
from dashboard.config.logs import LINES_S, MAX_LINES, FewLines, JsonFormatter, RedactSecrets
from dashboard.server.auth.gate import COOKIE
from dashboard.server.server import _close_idle, session_name
from dashboard.sources.demo.source import DemoSource
from tests.replay.downloading import until
from tests.replay.server import Replay
from tests.server.asking import Site, answer, token_in, told_by
from tests.serving import serving

KEY = "KM_001/2024-03-05/001/probe00"


@pytest.fixture
def replay(alyx_folder: Path) -> Iterator[Replay]:
    with Replay(alyx_folder) as server:
        yield server


def start(replay: Replay, folder: Path) -> tuple[subprocess.Popen[str], str]:
    serve = [
        sys.executable, "-m", "dashboard", "serve", "--no-browser", "--port", "0", "--alyx", replay.url,
        "--user", "alice", "--cache", str(folder / "cache"),
    ]  # fmt: skip
    environment = os.environ | {"SPIKE_DASHBOARD_ALYX_PASSWORD": "alicepass", "HOME": str(folder)}
    process = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def parts(folder: Path) -> list[int]:
    return [path.stat().st_size for path in (folder / "cache" / "one").rglob("*.part*") if path.is_file()]


@pytest.mark.walk
def test_a_stop_in_mid_download_parks_it_and_the_next_start_goes_on(replay: Replay, tmp_path: Path) -> None:
    replay.faults.add("*spikes.times*", "throttle", times=None, after=100_000, delay=0.3)
    process, url = start(replay, tmp_path)
    try:
        assert requests.get(f"{url}?insertion={KEY}", timeout=60).status_code == 200
        until(lambda: any(size > 200_000 for size in parts(tmp_path)), 30)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert "Traceback" not in said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    parked = max(parts(tmp_path))
    assert parked > 200_000
    replay.faults.clear()
    n_seen = len(replay.seen)
    process, url = start(replay, tmp_path)
    try:
        assert requests.get(f"{url}?insertion={KEY}", timeout=60).status_code == 200
        until(lambda: requests.get(f"{url}health", timeout=30).json()["insertions_open"] == 1, 60)
        asked = [seen.headers.get("range") for seen in replay.seen[n_seen:] if "spikes.times" in seen.path]
        assert asked == [f"bytes={parked}-"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_tab_left_open_does_not_stay_logged_in(site: Site) -> None:
    """Its websocket is closed once the login has ended, by whatever ended it."""
    process = site.server.process
    token = site.login().cookies[COOKIE]
    page = token_in(site.get("/", token).text)
    headers = {"Origin": f"http://localhost:{site.server.port}", "Cookie": f"{COOKIE}={token}"}

    async def visit() -> int:
        request = HTTPRequest(f"ws{site.url.removeprefix('http')}/ws", headers=headers)
        socket = await websocket_connect(request, subprotocols=["bokeh", page])
        await socket.read_message()  # that it is there
        site.server.io_loop.add_callback(_close_idle, site.server, process)
        await asyncio.sleep(0.5)
        assert socket.close_code is None, "a login that is in use was ended"
        process.logins.end(token)
        site.server.io_loop.add_callback(_close_idle, site.server, process)
        while await socket.read_message() is not None:
            pass
        code = socket.close_code
        socket.close()
        return int(code or 0)

    assert answer(visit) == 4401


def test_a_log_line_is_one_object_with_the_session() -> None:
    record = logging.LogRecord(
        "dashboard.library.store", logging.WARNING, "", 0, 'a "%s"\nof two lines', ("thing",), None
    )
    entry = json.loads(JsonFormatter(lambda: "12ab34cd").format(record))
    assert "\n" not in JsonFormatter().format(record)
    assert (entry["level"], entry["logger"], entry["session"]) == ("warning", "dashboard.library.store", "12ab34cd")
    assert entry["message"] == 'a "thing"\nof two lines'
    assert abs(time.time() - record.created) < 60


def test_standard_error_has_nothing_but_log_lines(tmp_path: Path, cache: Path) -> None:
    """Whatever links ask for, and whatever nobody catches: each line is an object, and no page is one of an error."""
    code = (
        "import os, signal, sys, threading, warnings\n"
        "import dashboard.server.server as server\n"
        "from dashboard.cli.main import main\n"
        "run = server.run\n"
        "def at_work(served):\n"
        "    warnings.warn('a warning')\n"
        "    threading.Thread(target=lambda: 1 / 0).start()\n"
        "    run(served)\n"
        "server.run = at_work\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    flags = ["demo", "--cache", str(cache), "--spikes", "50000", "--port", "0", "--no-browser", "--log-json"]
    with (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *flags, "--log-level", "info"], stdout=subprocess.PIPE, stderr=err,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition("?")[0]
        digits = "9" * 5000
        queries = (
            f"selected={digits}",
            f"trial={digits}",
            f"nosuch={digits}",
            "nosuch=%C2%B2",
            "nosuch=[[[[[",
            "t=%00",
        )
        codes = {query[:12]: requests.get(f"{url}?insertion=none&{query}", timeout=60).status_code for query in queries}
        process.terminate()
        process.wait(60)
        process.stdout.close()
    lines = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
    assert set(codes.values()) == {200}, codes
    assert any("ZeroDivisionError" in line.get("exception", "") for line in lines)
    assert any("a warning" in line["message"] for line in lines)


def test_what_threads_do_for_a_session_is_logged_with_its_name(small_demo: object, cache: Path) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler, store = Kept(), logging.getLogger("dashboard.library.store")
    handler.setFormatter(JsonFormatter(session_name))
    store.addHandler(handler)
    store.setLevel("INFO")
    try:
        with serving([DemoSource(cache, n_spikes=50_000)], cache) as server:
            url = f"http://127.0.0.1:{server.port}"
            told = told_by(token_in(requests.get(f"{url}/?insertion=demo", timeout=60).text))
            until(lambda: any("loaded" in line for line in lines), 60)
            jobs = {server.process.pool.session().submit(session_name).result(30)}
    finally:
        store.removeHandler(handler)
        store.setLevel("NOTSET")
    entry = json.loads(next(line for line in lines if "loaded" in line))
    assert entry["session"] == hashlib.sha256(told["session_id"].encode()).hexdigest()[:8]
    assert jobs == {""}, "a thread kept the name of a session that it worked for before"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("404 GET /login?code=abc&state=def HTTP/1.1", "404 GET /login?code=…&state=… HTTP/1.1"),
        ("uri='/?bokeh-token=abc', version", "uri='/?bokeh-token=…', version"),
        (f"404 GET /spikes/download/{'Ab1_-' * 8}xyz/a.csv", "404 GET /spikes/download/…/a.csv"),
        ("opened /?insertion=demo&t=0,60", "opened /?insertion=demo&t=0,60"),
    ],
)
def test_the_log_keeps_what_is_secret_in_an_address(said: str, kept: str) -> None:
    for record in (
        logging.LogRecord("tornado.access", logging.WARNING, "", 0, said, None, None),
        logging.LogRecord("tornado.access", logging.WARNING, "", 0, "%s", (said,), None),
    ):
        assert RedactSecrets().filter(record)
        assert record.getMessage() == kept


def test_the_cache_is_listed_and_cleared_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "columns").mkdir()
    (tmp_path / "columns" / "a").write_bytes(bytes(3 << 20))
    (tmp_path / "kept.sqlite").write_bytes(b"x")
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main.main(["cache", *arguments, "--cache", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    code, listed, _ = run("list")
    assert code == 0
    sizes = {line.split()[-1]: line.split()[0] for line in listed.splitlines()}
    assert sizes == {"columns": "3.0", "kept.sqlite": "0.0"}
    for names, problem in (((), "Nothing named to clear"), (("../outside",), "Not in the cache: ../outside")):
        code, _, said = run("clear", *names)
        assert (code, len(said.splitlines())) == (2, 1)
        assert problem in said
    assert outside.is_dir()
    assert run("clear", "columns")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["kept.sqlite"]


def test_nonsense_without_end_fills_no_log() -> None:
    now = [0.0]
    few = FewLines(lambda: now[0])

    def passes() -> tuple[bool, str]:
        record = logging.LogRecord("tornado.access", logging.WARNING, __file__, 1, "403 %s", ("GET /",), None)
        return few.filter(record), record.getMessage()

    assert sum(passes()[0] for _ in range(10 * MAX_LINES)) == MAX_LINES
    now[0] += LINES_S
    assert passes() == (True, f"403 GET / ({9 * MAX_LINES} lines before are left out)")
    assert passes() == (True, "403 GET /")
