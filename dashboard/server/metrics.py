"""Metrics of the process, as Prometheus reads them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping

RENDER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


LOAD_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


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
