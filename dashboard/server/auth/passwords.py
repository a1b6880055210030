"""Who may log in: a file of names with salted scrypt hashes (RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
from functools import cache
from pathlib import Path

from dashboard.model.errors import BadRequest
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json

logger = logging.getLogger(__name__)

N, R, P = 2**17, 8, 1
"""OWASP's cheat sheet on password storage: 128 MiB and some 0.4 s for each guess."""

MAX_MEMORY_BYTES = 2**28
SALT_BYTES = 16
MIN_LENGTH = 8
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def hash_password(password: str) -> str:
    """Return ``scrypt$N$r$p$salt$hash`` with a fresh salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"scrypt${N}${R}${P}${salt.hex()}${_scrypt(password, salt, N, R, P).hex()}"


@cache
def _nobody() -> str:
    """Return a hash to compare with where a name is unknown: the time of the answer must not tell which exist."""
    return hash_password(secrets.token_hex())


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=MAX_MEMORY_BYTES, dklen=32)


class Accounts:
    """The users file; read again whenever it has changed, so that users come and go without a restart.

    While it cannot be read nobody gets in, and the log says so.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    is_sound : bool
        Whether the file could be read when it was last looked at.

    Raises
    ------
    BadRequest
        The file cannot be read, is damaged, or names nobody.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] | None = None
        self._hashes: dict[str, str] = {}
        self.is_sound = True
        self._read()
        if not self._hashes:
            raise BadRequest("The users file names nobody", path, "Add one: spike-dashboard user add NAME --users FILE")

    def check(self, name: str, password: str) -> bool:
        """Return whether the password is that of the user; takes about 0.4 s, so call it from a thread.

        While the file has hashes of an earlier version, one of each kind is computed, whoever asks: the time of the
        answer must not tell which names exist.
        """
        self._refresh()
        stored = self._hashes.get(name) or _nobody()
        _, *cost, salt, wanted = stored.split("$")
        kinds = {tuple(text.split("$")[1:4]) for text in (*self._hashes.values(), _nobody())}
        found = b""
        for kind in kinds:
            n, r, p = map(int, kind)
            try:
                made = _scrypt(password, bytes.fromhex(salt), n, r, p)
            except ValueError:
                made = b""
                if kind == tuple(cost):
                    logger.error("the hash of %r in %s was not made here", name, self.path)
            found = made if kind == tuple(cost) else found
        return hmac.compare_digest(found.hex(), wanted) and name in self._hashes

    def renew(self, name: str, password: str) -> tuple[str, str] | None:
        """Write a password that was right anew, where its hash is of an earlier version; call it from a thread.

        Returns
        -------
        (str, str) or None
            The marks before and after; None where nothing was written.
        """
        stored, before = self._hashes.get(name), self.mark(name)
        if stored is None or before is None or stored.split("$")[1:4] == [str(N), str(R), str(P)]:
            return None
        try:
            users = read_users(self.path)
            if users.get(name) != stored:
                return None  # another password, meanwhile
            _write(self.path, {**users, name: hash_password(password)})
        except BadRequest as error:
            logger.warning("the password of %r keeps a hash of an earlier version: %s", name, error)
            return None
        return before, self.mark(name) or ""

    def mark(self, name: str) -> str | None:
        """Return what tells a user's password from the one before, and nothing about it; None where nobody has it."""
        self._refresh()
        found = self._hashes.get(name)
        return hashlib.sha256(found.encode()).hexdigest()[:16] if found is not None else None

    def __contains__(self, name: str) -> bool:
        self._refresh()
        return name in self._hashes

    def _refresh(self) -> None:
        try:
            self._read()
        except BadRequest as error:
            if self.is_sound:
                logger.error("nobody gets in: %s", error)
            self._hashes, self.is_sound = {}, False

    def _read(self) -> None:
        """Read the file where it is not the one that was read last.

        Raises
        ------
        BadRequest
        """
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = None  # what cannot be read is tried again
            self._hashes, self._stamp = read_users(self.path), stamp
        except OSError as error:
            self._stamp = None
            raise BadRequest("Cannot read the users file", self.path, error.strerror or "") from None
        self.is_sound = True


def read_users(path: Path) -> dict[str, str]:
    """Return the hash of each name.

    Raises
    ------
    BadRequest
        The content is not that of a users file.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise BadRequest("Cannot read the users file", path, error.strerror or "") from None
    except ValueError:
        raise BadRequest("The users file is damaged", path, "Make it anew with: spike-dashboard user add") from None
    pattern = re.compile(r"scrypt\$\d+\$\d+\$\d+\$[0-9a-f]+\$[0-9a-f]{64}")
    is_sound = isinstance(content, dict) and all(isinstance(v, str) and pattern.fullmatch(v) for v in content.values())
    if not is_sound:
        raise BadRequest("The users file is damaged", path, "Make it anew with: spike-dashboard user add")
    return dict(content)


def remove_user(path: Path, name: str) -> None:
    """Take a user out of the file; whoever is logged in by that name is out within seconds.

    Raises
    ------
    BadRequest
        There is no such user, or the file cannot be read or written.
    """
    users = read_users(path) if path.exists() else {}
    if name not in users:
        raise BadRequest("No such user", name[:80], f"{path} has {', '.join(sorted(users)) or 'nobody'}")
    del users[name]
    _write(path, users)


def add_user(path: Path, name: str, password: str) -> None:
    """Write a user, or a new password for one, into the file; others cannot read it.

    Raises
    ------
    BadRequest
        The name or password cannot be used, or the file cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest("Not a user name", name[:80], "Use letters, digits and . _ @ -, at most 64")
    if len(password) < MIN_LENGTH:
        raise BadRequest("The password is too short", "", f"Use at least {MIN_LENGTH} characters")
    users = read_users(path) if path.exists() else {}
    users[name] = hash_password(password)
    _write(path, users)


def _write(path: Path, users: dict[str, str]) -> None:
    try:
        write_file(path, json.dumps(users, indent=2).encode(), mode=0o600)
    except OSError as error:
        raise BadRequest("Cannot write the users file", path, error.strerror or "") from None
