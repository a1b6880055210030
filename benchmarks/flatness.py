"""The rule by which memory and threads of a process that runs on are flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

#: The first third of a life compiles, and opens what there is: the last two thirds are judged.
JUDGED = 2 / 3
#: One value stands for so long, the median of its samples: neighbours are alike, and would count as many.
BIN_S = 10.0
#: The fewest of them that a line is laid through.
MIN_BINS = 4
#: How much the line may rise from its beginning to its end: of the median, and in number.
MAX_MEMORY_RISE, MAX_MORE_THREADS = 0.10, 8.0
#: A page opens, keeps and watches its insertion on threads of its own.
THREADS_OF_PAGE = 3


@dataclass(frozen=True)
class Line:
    """The line through one quantity over the judged part of a process's life.

    Attributes
    ----------
    name, unit : str
    span_s : float
        Between its first and last value.
    start, rise : float
        Its value at the beginning, and what it gains to the end: the median of the slopes of all pairs (Theil-Sen).
    low : float
        The least rise that the values allow, at 95 %.
    most : float
        The rise that is still flat.
    """

    name: str
    unit: str
    span_s: float
    start: float
    rise: float
    low: float
    most: float

    @property
    def is_flat(self) -> bool:
        """Whether it rises no more than it may, or not for certain."""
        return self.rise <= self.most or self.low <= 0

    def __str__(self) -> str:
        said = "flat" if self.is_flat else "NOT FLAT"
        return (
            f"{self.name} {said}: {self.start:,.0f} {self.unit} and {self.rise:+,.1f} over {self.span_s:.0f} s "
            f"(at least {self.low:+,.1f}; {self.most:,.1f} are allowed)"
        )


def lines(samples: Sequence[tuple[float, float, float, float]], min_life_s: float) -> tuple[Line, ...]:
    """Return the lines of memory and threads of one process; empty where it lived too short to be judged.

    Parameters
    ----------
    samples : sequence of (float, float, float, float)
        Time in s, memory in bytes, threads, open pages. What a page takes, by least squares beside the time, is taken
        off for those above the median, as are their threads: pages that come faster are no leak.
    min_life_s : float
    """
    values = np.asarray(samples, np.float64).reshape(-1, 4)
    if len(values) == 0 or values[-1, 0] - values[0, 0] < min_life_s:
        return ()
    times_s = values[:, 0] - values[0, 0]
    judged = values[times_s >= (1 - JUDGED) * times_s[-1]]
    bins = ((judged[:, 0] - judged[0, 0]) // BIN_S).astype(np.int64)
    medians = np.array([np.median(judged[bins == k], axis=0) for k in np.unique(bins)])
    if len(medians) < MIN_BINS:
        return ()
    memory_mb, threads = medians[:, 1] / 1e6, medians[:, 2]
    pages = medians[:, 3] - np.median(medians[:, 3])
    known = np.stack([np.ones(len(medians)), medians[:, 0], pages], axis=1)
    memory_mb -= max(0.0, float(np.linalg.lstsq(known, memory_mb)[0][2])) * pages
    threads -= THREADS_OF_PAGE * pages
    return (
        _line("memory", "MB", medians[:, 0], memory_mb, MAX_MEMORY_RISE * float(np.median(memory_mb))),
        _line("threads", "threads", medians[:, 0], threads, MAX_MORE_THREADS),
    )


def _line(name: str, unit: str, times_s: np.ndarray, values: np.ndarray, most: float) -> Line:
    span_s = float(times_s[-1] - times_s[0])
    slope, intercept, low, _ = theilslopes(values, times_s - times_s[0])
    return Line(name, unit, span_s, float(intercept), float(slope) * span_s, float(low) * span_s, most)
