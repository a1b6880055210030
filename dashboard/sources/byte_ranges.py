"""Bytes of a file by range, wherever it lies."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from dashboard.model.errors import DatasetInvalid, DatasetMissing


class Bytes(Protocol):
    """Bytes of a file, by range."""

    def pieces(self, bounds: Sequence[int]) -> Sequence[bytes | memoryview]:
        """Return the bytes between each two of `bounds`, all of them.

        Raises
        ------
        DashboardError
            They cannot be had.
        """
        ...

    def forget(self, bounds: Sequence[int]) -> bool:
        """Forget these pieces, which are wrong; return whether others may come in their place."""
        ...


class LocalBytes:
    """Bytes of a file on a disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pieces(self, bounds: Sequence[int]) -> Sequence[memoryview]:
        """Return the bytes between each two of `bounds`, read at once."""
        content = memoryview(self(bounds[0], bounds[-1]))
        return [content[a - bounds[0] : b - bounds[0]] for a, b in itertools.pairwise(bounds)]

    def forget(self, bounds: Sequence[int]) -> bool:
        """Return False: the disk has no others."""
        return False

    def __call__(self, first: int, end: int) -> bytes:
        """Return the bytes from `first` up to `end`."""
        try:
            with self.path.open("rb") as file:
                file.seek(first)
                found = file.read(end - first)
        except OSError as error:
            raise DatasetMissing(self.path.name, self.path.parent, "Check that the disk is mounted") from error
        if len(found) != end - first:
            raise DatasetInvalid(
                f"The file ends at byte {first + len(found):,} of {end:,}", [self.path], "Fetch it again"
            )
        return found
