"""Tables of what can be added to: each entry is plain values, and its code is imported when it is first used.

A registry holds the entries of this package, in their order. Another installed package adds one through an entry
point of the registry's group; it acts only where the setting ``plugins`` names it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from dashboard.model.errors import BadRequest

logger = logging.getLogger(__name__)


class Named(Protocol):
    """An entry: a frozen dataclass of plain values and ``"module:name"`` texts."""

    @property
    def name(self) -> str:
        """What links, settings and the command line call it."""


Entry = TypeVar("Entry", bound=Named)


@cache
def load(target: str) -> Any:
    """Import what ``"module:name"`` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


class Registry(Generic[Entry]):
    """The entries of one kind, by name.

    Parameters
    ----------
    kind : str
        What one of them is called in messages: ``"aggregate"``.
    group : str
        Group of entry points through which other packages add to it: ``"spike_dashboard.aggregates"``.
        Each entry point names an entry, or a callable without arguments that returns one.
    entries : sequence of Entry
        Those of this package, in their order.

    Attributes
    ----------
    own : frozenset of str
        Names of the entries of this package.
    """

    def __init__(self, kind: str, group: str, entries: Sequence[Entry]) -> None:
        self.kind, self.group = kind, group
        self._entries = {entry.name: entry for entry in entries}
        self.own = frozenset(self._entries)
        self._plugins: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in their order."""
        return tuple(self._entries)

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises
        ------
        BadRequest
            There is none.
        """
        if (entry := self._entries.get(name)) is not None:
            return entry
        raise BadRequest(f"No such {self.kind}", repr(name), f"Choose one of {', '.join(self.names)}")

    def add(self, entry: Entry) -> None:
        """Add an entry of another package.

        Raises
        ------
        BadRequest
            Its name is taken.
        """
        if entry.name in self:
            raise BadRequest(f"The {self.kind} of a plug-in has a name that is taken", repr(entry.name))
        self._entries[entry.name] = entry

    def remove(self, name: str) -> None:
        """Take an added entry away; those of this package stay."""
        if name not in self.own:
            self._entries.pop(name, None)
            self._plugins.discard(name)

    def add_plugins(self, names: Sequence[str]) -> list[str]:
        """Add the entries of those plug-ins that `names` names; return which of `names` are entry points of the group.

        One that cannot be loaded is named in one line of the log and left out.
        """
        known = []
        for point in entry_points(group=self.group):
            if point.name not in names:
                continue
            known.append(point.name)
            if point.name in self._plugins:
                continue
            self._plugins.add(point.name)
            try:
                found = point.load()
                self.add(found() if callable(found) else found)
            except Exception as error:  # noqa: BLE001 - whatever another package raises, the program goes on
                logger.error("plug-in %s (%s) is left out: %s: %s", point.name, self.group, type(error).__name__, error)
        return known
