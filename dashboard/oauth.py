"""Logins through somebody else: Panel's OAuth providers, with a gate of ours that knows who may come in.

Panel's own gate lets everybody in who has an account at the provider, and stands before the page only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler, decode_signed_value

from dashboard.access import RefusedHandler, cookie_of
from dashboard.model.errors import BadRequest
from dashboard.settings import OAUTH_PROVIDERS, Settings

EXPIRY_DAYS = 1.0
"""Of Panel's login cookie: its default."""

ANYBODY = "*"
_LEAST_SECRET = 32


def check(settings: Settings) -> None:
    """Refuse settings that would let in the wrong people, or nobody.

    Raises
    ------
    BadRequest
    """
    if settings.oauth is None:
        return
    if settings.users is not None:
        raise BadRequest("Logins come from --users or from --oauth, not both", settings.oauth)
    absent = [name for name in ("oauth_key", "oauth_secret", "cookie_secret") if not getattr(settings, name)]
    if absent:
        variables = ", ".join(f"SPIKE_DASHBOARD_{name.upper()}" for name in absent)
        raise BadRequest("OAuth lacks secrets", settings.oauth, f"Set {variables}")
    if len(settings.cookie_secret or "") < _LEAST_SECRET:
        raise BadRequest(
            "The cookie secret is short", "", f"Use {_LEAST_SECRET} random characters: openssl rand -hex 32"
        )
    if not settings.oauth_user:
        raise BadRequest(
            "Nobody may come in", settings.oauth, f"Name who with --oauth-user NAME, @example.org or '{ANYBODY}'"
        )
    _extra(settings)


def _extra(settings: Settings) -> dict[str, str]:
    pairs = [text.partition("=") for text in settings.oauth_extra]
    if wrong := [name for name, equals, value in pairs if not (name and equals and value)]:
        raise BadRequest("Bad value of --oauth-extra", wrong[0][:40], "Write NAME=VALUE, such as tenant=...")
    return {name: value for name, _, value in pairs}


def panel_options(settings: Settings) -> dict[str, Any]:
    """Return the arguments of `panel.io.server.get_server`; none where there is no OAuth.

    Raises
    ------
    BadRequest
        As `check`.
    """
    check(settings)
    if settings.oauth is None:
        return {}
    assert settings.oauth in OAUTH_PROVIDERS
    return {
        "oauth_provider": settings.oauth,
        "oauth_key": settings.oauth_key,
        "oauth_secret": settings.oauth_secret,
        "oauth_redirect_uri": settings.oauth_redirect,
        "oauth_extra_params": _extra(settings),
        "oauth_jwt_user": settings.oauth_name,
        "cookie_secret": settings.cookie_secret,
        "cookie_path": f"{settings.prefix}/",
    }


def may_enter(user: str, allowed: Collection[str]) -> bool:
    """Tell whether a user's name, or the end of an address, is among those allowed; case does not matter."""
    name = user.lower()
    known = {entry.lower() for entry in allowed}
    at_domain = f"@{name.rpartition('@')[2]}" if "@" in name else None
    return bool(name) and (ANYBODY in known or name in known or at_domain in known)


class _Stranger(Matcher):
    """Matches requests of those who are not known, or may not come in."""

    def __init__(self, settings: Settings, *, is_known: bool) -> None:
        self._secret = settings.cookie_secret or ""
        self._allowed = settings.oauth_user
        self._is_known = is_known
        prefix = settings.prefix
        self._open = {f"{prefix}/login", f"{prefix}/logout"} | ({f"{prefix}/health"} if settings.open_health else set())

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.path in self._open:
            return None
        user = user_of(request, self._secret)
        if self._is_known:
            return {} if user and not may_enter(user, self._allowed) else None
        return None if user else {}


def user_of(request: HTTPServerRequest, secret: str) -> str:
    """Return the name in Panel's signed cookie, empty where there is none or its signature is wrong."""
    value = decode_signed_value(secret, "user", cookie_of(request, "user"), max_age_days=EXPIRY_DAYS)
    return value.decode("utf-8", "replace") if value else ""


class UninvitedHandler(RequestHandler):
    """Says that this account may not come in."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("This account has no access here. Ask who runs the server, or log out at logout.\n")


def guard(application: Application, settings: Settings) -> None:
    """Put the gate before every route of the application."""
    rules = application.default_router.rules
    rules.insert(0, Rule(_Stranger(settings, is_known=False), RefusedHandler, {"prefix": settings.prefix}))
    rules.insert(0, Rule(_Stranger(settings, is_known=True), UninvitedHandler))
