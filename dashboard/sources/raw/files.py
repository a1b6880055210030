"""Samples of raw files by range: int16 as it is (``.bin``), or in chunks that mtscomp compressed (``.cbin``)."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, Cancelled, DatasetInvalid, DatasetMissing
from dashboard.model.json_files import read_json
from dashboard.model.texts import counted
from dashboard.sources.byte_ranges import Bytes, LocalBytes
from dashboard.sources.raw.chunks import CHUNKS, ChunkCache
from dashboard.sources.raw.inflate import inflate, undo_differences
from dashboard.sources.readers import DAMAGED, FREE_BYTES

_AGAIN = "Fetch both files again"
FLAT_BLOCK = 3_000
"""Samples of a file elsewhere, not compressed, that come and are kept together: 0.1 s of AP."""
_SUPPORTED = {"algorithm": "zlib", "dtype": "int16", "chunk_order": "F"}


class CompressedFile:
    """A ``.cbin`` with its ``.ch``.

    Parameters
    ----------
    path : Path
        The ``.cbin``.
    index : Path
        The ``.ch``.
    n_columns : int
        By the ``.meta``.
    n_bytes : int or None
        Length of the ``.cbin``; None: that of the file on the disk.
    bytes_of : callable or None
        Reads the ``.cbin``; None: from the disk.
    chunks : ChunkCache
        Where decoded chunks are kept.
    key : str
        What they are kept by, where the file is not on the disk.

    Raises
    ------
    DatasetMissing
        A file is gone.
    DatasetInvalid
        The ``.ch`` cannot be read, or does not describe this file.
    """

    def __init__(
        self,
        path: Path,
        index: Path,
        n_columns: int,
        n_bytes: int | None = None,
        bytes_of: Bytes | None = None,
        chunks: ChunkCache = CHUNKS,
        key: str = "",
    ) -> None:
        self._path, self._chunks = path, chunks
        self._bytes = bytes_of or LocalBytes(path)
        try:
            state = path.stat() if n_bytes is None else None
            found = read_json(index)
        except OSError as error:
            raise DatasetMissing(Path(str(error.filename)).name, path.parent, "Put .cbin and .ch into it") from error
        except ValueError as error:
            raise DatasetInvalid(f"The .ch is no JSON ({error})", [index], "Fetch it again") from error
        self._key = (key or str(path), n_bytes, *(() if state is None else (state.st_size, state.st_mtime_ns)))
        n_bytes = state.st_size if state is not None else n_bytes
        try:
            self._take(found, n_columns, n_bytes)
        except DAMAGED as error:
            why = f"has no {error}" if isinstance(error, KeyError) else f"{error!s:.200}"
            raise DatasetInvalid(f"The .ch does not describe the .cbin: it {why}", [index, path], _AGAIN) from error
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def _take(self, found: dict[str, Any], n_columns: int, n_bytes: int | None) -> None:
        for name, value in _SUPPORTED.items():
            if found[name] != value:
                raise ValueError(f"says {name} {str(found[name])[:40]!r}, and {value!r} can be read")
        self._bounds: list[int] = [int(value) for value in found["chunk_bounds"]]
        self._offsets: list[int] = [int(value) for value in found["chunk_offsets"]]
        self._over_time, self._over_columns = bool(found["do_time_diff"]), bool(found["do_spatial_diff"])
        self.n_columns = int(found["n_channels"])
        if self.n_columns != n_columns:
            raise ValueError(f"has {counted(self.n_columns, 'column')}, the .meta {n_columns}")
        if len(self._bounds) != len(self._offsets) or len(self._bounds) < 2:
            bounds = counted(len(self._bounds), "bound")
            raise ValueError(f"has {bounds} and {counted(len(self._offsets), 'offset')} of chunks")
        for name, values in (("bounds", self._bounds), ("offsets", self._offsets)):
            if values[0] != 0 or any(b <= a for a, b in itertools.pairwise(values)):
                raise ValueError(f"has {name} of chunks that do not increase from 0")
        self.n_samples, longest = self._bounds[-1], max(b - a for a, b in itertools.pairwise(self._bounds))
        if 2 * self.n_columns * longest > FREE_BYTES:
            raise ValueError(f"has a chunk of {counted(longest, 'sample')}: more than {FREE_BYTES >> 20} MiB")
        if self._offsets[-1] != n_bytes:
            raise ValueError(f"ends at byte {self._offsets[-1]:,}, the .cbin at {n_bytes:,}")

    def chunks_of(self, i0: int, i1: int) -> tuple[int, int]:
        """Return the first and the last chunk that hold samples `i0` up to `i1`: no more than are needed."""
        return bisect_right(self._bounds, i0) - 1, bisect_left(self._bounds, i1) - 1

    def __call__(self, i0: int, i1: int) -> npt.NDArray[np.int16]:
        """Return samples `i0` up to `i1`, shape (i1 - i0, n_columns), int16.

        Raises
        ------
        BadRequest
            The file has no such samples.
        DatasetInvalid
            A chunk does not inflate, its Adler-32 compared; or it has another length.
        """
        check_range(i0, i1, self.n_samples, self._path)
        first, last = self.chunks_of(i0, i1)
        chunks = self._held(first, last)
        parts = [
            chunk[max(i0 - self._bounds[k], 0) : i1 - self._bounds[k]]
            for k, chunk in zip(range(first, last + 1), chunks, strict=True)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def hold(self, i0: int, i1: int, cancel: threading.Event | None = None) -> None:
        """Decode the chunks of samples `i0` up to `i1`, unless others as large would have no room beside them.

        Raises
        ------
        BadRequest, DatasetInvalid
            As a call.
        Cancelled
            `cancel` was set.
        """
        check_range(i0, i1, self.n_samples, self._path)
        first, last = self.chunks_of(i0, i1)
        n_bytes = 2 * self.n_columns * (self._bounds[last + 1] - self._bounds[first])
        if 2 * n_bytes > self._chunks.max_bytes:
            return
        for k in range(first, last + 1):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            self._held(k, k)

    def _held(self, first: int, last: int) -> Sequence[npt.NDArray[np.int16]]:
        """Return decoded chunks; those that are not held are read, each run of them in one range."""
        wanted = range(first, last + 1)
        found = {k: chunk for k in wanted if (chunk := self._chunks.get((self._key, k))) is not None}
        if len(found) < len(wanted):
            with ExitStack() as stack:  # whoever asks for the same chunk meanwhile finds it held
                with self._lock:
                    locks = [self._locks[k] for k in wanted if k not in found]
                for lock in locks:  # in the order of the file, so that no two wait for each other
                    stack.enter_context(lock)
                found |= {k: chunk for k in wanted if (chunk := self._chunks.get((self._key, k))) is not None}
                lost = [k for k in wanted if k not in found]
                while lost:
                    n = next((i for i in range(1, len(lost)) if lost[i] != lost[i - 1] + 1), len(lost))
                    found |= self._read(lost[:n])
                    lost = lost[n:]
        return [found[k] for k in wanted]

    def _read(self, run: Sequence[int]) -> dict[int, npt.NDArray[np.int16]]:
        """Read chunks that follow each other, and decode them; one that is damaged is asked for once more."""
        bounds, found = self._offsets[run[0] : run[-1] + 2], {}
        for k, content in zip(run, self._bytes.pieces(bounds), strict=True):
            own = self._offsets[k : k + 2]
            try:
                found[k] = self._decode(k, content)
            except DatasetInvalid:
                if not self._bytes.forget(own):
                    raise
                try:
                    found[k] = self._decode(k, self._bytes.pieces(own)[0])
                except DatasetInvalid:
                    self._bytes.forget(own)
                    raise
            self._chunks.put((self._key, k), found[k])
        return found

    def _decode(self, k: int, content: bytes | memoryview) -> npt.NDArray[np.int16]:
        n = self._bounds[k + 1] - self._bounds[k]
        where = f"Chunk {k} (samples {self._bounds[k]:,} to {self._bounds[k + 1] - 1:,})"
        try:
            inflated = inflate(content, 2 * n * self.n_columns)
        except ValueError as error:
            raise DatasetInvalid(f"{where} does not inflate ({error})", [self._path], "Fetch the file again") from error
        if len(inflated) != 2 * n * self.n_columns:
            what = f"{where} holds {counted(len(inflated), 'byte')}, not {2 * n * self.n_columns:,}"
            raise DatasetInvalid(what, [self._path], _AGAIN)
        counts = np.frombuffer(inflated, np.dtype("<i2")).reshape(self.n_columns, n)
        if self._over_columns:
            np.cumsum(counts, axis=0, dtype=np.int16, out=counts)
        if self._over_time:
            undo_differences(counts)
        counts.flags.writeable = False
        return counts.T


def flat_file(path: Path, n_columns: int) -> tuple[Callable[[int, int], npt.NDArray[np.int16]], int]:
    """Return what reads samples of a ``.bin``, memory-mapped, and how many there are.

    Raises
    ------
    DatasetMissing
        The file is gone.
    DatasetInvalid
        It does not end with a whole sample.
    """
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise DatasetMissing(path.name, path.parent, "Check that the disk is mounted") from error
    n_samples, rest = divmod(n_bytes, 2 * n_columns)
    if rest or not n_samples:
        columns = counted(n_columns, "column")
        what = f"The file of {counted(n_bytes, 'byte')} is not a whole number of samples of {columns}"
        raise DatasetInvalid(what, [path], "Copy the file again, or the .meta that belongs to it")

    def read(i0: int, i1: int) -> npt.NDArray[np.int16]:
        check_range(i0, i1, n_samples, path)
        mapped = np.memmap(path, np.dtype("<i2"), "r", 2 * n_columns * i0, (i1 - i0, n_columns))
        return np.array(mapped)

    return read, n_samples


def remote_flat_file(
    path: Path, n_columns: int, n_bytes: int, bytes_of: Bytes
) -> tuple[Callable[[int, int], npt.NDArray[np.int16]], int]:
    """Return what reads samples of a ``.bin`` elsewhere, in blocks of `FLAT_BLOCK`, and how many there are.

    Raises
    ------
    DatasetInvalid
        It does not end with a whole sample.
    """
    n_samples, rest = divmod(n_bytes, 2 * n_columns)
    if rest or not n_samples:
        columns = counted(n_columns, "column")
        what = f"The file of {counted(n_bytes, 'byte')} is not a whole number of samples of {columns}"
        raise DatasetInvalid(what, [path], "Ask for the .meta that belongs to it")

    def read(i0: int, i1: int) -> npt.NDArray[np.int16]:
        check_range(i0, i1, n_samples, path)
        first = i0 // FLAT_BLOCK * FLAT_BLOCK
        bounds = [min(at, n_samples) * 2 * n_columns for at in range(first, i1 + FLAT_BLOCK, FLAT_BLOCK)]
        counts = np.frombuffer(b"".join(bytes_of.pieces(bounds)), "<i2").reshape(-1, n_columns)
        return counts[i0 - first : i1 - first]

    return read, n_samples


def check_range(i0: int, i1: int, n_samples: int, path: Path) -> None:
    """Refuse samples that a file does not have.

    Raises
    ------
    BadRequest
        They are not in it.
    """
    if not 0 <= i0 < i1 <= n_samples:
        raise BadRequest(
            f"Samples {i0:,} to {i1:,} are not in the file", path, f"It has {counted(n_samples, 'sample')}"
        )
