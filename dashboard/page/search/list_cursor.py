"""A walk through a list of insertions, one after the other: where a triage stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class ListCursor:
    """Where somebody stands in a list.

    Attributes
    ----------
    query : str
        What the list is of, as `dashboard.model.facets.read_query` reads it.
    items : sequence of (str, str)
        Key and pid of each insertion; a list that was begun stays as it is, whatever the search shows meanwhile.
    place : str
        Key of the insertion whose turn it is; one that the list does not have is nowhere in it.
    grows : bool
        Whether more of the list may come, as after a link was followed.
    """

    query: str
    items: Sequence[tuple[str, str]]
    place: str = ""
    grows: bool = False

    @property
    def at(self) -> int:
        """Index of the place, -1 where it is not in the list."""
        return next((n for n, item in enumerate(self.items) if self.place and self.place in item), -1)

    @property
    def here(self) -> tuple[str, str] | None:
        """Key and pid of the insertion whose turn it is."""
        return self.items[self.at] if self.at >= 0 else None

    @property
    def following(self) -> str | None:
        """Key of the next one."""
        return self.items[self.at + 1][0] if self.at + 1 < len(self.items) else None

    def go(self, key: str) -> bool:
        """Stand at an insertion of the list; return whether that is elsewhere than before."""
        if not key or key == self.place or not any(key in item for item in self.items):
            return False
        before, self.place = self.here, key
        return self.here != before

    def step(self, by: int) -> bool:
        """Go on by so many; return whether that led anywhere. From nowhere it leads to the first."""
        at = min(max(self.at + by, 0), len(self.items) - 1)
        return bool(self.items) and self.go(self.items[at][0])
