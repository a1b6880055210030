"""How far a long operation has come, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dashboard.model.references import DatasetRef


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come.

    Attributes
    ----------
    stage : str
        What is being done, in words for the page: ``spikes.times``, ``writing spikes``.
    done, total : float
        In bytes, files or steps; `total` is 0 while it is unknown.
    unit : str
        ``'B'`` for bytes, else a plural noun.
    rate : float
        Units per second, 0 while unknown.
    stalled_s : float
        How long nothing has come, where that is unusually long, in s; else 0.
    """

    stage: str
    done: float = 0.0
    total: float = 0.0
    unit: str = "steps"
    rate: float = 0.0
    stalled_s: float = 0.0


class ProgressCallback(Protocol):
    """Called from worker threads; must be quick and must not raise."""

    def __call__(self, progress: Progress) -> None:
        """Take how far the work has come."""
        ...


def ignore_progress(progress: Progress) -> None:
    """Take a progress report and do nothing with it."""


WAITS: ContextVar[ProgressCallback] = ContextVar("waits", default=ignore_progress)
"""Who is told, in this thread, that a server is waited for; set around questions that take no callback."""


@contextmanager
def telling(progress: ProgressCallback) -> Iterator[None]:
    """Tell `progress` of waits for servers within the block."""
    before = WAITS.set(progress)
    try:
        yield
    finally:
        WAITS.reset(before)


class PartialCallback(Protocol):
    """Told how much of a file has arrived, so that a first picture can be drawn from it.

    `part` holds `n_bytes` bytes in order, not yet checked against the MD5; it may have got its final name
    (`sources.download.partial.target_of`) by the time it is opened. The last call for a file names its final path,
    and comes also for files that were there before. Called from worker threads; must be quick and must not raise.
    """

    def __call__(self, dataset: DatasetRef, part: Path, n_bytes: int) -> None:
        """Take the news of `n_bytes` in all."""
        ...


def ignore_partial(dataset: DatasetRef, part: Path, n_bytes: int) -> None:
    """Take the news of more bytes and do nothing with them."""


def progress_text(progress: Progress) -> str:
    """Return how far the work has come: amount, rate and time left, as far as they are known."""
    if progress.unit == "B":
        amount = f"{progress.done / 1e6:,.1f}"
        amount += f" of {progress.total / 1e6:,.1f} MB" if progress.total else " MB"
        rate = f"{progress.rate / 1e6:,.1f} MB/s" if progress.rate else ""
    else:
        amount = f"{progress.done:,.0f}"
        amount += f" of {progress.total:,.0f} {progress.unit}" if progress.total else f" {progress.unit}"
        rate = f"{progress.rate:,.0f} {progress.unit}/s" if progress.rate else ""
    if progress.stalled_s:
        return f"{amount}, stalled for {progress.stalled_s:,.0f} s"
    left = ""
    if progress.rate and progress.total > progress.done:
        left = f"{(progress.total - progress.done) / progress.rate:,.0f} s left"
    return ", ".join(part for part in (amount, rate, left) if part)
