"""Who is logged in: random tokens of which only hashes are kept, in memory and in a file beside the caches.

The file is why a restart logs nobody out, and why a login counts in every process that shares the cache. Where it
cannot be used (a full volume, say), logins are good in their own process until it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import logging
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from dashboard.model.files import make_private
from dashboard.server.auth.passwords import Accounts

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FILE = "logins.sqlite"
"""In the cache folder; `cache clear logins.sqlite` logs everybody out."""

MAX_FAILURES = 5
MAX_FOR_A_NAME = 25
"""From whatever addresses: so many that nobody at one of them can lock somebody else out."""

FAILURES_S = 300.0
MAX_REMEMBERED = 10_000
"""Addresses and logins held in memory at once; the oldest go first."""

FRESH_S = 2.0
"""How long a process believes what it read: a log-out takes so long to reach the others."""

WRITE_S = 60.0
"""Use of a login is written this often, or ten times in what is idle where that is less."""

LOCK_WAIT_S = 0.5
"""The event loop waits with it; a write takes milliseconds."""

_TABLES = """
CREATE TABLE IF NOT EXISTS logins
    (token TEXT PRIMARY KEY, user TEXT NOT NULL, mark TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attempts (address TEXT NOT NULL, name TEXT NOT NULL, time REAL NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_by_address ON attempts (address);
CREATE INDEX IF NOT EXISTS attempts_by_name ON attempts (name);
"""


@dataclass(slots=True)
class Login:
    """One login.

    Attributes
    ----------
    user : str
    mark : str
        Of the password that it was made with: another password ends it.
    began, seen : float
        In s since 1970.
    looked, written : float
        When the file was last read and written for it.
    is_kept : bool
        Whether it is in the file.
    """

    user: str
    mark: str
    began: float
    seen: float
    looked: float
    written: float
    is_kept: bool


class LoginFile:
    """The file of logins and failed attempts, in SQLite; used by several processes.

    Every method raises `sqlite3.Error` or OSError where the file cannot be used.

    Parameters
    ----------
    path : Path
        Made where it is not, for this user of the machine alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            return self._opened().execute(statement, values).fetchall()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None:
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    return self._connection
            self.close()  # cleared by somebody: nobody is logged in any more
        self._path.parent.mkdir(parents=True, exist_ok=True)
        make_private(self._path)
        connection = sqlite3.connect(
            self._path, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )  # fmt: skip
        try:
            connection.executescript(_TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._inode = connection, self._path.stat().st_ino
        return connection

    def read(self, token: str) -> tuple[str, str, float, float] | None:
        """Return user, mark, beginning and last use of a login, by the hash of its token."""
        rows = self._run("SELECT user, mark, began, seen FROM logins WHERE token = ?", (token,))
        return (str(rows[0][0]), str(rows[0][1]), _number(rows[0][2]), _number(rows[0][3])) if rows else None

    def write(self, token: str, login: Login, idle_before: float) -> None:
        """Keep a login, and forget those last used before `idle_before`."""
        self._run("DELETE FROM logins WHERE seen < ?", (idle_before,))
        self._run("INSERT INTO logins VALUES (?, ?, ?, ?, ?)", (token, login.user, login.mark, login.began, login.seen))

    def touch(self, token: str, seen: float) -> None:
        """Note a use."""
        self._run("UPDATE logins SET seen = max(seen, ?) WHERE token = ?", (seen, token))

    def remove(self, token: str) -> None:
        """End a login."""
        self._run("DELETE FROM logins WHERE token = ?", (token,))

    def fail(self, address: str, name: str, now: float) -> None:
        """Count a failed attempt."""
        self._run("DELETE FROM attempts WHERE time < ?", (now - FAILURES_S,))
        self._run("INSERT INTO attempts VALUES (?, ?, ?)", (address, name, now))

    def failures(self, address: str, name: str, since: float) -> tuple[list[float], list[float]]:
        """Return the times of the attempts that failed, oldest first: from an address, and against a name."""
        found = []
        for column, value, most in (("address", address, MAX_FAILURES), ("name", name, MAX_FOR_A_NAME)):
            rows = self._run(
                f"SELECT time FROM attempts WHERE {column} = ? AND time >= ? ORDER BY time DESC LIMIT ?",
                (value, since, most),
            )
            found.append([_number(row[0]) for row in reversed(rows)])
        return found[0], found[1]

    def forgive(self, name: str) -> None:
        """Forget the failures against a name, from whatever addresses."""
        self._run("DELETE FROM attempts WHERE name = ?", (name,))

    def remark(self, user: str, before: str, after: str) -> None:
        """Have the logins of a user belong to another hash of the same password."""
        self._run("UPDATE logins SET mark = ? WHERE user = ? AND mark = ?", (after, user, before))

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Logins:
    """Who is logged in, and who has tried too often.

    Parameters
    ----------
    accounts : Accounts
    idle_s : float
        A login not used this long ends.
    clock : callable
        Seconds since 1970.
    folder : Path or None
        Where the file is kept; None: logins are gone with the process.
    longest_s : float
        A login ends so long after its beginning, however much it is used.
    """

    def __init__(
        self,
        accounts: Accounts,
        idle_s: float,
        clock: Callable[[], float] = time.time,
        *,
        folder: Path | None = None,
        longest_s: float = float("inf"),
    ) -> None:
        self.accounts = accounts
        self._idle_s, self._longest_s = idle_s, longest_s
        self._write_s = min(WRITE_S, idle_s / 10)
        self._clock = clock
        self._file = LoginFile(folder / FILE) if folder is not None else None
        self._is_failing = False
        self._logins: OrderedDict[str, Login] = OrderedDict()
        self._failures: deque[tuple[str, str, float]] = deque(maxlen=MAX_REMEMBERED)

    def start(self, user: str) -> str:
        """Return the token of a new login."""
        token, now = secrets.token_urlsafe(32), self._clock()
        login = Login(user, self.accounts.mark(user) or "", now, now, now, now, is_kept=False)
        key = _digest(token)
        self._keep(key, login)
        self._hold(key, login)
        return token

    def user(self, token: str, *, touch: bool = True) -> str | None:
        """Return who holds the token: None where nobody does, the login was idle, or the user was removed."""
        if not token:
            return None
        key, now = _digest(token), self._clock()
        login = self._logins.get(key)
        if login is None or now - login.looked > FRESH_S:
            login = self._look(key, login, now)
        if login is None:
            return None
        if now - login.seen > self._idle_s or now - login.began > self._longest_s:
            self._end(key)
            return None
        mark = self.accounts.mark(login.user)
        if mark != login.mark and now != login.looked:  # another process may have made the hash anew
            login = self._look(key, login, now)
            if login is None:
                return None
        if mark != login.mark:
            if mark is not None or self.accounts.is_sound:  # else nobody gets in until the users file can be read
                self._end(key)
            return None
        if touch:
            login.seen = now
            if now - login.written > self._write_s:
                login.written = now
                self._keep(key, login)
        return login.user

    def end(self, token: str) -> None:
        """Log out."""
        self._end(_digest(token))

    def wait_s(self, address: str, name: str) -> float:
        """Return how long somebody at an address has to wait before a name may be tried again, in s.

        An address may fail `MAX_FAILURES` times, whatever the names; a name is shut after `MAX_FOR_A_NAME`, which no
        single address reaches.
        """
        now = self._clock()
        keys = _digest(network_of(address)), _digest(name)
        while self._failures and now - self._failures[0][2] > FAILURES_S:
            self._failures.popleft()
        kept: tuple[list[float], list[float]] = self._try(LoginFile.failures, ([], []), *keys, now - FAILURES_S)
        wait = 0.0
        for k, most in enumerate((MAX_FAILURES, MAX_FOR_A_NAME)):
            held = [failure[2] for failure in self._failures if failure[k] == keys[k]][-most:]
            for times in (held, kept[k]):
                if len(times) >= most:
                    wait = max(wait, FAILURES_S - (now - times[0]))
        return wait

    def failed(self, address: str, name: str) -> None:
        """Count an attempt; counted before the password is looked at, so that many at once do not get through."""
        now, keys = self._clock(), (_digest(network_of(address)), _digest(name))
        self._failures.append((*keys, now))
        self._try(LoginFile.fail, None, *keys, now)

    def succeeded(self, name: str) -> None:
        """Forget the failures against a name; what its address did to other names stays."""
        key = _digest(name)
        self._failures = deque((f for f in self._failures if f[1] != key), maxlen=MAX_REMEMBERED)
        self._try(LoginFile.forgive, None, key)

    def renewed(self, user: str, before: str, after: str) -> None:
        """Have the logins of a user stay whose password has another hash now; `before` and `after` are its marks."""
        for login in self._logins.values():
            if login.user == user and login.mark == before:
                login.mark = after
        self._try(LoginFile.remark, None, user, before, after)

    def close(self) -> None:
        """Let go of the file, with the last use of every login written."""
        for key, login in self._logins.items():
            if login.seen > login.written:
                self._keep(key, login)
        if self._file is not None:
            self._file.close()

    def _look(self, key: str, held: Login | None, now: float) -> Login | None:
        """Return what the file says of a login now; what is held, where it cannot say."""
        if self._file is None or (held is not None and not held.is_kept):
            return held
        found = self._try(lambda file: (file.read(key),), None)
        if found is None:
            if held is not None:
                held.looked = now
            return held
        if found[0] is None:
            self._logins.pop(key, None)  # ended by another process, or never begun
            return None
        user, mark, began, seen = found[0]
        if held is None:
            held = Login(user, mark, began, seen, now, seen, is_kept=True)
            self._hold(key, held)
        held.looked, held.mark, held.seen = now, mark, max(held.seen, seen)
        return held

    def _keep(self, key: str, login: Login) -> None:
        """Write a login, or its last use, into the file."""

        def keep(file: LoginFile) -> bool:
            if login.is_kept:
                file.touch(key, login.seen)
            else:
                file.write(key, login, login.seen - self._idle_s)
            return True

        login.is_kept = self._try(keep, login.is_kept)

    def _hold(self, key: str, login: Login) -> None:
        self._logins[key] = login
        while len(self._logins) > MAX_REMEMBERED:
            self._logins.popitem(last=False)

    def _end(self, key: str) -> None:
        self._logins.pop(key, None)
        self._try(LoginFile.remove, None, key)

    def _try(self, ask: Callable[Concatenate[LoginFile, P], T], otherwise: T, *args: P.args, **named: P.kwargs) -> T:
        """Ask the file; where it cannot be used, say so once and go on without."""
        if self._file is None:
            return otherwise
        try:
            answer = ask(self._file, *args, **named)
        except (sqlite3.Error, OSError) as error:
            if not self._is_failing:
                logger.warning("logins are held by this process alone: %s", error)
            self._is_failing = True
            return otherwise
        self._is_failing = False
        return answer


def network_of(address: str) -> str:
    """Return whom an address is counted with: IPv6 by its first 64 bits, of which a household or a lab has one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
