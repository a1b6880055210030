"""HDF5 files that others have made: what is in the file itself, within bounds; nothing that it links to elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dashboard.model.errors import BadRequest, DashboardError, DatasetInvalid, DatasetMissing
from dashboard.sources.download.ranges import RemoteFile
from dashboard.sources.range_file import RangeFile
from dashboard.sources.readers import DAMAGED, FREE_BYTES, MAX_RATIO, native

_SIZES: dict[str, int] = {}
"""Of files on servers, by the name that HDF5 knows them by."""

_TEXT_BYTES = 64
"""That Python takes for a short text."""

_AGAIN = "Copy or fetch the file again"
EXTRA = "spike-dashboard[nwb]"


@contextmanager
def opened(where: Path | RemoteFile) -> Iterator[Any]:
    """Open a file for reading, on the disk or by parts on a server.

    Raises
    ------
    BadRequest
        h5py is not installed.
    DatasetMissing, DatasetInvalid
        The file is gone, damaged, in use by who writes it, or something in it is not as NWB has it.
    DownloadFailed
        The server does not give a part.
    """
    path = path_of(where)
    try:
        import h5py
    except ImportError as error:
        raise BadRequest(
            "NWB files are read by h5py, which is not installed", path, f"pip install '{EXTRA}'"
        ) from error
    if isinstance(where, Path):
        source: Any = where
        if not where.exists():
            raise DatasetMissing(path.name, path, _AGAIN)
    else:
        source = RangeFile(where)
    try:
        with _opened(h5py, source, path) as file:
            yield file
    except DashboardError:
        if getattr(source, "error", None) is not None:  # in the words of who reads, not in HDF5's
            raise source.error from None
        raise


@contextmanager
def _opened(h5py: Any, source: Any, path: Path) -> Iterator[Any]:
    try:
        file = h5py.File(source, "r", **({"locking": "best-effort"} if source is path else {}))
    except BlockingIOError as error:
        raise DatasetInvalid("Another program has the file open to write", [path], "Close it there") from error
    except OSError as error:
        if "unable to lock" in str(error):  # what is truncated is said with the "sblock" of HDF5
            raise DatasetInvalid("Another program has the file open to write", [path], "Close it there") from error
        why = "truncated" if "truncated" in str(error) else "not an HDF5 file, or damaged"
        raise DatasetInvalid(f"Cannot be read: {why}", [path], _AGAIN) from error
    if source is not path:
        _SIZES[file.filename] = source.size
    with file:
        try:
            yield file
        except (*DAMAGED, OSError) as error:
            raise DatasetInvalid(f"Damaged ({' '.join(str(error).split())[:80]})", [path], _AGAIN) from error


def path_of(where: Path | RemoteFile) -> Path:
    """Return what messages call a file."""
    return where if isinstance(where, Path) else Path(where.name)


def member(group: Any, name: str) -> Any:
    """Return a group or dataset of the file itself, by a path of names; None where there is none.

    Raises
    ------
    DatasetInvalid
        It is a link to another file.
    """
    import h5py

    found = group
    for part in name.split("/"):
        if not isinstance(found, h5py.Group) or part not in found:
            return None
        link = found.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            what = f"{found.name}/{part} is a link to another file, which is not followed"
            raise DatasetInvalid(what, [Path(group.file.filename)], "Give that file, or copy its content into this one")
        found = found.get(part)
    return found


def numbers(group: Any, name: str) -> npt.NDArray[Any] | None:
    """Return a dataset of numbers, None where there is none or it is of something else.

    Raises
    ------
    DatasetInvalid
        Its values lie in another file, or are more than a file of its size may hold.
    """
    dataset = member(group, name)
    if not _is_dataset(dataset) or dataset.dtype.kind not in "iufb":
        return None
    return native(np.asarray(checked(dataset)[()]))


def words(group: Any, name: str) -> list[str] | None:
    """Return a dataset of texts, one for each row; None where there is none."""
    import h5py

    dataset = member(group, name)
    if not _is_dataset(dataset) or dataset.ndim != 1:
        return None
    if h5py.check_string_dtype(dataset.dtype) is None:
        return None
    # Texts of any length lie elsewhere in the file, each as long as the file at most, and many rows may name one.
    n_bytes, n_read = _n_bytes(checked(dataset)), 0
    _check_size(dataset, _TEXT_BYTES * dataset.size)
    step, found = max(1, FREE_BYTES // max(1, n_bytes)), list[str]()
    for first in range(0, len(dataset), step):
        found += [str(text) for text in dataset.asstr(errors="replace")[first : first + step]]
        n_read += sum(map(len, found[first:]))
        _check_size(dataset, n_read)
    return found


def word(group: Any, name: str) -> str:
    """Return a single text; empty where there is none."""
    import h5py

    dataset = member(group, name)
    if not _is_dataset(dataset) or dataset.shape != () or h5py.check_string_dtype(dataset.dtype) is None:
        return ""
    return str(checked(dataset).asstr(errors="replace")[()])


def checked(dataset: Any) -> Any:
    """Return a dataset whose values are in the file, and not more than it may hold."""
    path = Path(dataset.file.filename)
    if dataset.external or dataset.is_virtual:
        what = f"{dataset.name} has its values in another file, which is not read"
        raise DatasetInvalid(what, [path], "Give a file that holds its values")
    # A chunk is unpacked whole, and may be larger than what is in it.
    _check_size(dataset, max(dataset.size, math.prod(dataset.chunks or ())) * dataset.dtype.itemsize)
    return dataset


def shape_of(group: Any, name: str, elsewhere: tuple[int, ...] = (-1,)) -> tuple[int, ...]:
    """Return the shape of a dataset, which is not read; `elsewhere` of another file's, (-1,) of what is none."""
    try:
        found = member(group, name)
    except DatasetInvalid:
        return elsewhere
    return tuple(found.shape or ()) if _is_dataset(found) else (-1,)


def _n_bytes(dataset: Any) -> int:
    """Return the size of the file of a dataset."""
    name = dataset.file.filename
    return _SIZES[name] if name in _SIZES else Path(name).stat().st_size


def _check_size(dataset: Any, n_bytes: int) -> None:
    if n_bytes > max(FREE_BYTES, MAX_RATIO * _n_bytes(dataset)):
        path = Path(dataset.file.filename)
        raise DatasetInvalid(f"{dataset.name} claims more than a file of its size may hold", [path], _AGAIN)


def _is_dataset(found: Any) -> bool:
    import h5py

    return isinstance(found, h5py.Dataset)
