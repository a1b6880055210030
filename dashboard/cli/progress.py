"""What the command line says while it works: a progress bar, and log lines, on standard error."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:  # it brings pandas, and --help does not wait for that
    from dashboard.model.progress import Progress
    from dashboard.model.sorting import SpikeSorting

BAR_WIDTH = 24
REDRAW_S = 0.1
"""Often enough to look alive, rarely enough not to slow the work down."""

logger = logging.getLogger(__name__)


def say(message: str) -> None:
    """Write a line to standard error, with the program's name before it."""
    sys.stderr.write(f"spike-dashboard: {message}\n")


def tell_age(sorting: SpikeSorting) -> None:
    """Say of which date the records are where they are remembered ones."""
    if sorting.records_of:
        say(f"{sorting.title}: the database was not asked or did not answer; what is known is of {sorting.records_of}")


class TerminalProgress:
    """Draws a bar where a person watches, and logs the stages where nobody does.

    Called from worker threads. Use as a context manager: the bar is wiped at the end.

    Parameters
    ----------
    stream : TextIO, optional
        Standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._watched = self._stream.isatty()
        self._lock = threading.Lock()
        self._drawn_at = 0.0
        self._stage = ""
        self._stalled = ""
        self._width = 0

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._wipe()

    def __call__(self, progress: Progress) -> None:
        """Take a report; drawn at most ten times a second."""
        with self._lock:
            now = time.monotonic()
            new_stage = progress.stage != self._stage
            if new_stage:
                self._stage = progress.stage
                # who waits for a server says so where nobody sees the bar, too
                is_wait = progress.unit == "s" and not self._watched
                logger.log(logging.WARNING if is_wait else logging.INFO, "%s", progress.stage)
            if progress.stalled_s and not self._watched and self._stalled != progress.stage:
                self._stalled = progress.stage
                logger.warning("%s: stalled for %.0f s", progress.stage, progress.stalled_s)
            elif not progress.stalled_s and self._stalled == progress.stage:
                self._stalled = ""
            if not self._watched or (now - self._drawn_at < REDRAW_S and not new_stage):
                return
            self._drawn_at = now
            share = min(progress.done / progress.total, 1.0) if progress.total else 0.0
            bar = "█" * round(share * BAR_WIDTH)
            from dashboard.model.progress import progress_text

            line = f"{progress.stage:<28.28} {bar:·<{BAR_WIDTH}} {share:4.0%}  {progress_text(progress)}"
            if progress.unit == "s":
                line = f"{progress.stage} ({progress.done:.0f} s so far)"
            self._stream.write("\r" + line.ljust(self._width))
            self._stream.flush()
            self._width = len(line)

    def _wipe(self) -> None:
        with self._lock:
            if self._width:
                self._stream.write("\r" + " " * self._width + "\r")
                self._stream.flush()
                self._width = 0
