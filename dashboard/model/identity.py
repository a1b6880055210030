"""What tells one state of the files of a sorting from another, without reading them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """One file as it was found.

    Attributes
    ----------
    name : str
        What it is: ``spikes.times``, or its file name.
    path : str
        Absolute, links followed.
    size : int
        In bytes.
    changed_ns : int
        Time of its last change, in ns since 1970.
    md5 : str or None
        As recorded by a database.
    """

    name: str
    path: str
    size: int
    changed_ns: int
    md5: str | None = None

    @classmethod
    def of(cls, path: Path, name: str = "", md5: str | None = None) -> FileState:
        """Return the state of a file or folder now.

        Raises
        ------
        OSError
            It is gone, or cannot be looked at.
        """
        status = path.stat()
        return cls(name or path.name, str(path.resolve()), status.st_size, status.st_mtime_ns, md5)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sorting was read from: its columns, its metrics and the limit of the disk go by it.

    Attributes
    ----------
    files : tuple of FileState
        Those that times, depths, amplitudes and units of the spikes come from: `dashboard.model.sidecars.sidecar_key`.
    metrics : str
        Key of metrics that are computed from the spikes.
    folders : tuple of Path
        Folders of the cache that the sorting is read from; they stay while it is open.
    """

    files: tuple[FileState, ...]
    metrics: str
    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, paths: Iterable[Path], read_as: str = "", folders: Iterable[Path] = ()) -> Identity | None:
        """Return the identity of a sorting that is read from `paths`; None where one of them cannot be looked at.

        Parameters
        ----------
        paths : iterable of Path
        read_as : str
            What else decides what is read: a part of the file, a version of the reader.
        folders : iterable of Path
        """
        try:
            files = [FileState.of(path) for path in paths]
        except OSError:
            return None
        return cls.of_states(files, read_as, folders)

    @classmethod
    def of_states(cls, files: Iterable[FileState], read_as: str = "", folders: Iterable[Path] = ()) -> Identity:
        """Return the identity of a sorting that is read from files whose states are known; see `of`."""
        states = (FileState("read as", read_as, 0, 0), *files)
        return cls(states, hashlib.sha256(json.dumps(states).encode()).hexdigest()[:32], tuple(folders))
