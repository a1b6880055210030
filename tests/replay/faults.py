"""What can go wrong on the way from a server, to be switched on by a test."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field

KINDS = (
    "drop",  # the connection breaks after `after` bytes of the body
    "truncate",  # a well-formed answer that holds only `after` bytes of the file
    "corrupt",  # a byte of the body is wrong
    "throttle",  # `after` bytes per `delay` seconds
    "pause",  # nothing comes after `after` bytes, until it is released: then the rest comes
    "stall",  # nothing comes any more after `after` bytes, and the connection stays open
    "delay",  # the answer is right, and comes after `delay` seconds
    "stall_headers",  # the request is read and nothing comes back, for 20 s or `delay`; then the connection breaks
    "no_length",  # no Content-Length; the end of the body is the end of the connection
    "ignore_range",  # the whole file comes where a part was asked for
    "wrong_range",  # another part comes than the one asked for
    "redirect",  # to `location`
    "status",  # answer `code`, with `retry_after` where it is given
    "not_json",  # an HTML page with status 200, as proxies give
)


@dataclass
class Fault:
    """One fault.

    Attributes
    ----------
    pattern : str
        Matches the decoded path of requests, as in `fnmatch`.
    kind : str
        One of `KINDS`.
    times : int or None
        How many requests it hits; None: all.
    skip : int
        How many matching requests pass before.
    released : Event
        Set by the test, it ends the wait of ``pause``, ``stall`` and ``stall_headers``: of the last two the connection
        then breaks.
    """

    pattern: str
    kind: str
    times: int | None = 1
    skip: int = 0
    after: int = 0
    delay: float = 0.02
    code: int = 500
    retry_after: str | None = None
    location: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}")


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, kind: str, **options: object) -> Fault:
        """Switch a fault on; see `Fault` for the options."""
        fault = Fault(pattern, kind, **options)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def take(self, path: str) -> Fault | None:
        """Return the fault that hits this request, and count it."""
        with self._lock:
            for fault in self._faults:
                if not fnmatch.fnmatchcase(path, fault.pattern) or fault.times == 0:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
