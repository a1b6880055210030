"""The process: one store and one pool of threads, a session for every browser tab."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.server.server import Server
from panel.io.server import get_server
from tornado.web import RequestHandler

from dashboard.app import DashboardSession
from dashboard.catalogue import Catalogue
from dashboard.keeping import Keeper
from dashboard.sources.protocol import Source
from dashboard.store import InsertionStore
from dashboard.version import __version__

logger = logging.getLogger(__name__)

RENDER_THREADS = max(2, os.cpu_count() or 2)


class Process:
    """What the sessions of one server process share."""

    def __init__(
        self,
        sources: Sequence[Source],
        cache: Path,
        insertions: Path | None = None,
        regions: Path | None = None,
        database: str | None = None,
    ) -> None:
        self.catalogue = Catalogue(sources, insertions, regions)
        self.keeper = Keeper(database) if database else Keeper.in_folder(cache)
        self.store = InsertionStore(sources, cache)
        self.pool = ThreadPoolExecutor(max_workers=RENDER_THREADS, thread_name_prefix="render")
        self.started = time.monotonic()
        self.sessions: set[DashboardSession] = set()

    def new_session(self) -> Any:
        """Build the page of one browser tab; called by the server in the tab's document."""
        document = pn.state.curdoc
        assert document is not None
        query = (pn.state.location.search if pn.state.location else "").removeprefix("?")
        session = DashboardSession(self.store, self.pool, document, query, self.catalogue, self.keeper)
        self.sessions.add(session)
        pn.state.on_session_destroyed(lambda context: self._forget(session))
        return session.page

    def _forget(self, session: DashboardSession) -> None:
        self.sessions.discard(session)
        session.close()

    def health(self) -> dict[str, Any]:
        """Return what a monitor asks for."""
        return {
            "status": "ok",
            "version": __version__,
            "sessions": len(self.sessions),
            "insertions_open": len(self.store),
            "bytes_held": self.store.bytes_held,
            "uptime_s": round(time.monotonic() - self.started, 1),
        }


class HealthHandler(RequestHandler):
    """Answers ``/health`` without building a document."""

    def initialize(self, process: Process) -> None:
        """Take the process to report on."""
        self._process = process

    def get(self) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(self._process.health()))


def make_server(
    sources: Sequence[Source],
    *,
    cache: Path,
    address: str = "127.0.0.1",
    port: int = 0,
    show: bool = False,
    insertions: Path | None = None,
    regions: Path | None = None,
    database: str | None = None,
) -> Server:
    """Return a server that listens and is not yet started.

    Parameters
    ----------
    sources : sequence of Source
    cache : Path
        Everything that is written lies below it.
    address : str
        Loopback unless told otherwise.
    port : int
        0 takes a free one.
    show : bool
        Open a browser.
    insertions, regions : Path or None
        Lists for the search page; see `dashboard.catalogue.Catalogue`.
    database : str or None
        SQLAlchemy address for what users keep; by default a file in the cache folder.
    """
    from dashboard.compute.rasters import compile_kernels
    from dashboard.views import shading

    pn.extension("tabulator", notifications=False)
    process = Process(sources, cache, insertions, regions, database)
    process.pool.submit(compile_kernels)
    process.pool.submit(shading.warm_up)
    return get_server(
        {"/": process.new_session},
        address=address,
        port=port,
        show=show,
        start=False,
        title="Spike dashboard",
        websocket_origin=[f"{address}:{port}", f"localhost:{port}"] if port else None,
        extra_patterns=[(r"/health", HealthHandler, {"process": process})],
    )


def serve(
    sources: Sequence[Source],
    *,
    cache: Path,
    address: str = "127.0.0.1",
    port: int = 5006,
    show: bool = False,
) -> None:
    """Serve until interrupted; prints the address once it answers."""
    server = make_server(sources, cache=cache, address=address, port=port, show=show)
    logger.info("serving %d sources", len(sources))
    server.run_until_shutdown()
