"""How compiled loops of sources are made: on first call, cached where that can be; numba is imported with this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def _probe() -> int:
    return 0


def _can_cache() -> bool:
    """Whether numba finds a folder for its cache; a read-only install without a home has none."""
    try:
        numba.njit(cache=True)(_probe)
    except (RuntimeError, OSError):
        return False
    return True


CAN_CACHE = _can_cache()


def kernel(function: Function) -> Function:
    """Compile on first call, to code that releases the GIL."""
    return cast(Function, numba.njit(nogil=True, cache=CAN_CACHE)(function))


def inlined(function: Function) -> Function:
    """Compile a helper of kernels, which LLVM inlines."""
    return cast(Function, numba.njit(cache=CAN_CACHE)(function))
