"""Logins through somebody else: Panel's OAuth providers, with a gate of ours that knows who may come in.

Panel's own gate lets everybody in who has an account at the provider, and stands before the page only.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler, decode_signed_value

from dashboard.config.settings import OAUTH_PROVIDERS, Settings
from dashboard.model.errors import BadRequest
from dashboard.server.auth.gate import RefusedHandler, cookie_of

logger = logging.getLogger(__name__)

EXPIRY_DAYS = 1.0
"""Of Panel's login cookie: its default."""

COOKIES = ("user", "id_token", "access_token", "refresh_token", "oauth_expiry", "is_guest", "panel-oauth-state")
"""What Panel sets."""

ANYBODY = "*"
_MIN_SECRET = 32


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
    if len(settings.cookie_secret or "") < _MIN_SECRET:
        raise BadRequest("The cookie secret is short", "", f"Use {_MIN_SECRET} random characters: openssl rand -hex 32")
    if settings.oauth_users is not None:
        read_guests(settings.oauth_users)
    elif not settings.oauth_user:
        raise BadRequest(
            "Nobody may log in", settings.oauth,
            f"Name the users with --oauth-users FILE, or --oauth-user NAME, @example.org or '{ANYBODY}'",
        )  # fmt: skip
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
        # Or the provider sends people to the root of the host.
        **({"root_path": f"{settings.prefix}/"} if settings.prefix else {}),
    }


def read_guests(path: Path) -> tuple[str, ...]:
    """Return the entries of a file of those who may come in.

    Raises
    ------
    BadRequest
        It cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise BadRequest("Cannot read the file of OAuth users", path, reason) from None
    return tuple(entry for line in lines if (entry := line.partition("#")[0].strip()))


class InvitedUsers:
    """Who of the provider's users may come in: those named at the start, and those in a file, as it is now.

    While the file cannot be read, those in it do not get in, and the log says so.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._named = settings.oauth_user
        self._path = settings.oauth_users
        self._secret = settings.cookie_secret or ""
        self._stamp: tuple[int, ...] | None = None
        self._listed: tuple[str, ...] = ()
        self._is_sound = True

    def user_of(self, request: HTTPServerRequest) -> str | None:
        """Return who asks; None who is not known, or may not come in."""
        user = user_of(request, self._secret)
        return user if may_enter(user, (*self._named, *self._now())) else None

    def is_uninvited(self, request: HTTPServerRequest) -> bool:
        """Tell whether the provider knows who asks, and nobody here does."""
        return bool(user_of(request, self._secret)) and self.user_of(request) is None

    def _now(self) -> tuple[str, ...]:
        if self._path is None:
            return ()
        try:
            state = self._path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp != self._stamp:
                self._listed, self._stamp, self._is_sound = read_guests(self._path), stamp, True
        except (OSError, BadRequest) as error:
            if self._is_sound:
                logger.error("nobody of the file of OAuth users gets in: %s", error)
            self._listed, self._stamp, self._is_sound = (), None, False
        return self._listed


def may_enter(user: str, allowed: Collection[str]) -> bool:
    """Tell whether a user's name, or the end of an address, is among those allowed; case does not matter."""
    name = user.lower()
    known = {entry.lower() for entry in allowed}
    at_domain = f"@{name.rpartition('@')[2]}" if "@" in name else None
    return bool(name) and (ANYBODY in known or name in known or at_domain in known)


class _Stranger(Matcher):
    """Matches requests of those who are not known, or, `is_known`, of those who are and may not come in."""

    def __init__(self, guests: InvitedUsers, settings: Settings, *, is_known: bool) -> None:
        self._guests, self._is_known = guests, is_known
        prefix = settings.prefix
        self._open = {f"{prefix}/login", f"{prefix}/logout"} | ({f"{prefix}/health"} if settings.open_health else set())

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        if request.path in self._open or self._guests.user_of(request) is not None:
            return None
        return {} if self._guests.is_uninvited(request) is self._is_known else None


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


class LeaveHandler(RequestHandler):
    """Logs out here; the provider is not told, and lets the same person in again at once."""

    def get(self) -> None:
        """Clear what Panel keeps in the browser."""
        for name in COOKIES:
            self.clear_cookie(name)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("You are logged out here. Opening the dashboard logs in again.\n")

    def post(self) -> None:
        """Do the same."""
        self.get()


def guard(application: Application, guests: InvitedUsers, settings: Settings) -> None:
    """Put the gate before every route of the application."""
    application.add_handlers(".*", [(f"{settings.prefix}/logout", LeaveHandler)])
    rules = application.default_router.rules
    known, unknown = (_Stranger(guests, settings, is_known=is_known) for is_known in (True, False))
    rules.insert(0, Rule(unknown, RefusedHandler, {"prefix": settings.prefix}))
    rules.insert(0, Rule(known, UninvitedHandler))
