"""Decoded chunks of raw files, kept in memory up to a limit and shared by everyone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy.typing as npt

MAX_BYTES = 512 * 2**20
"""About 22 s of an AP file of 385 columns."""


class ChunkCache:
    """The chunks that were used last, by file and number.

    Parameters
    ----------
    max_bytes : int
        Of all chunks together; one that is larger is not kept.

    Attributes
    ----------
    n_bytes : int
        Held now.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes, self.n_bytes = max_bytes, 0
        self._chunks: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> npt.NDArray[Any] | None:
        """Return a chunk, None where it is not held."""
        with self._lock:
            if key in self._chunks:
                self._chunks.move_to_end(key)
            return self._chunks.get(key)

    def put(self, key: Hashable, chunk: npt.NDArray[Any]) -> None:
        """Keep a chunk, and forget those that were not used for longest."""
        with self._lock:
            if (old := self._chunks.pop(key, None)) is not None:
                self.n_bytes -= old.nbytes
            if chunk.nbytes > self.max_bytes:
                return
            self._chunks[key] = chunk
            self.n_bytes += chunk.nbytes
            self._shrink()

    def clear(self) -> None:
        """Forget every chunk."""
        with self._lock:
            self._chunks.clear()
            self.n_bytes = 0

    def limit(self, max_bytes: int) -> None:
        """Hold no more than this from now on."""
        with self._lock:
            self.max_bytes = max_bytes
            self._shrink()

    def _shrink(self) -> None:
        while self.n_bytes > self.max_bytes:
            self.n_bytes -= self._chunks.popitem(last=False)[1].nbytes


CHUNKS = ChunkCache()
"""Of the process."""
