"""The process: one store and one pool of threads, a session for every browser tab."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import panel as pn
from bokeh.server.server import Server
from panel import reactive
from panel.io.server import get_server
from prometheus_client import CollectorRegistry, Histogram, Metric, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import RequestHandler

from dashboard.config.logs import SESSION
from dashboard.config.plugins import add_plugins
from dashboard.config.readers import page_layout
from dashboard.config.settings import Settings, curation_rules
from dashboard.export.process import ExportProcess
from dashboard.library.catalogue import Catalogue
from dashboard.library.disk_limit import DiskLimit
from dashboard.library.store import InsertionStore
from dashboard.library.userdata import UserData, UserSession
from dashboard.model.registry import load
from dashboard.page.core.fair_pool import FairPool
from dashboard.page.export.downloads import Downloads
from dashboard.page.session import DashboardSession
from dashboard.page.tabs.registry import TABS
from dashboard.server.auth import oauth
from dashboard.server.auth.gate import cookie_of, guard, limit, token_of
from dashboard.server.auth.logins import Logins, network_of
from dashboard.server.auth.passwords import Accounts
from dashboard.server.documents import routes as documents_routes
from dashboard.server.downloads import ROUTE, DownloadHandler
from dashboard.server.garbage import GarbageCollection
from dashboard.server.headers import send_headers
from dashboard.server.limits import KEPT_S, Limits
from dashboard.server.upstream.early_head import send_head_early
from dashboard.server.upstream.memory import anonymous_bytes, return_memory
from dashboard.server.upstream.messages import send_in_order
from dashboard.server.upstream.security import harden, session_options
from dashboard.server.upstream.session_cost import reduce_session_cost
from dashboard.server.upstream.shares import MAX_MESSAGE_BYTES, count_sockets, end_unclaimed, share_out
from dashboard.server.upstream.static_files import compress_files
from dashboard.sources.base import Source
from dashboard.sources.download.ranges import FETCHED
from dashboard.sources.raw.chunks import CHUNKS
from dashboard.version import __version__

logger = logging.getLogger(__name__)

RENDER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LOAD_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
RENDER_THREADS = max(2, os.cpu_count() or 2)
SESSION_BYTES = 16 << 20
WORKING_BYTES = 1 << 30
"""Memory that a session, and the work for all of them, may take beside what opened insertions may."""

DARK_COOKIE = "spike-dashboard-dark"
"""Written by the browser (assets/page/browser/bridge.js): its next page is built dark, not changed once it is seen."""

FORM_BYTES = 1 << 16
IDLE_CHECK_MS = 15_000
TIDY_MS = 1_000
FINISH_S = 15.0
"""How long a stop waits for files on their way; with what else it does, half a minute."""

STATIC = "static/extensions/panel/"
"""Where the server has Panel's own files, relative to the page."""


class Process:
    """What the sessions of one server process share."""

    def __init__(self, sources: Sequence[Source], cache: Path, settings: Settings | None = None) -> None:
        self.settings = settings if settings is not None else Settings(cache=cache)
        self.catalogue = Catalogue(
            sources, self.settings.insertions, self.settings.regions, refresh_s=60.0 * self.settings.refresh
        )
        self.user_data = UserData.of(self.settings.database, cache)
        self.user_data.rules = curation_rules(self.settings)
        limit = self.settings.disk
        self.store = InsertionStore(
            sources,
            cache,
            self.settings.memory,
            DiskLimit(cache, limit) if limit is not None else None,
            refresh_s=60.0 * self.settings.refresh,
        )
        self.store.is_listed = self.catalogue.matching
        CHUNKS.limit(self.settings.raw_memory)
        self._registry = registry = CollectorRegistry()
        registry.register(self)
        disable_created_metrics()
        loads = Histogram("spike_dashboard_load_seconds", "Time from asking for an insertion to its columns.",
                          buckets=LOAD_BUCKETS_S, registry=registry)  # fmt: skip
        renders = Histogram("spike_dashboard_render_seconds", "Time that jobs ran on the render threads.",
                            buckets=RENDER_BUCKETS_S, registry=registry)  # fmt: skip
        self.store.observe = loads.observe
        self.pool = FairPool(RENDER_THREADS, renders.observe)
        self.started = time.monotonic()
        self.sessions: dict[DashboardSession, str] = {}
        """Those that are open, and whose they are."""
        each = self.settings.sessions_each or max(1, self.settings.max_sessions // 4)
        self.limits = Limits(
            self.owner_of, lambda: iter(tuple(self.sessions.values())), each, self.pool.draws_for_others
        )
        self._claimed: set[Any] = set()
        self.logins: Logins | None = None
        self.guests: oauth.InvitedUsers | None = None
        self.downloads = Downloads(cache, self.limits.exports, ExportProcess(plugins=self.settings.plugins))
        self.garbage: GarbageCollection | None = None
        self._n_seen = self._n_tidied = 0
        self._at_start = anonymous_bytes()

    def user_of(self, request: HTTPServerRequest, *, touch: bool = True) -> str | None:
        """Return who asks; None who may not come in, and where nobody has to log in."""
        if self.guests is not None:
            return self.guests.user_of(request)
        return self.logins.user(token_of(request), touch=touch) if self.logins is not None else None

    def owner_of(self, request: Any) -> str:
        """Return who takes a share: the login, or the address of who need not log in."""
        user = self.user_of(request, touch=False)
        return f"login {user}" if user is not None else f"address {network_of(str(request.remote_ip or ''))}"

    def new_session(self) -> Any:
        """Build the page of one browser tab, or a line that says that it cannot be; never raises.

        Panel would write the trace of an error into the page.
        """
        try:
            return self._new_session()
        except Exception:
            logger.exception("a page could not be built")
            return pn.pane.HTML("<p>This page could not be built. Reload it; the server's log says why.</p>")

    def _new_session(self) -> Any:
        """Build the page of one browser tab; called by the server in the tab's document."""
        document = pn.state.curdoc
        assert document is not None
        before = SESSION.set(session_name())  # threads that are made for it take it over
        query = (pn.state.location.search if pn.state.location else "").removeprefix("?")
        owner = self.owner_of(document.session_context.request) if document.session_context else ""
        share = self.pool.session(owner)
        user = self.user_of(document.session_context.request) if document.session_context else None
        if user is None and (self.logins is not None or self.guests is not None):
            user = ""  # whose login ended just now is nobody, and not free to say a name
        session_downloads = self.downloads.of_session(user, owner)
        user_session = UserSession(self.user_data, user)
        is_dark = bool(document.session_context) and cookie_of(document.session_context.request, DARK_COOKIE) == "1"
        session = DashboardSession(
            self.store, cast(Any, share), document, query, self.catalogue, user_session, session_downloads, is_dark
        )
        session.rail.icons.lab = page_layout(self.settings.layout)
        SESSION.reset(before)
        self.sessions[session] = owner
        if self.logins is not None and document.session_context:
            request = document.session_context.request
            document.on_change(lambda event: self.user_of(request) and None)  # who works in a tab is not idle

        def destroyed(context: object) -> None:
            self.sessions.pop(session, None)
            session.close()
            share.shutdown()

        pn.state.on_session_destroyed(destroyed)
        return session.page

    @property
    def why_full(self) -> str:
        """Why there is no room for another session of anybody; empty where there is."""
        if len(self.sessions) >= self.settings.max_sessions:
            return "The dashboard has as many sessions open as it may."
        may = self.settings.memory + self.settings.max_sessions * SESSION_BYTES + WORKING_BYTES
        return "The dashboard uses as much memory as it may." if anonymous_bytes() - self._at_start > may else ""

    def why_not(self, request: HTTPServerRequest) -> str:
        """Return why who asks gets no page now; empty where there is room."""
        return self.why_full or self.limits.why_not(self.owner_of(request))

    def tidy(self) -> None:
        """Give memory back to the system once the pages rest; asked for every second, on the server's thread."""
        n, self._n_seen = self._n_seen, self.pool.n_done
        if self.garbage is not None:
            self.garbage.look(len(self.sessions), is_idle=n == self._n_seen and not self.store.n_loading)
        if n == self._n_seen != self._n_tidied:
            self._n_tidied = n
            IOLoop.current().run_in_executor(None, return_memory)

    def close(self) -> None:
        """Stop sessions, renders and loads; what was downloaded so far is kept and goes on next time."""
        for session in tuple(self.sessions):
            session.close()
        self.pool.shutdown()
        self.catalogue.close()
        self.store.close()
        self.downloads.close()
        if self.logins is not None:
            self.logins.close()

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

    def collect(self) -> Iterator[Metric]:
        """Yield what Prometheus asks for, beside the durations."""
        for name, help, value in (
            ("sessions", "Open browser sessions.", len(self.sessions)),
            ("insertions_open", "Insertions in the store.", len(self.store)),
            ("bytes_held", "Bytes of their columns.", self.store.bytes_held),
            ("raw_bytes_held", "Bytes of decoded raw data.", CHUNKS.n_bytes),
            ("loads_running", "Loads under way, downloads included.", self.store.n_loading),
            ("downloads_running", "Loads that fetch files now.", self.store.n_fetching),
            ("anonymous_bytes", "Memory that no file backs.", anonymous_bytes()),
            ("threads", "Python threads.", threading.active_count()),
            ("uptime_seconds", "Time since the start.", time.monotonic() - self.started),
        ):
            yield GaugeMetricFamily(f"spike_dashboard_{name}", help, value)
        for name, help, value in (
            ("downloaded_bytes", "Bytes of files that came from servers.", self.store.bytes_fetched),
            ("range_bytes", "Bytes of parts of large files that came from servers.", FETCHED.n_bytes),
        ):
            yield CounterMetricFamily(f"spike_dashboard_{name}", help, value)

    def metrics(self) -> bytes:
        """Return what Prometheus asks for, in its text format."""
        return generate_latest(self._registry)


class HealthHandler(RequestHandler):
    """Answers ``/health`` without building a document."""

    def initialize(self, process: Process) -> None:
        """Take the process to report on."""
        self._process = process

    def get(self) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json")
        self.write(json.dumps(self._process.health()))


class MetricsHandler(HealthHandler):
    """Answers ``/metrics`` for Prometheus."""

    def get(self) -> None:
        """Answer with the text format."""
        self.set_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
        self.write(self._process.metrics())


def session_name() -> str:
    """Return a short name of the browser session that the thread works for; not its id, which is a key to it."""
    document = pn.state.curdoc
    context = document.session_context if document is not None else None
    return hashlib.sha256(context.id.encode()).hexdigest()[:8] if context is not None else SESSION.get()


def make_server(
    sources: Sequence[Source],
    *,
    cache: Path,
    address: str = "127.0.0.1",
    port: int = 0,
    show: bool = False,
    settings: Settings | None = None,
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
    settings : Settings, optional
        Limits, users, origins, prefix; the defaults where absent.

    Raises
    ------
    BadRequest
        The users file cannot be used.
    """
    from dashboard.analysis.warmup import compile_unit_kernels
    from dashboard.engine.warmup import compile_kernels
    from dashboard.page.core import shading

    pn.extension("tabulator", notifications=False)
    # A pane in a tab that is folded away has no document to ask, and would send the browser to Panel's CDN.
    reactive.CDN_DIST = STATIC
    process = Process(sources, cache, settings)
    settings = process.settings
    add_plugins(settings.plugins)
    oauth.check(settings)
    if settings.users is not None:
        process.logins = Logins(
            Accounts(settings.users),
            60.0 * settings.idle_minutes,
            folder=cache,
            longest_s=86_400.0 * settings.login_days,
        )
    elif settings.oauth is not None:
        process.guests = oauth.InvitedUsers(settings)
    files = {
        "downloads": process.downloads,
        "user_of": process.user_of,
        "owner_of": process.owner_of,
        "spend_bytes": process.limits.bytes.spend,
    }
    send_head_early()
    count_sockets()
    origins = [f"{address}:{port}", f"localhost:{port}"] if port else []
    server = get_server(
        {"/": process.new_session},
        address=address,
        port=port,
        show=show,
        start=False,
        title="Spike dashboard",
        websocket_origin=[*origins, *settings.origin] or None,
        extra_patterns=[
            (r"/health", HealthHandler, {"process": process}),
            (r"/metrics", MetricsHandler, {"process": process}),
            (ROUTE, DownloadHandler, files),
            *documents_routes(settings.prefix),
        ],
        prefix=settings.prefix,
        # Nothing is uploaded but the form of the login; who has not logged in cannot fill the memory with one.
        http_server_kwargs={"xheaders": settings.behind_proxy, "max_body_size": FORM_BYTES},
        **oauth.panel_options(settings),
        # Pages without a websocket are ended by shares of their own, before Bokeh does.
        unused_session_lifetime_milliseconds=int(2e3 * KEPT_S),
        websocket_max_message_size=MAX_MESSAGE_BYTES,
        **session_options(),
    )
    send_in_order()
    reduce_session_cost()
    # Not before the port is taken: what is being compiled holds up the end of a process that cannot serve.
    warming = process.pool.session()
    warming.submit(compile_kernels)
    warming.submit(shading.warm_up)
    warming.submit(compile_unit_kernels)
    for entry in TABS:
        if entry.warm_up:
            warming.submit(load(entry.warm_up))
    tidying = PeriodicCallback(process.tidy, TIDY_MS)
    server.io_loop.add_callback(tidying.start)
    application = server._tornado
    compress_files(application)
    harden(application, settings.prefix, lambda request: process.user_of(request, touch=False) or "")
    send_headers(application, settings.frame_ancestor)
    limit(application, settings.prefix, lambda request: process.why_not(request))
    share_out(application, process.limits)
    for context in application._applications.values():
        ending = PeriodicCallback(partial(end_unclaimed, context, process.limits, process._claimed), TIDY_MS)
        server.io_loop.add_callback(ending.start)
    if process.logins is not None:
        guard(application, process.logins, settings.prefix, open_health=settings.open_health)
    elif process.guests is not None:
        oauth.guard(application, process.guests, settings)
    if process.logins is not None or process.guests is not None:
        callback = PeriodicCallback(lambda: _close_idle(server, process), IDLE_CHECK_MS)
        server.io_loop.add_callback(callback.start)
    server.process = process
    return server


def _close_idle(server: Server, process: Process) -> None:
    """Close the websockets of logins that have ended: tabs left open do not stay logged in."""
    for connection in tuple(server._tornado._clients):
        socket = connection._socket
        if process.user_of(socket.request, touch=False) is None:
            logger.info("closing a tab whose login has ended")
            socket.close(code=4401, reason="Log in again")


async def stop_gently(server: Server) -> None:
    """Listen no more, let the files on their way to browsers arrive, close the pages, then stop the server's loop."""
    server._http.stop()
    until = time.monotonic() + FINISH_S
    while server.process.downloads.n_sending and time.monotonic() < until:
        await asyncio.sleep(0.05)
    for connection in tuple(server._tornado._clients):
        if (socket := connection._socket.ws_connection) is not None:
            socket.stream.close()  # what waits to be written ends with it
    await asyncio.sleep(0.05)
    server.io_loop.stop()


def run(server: Server) -> None:
    """Serve until SIGTERM or Ctrl-C; downloads to browsers finish, those from data servers are parked."""
    server.process.garbage = GarbageCollection()
    server._sigterm = lambda: server.io_loop.add_callback(stop_gently, server)
    try:
        server.run_until_shutdown()
    finally:
        server.process.close()
