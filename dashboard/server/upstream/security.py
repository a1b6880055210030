"""What Panel's and Bokeh's server lets in or gives away, and a page of ours has no need of.

- A page's token tells the browser's cookies and headers, so that scripts could read a login that is kept from them.
- An address may name the session to open: whoever sends somebody a link with a session of their own sees what is done
  in it. A websocket may name one that was never opened, and have it built past the limit of sessions.
- ``/components/NAME`` imports the module NAME, whichever it is; ``/autoload.js`` is the page for other sites.
- Cookies of OAuth are sent over plain HTTP and by other sites, and those of a prefix are not cleared.
- Panel reads numbers, JSON and Python literals out of every address for its own use, which is none here; what it cannot
  read ends the page.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from bokeh.server.tornado import BokehTornado
from bokeh.util.token import check_token_signature, get_token_payload
from panel.io import location
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler

CLOSED = ("/autoload.js", "/metadata", "/components/")
"""Routes of Panel and Bokeh that pages here do not use."""

OWNER = "owner"
"""In a page's token: whose page it is, as the server knows people, and nothing that tells who."""

SESSION_WORDS = ("bokeh-session-id", "bokeh-token")


def session_options() -> dict[str, Any]:
    """Return arguments of the server: tokens of pages tell nothing of the browser, and only ours are taken."""
    return {
        "include_headers": [],
        "include_cookies": [],
        "sign_sessions": True,
        "secret_key": secrets.token_bytes(32),
    }


def harden(
    application: BokehTornado, prefix: str, owner_of: Callable[[HTTPServerRequest], str] = lambda request: ""
) -> None:
    """Close what no page uses; call it before the gates of logins are put in front.

    Parameters
    ----------
    application : BokehTornado
    prefix : str
    owner_of : callable
        Returns a text for whoever has logged in, another for each, and the same for all where nobody has to. The page
        of one is no other's: a websocket is opened by who was given the page.
    """
    secret = secrets.token_bytes(32)

    def digest(request: HTTPServerRequest) -> str:
        return hmac.digest(secret, owner_of(request).encode(), "sha256").hex()

    for context in application._applications.values():
        context.application.process_request = _naming_owner(context.application.process_request, digest)
    application.default_router.rules.insert(0, Rule(_Forged(application, prefix, digest), ForgedHandler))
    application.default_router.rules.insert(0, Rule(_Closed(prefix), NoSuchHandler))
    keep_cookies_safe()
    leave_queries_alone()


def _naming_owner(
    process_request: Callable[[HTTPServerRequest], dict[str, Any]], owner_of: Callable[[HTTPServerRequest], str]
) -> Callable[[HTTPServerRequest], dict[str, Any]]:
    """Have the token of each page say whose it is."""
    return lambda request: {**process_request(request), OWNER: owner_of(request)}


class _Closed(Matcher):
    """Matches what no page of ours asks for."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        path = request.path.removeprefix(self._prefix)
        return {} if path.startswith(CLOSED) else None


class _Forged(Matcher):
    """Matches requests that name a session which is not theirs, or none that this process made, or too late."""

    def __init__(self, application: Any, prefix: str, owner_of: Callable[[HTTPServerRequest], str]) -> None:
        self._application, self._owner_of = application, owner_of
        self._socket = f"{prefix}/ws"

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if "Bokeh-Session-Id" in request.headers or any(word in request.arguments for word in SESSION_WORDS):
            return {}
        if request.path != self._socket:
            return None
        protocol, _, token = request.headers.get("Sec-WebSocket-Protocol", "").partition(",")
        try:
            token = token.strip()
            is_ours = check_token_signature(token, secret_key=self._application.secret_key, signed=True)
            payload = get_token_payload(token) if is_ours else {}
            owner, lasts = payload.get(OWNER), payload.get("session_expiry", 0.0) > time.time()
            is_ours = lasts and isinstance(owner, str) and hmac.compare_digest(owner, self._owner_of(request))
        except (ValueError, LookupError, TypeError, AttributeError):  # whatever it is, it is no token
            is_ours = False
        return None if is_ours and protocol.strip() == "bokeh" else {}


class ForgedHandler(RequestHandler):
    """Refuses a session that was not opened here."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Sessions are opened by the page itself\n")


class NoSuchHandler(RequestHandler):
    """Says that there is nothing."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("There is nothing here\n")


def leave_queries_alone() -> None:
    """Have Panel read nothing out of the query of an address; done once, it stays."""
    if not callable(location.parse_query):
        raise TypeError("Panel has another reader of queries")
    location.parse_query = lambda query: {}


def keep_cookies_safe() -> None:
    """Have every cookie of a server kept from scripts and other sites, and from plain HTTP where HTTPS is spoken.

    Panel does neither for those of OAuth, and it clears them at the path ``/``, wherever they were set. Done once, it
    stays.
    """
    original = RequestHandler.set_cookie
    if getattr(original, "_is_safe", False):
        return

    @wraps(original)
    def set_cookie(self: RequestHandler, name: str, value: str | bytes, *args: Any, **named: Any) -> None:
        if isinstance(self.application, BokehTornado):
            named = {"httponly": True, "samesite": "Lax", "secure": self.request.protocol == "https", **named}
            if not args and named.get("path", "/") == "/":
                named["path"] = f"{self.application.prefix}/"
        original(self, name, value, *args, **named)

    vars(set_cookie)["_is_safe"] = True
    RequestHandler.set_cookie = set_cookie  # type: ignore[method-assign]
