"""Headers by which browsers keep a page to itself, on every answer of the server and so behind every proxy.

What Bokeh allows of a content security policy: scripts run only from this server or with the nonce of the page, so that
no text that becomes markup can run. Three things it does not allow: ``unsafe-eval`` (its callbacks in the browser are
made of text), ``blob:`` for scripts (components of Panel are loaded so) and ``unsafe-inline`` for styles (all widgets
write their own).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from functools import wraps
from typing import Any

from bokeh.server.tornado import BokehTornado
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


def policy(ancestors: Sequence[str]) -> str:
    """Return the policy of answers that run no script; pages replace it by `page_policy`."""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; {_ends(ancestors)}"


def page_policy(ancestors: Sequence[str], request: HTTPServerRequest, nonce: str) -> str:
    """Return the policy of the page; `nonce` is what its own scripts carry."""
    # 'self' covers websockets in today's browsers; older ones want them named.
    sockets = f" ws://{request.host} wss://{request.host}" if _HOST.fullmatch(request.host) else ""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'{sockets} blob: data:; "
        f"worker-src 'self' blob:; {_ends(ancestors)}"
    )


def documents_policy(ancestors: Sequence[str], hashes: Sequence[str]) -> str:
    """Return the policy of a page of the documents; `hashes` are those of the scripts that stand in it."""
    scripts = "".join(f" 'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        f"font-src 'self'; connect-src 'self'; {_ends(ancestors)}"
    )


def _ends(ancestors: Sequence[str]) -> str:
    allowed = " ".join(ancestors) or "'none'"
    return f"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {allowed}"


def new_nonce() -> str:
    """Return what the scripts of one page carry, and no other page's."""
    return secrets.token_urlsafe(16)


def ancestors_of(handler: RequestHandler) -> Sequence[str]:
    """Return the origins whose pages may frame those of a handler's server."""
    found: Sequence[str] = getattr(handler.application, "frame_ancestors", ())
    return found


def send_headers(application: Application, ancestors: Sequence[str]) -> None:
    """Have every answer of an application carry the headers, errors and files included.

    Parameters
    ----------
    application : Application
        Of Bokeh.
    ancestors : sequence of str
        Origins whose pages may frame the dashboard; empty: nobody's.
    """
    vars(application)["frame_ancestors"] = tuple(ancestors)
    original = RequestHandler.clear
    if getattr(original, "_sends_headers", False):
        return

    @wraps(original)
    def clear(self: RequestHandler) -> None:
        original(self)
        if not isinstance(self.application, BokehTornado):
            return
        allowed = ancestors_of(self)
        headers: dict[str, Any] = {
            "Content-Security-Policy": policy(allowed),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            **({} if allowed else {"X-Frame-Options": "DENY"}),
        }
        for name, value in headers.items():
            if name not in self._headers:  # what a handler says of itself holds
                self.set_header(name, value)

    vars(clear)["_sends_headers"] = True
    RequestHandler.clear = clear  # type: ignore[method-assign]
