"""A server in a thread with a loop of its own, and nginx in front of one, for the tests that ask a real one."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from dashboard.config.settings import Settings
from dashboard.sources.base import Source

visits: weakref.WeakSet[Any] = weakref.WeakSet()


def leave(url: str) -> None:
    """Bring every browser tab that shows a server to an empty page, before the server stops.

    A page that outlives its server asks it in vain, and its console says so.
    """
    for visit in list(visits):
        if not visit.page.is_closed() and visit.page.url.startswith(url):
            visit.page.goto("about:blank")


@contextmanager
def running(make: Callable[[], Any]) -> Iterator[Any]:
    """Run the server that `make` returns, made in its thread; yield it once it answers, and stop it at the end."""
    ready, box = threading.Event(), {}

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            box["server"] = server = make()
            server.start()
        except BaseException as error:
            box["error"] = error
            raise
        finally:
            ready.set()
        server.io_loop.start()
        loop = server.io_loop.asyncio_loop
        closing = loop.create_task(server._http.close_all_connections())
        while not closing.done():
            with suppress(RuntimeError):  # a server that stops by itself is told to stop once more, which ends the loop
                loop.run_until_complete(closing)
        server.io_loop.close(all_fds=True)

    thread = threading.Thread(target=run, name="served", daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    if "error" in box:
        raise box["error"]
    server = box["server"]
    try:
        yield server
    finally:
        leave(f"http://127.0.0.1:{server.port}")
        server.io_loop.add_callback(server.stop)
        server.io_loop.add_callback(server.io_loop.stop)
        thread.join(10)
        assert not thread.is_alive(), "the server does not stop"
        if hasattr(server, "process"):
            server.process.close()


@contextmanager
def serving(sources: Sequence[Source], cache: Path, **settings: Any) -> Iterator[Any]:
    """Serve the dashboard on a free port of the loopback; the settings are those of `Settings`."""
    from dashboard.server.server import make_server

    with running(lambda: make_server(sources, cache=cache, settings=Settings(cache=cache, **settings))) as server:
        yield server


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def nginx_command(folder: Path, blocks: str) -> list[str]:
    """Write blocks of ``http`` into a configuration that may run as anybody; return the command that runs it."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{ access_log off;\n{paths}{blocks}\n}}\n"
    )
    return [found, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]


@contextmanager
def nginx(folder: Path, location: str, front: int, blocks: str = "") -> Iterator[str]:
    """Run nginx with a location on a port, and further blocks; yield its address once it answers."""
    command = nginx_command(folder, f"{blocks}\nserver {{ listen 127.0.0.1:{front};\n{location}\n}}")
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{front}"
    try:
        for _ in range(100):
            try:
                requests.get(f"{url}/", timeout=10)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
    finally:
        leave(url)
        process.terminate()
        process.wait(30)
