"""Threads shared by people and their browser tabs: whoever asks much waits behind those who ask little."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from dashboard.config.logs import SESSION

Jobs = deque[tuple[Future[Any], Callable[[], Any]]]

PATIENCE = 10
"""Steps of niceness of threads that leave the processor to others."""


class FairPool:
    """Takes one job of each person in turn, and of each session of theirs.

    Parameters
    ----------
    n_threads : int
    observe : callable (seconds) -> None
        Told how long each job ran.
    name : str
        Of the threads.
    max_each : int, optional
        Jobs of one person that run at the same time; as many as there are threads where absent.
    is_patient : bool
        Whether its threads leave the processor to those of other pools, where the system can tell threads apart.
    """

    def __init__(
        self,
        n_threads: int,
        observe: Callable[[float], None] = lambda seconds: None,
        name: str = "render",
        max_each: int | None = None,
        is_patient: bool = False,
    ) -> None:
        first = _yield_processor if is_patient else None
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name, initializer=first)
        self._lock = threading.Lock()
        self._max_each = max_each or n_threads
        self._running: Counter[str] = Counter()
        self._queues: OrderedDict[str, OrderedDict[SessionPool, Jobs]] = OrderedDict()
        self._observe = observe
        self.n_done = 0
        """Jobs that have run."""

    def session(self, owner: str = "") -> SessionPool:
        """Return the executor of one more session of somebody."""
        return SessionPool(self, owner)

    def put(self, session: SessionPool, job: Callable[[], Any]) -> Future[Any]:
        """Queue a job of a session."""
        future: Future[Any] = Future()
        with self._lock:
            self._queues.setdefault(session.owner, OrderedDict()).setdefault(session, deque()).append((future, job))
        self._threads.submit(self._run_next)
        return future

    def drop(self, session: SessionPool) -> None:
        """Cancel what a session has waiting."""
        with self._lock:
            queues = self._queues.get(session.owner, OrderedDict())
            waiting = queues.pop(session, deque())
            if not queues:
                self._queues.pop(session.owner, None)
        for future, _ in waiting:
            future.cancel()

    def draws_for_others(self, owner: str) -> bool:
        """Whether a job of anybody else runs or waits; what is compiled at the start is nobody's."""
        with self._lock:
            return any(other not in ("", owner) for other in (*self._running, *self._queues))

    def has_one_job(self) -> bool:
        """Whether one job runs and none waits: whoever asks from a job keeps nobody waiting."""
        with self._lock:
            return self._running.total() <= 1 and not self._queues

    def shutdown(self) -> None:
        """Take no more jobs, and cancel those that wait."""
        with self._lock:
            sessions = [session for queues in self._queues.values() for session in queues]
        for session in sessions:
            self.drop(session)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run_next(self) -> None:
        with self._lock:
            owner = next((owner for owner in self._queues if self._running[owner] < self._max_each), None)
            if owner is None:
                return  # its job was dropped, or another turn follows the end of one of theirs
            queues = self._queues.pop(owner)
            session, queue = queues.popitem(last=False)
            future, job = queue.popleft()
            if queue:
                queues[session] = queue  # to the end: the others come first
            if queues:
                self._queues[owner] = queues
            self._running[owner] += 1
        started, before = time.perf_counter(), SESSION.set(session.name)
        tell = self._run(future, job)
        with self._lock:  # whoever hears of its result finds that it runs no more
            self._running -= Counter([owner])
            is_waiting = owner in self._queues and self._max_each > self._running[owner]
        try:
            tell()
        finally:
            SESSION.reset(before)
            if is_waiting:
                with suppress(RuntimeError):  # the pool has been shut down
                    self._threads.submit(self._run_next)
        if not future.cancelled():
            self._observe(time.perf_counter() - started)
            with self._lock:
                self.n_done += 1

    @staticmethod
    def _run(future: Future[Any], job: Callable[[], Any]) -> Callable[[], object]:
        """Run a job, unless it was cancelled; return what hands its result to whoever waits for it."""
        if not future.set_running_or_notify_cancel():
            return lambda: None
        try:
            return partial(future.set_result, job())
        except BaseException as error:  # handed to whoever waits for the job  # noqa: BLE001
            return partial(future.set_exception, error)


def _yield_processor() -> None:
    if sys.platform == "linux":  # where a thread has a niceness of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PATIENCE)


class SessionPool(Executor):
    """The share of one browser session in a `FairPool`."""

    def __init__(self, pool: FairPool, owner: str = "") -> None:
        self._pool, self.owner = pool, owner
        self.name = SESSION.get()

    def has_one_job(self) -> bool:
        """Whether one job of the whole pool runs and none waits."""
        return self._pool.has_one_job()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call."""
        return self._pool.put(self, lambda: fn(*args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what waits; the threads stay, for the others."""
        self._pool.drop(self)
