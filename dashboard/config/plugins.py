"""Which entries of other installed packages act here: those that the setting ``plugins`` names, and no other."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache

from dashboard.model.registry import load

logger = logging.getLogger(__name__)

REGISTRIES = (
    "dashboard.engine.count.registry:AGGREGATES",
    "dashboard.figures.registry:FIGURES",
    "dashboard.page.tabs.registry:TABS",
    "dashboard.sources.registry:SOURCES",
)
"""Every registry that takes entries of other packages, as text: each lives in the room that uses it."""


def add_plugins(names: Iterable[str]) -> None:
    """Add the named plug-ins to every registry that they have an entry point for.

    It is called wherever work begins: at the start of a command and of a server, and by `dashboard.open_insertion` and
    `dashboard.render`. A name that has been asked for before costs nothing.

    Parameters
    ----------
    names : iterable of str
        Names of entry points, as the setting ``plugins`` has them. One that no package has, or that cannot be loaded,
        is named in one line of the log and left out.
    """
    _add(tuple(names))


@cache
def _add(names: tuple[str, ...]) -> None:
    if not names:
        return
    known = {name for registry in REGISTRIES for name in load(registry).add_plugins(names)}
    for name in names:
        if name not in known:
            logger.error("plug-in %s is left out: no installed package has an entry point of that name", name)
