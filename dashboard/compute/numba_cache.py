"""How every kernel of the package is compiled: without the GIL, once, and cached where that can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _probe() -> int:
    """Do nothing; exists to ask numba whether it finds a folder for its cache."""
    return 0


def _can_cache() -> bool:
    """Whether numba can keep compiled code: beside this file, in NUMBA_CACHE_DIR, or in the user's cache."""
    try:
        numba.njit(cache=True)(_probe)
    except (RuntimeError, OSError):
        # A read-only install under a user without a home: kernels then compile once per process.
        return False
    return True


CAN_CACHE = _can_cache()


def kernel(function: Function) -> Function:
    """Compile `function` on first call, to code that releases the GIL.

    Never ``parallel=True``: two such regions at once abort numba's workqueue layer, and its OpenMP
    layer does not survive a fork. Callers split the work over their own threads.
    """
    return cast(Function, numba.njit(nogil=True, cache=CAN_CACHE)(function))


def inlined(function: Function) -> Function:
    """Compile a helper of kernels; LLVM inlines it into them."""
    return cast(Function, numba.njit(nogil=True, cache=CAN_CACHE, inline="never")(function))
