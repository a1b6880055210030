"""``params.py`` of phy: assignments of plain values, read as text; nothing of it is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.model.errors import DatasetInvalid, DatasetMissing
from dashboard.model.raw import MAX_HZ
from dashboard.sources.readers import DAMAGED

FILE = "params.py"
MAX_BYTES = 64 << 10
"""phy's own files have some 200 bytes."""

_RAW_FILE = re.compile(r"^[ \t]*dat_path[ \t]*=.*$", re.MULTILINE)
"""The line that names the raw file: whoever wrote ``C:\\Users`` meant it."""

_WRITE = "Write the line as a plain value, such as sample_rate = 30000.0: nothing of the file is executed"


@dataclass(frozen=True, slots=True)
class Params:
    """What a recording was, by its ``params.py``.

    Attributes
    ----------
    sample_rate_hz : float
    dat_path : str
        Of the raw file, as it was called where it was sorted; empty where it is not told.
    n_file_channels : int or None
        Columns of the raw file.
    dtype : str
        Of the raw file's samples.
    offset : int
        Bytes before the first of them.
    not_read : tuple of str
        Names that are given as expressions.
    """

    sample_rate_hz: float
    dat_path: str = ""
    n_file_channels: int | None = None
    dtype: str = "int16"
    offset: int = 0
    not_read: tuple[str, ...] = ()


def read_params(folder: Path) -> Params:
    """Return what ``params.py`` of a folder says.

    Raises
    ------
    DatasetMissing
        There is none, or no rate in it.
    DatasetInvalid
        It is not Python, the rate is an expression, or no rate.
    """
    path = folder / FILE
    values, expressions = _assignments(path)
    if "sample_rate" in expressions:
        line = expressions["sample_rate"]
        raise DatasetInvalid(f"sample_rate on line {line} is an expression, not a number", [path], _WRITE)
    rate = values.get("sample_rate")
    if rate is None:
        raise DatasetMissing("sample_rate", path, "Add a line such as sample_rate = 30000.0")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < MAX_HZ:
        raise DatasetInvalid(f"sample_rate is {str(rate)[:40]!r}, which is no rate in Hz", [path], _WRITE)
    dat_path, n = values.get("dat_path"), values.get("n_channels_dat")
    dat_path = dat_path[0] if isinstance(dat_path, list | tuple) and dat_path else dat_path
    return Params(
        float(rate),
        dat_path if isinstance(dat_path, str) else "",
        n if isinstance(n, int) and not isinstance(n, bool) else None,
        str(values.get("dtype", "int16")),
        offset if isinstance(offset := values.get("offset", 0), int) else -1,
        tuple(expressions),
    )


def _assignments(path: Path) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """Return plain values by name, and the lines of names whose values are expressions."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DatasetMissing(FILE, path, "Copy it from where it was sorted, or write sample_rate = 30000.0") from error
    except OSError as error:
        raise DatasetInvalid(f"Cannot be read ({error.strerror or error})", [path], "Check its permissions") from error
    if len(content) > MAX_BYTES:
        raise DatasetInvalid(f"Larger than {MAX_BYTES:,} bytes", [path], "Keep the assignments only")
    values: dict[str, Any] = {}
    expressions: dict[str, int] = {}
    try:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:  # written by MATLAB, in the code page of its computer
            text = content.decode("latin-1")
        statements = ast.parse(_RAW_FILE.sub(lambda line: line[0].replace("\\", "\\\\"), text)).body
    except DAMAGED as error:
        line = getattr(error, "lineno", None)
        what = f"Not a list of assignments{f', line {line}' if line else ''}"
        raise DatasetInvalid(what, [path], "Correct the file, or copy it again") from error
    for statement in statements:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if not isinstance(target, ast.Name):
                continue
            try:
                values[target.id] = ast.literal_eval(statement.value)
                expressions.pop(target.id, None)
            except DAMAGED:
                values.pop(target.id, None)
                expressions[target.id] = statement.lineno
    return values, expressions
