"""Columns derived from a sorting, kept as files beside each other so that a second open maps them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.files import write_file
from dashboard.model.sorting import SpikeSorting

logger = logging.getLogger(__name__)

#: Raised when what is written, or what it means, changes: older sidecars are then not read.
FORMAT = 6
MANIFEST = "manifest.json"
#: A build takes seconds; a folder that nobody has added to for a day belongs to none that runs.
ABANDONED_S = 86_400.0
#: Values of an array without a file that stand for it in the key.
SAMPLES = 256


def _sampled(array: npt.NDArray[Any]) -> str:
    """Return a digest of some values of an array in memory: nothing else tells it from another."""
    where = np.linspace(0, max(array.shape[0] - 1, 0), SAMPLES).astype(np.int64)
    values = np.ascontiguousarray(array[where]) if array.shape[0] else np.empty(0)
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


def sidecar_key(sorting: SpikeSorting) -> str | None:
    """Return a name for the columns of `sorting`, from `SpikeSorting.identity`; None where it has none.

    The shapes and types of the arrays are part of it, and for arrays that no file backs some of their values.
    Where something stands in for a file that exists and could not be fetched, there is no name either.
    """
    if sorting.identity is None or sorting.has_stand_ins:
        return None
    spikes = sorting.spikes
    identity: list[Any] = [FORMAT, len(sorting.clusters), sorting.amps_are_volts, *sorting.identity.files]
    columns = {"times": spikes.times_s, "depths": spikes.depths_um, "clusters": spikes.clusters, "amps": spikes.amps_v}
    for name, array in columns.items():
        if array is None:
            identity.append([name, None])
            continue
        mapped = isinstance(array, np.memmap)
        identity.append([name, array.dtype.str, array.shape, None if mapped else _sampled(array)])
    if spikes.depths_um is None and "depths" in sorting.clusters:
        identity.append(_sampled(sorting.clusters["depths"].to_numpy(dtype=np.float64)))
    if sorting.n_without_depth:
        identity.append(["depths of units", hashlib.sha256(sorting.unit_depths_um.tobytes()).hexdigest()[:16]])
    if sorting.n_negative_amps:
        identity.append(["magnitudes", sorting.n_negative_amps])
    if not sorting.spikes_have_indexes:
        identity.append(["ids", hashlib.sha256(sorting.unit_ids.tobytes()).hexdigest()[:16]])
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(slots=True)
class Draft:
    """Arrays being built: in memory, or in a folder that is not yet in its place.

    Attributes
    ----------
    folder : Path or None
        Where files are written; None for memory.
    arrays : dict of str to ndarray
    """

    folder: Path | None
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    _writing: dict[str, Future[None]] = field(default_factory=dict)

    def allocate(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return a new array to write into.

        Raises
        ------
        OSError
            Where the disk has no room: it is reserved here, since a full disk under a memory map
            would end the process.
        """
        if self.folder is None or 0 in shape:
            array: npt.NDArray[Any] = np.zeros(shape, dtype=dtype)
            if self.folder is not None:
                np.save(self.folder / f"{name}.npy", array)
        else:
            path = self.folder / f"{name}.npy"
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
            if hasattr(os, "posix_fallocate"):
                descriptor = os.open(path, os.O_RDWR)
                try:
                    os.posix_fallocate(descriptor, 0, path.stat().st_size)
                finally:
                    os.close(descriptor)
        self.arrays[name] = array
        return array

    def write(self, *names: str) -> None:
        """Begin to bring arrays that change no more to the disk, while others are computed."""
        for name in names:
            array = self.arrays.get(name)
            if isinstance(array, np.memmap) and name not in self._writing and self.folder is not None:
                self._writing[name] = _writers(os.getpid()).submit(_write, array, self.folder / f"{name}.npy")

    def written(self) -> None:
        """Wait until all arrays are on the disk.

        Raises
        ------
        OSError
            One could not be written.
        """
        self.write(*self.arrays)
        for future in self._writing.values():
            future.result()

    def discard(self) -> None:
        """Remove what was written."""
        self.arrays.clear()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@cache
def _writers(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process that write: those of another do not survive a fork."""
    return ThreadPoolExecutor(2, thread_name_prefix="sidecars")


def _write(array: np.memmap[Any, Any], path: Path) -> None:
    """Bring an array to the disk; ``mmap.flush`` would hold every other thread of the process meanwhile."""
    if sys.platform != "linux":
        array.flush()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def start_draft(root: Path, key: str) -> Draft:
    """Return a draft in a new folder under `root`.

    Raises
    ------
    OSError
        Where `root` cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(root)
    folder = root / f".{key}.{os.getpid()}.{uuid.uuid4().hex[:12]}.part"
    folder.mkdir()
    return Draft(folder)


def _remove_abandoned(root: Path) -> None:
    """Remove what builders that were killed have left behind."""
    for folder in root.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(folder, ignore_errors=True)


def publish(draft: Draft, root: Path, key: str, facts: Mapping[str, Any]) -> None:
    """Write the manifest and move the draft's folder to its place, in one step.

    Where another builder was first, its folder stays and this one is removed.

    Raises
    ------
    OSError
        Where the folder cannot be written or moved.
    """
    if draft.folder is None:
        return
    files = {}
    draft.written()
    for name, array in draft.arrays.items():
        files[name] = [(draft.folder / f"{name}.npy").stat().st_size, array.dtype.str, list(array.shape)]
    manifest = {"format": FORMAT, "facts": dict(facts), "files": files}
    write_file(draft.folder / MANIFEST, json.dumps(manifest).encode())
    final = root / key
    for _ in range(8):
        try:
            draft.folder.rename(final)
        except OSError:
            if read(root, key) is not None:
                draft.discard()
                return
            if not final.exists():
                raise
            # What stands there is broken. Whoever has it open keeps it; new readers get this one.
            broken = root / f".{key}.{uuid.uuid4().hex[:12]}.broken"
            with contextlib.suppress(OSError):
                final.rename(broken)
            shutil.rmtree(broken, ignore_errors=True)
        else:
            return
    raise OSError(f"could not move the columns to {final}")


def read(root: Path, key: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]] | None:
    """Map the arrays of a sidecar.

    Returns
    -------
    tuple of (dict of str to ndarray, dict) or None
        Arrays by name and the facts of the manifest; None where there is no sidecar, or one of its
        files is missing or of another size than the manifest says.
    """
    folder = root / key
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["format"] != FORMAT:
            return None
        arrays: dict[str, npt.NDArray[Any]] = {}
        for name, (size, dtype, shape) in manifest["files"].items():
            path = folder / f"{name}.npy"
            if path.stat().st_size != size:
                logger.warning("columns in %s are damaged (%s); they are built anew", folder, path.name)
                return None
            array = np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False)
            if array.dtype.str != dtype or list(array.shape) != shape:
                return None
            arrays[name] = array
        return arrays, dict(manifest["facts"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("columns in %s cannot be read (%s); they are built anew", folder, error)
        return None


_building: dict[tuple[str, str], threading.Lock] = {}
_building_lock = threading.Lock()


def kept(
    root: Path, key: str, make: Callable[[Draft], Mapping[str, Any]]
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return arrays that are in the cache, or are made now and kept there whole; what cannot be kept is in memory.

    Parameters
    ----------
    root : Path
        Folder of the cache for arrays of this kind.
    key : str
        Names the state of the files that they come from.
    make : callable (Draft) -> mapping
        Allocates and fills the arrays, and returns facts to keep with them as JSON. May be called twice.

    Returns
    -------
    tuple of (dict of str to ndarray, dict)
        As `read`.
    """
    with _building_lock:
        lock = _building.setdefault((str(root), key), threading.Lock())
    with lock:
        found = read(root, key)
        if found is not None:
            return found
        try:
            draft = start_draft(root, key)
            try:
                publish(draft, root, key, make(draft))
            finally:
                draft.discard()
            found = read(root, key)
        except OSError as error:
            logger.warning("the cache at %s cannot be used (%s); columns are kept in memory", root, error)
    if found is None:
        draft = Draft(None)
        facts = dict(make(draft))
        found = draft.arrays, facts
    return found
