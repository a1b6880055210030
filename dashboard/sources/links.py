"""Links to folders that lead out of a folder of data: they are not followed, and that is said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class OutwardLinks:
    """Tells which folders of a folder of data may be entered, and remembers the links that may not.

    Parameters
    ----------
    root : Path
        The folder of data, resolved.
    others : sequence of Path
        Further folders of data: what a link leads to there is listed with them, so the link needs no word.
    """

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self._root = root
        self._others = [path.resolve() for path in others]
        self._found: dict[Path, Path] = {}

    def may_enter(self, entry: os.DirEntry[str]) -> bool:
        """Return whether a folder may be entered: not a link that leads out of the root, or in a circle."""
        if not entry.is_symlink():
            return True
        link, target = Path(entry.path), Path(entry.path).resolve()
        if not target.is_relative_to(self._root):
            self._found[link] = target
            return False
        return not link.is_relative_to(target)

    @property
    def said(self) -> str:
        """A sentence on the links out of the root that were come upon and are still there; empty without any."""
        found = [
            (link, target)
            for link, target in sorted(self._found.copy().items())
            if link.is_symlink() and not any(target.is_relative_to(other) for other in self._others)
        ]
        if not found:
            return ""
        link, target = found[0]
        more = f"; so are {len(found) - 1:,} more" if len(found) > 1 else ""
        return f"{link} is a link that leads out of {self._root} and is not followed: give its target, {target}{more}"
