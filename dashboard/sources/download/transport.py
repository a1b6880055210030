"""HTTP for large files: requests whose sockets can be cut at once, and who may see the password."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import socket
import threading
import weakref
from collections.abc import Callable, Collection, MutableMapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

log = logging.getLogger(__name__)

_REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}


class Sockets:
    """The open sockets of a piece of work, so that all can be cut from another thread."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._cut = False

    def add(self, sock: socket.socket) -> None:
        """Take a socket in; it is cut at once where the others already were."""
        with self._lock:
            self._open.add(sock)
            if self._cut:
                _shut(sock)

    def cut(self) -> None:
        """End every read that is under way; whatever connects later is cut too."""
        with self._lock:
            self._cut = True
            for sock in list(self._open):
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed in the meantime
        sock.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """requests' adapter whose connections report their sockets."""

    def __init__(self, sockets: Sockets, pool_size: int) -> None:
        self._sockets = sockets
        super().__init__(pool_connections=pool_size, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    def _watch(self, manager: PoolManager) -> None:
        sockets = self._sockets

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock is not None:
                    sockets.add(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                if self.sock is not None:
                    sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class _NoAuth(AuthBase):
    """Says that there is nothing to add, or requests would look into ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Transport:
    """Sends GET requests, follows redirects, and shows the password to nobody but the data server.

    Parameters
    ----------
    sockets : Sockets
    user, password : str or None
        For the data server (basic authentication).
    hosts : collection of str
        ``host`` or ``host:port`` of the servers that may see them.
    connect_s, read_s : float
        Time-outs, in s; `read_s` is that between two arrivals of bytes.
    pool_size : int
    """

    def __init__(
        self,
        sockets: Sockets,
        user: str | None,
        password: str | None,
        hosts: Collection[str],
        connect_s: float,
        read_s: float,
        pool_size: int,
    ) -> None:
        self._auth = HTTPBasicAuth(user, password or "") if user else None
        self._hosts = frozenset(origin for host in hosts for origin in origins(host))
        self._timeout = (connect_s, read_s)
        self._session = requests.Session()
        adapter = _Adapter(sockets, pool_size)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        """Close the connections that wait for a next request."""
        self._session.close()

    def get(
        self, url: str, headers: MutableMapping[str, str], check: Callable[[str], None] | None = None
    ) -> requests.Response:
        """Send a GET and return the answer with its body not yet read.

        Parameters
        ----------
        url : str
        headers : mapping of str to str
        check : callable, optional
            Called with each address before it is asked, that of each redirect too; raises for one that may not be.

        Raises
        ------
        requests.RequestException
            No answer, or too many redirects.
        """
        secret = self._auth is not None and url.startswith("https:")
        for _ in range(MAX_REDIRECTS):
            if check is not None:
                check(url)
            may_see = self.may_see(url) and (not secret or url.startswith("https:"))
            response = self._session.get(
                url,
                headers=headers,
                stream=True,
                timeout=self._timeout,
                allow_redirects=False,
                auth=self._auth if self._auth is not None and may_see else _NoAuth(),
            )
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
        raise requests.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")

    def may_see(self, url: str) -> bool:
        """Return whether the server of `url` may be sent the password."""
        return origin_of(url) in self._hosts


def origin_of(url: str) -> tuple[str, int]:
    """Return host and port of an address.

    Raises
    ------
    ValueError
        Its port is no number.
    """
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def origins(host: str) -> set[tuple[str, int]]:
    """Return host and port of ``host:port``; of a bare ``host`` with the usual ports."""
    parts = urlsplit(f"//{host.lower().rpartition('@')[2]}")
    try:
        port = parts.port
    except ValueError:
        return set()
    name = parts.hostname or ""
    return {(name, port)} if port else {(name, usual) for usual in _PORTS.values()}


def retry_after(text: str) -> float:
    """Return the seconds that a ``Retry-After`` header asks for: a number or a date; 0 for neither."""
    text = text.strip()
    if text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
