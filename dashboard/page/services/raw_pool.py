"""Threads that read and filter raw data: no raster waits for a filter, nobody for another's."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import cache
from typing import Any, cast

from dashboard.page.core.fair_pool import FairPool

THREADS = 6
"""Five people, each with a snippet, and one more: nobody's waits until another's filter has ended."""
MAX_PER_PERSON = 2
"""Slow reads of one person leave threads to the others."""


@cache
def raw_pool() -> FairPool:
    """Return the threads of the whole process."""
    return FairPool(THREADS, max_each=MAX_PER_PERSON, is_patient=True, name="raw")


def raw_share(pool: Executor) -> Any:
    """Return the share in `raw_pool` of whoever has a share of the threads that render."""
    return cast(Any, raw_pool().session(getattr(pool, "owner", "")))
