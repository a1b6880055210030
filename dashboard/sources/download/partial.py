"""A file on its way into the cache: bytes, checksum, and the rename that makes it whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from dashboard.model.references import DatasetRef
from dashboard.sources.download.locks import unusable

_BLOCK = 1 << 20


class PartialFile:
    """What has arrived of a dataset, kept beside where the whole will be.

    Its name starts with a dot, so that nothing takes it for data, and holds the start of the MD5, so
    that a newer version of the dataset never continues an older one.

    Parameters
    ----------
    dataset : DatasetRef
    target : Path
        Where the whole file goes.

    Attributes
    ----------
    path : Path
    length : int
        Bytes that have arrived and been hashed.

    Raises
    ------
    CacheUnusable
        By every method that writes: the disk is full or read-only.
    """

    def __init__(self, dataset: DatasetRef, target: Path) -> None:
        self.md5 = plain_md5(dataset.md5)
        self.size = dataset.size
        self.target = target
        self.path = partial_path(dataset, target)
        self.length = 0
        self.validator = ""
        self._hash = hashlib.md5(usedforsecurity=False)

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Open the file for writing, and take up what an earlier attempt left."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise unusable(error, self.path) from error
        try:
            self._take_up()
            yield
        finally:
            self._file.close()

    def _take_up(self) -> None:
        # without a checksum nothing says that the rest would be the rest of the same file
        if self.md5 is None:
            self.restart()
            return
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            self._hash.update(block)
            self.length += len(block)
        if self.size is not None and self.length > self.size:
            self.restart()

    def restart(self) -> None:
        """Forget what has arrived."""
        if self.path.exists() and self.path.stat().st_size:
            try:
                # a new file in place of the old: whoever has mapped the old one goes on reading it
                self._file.close()
                self.path.unlink()
                self._file = self.path.open("a+b", buffering=0)
            except OSError as error:
                raise unusable(error, self.path) from error
        self.length = 0
        self.validator = ""
        self._hash = hashlib.md5(usedforsecurity=False)

    def write(self, block: bytes) -> None:
        """Append bytes."""
        view = memoryview(block)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            # what reached the disk before it was full is hashed again when the file is taken up
            raise unusable(error, self.path) from error
        self._hash.update(block)
        self.length += len(block)

    @property
    def is_whole(self) -> bool:
        """Whether as many bytes have arrived as the record says."""
        return self.size is not None and self.length == self.size

    @property
    def is_right(self) -> bool:
        """Whether the checksum is that of the record, or the record has none."""
        return self.md5 is None or self._hash.hexdigest() == self.md5

    def settle(self) -> Path:
        """Give the file its name, and remove what older versions left.

        Returns
        -------
        Path
            The target.
        """
        try:
            os.fsync(self._file.fileno())
            self.path.replace(self.target)
        except OSError as error:
            raise unusable(error, self.target) from error
        for stale in self.target.parent.glob(f".{_escaped(self.target.name)}.*.part"):
            with contextlib.suppress(OSError):
                stale.unlink()
        return self.target


def partial_path(dataset: DatasetRef, target: Path) -> Path:
    """Return where the bytes of an unfinished download are: ``.<name>.<md5>.part`` beside the target."""
    md5 = plain_md5(dataset.md5)
    return target.with_name(f".{target.name}.{md5[:8] if md5 else 'unhashed'}.part")


def target_of(part: Path) -> Path:
    """Return where a partial file goes when it is whole: the other way round from `partial_path`."""
    return part.with_name(part.name[1:].rsplit(".", 2)[0])


def plain_md5(text: str | None) -> str | None:
    """Return an MD5 as 32 lower-case hexadecimal digits, None where it is none."""
    plain = (text or "").replace("-", "").strip().lower()
    return plain if len(plain) == 32 and set(plain) <= set("0123456789abcdef") else None


def is_complete(path: Path, dataset: DatasetRef) -> bool:
    """Return whether `path` is a whole file of the size on record; `verified.is_verified` also looks at its MD5."""
    try:
        size = path.stat().st_size
    except OSError:
        return False
    return path.is_file() and dataset.size in (None, size)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "[]*?" else c for c in name)
