"""Files of ALF datasets as arrays and tables; what cannot be right is refused with its name.

Arrays are memory-mapped: reading the type of a 140 MB column costs a page, not the column.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.texts import counted
from dashboard.sources.readers import (
    DAMAGED,
    FalseClaim,
    native,
    read_npy_header,
    read_npz,
    read_parquet,
    read_text_table,
)

_FETCH_AGAIN = "Copy or fetch the file again"
_TABLES = {"pqt", "parquet", "csv", "tsv", "htsv", "ssv"}
_SEPARATORS = {"csv": ",", "tsv": "\t", "htsv": "\t", "ssv": " "}


def identity(path: Path) -> tuple[str, int, int]:
    """Return what tells one state of a file from another without reading it.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple of (str, int, int)
        Absolute path, size in bytes, time of last change in ns.

    Raises
    ------
    DatasetMissing
        The file is gone.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DatasetMissing(path.name, path, _FETCH_AGAIN) from error
    except OSError as error:
        raise DatasetInvalid(f"Cannot be read ({error.strerror or error})", [path], "Check its permissions") from error
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def is_table(path: Path) -> bool:
    """Return whether the file is one that `read_table` reads, by its extension."""
    return path.suffix.lstrip(".") in _TABLES


def map_array(path: Path) -> npt.NDArray[Any]:
    """Memory-map a ``.npy`` file, checked against its size on disk, without reading its values.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray
        Read-only, dtype and values as on disk; a column of shape (n, 1) comes as (n,) without a
        copy, as ``one.alf.io`` gives it.

    Raises
    ------
    DatasetInvalid
        The file is empty, truncated, not a NumPy file, or holds Python objects.
    DatasetMissing
        The file is gone.
    """
    size = identity(path)[1]
    try:
        with path.open("rb") as file:
            shape, fortran_order, dtype = read_npy_header(file)
            offset = file.tell()
    except FalseClaim as error:
        raise DatasetInvalid(str(error), [path], _FETCH_AGAIN) from error
    except OSError as error:
        raise DatasetInvalid(f"Cannot be read ({error.strerror or error})", [path], "Check its permissions") from error
    except DAMAGED as error:
        what = "The file is empty" if size == 0 else "Not a NumPy array file, or its header is damaged"
        raise DatasetInvalid(what, [path], _FETCH_AGAIN) from error
    if dtype.hasobject:
        raise DatasetInvalid("Holds Python objects, which are never loaded", [path], "Save it with a numeric type")
    expected = offset + dtype.itemsize * math.prod(shape)
    if size < expected:
        raise DatasetInvalid(f"Truncated: {size:,} of {counted(expected, 'byte')}", [path], _FETCH_AGAIN)
    if expected == offset:  # an empty array has nothing to map
        return _flat(np.empty(shape, dtype))
    order: Any = "F" if fortran_order else "C"
    return _flat(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order))


def read_array(path: Path) -> npt.NDArray[Any]:
    """Return a small array: ``.npy``, the only array of a ``.npz``, or a table of one column.

    Raises
    ------
    DatasetInvalid
        The file is damaged, or holds more than one array.
    DatasetMissing
        The file is gone.
    """
    if path.suffix == ".npy":
        return native(map_array(path))
    if path.suffix == ".npz":
        arrays = read_archive(path)
        if len(arrays) != 1:
            raise DatasetInvalid(f"Holds {counted(len(arrays), 'array')} ({', '.join(arrays)}), not one", [path])
        return next(iter(arrays.values()))
    table = read_table(path)
    if table.shape[1] != 1:
        raise DatasetInvalid(f"Holds {table.shape[1]} columns, not one", [path])
    return table.iloc[:, 0].to_numpy()


def read_numbers(path: Path) -> npt.NDArray[np.float64]:
    """Return a small array of numbers, as `read_array`.

    Raises
    ------
    DatasetInvalid
        It holds something else.
    """
    values = read_array(path)
    if values.dtype.kind not in "biuf":
        raise DatasetInvalid(f"Should hold numbers, and holds {values.dtype!s:.40}", [path], "Fetch the file again")
    return np.asarray(values, np.float64)


def read_archive(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a ``.npz`` file by name.

    Raises
    ------
    DatasetInvalid
        The file is damaged.
    DatasetMissing
        The file is gone.
    """
    identity(path)
    try:
        return read_npz(path)
    except FalseClaim as error:
        raise DatasetInvalid(str(error), [path], _FETCH_AGAIN) from error
    except (*DAMAGED, OSError) as error:
        raise DatasetInvalid("Not a NumPy archive, or damaged", [path], _FETCH_AGAIN) from error


def read_table(path: Path) -> pd.DataFrame:
    """Return a table: parquet, or text with one header line.

    Parameters
    ----------
    path : Path
        ``.pqt``, ``.parquet``, ``.csv``, ``.tsv``, ``.htsv`` or ``.ssv``.

    Returns
    -------
    DataFrame
        Columns as in the file. A parquet index that is not a plain range is kept.

    Raises
    ------
    DatasetInvalid
        The file is truncated, damaged, or of no such type.
    DatasetMissing
        The file is gone.
    """
    size = identity(path)[1]
    if size == 0:
        raise DatasetInvalid("The file is empty", [path], _FETCH_AGAIN)
    kind = path.suffix.lstrip(".")
    try:
        if kind in ("pqt", "parquet"):
            return read_parquet(path)
        if kind in _SEPARATORS:
            return read_text_table(path, _SEPARATORS[kind])
    except FalseClaim as error:
        raise DatasetInvalid(str(error), [path], _FETCH_AGAIN) from error
    except (*DAMAGED, OSError) as error:
        raise DatasetInvalid(f"Not a readable {kind} table", [path], _FETCH_AGAIN) from error
    raise DatasetInvalid(f"No table is read from a .{kind} file", [path])


def why_not_whole(path: Path) -> str:
    """Return why a ``.npy`` file of the cache is not whole; empty where it is, or is gone meanwhile."""
    try:
        if path.stat().st_size == 0:
            raise ValueError("empty")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        del array
    except FileNotFoundError:
        return ""
    except (*DAMAGED, OSError) as error:
        return f"not a whole array ({' '.join(str(error).split())[:120] or type(error).__name__})"
    return ""


def _flat(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
