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

#: The folder that holds the package, and the package's name.
ROOT, PACKAGE = Path(__file__).parents[2], (__package__ or "").partition(".")[0]
#: Modules of the package that a module imports at its top.
IMPORTS = re.compile(rf"^from ({re.escape(PACKAGE)}(?:\.\w+)+) import ", re.MULTILINE)


def imported_files(path: Path, known: frozenset[Path] = frozenset()) -> frozenset[Path]:
    """Return `path` and the files of the package that it imports, directly or through others."""
    known |= {path}
    for name in IMPORTS.findall(path.read_text(encoding="utf-8")):
        other = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if other not in known and other.is_file():
            known |= imported_files(other, known)
    return known


@lru_cache
def sources_digest(path: Path) -> str:
    """Return a digest of the sources that the kernels of a file are compiled from."""
    digest = hashlib.sha256()
    for file in sorted(imported_files(path)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class KernelCache(FunctionCache):
    """numba's cache, which also notices changes outside of a kernel's own file.

    numba compares the file of a function with that which it was compiled from. A kernel holds the
    code of those that it calls, and constants, from other files: taken from the cache after they
    changed, it would read and write memory by rules that no longer hold.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._sources = sources_digest(Path(function.__code__.co_filename))

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
