"""Nobody gets past who has not logged in: a gate before every route, and the login page.

The gate is a rule in front of all routes of the Tornado application, so a route that is added later is behind it too.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler

from dashboard.page.core.assets import asset
from dashboard.server.auth.logins import Logins

logger = logging.getLogger(__name__)

COOKIE = "spike_dashboard_login"


def token_of(request: HTTPServerRequest) -> str:
    """Return the login token that a request carries, or an empty text."""
    return cookie_of(request, COOKIE)


def cookie_of(request: HTTPServerRequest, name: str) -> str:
    """Return a cookie of a request of Tornado, or of the one that Bokeh remembers for a session."""
    found: Any = getattr(request, "_request", request).cookies.get(name)
    return str(found.value) if found else ""


class _Unknown(Matcher):
    """Matches every request that carries no login, but for the open paths."""

    def __init__(self, logins: Logins, open_paths: frozenset[str]) -> None:
        self._logins = logins
        self._open = open_paths

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.path in self._open or self._logins.user(token_of(request)) is not None:
            return None
        return {}


class RefusedHandler(RequestHandler):
    """Sends pages to the login, and answers 401 to all else."""

    def initialize(self, prefix: str) -> None:
        """Take the path that all routes begin with."""
        self._prefix = prefix

    def prepare(self) -> None:
        """Answer, whatever the method."""
        request = self.request
        pages = (f"{self._prefix}/", self._prefix)
        is_page = request.method == "GET" and (request.path in pages or request.path.startswith(f"{self._prefix}/docs"))
        if is_page and request.headers.get("Upgrade", "").lower() != "websocket":
            self.redirect(f"{self._prefix}/login?next={quote(request.uri or '/', safe='')}")
            return
        self.set_status(401)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Log in first\n")


class LoginHandler(RequestHandler):
    """The login page; it needs nothing but itself."""

    def initialize(self, logins: Logins, prefix: str, threads: ThreadPoolExecutor) -> None:
        """Take the logins, the path that all routes begin with, and where hashes are computed."""
        self._logins, self._prefix, self._threads = logins, prefix, threads

    def set_default_headers(self) -> None:
        """Keep the page out of frames and caches, and scripts out of the page."""
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
        )
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Cache-Control", "no-store")
        # "no-referrer" would make browsers send the form with the origin "null", which is refused.
        self.set_header("Referrer-Policy", "same-origin")

    def get(self) -> None:
        """Show the form."""
        self._form("")

    async def post(self) -> None:
        """Check name and password."""
        if not self._is_from_here():
            self.set_status(403)
            self._form("That form came from another site.")
            return
        name, password = self._given("name").strip()[:64], self._given("password")
        address = str(self.request.remote_ip)
        if wait := self._logins.wait_s(address, name):
            self.set_status(429)
            self.set_header("Retry-After", str(int(wait) + 1))
            self._form(f"Too many attempts. Try again in {int(wait) + 1} s.")
            return
        self._logins.failed(address, name)
        loop, accounts = asyncio.get_running_loop(), self._logins.accounts
        if not await loop.run_in_executor(self._threads, accounts.check, name, password[:1024]):
            # Who slips writes the password in place of the name.
            known = repr(name) if name in self._logins.accounts else "an unknown name"
            logger.warning("login refused for %s from %s", known, self.request.remote_ip)
            self.set_status(403)
            self._form("Name or password is wrong.")
            return
        self._logins.succeeded(name)
        if marks := await loop.run_in_executor(self._threads, accounts.renew, name, password[:1024]):
            self._logins.renewed(name, *marks)
        self.set_cookie(
            COOKIE, self._logins.start(name), path=f"{self._prefix}/", httponly=True, samesite="Lax",
            secure=self.request.protocol == "https",
        )  # fmt: skip
        logger.info("login of %r from %s", name, self.request.remote_ip)
        self.redirect(self._next(), status=303)

    def _given(self, name: str) -> str:
        """Return a field of the form; Tornado's own way repeats in the log what it cannot read, a password or not."""
        return self.request.body_arguments.get(name, [b""])[-1].decode("utf-8", "replace")

    def _is_from_here(self) -> bool:
        origin = self.request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == self.request.host

    def _next(self) -> str:
        """Return where to go on: only ever the page of this server, or its documents."""
        home = f"{self._prefix}/"
        wanted = self.request.arguments.get("next", [home.encode()])[-1].decode("utf-8", "replace")
        is_ours = wanted == home or wanted.startswith((f"{home}?", f"{home}docs/"))
        return wanted if is_ours and wanted.isprintable() else home

    def _form(self, problem: str) -> None:
        page = asset("server/login.html")
        self.finish(page.replace("{{problem}}", escape(problem)).replace("{{next}}", escape(self._next(), quote=True)))


class LogoutHandler(RequestHandler):
    """Ends the login."""

    def initialize(self, logins: Logins, prefix: str) -> None:
        """Take the logins and the path that all routes begin with."""
        self._logins, self._prefix = logins, prefix

    def post(self) -> None:
        """Forget the token, here and in the browser."""
        self._logins.end(token_of(self.request))
        self.clear_cookie(COOKIE, path=f"{self._prefix}/")
        self.redirect(f"{self._prefix}/login", status=303)


class _Full(Matcher):
    """Matches requests for the page while there is no room for another session."""

    def __init__(self, page: frozenset[str], why: Callable[[HTTPServerRequest], str]) -> None:
        self._page = page
        self._why = why

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        why = self._why(request) if request.path in self._page else ""
        return {"target_kwargs": {"why": why}} if why else None


SAY_S = 60.0
REFUSAL_S = 1.0


class FullHandler(RequestHandler):
    """Says that there is no room, and tries again by itself."""

    said_at: ClassVar[float] = -math.inf
    """When the log was told last: whoever asks without end fills no disk with it."""

    def initialize(self, why: str) -> None:
        """Take the reason."""
        self._why = why

    def _log(self) -> None:
        """Log what is refused in place of each request, once in `SAY_S`."""
        now = time.monotonic()
        if now - FullHandler.said_at >= SAY_S:
            FullHandler.said_at = now
            logger.warning("no page for %s: %s", self.request.remote_ip, self._why)

    async def get(self) -> None:
        """Answer 503 with a page that says so; not at once, or a loop of requests would keep the server busy."""
        await asyncio.sleep(REFUSAL_S)
        self.set_status(503)
        self.set_header("Retry-After", "30")
        page = asset("server/full.html")
        self.finish(page.replace("{{why}}", escape(self._why)))


def guard(application: Application, logins: Logins, prefix: str, *, open_health: bool) -> None:
    """Put the gate before every route of the application, and the login page beside it."""
    threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="login")
    shared = {"logins": logins, "prefix": prefix}
    application.add_handlers(
        ".*",
        [
            (f"{prefix}/login", LoginHandler, {**shared, "threads": threads}),
            (f"{prefix}/logout", LogoutHandler, shared),
        ],
    )
    open_paths = {f"{prefix}/login"} | ({f"{prefix}/health"} if open_health else set())
    rule = Rule(_Unknown(logins, frozenset(open_paths)), RefusedHandler, {"prefix": prefix})
    application.default_router.rules.insert(0, rule)


def limit(application: Application, prefix: str, why_full: Callable[[HTTPServerRequest], str]) -> None:
    """Answer requests for the page with another one while `why_full` gives a reason; call it before `guard`."""
    pages = frozenset({f"{prefix}/", prefix or "/"})
    application.default_router.rules.insert(0, Rule(_Full(pages, why_full), FullHandler))
