"""A process of its own for what exports take of the processor, so that the pages and pictures of others go on.

Matplotlib holds Python's lock for as long as it draws, a second for a sheet. A sheet is counted where the spikes
are, and what was counted is handed over to be drawn: some MB, and no spikes.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import fields
from functools import partial
from typing import IO, Any, TypeVar

import cloudpickle

from dashboard.config.plugins import add_plugins
from dashboard.engine.columns.columns import SpikeColumns
from dashboard.model.errors import Cancelled, DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import bytes_text

NICE = 10
"""Beside a server that is busy, this process gets a tenth of what the server gets."""

MAX_BYTES = 2 << 30
"""Of memory that no file backs; the largest figures take a few hundred MB."""

TIMEOUT_S = 120.0
IDLE_S = 60.0
"""A process that nobody needs ends after this, and gives its memory back."""

POLL_S = 0.1

LEFT_OUT = frozenset(
    {"spikes", "templates", "later", "open_raw", "open_waveforms", "open_features", "open_samples", "open_noise"}
)
"""Fields of a sorting that a sheet has been counted from by the time it is drawn."""

_LENGTH = struct.Struct("!Q")

Result = TypeVar("Result")


class ExportFailed(RuntimeError):
    """The work failed with what nobody foresaw; the message is its traceback."""


def never() -> bool:
    """Return False: nobody cancels."""
    return False


def spend_nothing(seconds: float) -> None:
    """Count nothing."""


class ExportProcess:
    """Does one piece of work after the other in a process that is started when it is first needed.

    Parameters
    ----------
    timeout_s : float
        A piece that takes longer is given up.
    idle_s : float
        How long the process stays without work.
    plugins : sequence of str
        Names of the plug-ins that act there, as here.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, idle_s: float = IDLE_S, plugins: Sequence[str] = ()) -> None:
        self._timeout_s, self._idle_s, self._plugins = timeout_s, idle_s, tuple(plugins)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def run(
        self,
        work: Callable[[], Result],
        is_off: Callable[[], bool] = never,
        spend: Callable[[float], None] = spend_nothing,
    ) -> Result:
        """Return what `work` returns.

        Parameters
        ----------
        work : callable () -> object
            A `functools.partial` of a function and of what was computed for it. `SpikeColumns` among it arrive as
            None, and sortings without their spikes.
        is_off : callable () -> bool
            Whether nobody wants it any longer; the process is ended then.
        spend : callable (seconds) -> None
            Told of the time of the processor that it took.

        Raises
        ------
        DashboardError
            Raised by `work`; or it took too long or too much memory, or its process was ended.
        Cancelled
            `is_off` said so, or the server stops.
        ExportFailed
        """
        data = pickled(partial(_work, self._plugins, work))
        while not self._lock.acquire(timeout=POLL_S):
            if is_off():
                raise Cancelled("The export was cancelled")
        try:
            found: Result = self._run(data, is_off, spend)
            return found
        finally:
            if not self._is_closed:
                self._timer = threading.Timer(self._idle_s, self._end_idle)
                self._timer.daemon = True
                self._timer.start()
            self._lock.release()

    def _run(self, data: bytes, is_off: Callable[[], bool], spend: Callable[[float], None]) -> Any:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_closed or is_off():
            raise Cancelled("The export was cancelled")
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = _start()
        began, seconds = time.monotonic(), None
        answer: Future[Any] = Future()
        threading.Thread(target=_exchange, args=(process, data, answer), daemon=True, name="export process").start()
        try:
            while not wait([answer], POLL_S).done:
                if self._is_closed or is_off():
                    raise Cancelled("The export was cancelled")
                if time.monotonic() - began > self._timeout_s:
                    told = f"{self._timeout_s:g} s"
                    raise DashboardError("The export took longer than it may", told, "Choose a smaller one")
            how, found, seconds = answer.result()
        except (OSError, EOFError, ValueError):
            raise DashboardError("The process that makes exports has ended", "", "Export again") from None
        finally:
            if seconds is None:
                _kill(process)
            spend(time.monotonic() - began if seconds is None else seconds)
        if how == "done":
            return found
        if how == "refused":
            raise DashboardError(*found)
        raise ExportFailed(found)

    def close(self) -> None:
        """End the process, whatever it does, and do nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if (process := self._process) is not None:
            _kill(process)

    def _end_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                if self._process is not None:
                    _kill(self._process)
                self._process = None
            finally:
                self._lock.release()


def pickled(work: Callable[[], Any]) -> bytes:
    """Return a piece of work as bytes, without spikes."""
    file = io.BytesIO()
    _Pickler(file).dump(work)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    def reducer_override(self, value: Any) -> Any:
        """Leave out what spikes are counted from: they are many, and were."""
        if isinstance(value, SpikeColumns):
            return type(None), ()
        if isinstance(value, SpikeSorting):
            names = (field.name for field in fields(value) if field.name not in LEFT_OUT)
            return _sorting, ({name: getattr(value, name) for name in names},)
        return super().reducer_override(value)


def _sorting(values: dict[str, Any]) -> SpikeSorting:
    """Return a sorting without spikes; what it was made of is valid."""
    sorting = object.__new__(SpikeSorting)
    for name, value in values.items():
        object.__setattr__(sorting, name, value)
    return sorting


def _work(plugins: Sequence[str], work: Callable[[], Result]) -> Result:
    add_plugins(plugins)
    return work()


def _start() -> subprocess.Popen[bytes]:
    # -P: no module is taken from the working folder, which may be one of data.
    command = [sys.executable, "-P", "-m", __name__, str(NICE)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for file in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            file and file.close()


def _exchange(process: subprocess.Popen[bytes], data: bytes, answer: Future[Any]) -> None:
    """Hand over work, and wait for what comes of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _send(process.stdin, data)
        answer.set_result(pickle.loads(_receive(process.stdout)))
    except Exception as error:  # noqa: BLE001 - handed to whom it is for
        answer.set_exception(error)


def _send(file: IO[bytes], data: bytes) -> None:
    file.write(_LENGTH.pack(len(data)))
    file.write(data)
    file.flush()


def _receive(file: IO[bytes]) -> bytes:
    head = file.read(_LENGTH.size)
    data = file.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not data:
        raise EOFError
    return data


def _answer(data: bytes) -> tuple[str, Any]:
    try:
        return "done", pickle.loads(data)()
    except DashboardError as error:
        return "refused", (error.what, error.where, error.remedy)
    except MemoryError:
        return "refused", ("The export takes more memory than it may", bytes_text(MAX_BYTES), "Choose a smaller one")
    except Exception:  # noqa: BLE001 - told to the server, which logs it
        return "failed", traceback.format_exc()


def main() -> None:
    """Do what comes, until the server ends or closes the line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server tells when to end
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    if hasattr(os, "nice"):
        import resource

        os.nice(int(sys.argv[1]))
        with contextlib.suppress(OSError, ValueError):  # a lower limit is set already
            resource.setrlimit(resource.RLIMIT_DATA, (MAX_BYTES, MAX_BYTES))
    told = 0.0
    try:
        while True:
            how, found = _answer(_receive(sys.stdin.buffer))
            told, before = time.process_time(), told
            _send(answers, pickle.dumps((how, found, told - before)))
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing is left to be written


if __name__ == "__main__":
    main()
