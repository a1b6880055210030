"""Whether this process waits as long as servers ask it to: a page gives up soon, a batch does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

MAX_ASKED_S = 3600.0
"""A server that asks for more is given up on all the same: it may have the unit wrong."""

_lock = Lock()
_n_patient = 0


@contextmanager
def waiting_as_asked() -> Iterator[None]:
    """Wait within the block as long as servers ask to, in every thread."""
    global _n_patient
    with _lock:
        _n_patient += 1
    try:
        yield
    finally:
        with _lock:
            _n_patient -= 1


def is_patient() -> bool:
    """Whether some block of this process waits as long as it is asked to."""
    return _n_patient > 0
