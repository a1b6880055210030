"""How fast the bytes come: progress of each file and of all of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from dashboard.model.progress import Progress, ProgressCallback
from dashboard.model.references import DatasetRef

#: The `Progress.stage` of the sum over all files.
ALL_FILES = "all files"

# Ten reports a second look fluid; more would only keep the page busy.
REPORT_S = 0.1
# Longer than any pause of a line that works.
STALLED_S = 5.0
# The rate is over so many seconds: long enough to be steady, short enough to follow.
WINDOW_S = 4.0


class Meter:
    """Counts bytes and reports them.

    Parameters
    ----------
    datasets : sequence of DatasetRef
    progress : callable
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        datasets: Sequence[DatasetRef],
        progress: ProgressCallback,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._clock = progress, clock
        self._names = {d.relative_path: d.name for d in datasets}
        self._totals = {d.relative_path: d.size or 0 for d in datasets}
        self._done = dict.fromkeys(self._totals, 0)
        self._seen: set[str] = set()
        self._new = dict.fromkeys(self._totals, 0)
        self._history = {key: deque[tuple[float, int]]() for key in (*self._totals, ALL_FILES)}
        self._reported = dict.fromkeys(self._history, -1e9)
        self._came = dict.fromkeys(self._totals, clock())
        self._begun: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, dataset: DatasetRef) -> None:
        """Note that a file is asked for now."""
        with self._lock:
            self._begun.add(dataset.relative_path)
            self._came[dataset.relative_path] = self._clock()

    def end(self, dataset: DatasetRef) -> None:
        """Note that a file is asked for no longer: it has come, or was given up."""
        with self._lock:
            self._begun.discard(dataset.relative_path)

    def tick(self) -> None:
        """Report what is asked for and has not come for `STALLED_S`; to be called every now and then."""
        now = self._clock()
        with self._lock:
            open_ = [key for key in self._begun if not self._totals[key] or self._done[key] < self._totals[key]]
            stalled = {key: now - self._came[key] for key in open_ if now - self._came[key] >= STALLED_S}
            if stalled and len(stalled) == len(open_):
                stalled[ALL_FILES] = min(stalled.values())
            due = {key: since for key, since in stalled.items() if now - self._reported[key] >= 1.0}
            reports = [replace(self._report(key, now), rate=0.0, stalled_s=since) for key, since in due.items()]
        for progress in reports:
            self._progress(progress)

    def update(self, dataset: DatasetRef, n_bytes: int) -> bool:
        """Take the length of a file, and report it where the last report is a while ago.

        Returns
        -------
        bool
            Whether it was reported.
        """
        return self._count(dataset, n_bytes, at_once=False)

    def finish(self, dataset: DatasetRef, n_bytes: int) -> None:
        """Report a file as whole."""
        with self._lock:
            self._totals[dataset.relative_path] = n_bytes
        self.end(dataset)
        self._count(dataset, n_bytes, at_once=True)

    def _count(self, dataset: DatasetRef, n_bytes: int, at_once: bool) -> bool:
        key, now = dataset.relative_path, self._clock()
        with self._lock:
            # what an earlier call had fetched is done, but did not come at any rate
            if n_bytes > self._done[key]:
                self._came[key] = now
            if key in self._seen:
                self._new[key] += max(0, n_bytes - self._done[key])
            self._seen.add(key)
            self._done[key] = n_bytes
            report = [key] if at_once or now - self._reported[key] >= REPORT_S else []
            if self._done == self._totals or now - self._reported[ALL_FILES] >= REPORT_S:
                report.append(ALL_FILES)
            reports = [self._report(name, now) for name in report]
            all_known = all(self._totals.values())
        for progress in reports:
            if progress.stage != ALL_FILES or all_known:
                self._progress(progress)
            else:
                self._progress(Progress(ALL_FILES, progress.done, 0.0, "B", progress.rate))
        return key in report

    def _report(self, key: str, now: float) -> Progress:
        if key == ALL_FILES:
            done, total, new = sum(self._done.values()), sum(self._totals.values()), sum(self._new.values())
        else:
            done, total, new = self._done[key], self._totals[key], self._new[key]
        history = self._history[key]
        history.append((now, new))
        while len(history) > 2 and now - history[0][0] > WINDOW_S:
            history.popleft()
        then, before = history[0]
        seconds = now - then
        self._reported[key] = now
        return Progress(
            self._names.get(key, key), float(done), float(total), "B", (new - before) / seconds if seconds > 0 else 0.0
        )
