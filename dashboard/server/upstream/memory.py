"""What a page freed stays with the C library, and what no file backs counts as used."""

from __future__ import annotations

import ctypes
import logging
import re
from pathlib import Path

logger = logging.getLogger(__name__)

ARENAS = 2
"""Heaps that the C library may have: each thread would get one of its own, and what is freed in one serves no other."""

M_ARENA_MAX = -8
"""The number of that setting in glibc's malloc.h."""


def share_heaps() -> None:
    """Have all threads take memory from a few heaps; does nothing where the C library has no such setting."""
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):
        logger.debug("the C library cannot share heaps")


def return_memory() -> None:
    """Give back to the system what was freed; does nothing where the C library has no way to."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        logger.debug("the C library cannot return memory")


def anonymous_bytes() -> int:
    """Return the memory of this process that no file backs, so that the system cannot take it back; 0 where unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found is not None else 0
