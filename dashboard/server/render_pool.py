"""Threads shared by people and their browser tabs: whoever asks much waits behind those who ask little."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from dashboard.config.logs import SESSION

Jobs = deque[tuple[Future[Any], Callable[[], Any]]]


class FairPool:
    """Takes one job of each person in turn, and of each session of theirs.

    Parameters
    ----------
    n_threads : int
    observe : callable (seconds) -> None
        Told how long each job ran.
    """

    def __init__(self, n_threads: int, observe: Callable[[float], None] = lambda seconds: None) -> None:
        self._threads = ThreadPoolExecutor(max_workers=n_threads, thread_name_prefix="render")
        self._lock = threading.Lock()
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

    def shutdown(self) -> None:
        """Take no more jobs, and cancel those that wait."""
        with self._lock:
            sessions = [session for queues in self._queues.values() for session in queues]
        for session in sessions:
            self.drop(session)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run_next(self) -> None:
        with self._lock:
            if not self._queues:
                return  # its job was dropped
            owner, queues = self._queues.popitem(last=False)
            session, queue = queues.popitem(last=False)
            future, job = queue.popleft()
            if queue:
                queues[session] = queue  # to the end: the others come first
            if queues:
                self._queues[owner] = queues
        if not future.set_running_or_notify_cancel():
            return
        started = time.perf_counter()
        before = SESSION.set(session.name)
        try:
            result = job()
        except BaseException as error:  # handed to whoever waits for the job  # noqa: BLE001
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            SESSION.reset(before)
        self._observe(time.perf_counter() - started)
        with self._lock:
            self.n_done += 1


class SessionPool(Executor):
    """The share of one browser session in a `FairPool`."""

    def __init__(self, pool: FairPool, owner: str = "") -> None:
        self._pool, self.owner = pool, owner
        self.name = SESSION.get()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call."""
        return self._pool.put(self, lambda: fn(*args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what waits; the threads stay, for the others."""
        self._pool.drop(self)
