"""A file on a server as Python's own files are read: in whole blocks, which come once."""

from __future__ import annotations

import io

from dashboard.model.errors import DashboardError
from dashboard.sources.download.ranges import RemoteFile

BLOCK_BYTES = 1 << 18
"""HDF5 asks for a few hundred bytes here and there: each block comes once, those that follow each other at once."""


class RangeFile(io.RawIOBase):
    """A file on a server as Python's own files are read.

    Parameters
    ----------
    remote : RemoteFile

    Attributes
    ----------
    error : DashboardError or None
        What went wrong last: HDF5 has words of its own for it.
    """

    def __init__(self, remote: RemoteFile) -> None:
        super().__init__()
        self._remote, self._at = remote, 0
        self.size = remote.size
        self.error: DashboardError | None = None

    def __repr__(self) -> str:
        return self._remote.name

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as there are bytes.

        Raises
        ------
        DashboardError
            The server does not give them.
        """
        end = min(self._at + len(buffer), self.size)
        if end <= self._at:
            return 0
        first = self._at // BLOCK_BYTES * BLOCK_BYTES
        bounds = [min(at, self.size) for at in range(first, end + BLOCK_BYTES, BLOCK_BYTES)]
        try:
            content = b"".join(self._remote.pieces(bounds))
        except DashboardError as error:
            self.error = error
            raise
        n = end - self._at
        buffer[:n] = content[self._at - first : end - first]
        self._at = end
        return n
