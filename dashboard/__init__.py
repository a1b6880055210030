"""Every spike of a Neuropixels insertion in the browser; `open_insertion` and `render` work from a script too.

>>> import dashboard
>>> sorting = dashboard.open_insertion("demo")  # doctest: +SKIP
>>> image = dashboard.render(sorting, time_range=(0, 60), depth_range=(0, 3840))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.version import __version__

if TYPE_CHECKING:
    from dashboard.opening import open_insertion, render

__all__ = ["__version__", "open_insertion", "render"]


def __getattr__(name: str) -> Any:
    """Import the two functions when they are first used: ``--help`` need not wait for pandas and numba."""
    if name in ("open_insertion", "render"):
        from dashboard import opening

        return getattr(opening, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "open_insertion", "render"])
