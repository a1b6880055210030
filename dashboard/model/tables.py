"""The one writer of tables as text: CSV whose cells no spreadsheet takes for a formula."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, or skips before one; source: OWASP, "CSV injection"."""


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV, without its index.

    Text that begins as a formula does gets an apostrophe, in cells and in names of columns; numbers, and what is
    absent, are written as they are. Line ends within a cell are written as one newline.

    Parameters
    ----------
    table : DataFrame
        With any index and any columns.
    """
    safe = table.copy(deep=False)
    safe.columns = pd.Index([_cell(name) for name in table.columns], dtype=object)
    for k, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
            safe.isetitem(k, np.array([_cell(value) for value in table.iloc[:, k]], dtype=object))
    return safe.to_csv(index=False, lineterminator="\n")


def rows_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV as `csv_text` does: of each row the columns that are named, empty where it has none."""
    cells = [[row.get(name) for name in columns] for row in rows]
    return csv_text(pd.DataFrame(cells, columns=list(columns), dtype=object))


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, numbers.Number) or value is pd.NaT or value is pd.NA:
        return value
    text = str(value)
    text = f"'{text}" if text.startswith(FORMULA_SIGNS) else text
    # A bare carriage return ends a row for readers, and would not be quoted.
    return text.replace("\r\n", "\n").replace("\r", "\n")
