"""Files that others have made, read within bounds: what they claim is checked before memory is taken.

A file may unpack to `FREE_BYTES`, or to `MAX_RATIO` times its own size where that is more: recordings do not compress
further, and whoever wants to fill the memory has to fill the disk first.
"""

from __future__ import annotations

import csv
import io
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dashboard.model.texts import counted

FREE_BYTES = 256 << 20
MAX_RATIO = 16
MAX_HEADER_BYTES = 10_000
"""Of an array: what NumPy itself takes for safe to parse."""

MAX_ROW_BYTES = 1 << 20
"""Of the line that names the columns."""

MAX_COLUMNS = 2_000
"""Of a table: ALF's have some forty; pandas takes seconds for ten thousand that are named alike."""

MAX_EMPTY = 1 << 20
"""Rows, or what else an array without values claims: those of IBL's empty ones are some hundreds."""

MAX_MEMBERS = 1_000
"""Arrays in an archive."""

MAX_LIST_BYTES = 16 << 20
"""Of a text with one insertion a line."""

_BLOCK_BYTES = 1 << 20

DAMAGED = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, ArithmeticError, SyntaxError, MemoryError,
    RuntimeError, RecursionError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile, pa.ArrowException,
    csv.Error,
)  # fmt: skip
"""What NumPy, pandas, Arrow and zipfile let through for files that are none."""


class FalseClaim(ValueError):
    """A file says of itself what cannot be, or more than may be read; the message says what."""


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of a ``.npy`` file, which then stands at its values.

    Returns
    -------
    shape : tuple of int
        None negative; no array of them is larger than a computer can address.
    fortran_order : bool
    dtype : dtype
        Of values that have a size.

    Raises
    ------
    FalseClaim
        A header that no array has.
    One of `DAMAGED`
        None at all.
    """
    version = np.lib.format.read_magic(file)
    start, n = file.tell(), 2 if version == (1, 0) else 4
    if version not in ((1, 0), (2, 0), (3, 0)) or int.from_bytes(file.read(n), "little") > MAX_HEADER_BYTES:
        raise ValueError("no header of an array")
    file.seek(start)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(file, max_header_size=MAX_HEADER_BYTES)
    if any(n < 0 for n in shape):
        raise ValueError("no header of an array")
    if dtype.itemsize == 0:
        raise FalseClaim("Holds values of no size")
    if len(shape) > 32 or math.prod(n for n in shape if n) * dtype.itemsize > np.iinfo(np.int64).max:
        raise FalseClaim("Claims more values than any computer holds")
    if 0 in shape and math.prod(n for n in shape if n) > MAX_EMPTY:
        raise FalseClaim("Claims many rows, and holds no value")
    return shape, fortran_order, dtype


def native(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values in the byte order of this machine: pandas and Arrow take no other."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a ``.npz`` file by name; Python objects are refused.

    Raises
    ------
    FalseClaim, OSError, or one of `DAMAGED`
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise FalseClaim(f"Holds {counted(len(members), 'array')}, more than {MAX_MEMBERS:,}")
        _check_size(path, sum(member.file_size for member in members))
        arrays = {}
        for member in members:
            with archive.open(member) as file:
                shape, fortran_order, dtype = read_npy_header(file)
                if dtype.hasobject:
                    raise ValueError("Python objects")
                n = dtype.itemsize * math.prod(shape)
                if n > member.file_size:
                    raise FalseClaim(f"Truncated: {member.filename} claims {counted(n, 'byte')}")
                values = native(np.frombuffer(bytearray(file.read(n)), dtype))
            arrays[member.filename.removesuffix(".npy")] = values.reshape(shape, order="F" if fortran_order else "C")
    return arrays


def read_parquet(path: Path) -> pd.DataFrame:
    """Return a parquet table.

    Texts are read as codes of a dictionary first: one long text may stand in each of a million rows.

    Raises
    ------
    FalseClaim, OSError, or one of `DAMAGED`
    """
    with pq.ParquetFile(path, thrift_string_size_limit=64 << 20, thrift_container_size_limit=1_000_000) as file:
        about = file.metadata
        if about.num_columns > MAX_COLUMNS:
            raise FalseClaim(f"Has {counted(about.num_columns, 'column')}, more than {MAX_COLUMNS:,}")
        texts, expected, types = [], about.num_rows, file.schema_arrow
        for k in range(about.num_columns):
            column = about.schema.column(k)
            is_flat_text = column.physical_type == "BYTE_ARRAY" and column.max_repetition_level == 0
            texts += [column.path] if is_flat_text else []
            for group in range(about.num_row_groups):
                chunk = about.row_group(group).column(k)
                expected += 8 * chunk.num_values
                if column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
                    expected += chunk.total_uncompressed_size * (1 if is_flat_text else chunk.num_values)
        _check_size(path, expected)
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        table = file.read(use_threads=False)
    _check_size(path, table.nbytes + sum(map(_spread_bytes, table.columns)))
    found: pd.DataFrame = table.cast(types).to_pandas()
    return found


def _spread_bytes(column: pa.ChunkedArray) -> int:
    """Return how many bytes the texts of a column take where each row has its own."""
    total = 0
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type) and len(chunk):
            lengths = pc.binary_length(chunk.dictionary)
            total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
    return total


def read_text_table(path: Path, separator: str, **options: Any) -> pd.DataFrame:
    """Return a table of text whose first line names the columns.

    Parameters
    ----------
    path : Path
    separator : str
        Tabs are taken for it where the first line has some, and none of it: tables are copied and renamed.
    **options
        For `pandas.read_csv`.

    Raises
    ------
    FalseClaim, OSError, or one of `DAMAGED`
    """
    with path.open("rb") as file:
        begin = file.read(2 * MAX_ROW_BYTES)
        first, mark = begin.partition(b"\n")[0], separator.encode()
        if b"\t" in first and mark not in first:
            separator = "\t"
        rows = csv.reader(io.StringIO(begin.decode("utf-8", "replace"), newline=""), delimiter=separator)
        # Where the first row is longer than the names, pandas takes what is more for an index.
        n_columns = max((len(row) for row, _ in zip(rows, range(2), strict=False)), default=0)
        if n_columns > MAX_COLUMNS:
            raise FalseClaim(f"Has {counted(n_columns, 'column')}, more than {MAX_COLUMNS:,}")
        if len(begin) > MAX_ROW_BYTES and b"\n" not in begin[:MAX_ROW_BYTES] and b"\r" not in begin[:MAX_ROW_BYTES]:
            raise FalseClaim(f"Its first line is longer than {MAX_ROW_BYTES:,} bytes")
        file.seek(0)
        n_rows = 0
        while block := file.read(_BLOCK_BYTES):
            n_rows += block.count(b"\n") + block.count(b"\r")
    _check_size(path, n_rows * n_columns * 8)
    table: pd.DataFrame = pd.read_csv(path, sep=separator, **options)
    return table


def inflate(content: bytes | memoryview, n_bytes: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """Return what zlib has packed, which has to be so many bytes; no more than that is taken.

    Raises
    ------
    ValueError
        It is of another length.
    zlib.error
        It is damaged.
    """
    unpack = zlib.decompressobj(wbits)
    found = unpack.decompress(content, n_bytes + 1)
    if len(found) != n_bytes or not unpack.eof:
        raise ValueError(f"unpacks to other than {counted(n_bytes, 'byte')}")
    return found


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text in UTF-8.

    Raises
    ------
    ValueError
        It is not UTF-8, or larger than a list of insertions.
    OSError
    """
    return read_text(path, MAX_LIST_BYTES, "utf-8-sig").splitlines()


def read_text(path: Path, most: int, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return a text of so many bytes at most.

    Raises
    ------
    FalseClaim, UnicodeDecodeError, OSError
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FalseClaim(f"Is larger than {counted(most, 'byte')}")
    return content.decode(encoding, errors)


def _check_size(path: Path, n_bytes: int) -> None:
    """Refuse what unpacks to more than a file of its size may."""
    most = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
    if n_bytes > most:
        raise FalseClaim(f"Unpacks to {counted(n_bytes, 'byte')}, more than the {most:,} that a file of its size may")
