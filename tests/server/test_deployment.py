"""The files in deploy/: what they say is what the program takes; nginx in front of a real server."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from dashboard.cli.main import build_parser
from dashboard.server.auth.gate import COOKIE
from dashboard.server.auth.logins import FRESH_S
from dashboard.server.auth.passwords import add_user
from tests.server.asking import connect, token_in
from tests.serving import free_port, nginx, nginx_command

NAMES = tuple(f"user{number}" for number in range(20))
"""As many as it takes until both processes serve one; by chance alike for all of them once in a million times."""


def test_the_container_runs_a_command_that_exists_and_is_not_root(repository: Path) -> None:
    text = (repository / "deploy" / "Dockerfile").read_text()
    command = re.search(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    assert command is not None
    build_parser().parse_args(re.findall(r'"([^"]*)"', command[1]))
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    for source in re.findall(r"^COPY (.*) /src", text, re.MULTILINE):
        assert all((repository / name).exists() for name in source.split() if not name.endswith("[t]"))
    assert "read_only: true" in (repository / "deploy" / "compose.yml").read_text()


def test_the_unit_runs_a_command_that_exists(repository: Path) -> None:
    text = (repository / "deploy" / "spike-dashboard.service").read_text()
    line = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert line is not None
    build_parser().parse_args(line[1].split()[1:])
    assert "User=spike-dashboard" in text


@pytest.mark.walk
def test_nginx_in_front_of_two_processes(repository: Path, tmp_path: Path, cache: Path) -> None:
    """As the files of deploy/ say: prefix, login, page, script, websocket; logins are good in both processes."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    ports, front = (port, port + 1), free_port()
    for name in NAMES:
        add_user(tmp_path / "users.json", name, "correct horse")
    deploy = repository / "deploy"
    location = re.sub(r"http://127\.0\.0\.1:\d+;", "http://spike_dashboard;", (deploy / "nginx.conf").read_text())
    upstream = (deploy / "nginx-processes.conf").read_text()
    kept = dict(zip(("5006", "5007"), map(str, ports), strict=True))
    lines = [line for line in upstream.splitlines() if not re.search(r"server 127.*:500[89];", line)]
    upstream = re.sub(r"127\.0\.0\.1:(500\d)", lambda match: f"127.0.0.1:{kept[match[1]]}", "\n".join(lines))
    serve = [
        sys.executable, "-m", "dashboard", "serve", "--offline", "--no-browser", "--data", str(tmp_path),
        "--port", str(port), "--prefix", "/spikes", "--behind-proxy", "--origin", f"127.0.0.1:{front}",
        "--users", str(tmp_path / "users.json"), "--processes", "2", "--open-health",
    ]  # fmt: skip
    environment = os.environ | {"SPIKE_DASHBOARD_CACHE": str(cache)}
    process = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with ended(process) as said, nginx(tmp_path, location, front, upstream) as url:
        assert process.stdout is not None
        assert {process.stdout.readline().strip() for _ in ports} == {f"http://127.0.0.1:{p}/spikes/" for p in ports}
        url += "/spikes"
        here = f"http://127.0.0.1:{front}"
        away = requests.get(f"{url}/", allow_redirects=False, timeout=30)
        assert (away.status_code, away.headers["Location"].split("?")[0]) == (302, "/spikes/login")
        assert connect(url, None, here) == 401
        each, served = [f"http://127.0.0.1:{p}/spikes" for p in ports], set[str]()
        for name in NAMES:
            if len(served) == len(each):
                break
            with requests.Session() as browser:
                form = {"name": name, "password": "correct horse", "next": "/spikes/?tab=unit"}
                answer = browser.post(f"{url}/login", data=form, allow_redirects=False, timeout=30)
                assert (answer.status_code, answer.headers["Location"]) == (303, "/spikes/?tab=unit")
                page = browser.get(f"{url}/", timeout=60)
                assert page.status_code == 200
                script = re.search(r'src="((?!data:)[^"]*static/[^"]*\.js[^"]*)"', page.text)
                assert script is not None
                assert browser.get(requests.compat.urljoin(page.url, script[1]), timeout=30).status_code == 200
                cookie, token = browser.cookies[COOKIE], token_in(page.text)
                assert connect(url, cookie, here, token) == 101, "its page is in the other process"
                assert connect(url, cookie, "http://evil.example", token) == 403
                assert [metrics(one, cookie) for one in each] == [200, 200], "a login counts in one process only"
                served |= {one for one in each if requests.get(f"{one}/health", timeout=30).json()["sessions"]}
        assert len(served) == len(each), "all went to one process"
        requests.post(f"{url}/logout", cookies={COOKIE: cookie}, allow_redirects=False, timeout=30)
        time.sleep(FRESH_S + 0.1)
        assert [metrics(one, cookie) for one in each] == [401, 401], "a log-out counts in one process only"
    assert process.returncode == 0, said
    assert "Traceback" not in said[0]
    for one in each:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{one}/health", timeout=10)


def metrics(url: str, cookie: str) -> int:
    return requests.get(f"{url}/metrics", cookies={COOKIE: cookie}, timeout=30).status_code


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    """End a process, and say what it said."""
    said: list[str] = []
    try:
        yield said
    finally:
        process.terminate()
        said.append(process.communicate(timeout=60)[1])


def test_nginx_takes_every_file(repository: Path, tmp_path: Path) -> None:
    """As the comments in them say that they are put together."""
    deploy = repository / "deploy"
    names = ("nginx.conf", "nginx-processes.conf", "nginx-compose.conf", "nginx-tls.conf")
    location, processes, compose, tls = ((deploy / name).read_text() for name in names)
    named = re.search(r"proxy_pass +(http://\w+;)", processes)
    assert named is not None
    ours = re.sub(r"http://127\.0\.0\.1:\d+;", named[1], location)
    assert ours != location
    # names of containers are known to compose only
    blocks = (
        f"server {{ {location} }}",
        f"{processes}\nserver {{ {ours} }}",
        compose.replace("//dashboard:", "//127.0.0.1:"),
        tls.replace("# include /etc/nginx/spike-dashboard.conf;   the", f"{location}\n# the"),
    )
    made = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=lab.example.org",
        "-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem"),
    ]  # fmt: skip
    subprocess.run(made, capture_output=True, check=True)
    for block in blocks:
        block = re.sub(r"/etc/(letsencrypt/live/lab.example.org|nginx/tls)/", f"{tmp_path}/", block)
        assert "ssl" not in block or ("Strict-Transport-Security" in block and "return 301 https://" in block)
        tested = subprocess.run([*nginx_command(tmp_path, block), "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr


def test_the_dockerfile_in_detail(repository: Path) -> None:
    """What a linter asks for: one user for everything that runs, no root, no secrets, nothing fetched unpinned."""
    text = (repository / "deploy" / "Dockerfile").read_text()
    instructions = [
        re.split(r"\s+", line, maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line[:1].isupper()
    ]
    names = [name for name, _ in instructions]
    assert names[:2] == ["ARG", "FROM"]
    assert dict(instructions)["FROM"] == "${BASE}", "it cannot be given by digest"
    pinned_base = r"BASE=python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}"
    assert re.fullmatch(pinned_base, instructions[0][1]), "the base image is not pinned"
    assert "--require-hashes" in text
    assert names.count("USER") == 1
    assert dict(instructions)["USER"] not in ("root", "0")
    after = names[names.index("USER") :]
    assert "RUN" not in after, "what runs after USER writes where the user may not"
    assert {"ENTRYPOINT", "CMD", "HEALTHCHECK", "VOLUME"} <= set(after)
    assert "ADD" not in names
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)\s*=", text)
    installs = re.findall(r"pip install [^&]*", text)
    assert installs
    pinned = ("--require-hashes", "--no-build-isolation")
    assert all("--no-cache-dir" in line and any(word in line for word in pinned) for line in installs)
    written = re.findall(r"SPIKE_DASHBOARD_CACHE=(\S+)|NUMBA_CACHE_DIR=(\S+)|MPLCONFIGDIR=(\S+)", text)
    volume = dict(instructions)["VOLUME"].strip()
    assert all("".join(found).startswith(volume) for found in written), "root is read-only: all that is written"


@pytest.mark.parametrize(("base", "code"), [("python:3.11@sha256:ab", 0), ("python:3.11", 1), ("", 1)])
def test_the_build_refuses_a_base_without_a_digest(repository: Path, base: str, code: int) -> None:
    text = (repository / "deploy" / "Dockerfile").read_text()
    check = re.search(r"^FROM .*\nARG BASE\nRUN (.*)$", text, re.MULTILINE)
    assert check is not None
    run = subprocess.run(["sh", "-c", check[1]], env={"BASE": base}, capture_output=True, text=True, check=False)
    assert (run.returncode, "not given by digest" in run.stderr) == (code, bool(code))


def test_every_image_of_the_compose_file_is_pinned(repository: Path) -> None:
    text = (repository / "deploy" / "compose.yml").read_text()
    images = re.findall(r"image: (.*)", text)
    assert images
    assert all(re.search(r"@sha256:[0-9a-f]{64}\}?$", image) for image in images)


def test_the_image_installs_what_was_tested_by_hash(repository: Path) -> None:
    """deploy/README.md has the command that makes the list."""
    tested = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", (repository / "constraints.txt").read_text()))
    tested = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in tested.items()}
    text = (repository / "deploy" / "requirements.txt").read_text()
    assert "://" not in text
    parts = re.findall(r"(?m)^([\w.-]+)==(\S+)([^\n]*)\\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)", text)
    assert len(parts) == len(re.findall(r"==\d", re.sub(r";.*", "", text))), "a line has no hash"
    listed = {name: version for name, version, _, _ in parts}
    elsewhere = {name for name, _, where, _ in parts if "sys_platform" in where}
    assert {name: tested.get(name) for name in listed if name not in elsewhere} == {
        name: version for name, version in listed.items() if name not in elsewhere
    }
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    for wanted in (*project["project"]["dependencies"], *project["build-system"]["requires"]):
        assert re.split(r"[^\w.-]", wanted)[0].replace("_", "-").lower() in listed, wanted


def test_an_unprivileged_user_serves_from_a_clean_folder(repository: Path) -> None:
    """The container's command as a user of no rights, whose home cannot be written, as with a read-only root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    nobody, packages = 65534, sysconfig.get_path("purelib")
    for python in (sys.executable, "/usr/bin/python3"):  # the own one may lie in a folder that only root can enter
        program = f"import sys, numpy; assert sys.version_info[:2] == {sys.version_info[:2]!r}"
        try:
            subprocess.run(
                [python, "-c", program], user=nobody, group=nobody, extra_groups=[], check=True, cwd="/",
                env={"PYTHONPATH": packages}, capture_output=True,
            )  # fmt: skip
            break
        except (OSError, subprocess.CalledProcessError):
            continue
    else:
        pytest.skip("another user can run no Python with these packages")
    served, source = Path(tempfile.mkdtemp(prefix="clean-")), repository
    served.chmod(0o755)
    try:
        cache, data = served / "cache", served / "data"
        cache.mkdir()
        os.chown(cache, nobody, nobody)
        data.mkdir()
        for name in ("dashboard", "assets"):
            shutil.copytree(source / name, served / name, ignore=shutil.ignore_patterns("__pycache__"))
        users = served / "users.json"
        add_user(users, "ann", "correct horse")
        os.chown(users, nobody, nobody)
        text = (repository / "deploy" / "Dockerfile").read_text()
        command = re.search(r"^CMD \[(.*)\]$", text, re.MULTILINE)
        assert command is not None
        arguments = re.findall(r'"([^"]*)"', command[1])
        places = {"0.0.0.0": "127.0.0.1", "/data": str(data), "/etc/spike-dashboard/users.json": str(users)}
        arguments = [places.get(argument, argument) for argument in arguments] + ["--port", "0", "--offline"]
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "SPIKE_DASHBOARD_CACHE": str(cache),
            "NUMBA_CACHE_DIR": str(cache / "numba"), "MPLCONFIGDIR": str(cache / "matplotlib"),
            "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{served}{os.pathsep}{packages}",
        }  # fmt: skip
        process = subprocess.Popen(
            [python, "-m", "dashboard", *arguments], cwd=served, env=environment, user=nobody, group=nobody,
            extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), process.communicate(timeout=60)[1]
            assert requests.get(f"{url}health", timeout=30).json()["status"] == "ok"
            assert requests.get(f"{url}metrics", timeout=30).status_code == 401
        finally:
            process.kill()  # it compiles, which a gentle end would wait for
            process.communicate(timeout=90)
        written = {path.relative_to(served).parts[0] for path in served.rglob("*") if path.stat().st_uid == nobody}
        assert written <= {"cache", "users.json"}
    finally:
        shutil.rmtree(served, ignore_errors=True)
