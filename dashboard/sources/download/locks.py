"""One at a time: locks that hold between threads and between processes, and end with their holder."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from dashboard.model.errors import CacheUnusable, Cancelled

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Fast enough that nobody notices, slow enough that a hundred waiters cost nothing.
POLL_S = 0.05

_FULL = (errno.ENOSPC, errno.EDQUOT)


def unusable(error: OSError, where: Path) -> CacheUnusable:
    """Return what an error of the cache's file system means to the user.

    Parameters
    ----------
    error : OSError
        Raised by a call on a file below the cache.
    where : Path

    Returns
    -------
    CacheUnusable
    """
    if error.errno in _FULL:
        return CacheUnusable("The disk of the cache is full", where, "Free some space, or choose another cache folder")
    reason = error.strerror or type(error).__name__
    return CacheUnusable(f"The cache cannot be written ({reason})", where, "Choose another cache folder")


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def file_lock(
    path: Path, stop: threading.Event | None = None, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the lock that a file stands for.

    The operating system gives the lock back when its holder ends, however it ends. The empty file
    stays: removing it would let two holders in.

    Parameters
    ----------
    path : Path
        Created with its folders where it is not there.
    stop : threading.Event or None
        Ends the wait.
    waiting : callable or None
        Called about twenty times a second while somebody else holds the lock.

    Raises
    ------
    Cancelled
        `stop` was set before the lock was free.
    CacheUnusable
        The file cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unusable(error, path) from error
    stop = stop or threading.Event()
    try:
        while not _try_lock(descriptor):
            if waiting is not None:
                waiting()
            if stop.wait(POLL_S):
                raise Cancelled
        yield
    finally:
        os.close(descriptor)
