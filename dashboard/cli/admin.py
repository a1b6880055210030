"""Commands of whoever runs a server: user add and remove, cache list, clear and verify."""

from __future__ import annotations

import argparse
import getpass
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest, CacheUnusable
from dashboard.server.auth.passwords import add_user, remove_user


def add_parsers(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the command line."""
    command = commands.add_parser("user", help="add or remove somebody who may log in to a server")
    command.add_argument(
        "action", choices=("add", "remove"), help="add: a new user, or a new password for one; remove: take one out"
    )
    command.add_argument("name", metavar="NAME", help="name to log in with")
    command.set_defaults(run=user)
    command = commands.add_parser("cache", help="list, clear or verify what the cache folder holds")
    command.add_argument(
        "action",
        choices=("list", "clear", "verify"),
        help="list: sizes and last use; clear: remove what is named; verify: look whether every file is whole",
    )
    command.add_argument("name", metavar="NAME", nargs="*", help="clear: what to remove, by its name in the list")
    command.add_argument("--remove", action="store_true", help="verify: remove what is not whole")
    command.set_defaults(run=cache)


def user(options: argparse.Namespace, settings: Settings) -> None:
    """Write a user into the users file, or take one out; a password comes from the terminal or standard input."""
    if settings.users is None:
        raise BadRequest("No users file", "", "Name one with --users FILE")
    if options.action == "remove":
        remove_user(settings.users, options.name)
        return
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {options.name}: ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    add_user(settings.users, options.name, password)


def cache(options: argparse.Namespace, settings: Settings) -> int:
    """List, clear or verify the cache."""
    if options.remove and options.action != "verify":
        raise BadRequest("--remove goes with verify", options.action, "Name folders to clear them")
    if options.action == "verify":
        return _verify(settings.cache, options.remove)
    held = {entry.name: entry for entry in sorted(settings.cache.iterdir())} if settings.cache.is_dir() else {}
    if options.action == "list":
        for name, entry in held.items():
            n_bytes, used = measure(entry)
            day = time.strftime("%Y-%m-%d", time.localtime(used))
            sys.stdout.write(f"{n_bytes / 2**20:>12,.1f} MiB  {day}  {name}\n")
        return 0
    if not options.name:
        raise BadRequest("Nothing named to clear", settings.cache, "Name folders as `cache list` writes them")
    if unknown := [name for name in options.name if name not in held]:
        raise BadRequest("Not in the cache", ", ".join(unknown), f"It holds: {', '.join(held) or 'nothing'}")
    for name in options.name:
        try:
            shutil.rmtree(held[name]) if held[name].is_dir() else held[name].unlink()
        except OSError as error:
            raise CacheUnusable("Cannot remove", held[name], error.strerror or "") from None
    return 0


def _verify(folder: Path, is_removing: bool) -> int:
    """Say what is not whole, and remove it where asked to; return 1 where something is left."""
    from dashboard.library.check import remove, verify

    n_found = n_left = 0
    for problem in verify(folder):
        goes = is_removing and problem.can_go
        if goes:
            remove(problem)
        n_found += 1
        n_left += not goes
        sys.stdout.write(f"{problem.path}: {problem.why}{'; removed' if goes else ''}\n")
    sys.stdout.write(f"{n_found:,} not whole, {n_left:,} left\n" if n_found else "every file is whole\n")
    return 1 if n_left else 0


def measure(entry: Path) -> tuple[int, float]:
    """Return the bytes below a path and the time any of it was last used, in s since 1970; links are not followed."""
    n_bytes, used = 0, entry.lstat().st_mtime
    for path in (entry, *entry.rglob("*")) if entry.is_dir() and not entry.is_symlink() else (entry,):
        state = path.lstat()
        if not path.is_dir() or path.is_symlink():
            n_bytes += state.st_size
            used = max(used, state.st_mtime, state.st_atime)
    return n_bytes, used
