"""The files in deploy/: what they say is what the program takes; nginx in front of a real server."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from asking import answer
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from dashboard.access import COOKIE
from dashboard.accounts import add_user
from dashboard.cli import build_parser


def test_the_container_runs_a_command_that_exists_and_is_not_root(repository: Path) -> None:
    text = (repository / "deploy" / "Dockerfile").read_text()
    command = re.search(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    assert command is not None
    build_parser().parse_args(re.findall(r'"([^"]*)"', command[1]))
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    for source in re.findall(r"^COPY (.*) /src", text, re.MULTILINE):
        assert all((repository / name).exists() for name in source.split())
    assert "read_only: true" in (repository / "deploy" / "compose.yml").read_text()


def test_the_unit_runs_a_command_that_exists(repository: Path) -> None:
    text = (repository / "deploy" / "spike-dashboard.service").read_text()
    line = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert line is not None
    build_parser().parse_args(line[1].split()[1:])
    assert "User=spike-dashboard" in text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_nginx_in_front(repository: Path, tmp_path: Path, cache: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    port, front = free_port(), free_port()
    add_user(tmp_path / "users.json", "ann", "correct horse")
    location = (repository / "deploy" / "nginx.conf").read_text().replace("127.0.0.1:5006", f"127.0.0.1:{port}")
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\nevents {{}}\n"
        f"http {{ access_log off;\n{paths}server {{ listen 127.0.0.1:{front};\n{location}\n}} }}\n"
    )
    serve = [
        sys.executable, "-m", "dashboard", "serve", "--offline", "--no-browser", "--data", str(tmp_path),
        "--port", str(port), "--prefix", "/spikes", "--behind-proxy", "--origin", f"127.0.0.1:{front}",
        "--users", str(tmp_path / "users.json"),
    ]  # fmt: skip
    environment = os.environ | {"SPIKE_DASHBOARD_CACHE": str(cache)}
    running = [
        subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True),
        subprocess.Popen([nginx, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]),
    ]
    try:
        assert running[0].stdout is not None
        assert running[0].stdout.readline().strip() == f"http://127.0.0.1:{port}/spikes/"
        url = f"http://127.0.0.1:{front}/spikes"
        for _ in range(100):
            try:
                requests.get(f"{url}/login", timeout=10)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        away = requests.get(f"{url}/", allow_redirects=False, timeout=30)
        assert (away.status_code, away.headers["Location"].split("?")[0]) == (302, "/spikes/login")
        assert connect(front, None) == 401
        with requests.Session() as browser:
            form = {"name": "ann", "password": "correct horse", "next": "/spikes/?tab=unit"}
            answer = browser.post(f"{url}/login", data=form, allow_redirects=False, timeout=30)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/spikes/?tab=unit")
            page = browser.get(f"{url}/", timeout=60)
            assert page.status_code == 200
            script = re.search(r'src="((?!data:)[^"]*static/[^"]*\.js[^"]*)"', page.text)
            assert script is not None
            assert browser.get(requests.compat.urljoin(page.url, script[1]), timeout=30).status_code == 200
            assert browser.get(f"{url}/health", timeout=30).json()["status"] == "ok"
            assert connect(front, browser.cookies[COOKIE]) == 101
            assert connect(front, browser.cookies[COOKIE], "http://evil.example") == 403
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.communicate(timeout=30)
    assert running[0].returncode == 0


def connect(port: int, cookie: str | None, origin: str = "") -> int:
    """Return the status of a websocket through the proxy; 101 where it opens."""
    headers = {"Origin": origin or f"http://127.0.0.1:{port}"} | ({"Cookie": f"{COOKIE}={cookie}"} if cookie else {})

    async def attempt() -> int:
        request = HTTPRequest(f"ws://127.0.0.1:{port}/spikes/ws", headers=headers)
        try:
            opened = await websocket_connect(request, subprotocols=["bokeh", "x"])
        except HTTPClientError as error:
            return int(error.code)
        opened.close()
        while await opened.read_message() is not None:
            pass
        return 101

    return answer(attempt)
