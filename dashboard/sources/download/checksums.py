"""Whether a file has the MD5 on record; what was found is remembered, so that no file is read twice for it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from pathlib import Path

from dashboard.model.errors import Cancelled
from dashboard.model.files import write_file
from dashboard.model.json_files import read_json
from dashboard.model.references import DatasetRef
from dashboard.sources.download.partial import is_complete, plain_md5

log = logging.getLogger(__name__)

SUFFIX = ".verified"
_BLOCK = 1 << 20


def record_path(target: Path, of: str = "") -> Path:
    """Return where the MD5 of a file is remembered: ``.<name>.verified`` beside it in the own cache.

    Parameters
    ----------
    target : Path
        The file's place in the own cache.
    of : str
        Names another cache, that is only read, in which a file of the same dataset lies.
    """
    return target.with_name(f".{target.name}{f'.{of}' if of else ''}{SUFFIX}")


def is_verified(
    path: Path, dataset: DatasetRef, record: Path | None = None, cancel: threading.Event | None = None
) -> bool:
    """Return whether `path` is the dataset's file: of the size on record, and of its MD5 where there is one.

    The file is read where it has changed since its MD5 was remembered, else not.

    Parameters
    ----------
    path : Path
    dataset : DatasetRef
    record : Path or None
        As of `record_path`; by default beside `path`.
    cancel : threading.Event or None

    Raises
    ------
    Cancelled
        `cancel` was set while the file was read.
    """
    wanted = plain_md5(dataset.md5)
    if not is_complete(path, dataset):
        return False
    return wanted is None or md5_of(path, record or record_path(path), cancel) == wanted


def is_known(path: Path, record: Path | None = None) -> bool:
    """Return whether the MD5 of the file as it is now is remembered: `is_verified` then does not read it."""
    return _remembered(path, record or record_path(path)) is not None


def is_known_other(path: Path, dataset: DatasetRef, record: Path | None = None) -> bool:
    """Return whether the file is remembered to have another MD5 than the one on record; reads no file."""
    wanted = plain_md5(dataset.md5)
    known = _remembered(path, record or record_path(path))
    return wanted is not None and known is not None and known != wanted


def md5_of(path: Path, record: Path, cancel: threading.Event | None = None) -> str | None:
    """Return the MD5 of a file, from `record` where neither size nor time of change differ; None where it is gone.

    Raises
    ------
    Cancelled
        `cancel` was set while the file was read.
    """
    known = _remembered(path, record)
    if known is not None:
        return known
    digest = hashlib.md5(usedforsecurity=False)
    try:
        before = path.stat()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if cancel is not None and cancel.is_set():
                    raise Cancelled
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error.strerror)
        return None
    remember(path, record, digest.hexdigest(), before)
    return digest.hexdigest()


def remember(path: Path, record: Path, md5: str, status: os.stat_result | None = None) -> None:
    """Remember the MD5 of a file as it is now, or was at `status`; a cache that cannot be written only costs time."""
    try:
        status = status or path.stat()
        content = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "md5": md5}
        record.parent.mkdir(parents=True, exist_ok=True)
        write_file(record, json.dumps(content).encode())
    except OSError as error:
        log.warning("The MD5 of %s is not remembered: %s", path.name, error.strerror)


def _remembered(path: Path, record: Path) -> str | None:
    try:
        content = read_json(record)
        status = path.stat()
        if (content["size"], content["mtime_ns"]) == (status.st_size, status.st_mtime_ns):
            return str(content["md5"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read and is made again: %s", record, type(error).__name__)
    return None
