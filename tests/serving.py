"""A server in a thread with a loop of its own, for the tests that ask a real one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dashboard.settings import Settings
from dashboard.sources.protocol import Source


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
        server.io_loop.asyncio_loop.run_until_complete(server._http.close_all_connections())
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
        server.io_loop.add_callback(server.stop)
        server.io_loop.add_callback(server.io_loop.stop)
        thread.join(10)
        assert not thread.is_alive(), "the server does not stop"
        if hasattr(server, "process"):
            server.process.close()


@contextmanager
def serving(sources: Sequence[Source], cache: Path, **settings: Any) -> Iterator[Any]:
    """Serve the dashboard on a free port of the loopback; the settings are those of `Settings`."""
    from dashboard.server import make_server

    with running(lambda: make_server(sources, cache=cache, settings=Settings(cache=cache, **settings))) as server:
        yield server
