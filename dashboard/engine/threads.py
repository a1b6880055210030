"""The threads that kernels run on: one pool per process, shared by every view."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import Cancelled

#: Beyond this many threads the memory bus, not the cores, sets the pace.
MAX_THREADS = 8

#: Work, in spikes, that is worth a thread of its own.
WORK_PER_THREAD = 75_000
#: Tasks per thread, so that a thread that is held up does not hold up the picture.
TASKS_PER_THREAD = 4
#: Blocks of pixel columns end on whole lines of the processor's cache, for no two threads write to one.
TILE = 16

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


def default_threads() -> int:
    """Return how many threads one aggregate may use: the cores this process may run on, at most `MAX_THREADS`."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    return max(1, min(cores, MAX_THREADS))


def _pool() -> ThreadPoolExecutor:
    """Return this process's pool. Threads do not survive a fork, so it is kept by process id."""
    pid = os.getpid()
    with _lock:
        pool = _pools.get(pid)
        if pool is None:
            _pools.clear()
            pool = _pools[pid] = ThreadPoolExecutor(default_threads(), thread_name_prefix="engine")
        return pool


def run(tasks: Sequence[Callable[[], None]], threads: int, cancel: threading.Event | None = None) -> None:
    """Run `tasks`, at most `threads` at a time, the calling thread being one of them.

    Parameters
    ----------
    tasks : sequence of callable
        Each writes to its own part of an array.
    threads : int
    cancel : threading.Event or None
        Looked at between tasks.

    Raises
    ------
    Cancelled
        Where `cancel` was set; what the tasks wrote is then incomplete.
    """
    waiting = iter(tasks)
    turn = threading.Lock()

    def work() -> None:
        while True:
            with turn:
                task = next(waiting, None)
            if task is None or (cancel is not None and cancel.is_set()):
                return
            task()

    helpers: list[Future[None]] = []
    if min(threads, len(tasks)) > 1:
        pool = _pool()
        helpers = [pool.submit(work) for _ in range(min(threads, len(tasks)) - 1)]
    try:
        work()
    finally:
        with turn:
            # Where a task failed here, the helpers must not start another one.
            for _ in waiting:
                pass
        for helper in helpers:
            # A helper still in the queue has nothing left to do: the work is through without it.
            if not helper.cancel():
                helper.result()
    if cancel is not None and cancel.is_set():
        raise Cancelled


def spread(
    draw: Callable[[int, int], int],
    bounds: npt.NDArray[np.int64],
    work: int,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> int:
    """Run ``draw(first, last)`` over blocks of columns of about equal work; return the sum of its answers.

    Parameters
    ----------
    draw : callable (int, int) -> int
        Draws columns from the first up to, not including, the last.
    bounds : ndarray, shape (width + 1,), int64
        Row of the first spike of each column.
    work : int
        In spikes: decides how many threads are worth it.
    threads : int or None
        At most; None for the cores there are.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
    """
    width = bounds.shape[0] - 1
    limit = default_threads() if threads is None else max(1, int(threads))
    used = max(1, min(limit, work // WORK_PER_THREAD))
    n_tasks = 1 if used == 1 and work < 4 * WORK_PER_THREAD else used * TASKS_PER_THREAD
    if n_tasks == 1:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        total = int(draw(0, width))
        if cancel is not None and cancel.is_set():
            raise Cancelled
        return total
    cost = bounds - bounds[0]
    cost = cost + np.arange(width + 1) * (1 + int(cost[-1]) // (4 * width))
    ends = np.searchsorted(cost, cost[-1] * np.arange(1, n_tasks) / n_tasks)
    cuts = np.unique(np.concatenate([[0], np.minimum(-(-ends // TILE) * TILE, width), [width]]))
    totals = [0] * (len(cuts) - 1)

    def task(k: int) -> None:
        totals[k] = int(draw(int(cuts[k]), int(cuts[k + 1])))

    run([partial(task, k) for k in range(len(totals))], used, cancel)
    return sum(totals)
