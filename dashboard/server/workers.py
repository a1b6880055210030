"""Several server processes on neighbouring ports, which share the cache folder; a proxy shares browsers out."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from types import FrameType

from dashboard.config.settings import Settings
from dashboard.model.errors import BadRequest, DashboardError

logger = logging.getLogger(__name__)

WATCH_S = 0.5
MIN_LIFE_S = 10.0
"""A process that ends sooner will not do better at the next try."""

EXIT_REFUSED = 2
"""Of a process that says that it cannot serve as it was told."""

STOP_S = 30.0
"""Downloads are put away within this."""


def share(settings: Settings) -> list[Settings]:
    """Return the settings of each process: ports in a row, limits of memory and sessions in equal parts.

    Raises
    ------
    BadRequest
        They cannot work together.
    """
    n = settings.processes
    if settings.port == 0:
        raise BadRequest("Several processes need ports that a proxy knows", "--port 0", "Choose a --port")
    if settings.port + n - 1 > 65535:
        raise BadRequest("There are not as many ports", f"{n} from {settings.port}", "Choose a lower --port")
    if settings.max_sessions < n:
        raise BadRequest("There are fewer sessions than processes", f"--max-sessions {settings.max_sessions}")
    return [
        replace(
            settings, processes=1, port=settings.port + index, no_browser=True,
            memory=settings.memory // n, raw_memory=settings.raw_memory // n,
            max_sessions=-(-settings.max_sessions // n),
        )
        for index in range(n)
    ]  # fmt: skip


def run_processes(serve: Callable[[Settings], None], settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C; a process that ends before is started again.

    Parameters
    ----------
    serve : callable
        Serves with the settings of one process; picklable.
    settings : Settings

    Raises
    ------
    BadRequest
        As `share`; or a process ended as soon as it was started.
    """
    context = multiprocessing.get_context("spawn")
    parts = share(settings)
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def start(part: Settings) -> tuple[BaseProcess, float]:
        process = context.Process(target=_child, args=(serve, part, os.getpid()), name=f"serve {part.port}")
        process.start()
        return process, time.monotonic()

    running = [start(part) for part in parts]
    try:
        while not stopping.wait(WATCH_S):
            for index, (process, started) in enumerate(running):
                if process.is_alive():
                    continue
                port = parts[index].port
                if process.exitcode == EXIT_REFUSED or time.monotonic() - started < MIN_LIFE_S:
                    raise BadRequest("A process did not start", f"port {port}", "Its own message says why")
                logger.error("the process on port %d ended (%s) and is started again", port, process.exitcode)
                running[index] = start(parts[index])
    finally:
        for process, _ in running:
            process.terminate()
        for process, _ in running:
            process.join(STOP_S)
            if process.is_alive():
                process.kill()


def _child(serve: Callable[[Settings], None], settings: Settings, parent: int) -> None:
    """Serve, until told to end or the parent has gone."""
    from dashboard.config.logs import SESSION, JsonFormatter, configure_logging

    configure_logging(settings.log_level, JsonFormatter(SESSION.get) if settings.log_json else None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent tells when to end

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    code = 0
    try:
        serve(settings)
    except DashboardError as error:
        logger.error("port %d: %s", settings.port, error)
        code = EXIT_REFUSED
    # All is closed by now; only kernels may still be compiling, and Python would wait for their threads.
    logging.shutdown()
    os._exit(code)
