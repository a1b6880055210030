"""Whole files: written under a temporary name, renamed when complete."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dashboard.model.errors import DashboardError


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a new, empty file beside `path`, which takes the place of `path` when the block ends without an error.

    Whoever reads `path` finds the file of before or the whole new one. After an error the new file is removed and
    `path` is as it was.

    Parameters
    ----------
    path : Path
        Its folder exists.
    mode : int, default 0o666
        Permissions of a new file, less the umask of the process.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    OSError
        The file cannot be made or renamed.
    """
    # a name may have 255 bytes, and that of the file may have them all
    draft = path.with_name(f".{path.name[:40]}.{os.getpid()}.{uuid.uuid4().hex[:12]}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def uploaded_file(name: str, content: bytes) -> Iterator[Path]:
    """Give what a browser sent as a file in a folder of its own, which is gone when the block ends.

    Parameters
    ----------
    name : str
        Of the file there: only its ending is taken from it, and errors of the block name it in place of the copy.
    content : bytes

    Yields
    ------
    Path
    """
    ending = re.search(r"\.\w{1,10}$", name, re.ASCII)
    with TemporaryDirectory(prefix="uploaded-") as folder:
        path = Path(folder) / f"file{ending[0].lower() if ending else ''}"
        path.write_bytes(content)
        try:
            yield path
        except DashboardError as error:
            error.where = error.where.replace(str(path), name)  # nobody knows the copy
            raise


def make_private(path: Path) -> None:
    """Have a file, made where it is not, be readable and writable by its owner alone.

    Raises
    ------
    OSError
        It cannot be made. Where it is another user's, it stays as it is.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.suppress(PermissionError):
        path.chmod(0o600)


def write_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file, which appears only when it is complete; see `whole_file`.

    Parameters
    ----------
    path : Path
        Its folder exists.
    content : bytes
    mode : int, default 0o666

    Raises
    ------
    OSError
        The file cannot be written.
    """
    with whole_file(path, mode) as draft:
        draft.write_bytes(content)
