"""What a monitor sees: histograms and gauges in Prometheus' text format, and logs, as JSON and without secrets."""

from __future__ import annotations

import json
import logging
import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime

RENDER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LOAD_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


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


class Histogram:
    """Counts durations in buckets; may be told from any thread."""

    def __init__(self, buckets_s: tuple[float, ...]) -> None:
        self._buckets_s = buckets_s
        self._counts = [0] * (len(buckets_s) + 1)
        self._sum_s = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        with self._lock:
            self._counts[bisect_left(self._buckets_s, seconds)] += 1
            self._sum_s += seconds

    @property
    def count(self) -> int:
        """How many durations were counted."""
        with self._lock:
            return sum(self._counts)

    def lines(self, name: str, help: str) -> list[str]:
        """Return the lines of Prometheus' text format (version 0.0.4); buckets are cumulative."""
        with self._lock:
            counts, total_s = list(self._counts), self._sum_s
        lines, running = [f"# HELP {name} {help}", f"# TYPE {name} histogram"], 0
        for edge, count in zip((*map(str, self._buckets_s), "+Inf"), counts, strict=True):
            running += count
            lines.append(f'{name}_bucket{{le="{edge}"}} {running}')
        return [*lines, f"{name}_sum {total_s:.6f}", f"{name}_count {running}"]


def gauges(values: Mapping[str, tuple[str, float]]) -> list[str]:
    """Return the lines of gauges: name to (help, value)."""
    lines = []
    for name, (help, value) in values.items():
        lines += [f"# HELP {name} {help}", f"# TYPE {name} gauge", f"{name} {value}"]
    return lines


def counter(name: str, help: str, value: float) -> list[str]:
    """Return the lines of one value that only grows."""
    return [f"# HELP {name} {help}", f"# TYPE {name} counter", f"{name} {value}"]


_SECRET = re.compile(
    r"([?&](?:code|state|token|id_token|access_token|password|bokeh-token|bokeh-session-id)=)[^&\s'\"]+"
    r"|(/download/)[\w-]{43}",
    re.IGNORECASE,
)


class Discreet(logging.Filter):
    """Takes out of log lines what is secret in the addresses that they repeat."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the line where there is something; let all pass."""
        text = record.getMessage()
        if (safe := _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)) != text:
            record.msg, record.args = safe, None
        return True


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
