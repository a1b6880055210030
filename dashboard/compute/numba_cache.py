"""How every kernel of the package is compiled: without the GIL, once, and cached where that can be."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., Any])

FOLDER = Path(__file__).parent
#: Modules of this folder that a module of it imports at its top.
IMPORTS = re.compile(rf"^from {re.escape(__package__ or '')}\.(\w+) import ", re.MULTILINE)


def imported_modules(name: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return `name` and the modules of this folder that it imports, directly or through others."""
    known |= {name}
    for other in IMPORTS.findall((FOLDER / f"{name}.py").read_text()):
        if other not in known:
            known |= imported_modules(other, known)
    return known


@lru_cache
def sources_digest(name: str) -> str:
    """Return a digest of the sources that the kernels of a module are compiled from."""
    digest = hashlib.sha256()
    for module in sorted(imported_modules(name)):
        digest.update((FOLDER / f"{module}.py").read_bytes())
    return digest.hexdigest()


class KernelCache(FunctionCache):
    """numba's cache, which also notices changes outside of a kernel's own file.

    numba compares the file of a function with that which it was compiled from. A kernel holds the
    code of those that it calls, and constants, from other files: taken from the cache after they
    changed, it would read and write memory by rules that no longer hold.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._sources = sources_digest(Path(function.__code__.co_filename).stem)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        key = super()._index_key(sig, codegen)  # type: ignore[no-untyped-call]
        return (*key, self._sources)


def kernel(function: Function) -> Function:
    """Compile `function` on first call, to code that releases the GIL, and in which 0 / 0 is NaN as in numpy.

    Never ``parallel=True``: two such regions at once abort numba's workqueue layer, and its OpenMP
    layer does not survive a fork. Callers split the work over their own threads.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    # Where there is no folder to write in (beside the file, NUMBA_CACHE_DIR, the user's cache) the
    # kernel compiles once per process.
    with contextlib.suppress(RuntimeError, OSError):
        dispatcher._cache = KernelCache(function)  # type: ignore[attr-defined]
    return cast(Function, dispatcher)


def inlined(function: Function) -> Function:
    """Compile a small helper of kernels, which LLVM then inlines into them."""
    return kernel(function)
