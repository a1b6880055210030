"""Which answers of a database were taken from the disk because it did not give them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DATES: ContextVar[list[str] | None] = ContextVar("dates", default=None)


@contextmanager
def noting_remembered() -> Iterator[list[str]]:
    """Gather the dates, ISO, of remembered answers that are taken within the block, in this thread."""
    dates: list[str] = []
    before = _DATES.set(dates)
    try:
        yield dates
    finally:
        _DATES.reset(before)


def note_remembered(fetched: str) -> None:
    """Say that an answer of the time `fetched`, ISO, was taken in place of a new one."""
    dates = _DATES.get()
    if dates is not None:
        dates.append(fetched[:10])
