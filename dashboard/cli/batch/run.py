"""One task for each of many insertions: here, on a cluster of this machine's cores, or on a Dask scheduler."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from dashboard.model.errors import BadRequest, DashboardError, DownloadFailed, Incomplete, SourceUnavailable

logger = logging.getLogger(__name__)

CONNECT_S = 10
"""A scheduler that is there answers within this."""

MAX_SAID = 300
"""Characters of a reason: one line of a report."""

DONE, FAILED, INCOMPLETE = "done", "failed", "incomplete"
"""INCOMPLETE: a server failed to give something, and may give it when it is asked again."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one insertion.

    Attributes
    ----------
    insertion : str
        As it was named.
    status : {'done', 'failed', 'incomplete'}
    why : str
        One line; empty where it is done.
    seconds : float
    facts : dict
        For the report: plain values.
    payload : object
        What the task made; None where it failed.
    """

    insertion: str
    status: str
    why: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    payload: Any = None


Task = Callable[[str], tuple[dict[str, Any], Any]]
"""Takes the name of an insertion; returns facts for the report, and what it made. Has to be picklable."""


def attempt(task: Task, insertion: str) -> Result:
    """Run a task and say what became of it; never raises."""
    started = time.perf_counter()
    try:
        facts, payload = task(insertion)
    except (Incomplete, DownloadFailed, SourceUnavailable) as error:
        status = INCOMPLETE if getattr(error, "may_pass", True) else FAILED
        return Result(insertion, status, _line(str(error)), _since(started))
    except DashboardError as error:
        return Result(insertion, FAILED, _line(str(error)), _since(started))
    except Exception as error:  # one broken insertion must not end the other 698
        logger.info("%s", insertion, exc_info=True)
        return Result(insertion, FAILED, _line(f"{type(error).__name__}: {error}"), _since(started))
    return Result(insertion, DONE, "", _since(started), facts, payload)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_SAID]


def run(
    task: Task, insertions: Sequence[str], *, scheduler: str | None = None, workers: int | None = None
) -> Iterator[Result]:
    """Yield what becomes of each insertion; those that are incomplete are tried once more when all the others ended.

    Parameters and errors are those of `run_once`.
    """
    left = []
    for result in run_once(task, insertions, scheduler=scheduler, workers=workers):
        if result.status == INCOMPLETE:
            logger.warning("%s: %s; it is tried again at the end", result.insertion, result.why)
            left.append(result.insertion)
        else:
            yield result
    if left:
        yield from run_once(task, left, scheduler=scheduler, workers=workers)


def run_once(
    task: Task, insertions: Sequence[str], *, scheduler: str | None = None, workers: int | None = None
) -> Iterator[Result]:
    """Yield what becomes of each insertion, in the order in which they end.

    Parameters
    ----------
    task : callable
    insertions : sequence of str
    scheduler : str or None
        Address of a Dask scheduler whose workers have this package and see the same files. None: a cluster on this
        machine, where there are several insertions and Dask is installed.
    workers : int or None
        Processes of the cluster on this machine; as many as cores, or insertions, by default.

    Raises
    ------
    SourceUnavailable
        The scheduler does not answer, or has no workers.
    BadRequest
        A scheduler is named and Dask is not installed, or its address cannot be read.
    """
    n_workers = min(workers or os.cpu_count() or 1, len(insertions))
    if scheduler is None and n_workers < 2:
        yield from (attempt(task, insertion) for insertion in insertions)
        return
    try:
        import distributed
    except ImportError:
        if scheduler is not None:
            raise BadRequest("Dask is not installed", scheduler, "pip install 'spike-dashboard[cluster]'") from None
        logger.warning("Dask is not installed: one insertion after the other. pip install 'spike-dashboard[cluster]'")
        yield from (attempt(task, insertion) for insertion in insertions)
        return
    with ExitStack() as stack:
        client = _connect(scheduler, n_workers, stack)
        waiting = deque(insertions)
        futures: dict[Any, str] = {}
        as_completed: Any = distributed.as_completed
        ended = as_completed([], with_results=True, raise_errors=False)

        def submit() -> None:
            # No more than there are threads: a task that kills its worker takes none with it that waits there.
            while waiting and len(futures) < max(1, sum(client.nthreads().values())):
                insertion = waiting.popleft()
                futures[future := client.submit(attempt, task, insertion, pure=False)] = insertion
                ended.add(future)

        submit()
        for future, result in ended:
            insertion = futures.pop(future)
            yield result if future.status == "finished" else Result(insertion, FAILED, _why_lost(future.exception()))
            future.release()
            submit()


def _connect(scheduler: str | None, n_workers: int, stack: ExitStack) -> Any:
    """Return a client of the scheduler, or of a new cluster on this machine; both end with the stack."""
    import dask
    import distributed

    # On import it has put itself at "info", whatever the root logger says.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    connect: Any = distributed.Client
    local: Any = distributed.LocalCluster
    if scheduler is None:
        # Workers may map files far larger than the memory, so no limit ends them. A task that kills its worker is not
        # tried on the next one.
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        cluster = local(
            n_workers=n_workers, threads_per_worker=1, processes=True, memory_limit=0,
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )  # fmt: skip
        return stack.enter_context(connect(stack.enter_context(cluster)))
    try:
        client = stack.enter_context(connect(scheduler, timeout=CONNECT_S))
    except OSError:
        raise SourceUnavailable("No Dask scheduler answers", scheduler, "Start one with: dask scheduler") from None
    except (ValueError, TypeError) as error:
        raise BadRequest(
            "Not the address of a Dask scheduler", scheduler, f"Write it as tcp://host:8786 ({error})"
        ) from None
    if not client.scheduler_info()["workers"]:
        raise SourceUnavailable("The Dask scheduler has no workers", scheduler, "Start some with: dask worker")
    return client


def _why_lost(error: BaseException | None) -> str:
    """Return why nothing came back of a task: it never ran to its end."""
    name = type(error).__name__
    if name == "KilledWorker":
        return "The process that worked on it ended, perhaps for lack of memory"
    if name in ("ModuleNotFoundError", "ImportError"):
        return _line(f"The worker lacks a package ({error}); install the same spike-dashboard there")
    return _line(f"{name}: {error}")
