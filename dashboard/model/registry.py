"""Tables of what can be added to: each entry is plain values, and its code is imported when it is first used.

A registry holds the entries of this package, in their order. Another installed package adds one through an entry
point of the registry's group; it acts only where the setting ``plugins`` names it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
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
    """

    def __init__(self, kind: str, group: str, entries: Sequence[Entry]) -> None:
        self.kind, self.group = kind, group
        self._own = tuple(entries)
        self._added: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        yield from self._own
        yield from tuple(self._added.values())

    def __len__(self) -> int:
        return len(self._own) + len(self._added)

    def __contains__(self, name: object) -> bool:
        return any(entry.name == name for entry in self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, in their order."""
        return tuple(entry.name for entry in self)

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of a name.

        Raises
        ------
        BadRequest
            There is none.
        """
        for entry in self:
            if entry.name == name:
                return entry
        raise BadRequest(f"There is no {self.kind} of that name", repr(name), f"Choose from {', '.join(self.names)}")

    def add(self, entry: Entry) -> None:
        """Add an entry of another package.

        Raises
        ------
        BadRequest
            Its name is taken.
        """
        if entry.name in self:
            raise BadRequest(f"The {self.kind} of a plug-in has a name that is taken", repr(entry.name))
        self._added[entry.name] = entry

    def remove(self, name: str) -> None:
        """Take an added entry away; those of this package stay."""
        self._added.pop(name, None)

    def add_plugins(self, names: Sequence[str]) -> list[str]:
        """Add the entries of those plug-ins that `names` names; return which of them were added.

        One that cannot be loaded is named in one line of the log and left out.
        """
        done = []
        for point in entry_points(group=self.group):
            if point.name not in names or point.name in self._added:
                continue
            try:
                found = point.load()
                self.add(found() if callable(found) else found)
            except Exception as error:  # noqa: BLE001 - whatever another package raises, the program goes on
                logger.error("plug-in %s (%s) is left out: %s: %s", point.name, self.group, type(error).__name__, error)
            else:
                done.append(point.name)
        return done
