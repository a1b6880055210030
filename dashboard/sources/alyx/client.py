"""ONE's Alyx client made fit for a server: time-outs, no prompts, no files at home, safe between threads."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from iblutil.io import params as iblutil_params
from one import params as one_params
from one.webclient import AlyxClient
from requests.auth import AuthBase
from urllib3.exceptions import ProtocolError

from dashboard.config.throttling import MAX_ASKED_S, is_patient
from dashboard.model.errors import BadRequest, SourceUnavailable
from dashboard.model.json_files import read_json
from dashboard.sources.download.transport import retry_after

log = logging.getLogger(__name__)

OPENALYX = "https://openalyx.internationalbrainlab.org"
"""The public database of the International Brain Laboratory."""

Record = dict[str, Any]

CONNECT_S, READ_S = 10.0, 60.0
# A page waits for these answers: a longer wait looks like a hang.
MAX_WAIT_S = 10.0
ATTEMPTS = 3
#: A batch says that it waits where the server asks for so long.
SAID_S = 5.0
# The most rows that Alyx puts on a page, whatever is asked for.
PAGE = 1000
_SETTINGS = "Set SPIKE_DASHBOARD_ALYX_USER with _ALYX_PASSWORD, or _ALYX_TOKEN"


class QueryFailed(SourceUnavailable):
    """The server answers, but not this question: an error of its own, or of the question."""


class Unanswered(SourceUnavailable):
    """The server took the question and gave no answer; it may answer another one."""


class ServerBusy(SourceUnavailable):
    """The server asks to be left alone for a while.

    Attributes
    ----------
    wait_s : float
    """

    def __init__(self, wait_s: float, where: str) -> None:
        self.wait_s = wait_s
        super().__init__(f"The Alyx server is busy and asks to wait {wait_s:.0f} s", where, "Try again then")


class _Token(AuthBase):
    """Adds the token; as an object of its own, or requests would overrule it with what is in ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Token {self._token}"
        return request


class Client(AlyxClient):  # type: ignore[misc]
    """Reads from an Alyx database.

    ONE's own client passes no time-outs, asks on the console, writes parameter files into the home
    folder, and counts its retries in one place for all threads. What reaches the network or a file is
    replaced here; URLs, pages and notices of the server are ONE's.

    Parameters
    ----------
    url : str
        ``https://openalyx.internationalbrainlab.org``.
    user, password, token : str or None
        What is missing is taken from ONE's parameters for this server, where ONE is set up for it.
    connect_s, read_s : float
        Time-outs, in s.
    sleep : callable

    Raises
    ------
    BadRequest
        `url` is not a web address.
    """

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # the constructor of ONE's client reads and writes parameter files, so it is not called
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadRequest("Not the address of an Alyx server", url, "Write it as https://alyx.example.org")
        self.base_url = url.strip().rstrip("/")
        self.silent = True
        stored = stored_parameters(self.base_url)
        self.user = user or stored.get("ALYX_LOGIN") or None
        self._password = password or (stored.get("ALYX_PWD") if not token else None)
        known = stored.get("TOKEN") or {}
        saved = known.get(self.user) if isinstance(known, dict) and not password else None
        self._given_token = token or (saved.get("token") if isinstance(saved, dict) else None)
        self._par = one_params.default().set("ALYX_URL", self.base_url).set("CACHE_DIR", None)
        self._token = {"token": self._given_token} if self._given_token else None
        self._headers = self._base_headers
        self._rest_schemes = None
        self.cache_mode = None
        self.default_expiry = timedelta(0)
        self._logged_notices: set[str] = set()
        self._timeout = (connect_s, read_s)
        self._sleep = sleep
        self._login = threading.Lock()
        self._counting = threading.Lock()
        self._n_told = 0

    @property
    def host(self) -> str:
        """``host`` or ``host:port`` of the server."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    def read(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return the server's answer to a GET, None where it has no such record.

        Parameters
        ----------
        path : str
            ``/insertions/<pid>``.
        params : mapping of str to str
            Filters of a list.

        Raises
        ------
        SourceUnavailable
            No answer in time, a refusal, or an error of the server.
        """
        query = f"?{urlencode(params)}" if params else ""
        return self._generic_request(requests.get, quote(path) + query)

    def pages(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[list[Record]]:
        """Yield a list of the server page by page, each row once.

        Rows can come twice, because a filter joins tables or because the list changed between two
        pages.

        Raises
        ------
        SourceUnavailable
            As `read`.
        """
        answer = self.read(path, {"limit": str(PAGE), **(params or {})})
        seen: set[str] = set()
        while isinstance(answer, dict):
            rows = [row for row in answer.get("results", ()) if _identity(row) not in seen]
            unique = {_identity(row): row for row in rows}
            seen.update(unique)
            yield list(unique.values())
            following = answer.get("next")
            if not following:
                return
            # behind a proxy the server may name itself by another scheme or host
            parts = urlsplit(following)
            answer = self._generic_request(requests.get, f"{parts.path}?{parts.query}")
        if isinstance(answer, list):
            yield answer

    def authenticate(
        self,
        username: str | None = None,
        password: str | None = None,
        cache_token: bool = False,
        force: bool = False,
        token: str | dict[str, str] | None = None,
    ) -> None:
        """Get a token with the user and password, unless one is there.

        The arguments are those of ONE's client; nothing is ever asked for, and nothing is written.

        Raises
        ------
        SourceUnavailable
            The credentials are missing or wrong, or the server does not answer.
        """
        with self._login:
            if token is not None:
                self._token = token if isinstance(token, dict) else {"token": token}
                return
            if self._token and not force:
                return
            self.user, self._password = username or self.user, password or self._password
            self._token = {"token": self._new_token()}

    def _new_token(self) -> str:
        if not self.user or not self._password:
            raise SourceUnavailable("There is no login for the Alyx server", self.base_url, _SETTINGS)
        credentials = {"username": self.user, "password": self._password}
        try:
            response = requests.post(
                f"{self.base_url}/auth-token",
                data=credentials,
                timeout=self._timeout,
                auth=_Token(None),
                allow_redirects=False,  # or the password would follow them
            )
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        with response:
            if response.status_code in (400, 401, 403):
                raise SourceUnavailable(
                    f"The Alyx server refused the password of {self.user}", self.base_url, _SETTINGS
                )
            body = _json(response)
        if response.status_code != 200 or not isinstance(body, dict) or "token" not in body:
            raise self._odd(response.status_code, "/auth-token")
        return str(body["token"])

    def _clear_token(self, username: str | None) -> None:
        self._token = None

    def token(self) -> str:
        """Return the token of this login, logging in where there is none; for processes that share it.

        Raises
        ------
        SourceUnavailable
            As `authenticate`.
        """
        self.authenticate()
        return str((self._token or {}).get("token", ""))

    def start_over(self) -> None:
        """Let the next question log in by itself: a login under way may be on a connection that nobody serves."""
        self._login = threading.Lock()

    @property
    def is_logged_in(self) -> bool:
        """Whether there is a token."""
        return bool(self._token)

    def _generic_request(
        self,
        reqfunction: Callable[..., requests.Response],
        rest_query: str,
        data: Any = None,
        files: Any = None,
        **caching: Any,
    ) -> Any:
        """Send a request, again where that may help, and return the JSON of the answer; None for 404."""
        query = "/" + rest_query.removeprefix(self.base_url).lstrip("/")
        renewed, attempt, waited = False, 0, 0.0
        while attempt < ATTEMPTS:
            attempt += 1
            self.authenticate()
            used = self._token
            response = self._send(reqfunction, query, data, files, (used or {}).get("token"))
            with response:
                status, body = response.status_code, _json(response)
                self._log_response_headers(response, query)
                if status in (200, 201) and body is not _NOT_JSON:
                    return body
                if status in (204, 404):
                    return None
                if status in (401, 403):
                    if renewed or not self._renew(used):
                        raise self._refused(body)
                    renewed = True
                    continue
                wait = retry_after(response.headers.get("Retry-After", "")) if status in (429, 503) else 0.0
                if wait and is_patient() and waited + wait <= MAX_ASKED_S:
                    attempt -= 1  # an answer, and no failure
                if status not in (429, 500, 502, 503, 504) or attempt == ATTEMPTS:
                    raise self._odd(status, query)
            wait = max(wait, 0.3 * 2**attempt)
            waited += wait
            if wait > (MAX_ASKED_S if is_patient() else MAX_WAIT_S):
                raise ServerBusy(wait, self.base_url)
            level = logging.WARNING if is_patient() and wait >= SAID_S else logging.INFO
            log.log(level, "%s answered %d; asking again in %.1f s", self.host, status, wait)
            self._sleep_as_told(wait)
        raise self._refused(None)

    def _sleep_as_told(self, wait_s: float) -> None:
        with self._counting:
            self._n_told += 1
        try:
            self._sleep(wait_s)
        finally:
            with self._counting:
                self._n_told -= 1

    @property
    def told_to_wait(self) -> bool:
        """Whether a question waits now because the server asked for it."""
        return self._n_told > 0

    def _send(
        self, reqfunction: Callable[..., requests.Response], query: str, data: Any, files: Any, token: str | None
    ) -> requests.Response:
        headers = dict(self._headers)
        if query.startswith("/api/schema"):
            headers |= {"Accept": "application/vnd.oai.openapi+json", "Accept-Version": "3.0"}
        if files is None and isinstance(data, dict | list):
            data, headers["Content-Type"] = json.dumps(data), "application/json"
        try:
            return reqfunction(
                self.base_url + query,
                headers=headers,
                data=data,
                files=files,
                timeout=self._timeout,
                auth=_Token(token),
            )
        except requests.RequestException as error:
            raise self._unreachable(error) from error

    def _renew(self, used: dict[str, str] | None) -> bool:
        """Get a new token in place of one that the server no longer takes; return whether that was possible."""
        if not self.user or not self._password:
            return False
        with self._login:
            if self._token is used:  # no other thread has renewed it yet
                self._token = {"token": self._new_token()}
        return True

    def _refused(self, body: Any) -> SourceUnavailable:
        detail = str(body.get("detail", "")).rstrip(".") if isinstance(body, dict) else ""
        what = f"The Alyx server refused the login ({detail})" if detail else "The Alyx server refused the login"
        return SourceUnavailable(what, self.base_url, _SETTINGS)

    def _unreachable(self, error: requests.RequestException) -> SourceUnavailable:
        is_taken = isinstance(error, requests.ReadTimeout) or isinstance(next(iter(error.args), None), ProtocolError)
        kind = Unanswered if is_taken else SourceUnavailable
        if isinstance(error, requests.Timeout):
            what = "The Alyx server did not answer in time"
        elif isinstance(error, requests.exceptions.SSLError):
            what = "The certificate of the Alyx server is not trusted"
        else:
            what = "The Alyx server cannot be reached"
        return kind(what, self.base_url, "Check the network and the address")

    def _odd(self, status: int, query: str) -> SourceUnavailable:
        where = self.base_url + query.partition("?")[0]
        if status == 200:
            return SourceUnavailable(
                "The answer is not Alyx's", where, "Check the address, and the network's login page"
            )
        if 300 <= status < 400:
            return SourceUnavailable("The Alyx server has moved", where, "Use the address that it redirects to")
        if status in (400, 500):
            return QueryFailed(f"The Alyx server answered {status}", where, "Try again later")
        return SourceUnavailable(f"The Alyx server answered {status}", where, "Try again later")


def stored_parameters(url: str) -> Record:
    """Return ONE's parameters for a server, empty where ONE is not set up for it; nothing is written.

    Parameters
    ----------
    url : str

    Returns
    -------
    dict
        ``ALYX_LOGIN``, ``TOKEN``, ``HTTP_DATA_SERVER`` and so on, and ``CACHE_DIR``.
    """
    key = one_params._key_from_url(url)
    try:
        stored = _parameter_file(key)
        folders = _parameter_file("caches").get("CLIENT_MAP") or {}
    except (OSError, ValueError) as error:
        log.warning("ONE's parameters cannot be read: %s", type(error).__name__)
        return {}
    return {**stored, "CACHE_DIR": folders.get(key)} if stored else {}


def default_address() -> str:
    """Return the address of ONE's default server, that of OpenAlyx where ONE is not set up."""
    try:
        key = _parameter_file("caches").get("DEFAULT")
        address = _parameter_file(str(key)).get("ALYX_URL") if key else None
    except (OSError, ValueError) as error:
        log.warning("ONE's parameters cannot be read: %s", type(error).__name__)
        return OPENALYX
    return str(address or OPENALYX)


def _parameter_file(name: str) -> Record:
    path = Path(iblutil_params.getfile(f"one/{name}"))
    if not path.is_file():
        return {}
    found = read_json(path)
    return found if isinstance(found, dict) else {}


_NOT_JSON = object()


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return _NOT_JSON


def _identity(row: Record) -> str:
    return str(row.get("id") or row.get("url") or row.get("name") or json.dumps(row, sort_keys=True))
