"""Every spike of a Neuropixels insertion in the browser; `open_insertion`, `render` and `view` work from a script too.

>>> import dashboard
>>> sorting = dashboard.open_insertion("demo")  # doctest: +SKIP
>>> image = dashboard.render(sorting, time_range=(0, 60), depth_range=(0, 3840))  # doctest: +SKIP
>>> sorting.view()  # in a notebook  # doctest: +SKIP
>>> sorting.plot.raster() + sorting.plot.unit(12)  # HoloViews  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.version import __version__

if TYPE_CHECKING:
    from dashboard.library.open import open_insertion
    from dashboard.library.render import render
    from dashboard.page.notebook import view

__all__ = ["__version__", "open_insertion", "render", "view"]


def _view(sorting: Any, **options: Any) -> Any:
    """Show a sorting; the libraries of the page are imported only now."""
    from dashboard.page import notebook

    return notebook.view(sorting, **options)


def _read(recording: Any, t0: float, t1: float, **options: Any) -> Any:
    """Read raw voltage; scipy and xarray are imported only now."""
    from dashboard.analysis.raw.snippet import read

    return read(recording, t0, t1, **options)


def __getattr__(name: str) -> Any:
    """Import the functions when they are first used: ``--help`` need not wait for pandas and numba."""
    if name in ("open_insertion", "render"):
        from dashboard.library.open import open_insertion
        from dashboard.library.plots import Plots
        from dashboard.library.render import render
        from dashboard.model.raw import read_with
        from dashboard.model.sorting import show_with

        show_with(_view, Plots)
        read_with(_read)
        return open_insertion if name == "open_insertion" else render
    if name == "view":
        from dashboard.page import notebook

        return notebook.view
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "open_insertion", "render", "view"])
