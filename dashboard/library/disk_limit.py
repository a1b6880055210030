"""A limit for the disk: what was used longest ago goes, and never what any process has open."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sys
import threading
import time
import uuid
import weakref
from dataclasses import dataclass
from pathlib import Path

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.sidecars import sidecar_key
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.registry import SOURCES

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

GRACE_S = 600.0
"""What was used this recently stays: somebody may be about to open it."""

PAUSE_S = 60.0
"""Between two looks at the size of the cache."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What goes together: the columns of a sorting, or the fetched files of a session.

    Attributes
    ----------
    folder : Path
    n_bytes : int
    used : float
        When it was last opened, in s since 1970.
    """

    folder: Path
    n_bytes: int
    used: float


class DiskLimit:
    """Keeps the cache below a size; several processes may share it.

    Parameters
    ----------
    cache : Path
    limit_bytes : int
    grace_s, pause_s : float
    """

    def __init__(self, cache: Path, limit_bytes: int, *, grace_s: float = GRACE_S, pause_s: float = PAUSE_S) -> None:
        self._cache = cache
        self._limit_bytes = limit_bytes
        self._grace_s, self._pause_s = grace_s, pause_s
        self._lock = threading.Lock()
        self._looked = -float("inf")

    def use(self, columns: SpikeColumns, sorting: SpikeSorting) -> None:
        """Say that the files behind `sorting` and its `columns` are open for as long as the columns live."""
        marks = [_hold(self._cache, folder) for folder in folders_of(self._cache, sorting)]
        weakref.finalize(columns, _release, [mark for mark in marks if mark is not None])

    def keep(self) -> None:
        """Look at the cache in a thread of its own, unless that was done a moment ago."""
        with self._lock:
            if time.monotonic() - self._looked < self._pause_s:
                return
            self._looked = time.monotonic()
        threading.Thread(target=self.evict, name="evict", daemon=True).start()

    def evict(self) -> list[Path]:
        """Remove what was used longest ago until the cache is within the limit; return what went."""
        entries = sorted(held(self._cache), key=lambda entry: entry.used)
        total = sum(entry.n_bytes for entry in entries)
        gone: list[Path] = []
        for entry in entries:
            if total <= self._limit_bytes:
                break
            if time.time() - entry.used < self._grace_s or not _remove(self._cache, entry.folder):
                continue
            total -= entry.n_bytes
            gone.append(entry.folder)
            logger.info("evicted %s from the disk: %d bytes", entry.folder, entry.n_bytes)
        if total > self._limit_bytes:
            logger.warning("the cache holds %d bytes, all in use or used just now; its limit is %d", total,
                           self._limit_bytes)  # fmt: skip
        return gone


def held(cache: Path) -> list[Entry]:
    """Return what may be evicted from a cache."""
    folders = [path for path in (cache / "columns").glob("[!.]*") if path.is_dir()]
    for pattern in (pattern for entry in SOURCES for pattern in entry.keeps):
        folders += [path for path in cache.glob(pattern) if path.is_dir()]
    return [_measured(folder) for folder in dict.fromkeys(folders)]


def _measured(folder: Path) -> Entry:
    n_bytes, used = 0, 0.0
    with contextlib.suppress(OSError):
        used = folder.stat().st_mtime
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            n_bytes += path.lstat().st_size
    return Entry(folder, n_bytes, used)


def folders_of(cache: Path, sorting: SpikeSorting) -> list[Path]:
    """Return the folders of the cache that a sorting and its columns are read from."""
    key = sidecar_key(sorting)
    folders = [cache / "columns" / key] if key is not None else []
    folders += sorting.identity.folders if sorting.identity is not None else ()
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _lock_file(cache: Path, folder: Path) -> Path:
    name = hashlib.sha256(folder.relative_to(cache).as_posix().encode()).hexdigest()[:24]
    return cache / "locks" / "used" / name


def _hold(cache: Path, folder: Path) -> int | None:
    """Mark a folder as used now, and as in use: the system takes the mark back when the process ends."""
    try:
        os.utime(folder)
        path = _lock_file(cache, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        logger.warning("%s is not marked as in use: %s", folder, error)
        return None
    return descriptor


def _release(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _remove(cache: Path, folder: Path) -> bool:
    """Remove a folder that nobody has open; return whether it went."""
    if sys.platform == "win32":
        return False  # nothing there tells who has it open
    path = _lock_file(cache, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Out of the way in one step: whoever looks now finds nothing, rather than half of it.
        aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.broken")
        folder.rename(aside)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(aside, ignore_errors=True)
    return True
