"""What a monitor sees: histograms and gauges in Prometheus' text format, and logs, as JSON and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

SESSION: ContextVar[str] = ContextVar("session", default="")
"""Short name of the browser session that a thread works for."""


class SessionThread(ThreadPoolExecutor):
    """One thread of the browser session that is being made, whose name its log lines carry.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1, thread_name_prefix=name, initializer=SESSION.set, initargs=(SESSION.get(),))


_SECRET = re.compile(
    r"([?&](?:code|state|token|id_token|access_token|password|bokeh-token|bokeh-session-id)=)[^&\s'\"]+"
    r"|(/download/)[\w-]{43}",
    re.IGNORECASE,
)


class RedactSecrets(logging.Filter):
    """Takes out of log lines what is secret in the addresses that they repeat."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the line where there is something; let all pass."""
        text = record.getMessage()
        if (safe := _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)) != text:
            record.msg, record.args = safe, None
        return True


NOISY = ("bokeh.protocol", "bokeh.server.views.ws", "tornado.access", "tornado.general")
"""Loggers of what strangers send."""

MAX_LINES = 60
LINES_S = 60.0


class FewLines(logging.Filter):
    """Lets a logger write so many lines a minute: whoever sends nonsense without end fills no disk.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._began, self._n = clock, clock(), 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line pass or not; the first of the next minute says how many did not."""
        if self._clock() - self._began >= LINES_S:
            if self._n > MAX_LINES:
                record.msg, record.args = (
                    f"{record.getMessage()} ({self._n - MAX_LINES} lines before are left out)",
                    None,
                )
            self._began, self._n = self._clock(), 0
        self._n += 1
        return self._n <= MAX_LINES


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, session, message.

    Parameters
    ----------
    session : callable
        Returns a short name of the browser session that the line belongs to, empty where there is none.
    """

    def __init__(self, session: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self._session = session

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "session": self._session(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_what_is_raised() -> None:
    """Have warnings, and errors that nobody catches, written as log lines: nothing else goes to standard error."""
    logging.captureWarnings(True)
    logger = logging.getLogger("dashboard")

    def in_thread(raised: threading.ExceptHookArgs) -> None:
        if raised.exc_type is not SystemExit:
            name = raised.thread.name if raised.thread is not None else "that has gone"
            error = raised.exc_value or raised.exc_type()
            logger.error("the thread %s ended with an error", name, exc_info=error)

    def unraisable(raised: Any) -> None:
        logger.error("%s: %r", raised.err_msg or "an error where none can be raised", raised.object,
                     exc_info=raised.exc_value)  # fmt: skip

    def at_top(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        logger.critical("the program ended with an error", exc_info=(kind, error, trace))

    threading.excepthook, sys.unraisablehook, sys.excepthook = in_thread, unraisable, at_top


def configure_logging(level: str, formatter: logging.Formatter | None = None) -> None:
    """Send the messages of this package to standard error, from `level` up."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("dashboard").setLevel(level.upper())
    for name in NOISY:
        noisy = logging.getLogger(name)
        if not any(isinstance(known, FewLines) for known in noisy.filters):
            noisy.addFilter(FewLines())
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, RedactSecrets) for known in handler.filters):
            handler.addFilter(RedactSecrets())
        if formatter is not None:
            handler.setFormatter(formatter)
